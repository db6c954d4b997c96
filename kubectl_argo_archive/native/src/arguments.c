#include "parts.h"

/* clang-format off */
#define ARGUMENTS(X, T) X(T, parameters) X(T, artifacts) X(T, result) X(T, exitCode)
#define PARAMETER(X, T) X(T, name) X(T, value) X(T, default) X(T, valueFrom) X(T, globalName)
/* the kinds of location in the order in which the first one decides */
#define KINDS(X, T) X(T, s3) X(T, gcs) X(T, oss) X(T, azure) X(T, http) X(T, git) X(T, hdfs) X(T, artifactory) \
    X(T, raw) X(T, plugin)
#define ARTIFACT(X, T) KINDS(X, T) X(T, name) X(T, path) X(T, globalName) X(T, from) X(T, fromExpression) \
    X(T, subPath) X(T, optional) X(T, deleted)
#define S3(X, T) X(T, bucket) X(T, key)
/* clang-format on */

DEFINE_MEMBERS(arguments, ARGUMENTS)
DEFINE_MEMBERS(parameter, PARAMETER)
DEFINE_MEMBERS(artifact, ARTIFACT)
DEFINE_MEMBERS(s3, S3)

static bool read_parameter(Reader *reader, Document *document, int32_t node, Direction direction) {
    Parameter found = {.node = node, .direction = direction, .type = NOTHING};
    Object object;
    Str unused;
    Type type;
    if (!open_object(reader, &object, parameter_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case parameter_name: read = read_text(reader, &found.name); break;
            case parameter_value: read = read_value(reader, &found.value, &found.type); break;
            case parameter_default: read = read_value(reader, &found.fallback, &type); break;
            case parameter_valueFrom:
                read = read_location(reader, &found.value_from, NO_STR, &unused, NO_STR, &unused);
                break;
            case parameter_globalName: read = read_text(reader, &found.global_name); break;
        }
        if (!read) return odd(reader);
    }
    if (found.name.at == NULL) return odd(reader);
    *PUSH(document->parameters, Parameter) = found;
    return !reader->odd;
}

/* Which members of a location name the bucket and the object; NULL where none does. */
static const struct {
    const char *bucket, *key;
} location_members[] = {
    [artifact_gcs] = {"bucket", "key"},       [artifact_oss] = {"bucket", "key"},
    [artifact_azure] = {"container", "blob"}, [artifact_http] = {NULL, "url"},
    [artifact_git] = {NULL, "repo"},          [artifact_hdfs] = {NULL, "path"},
    [artifact_artifactory] = {NULL, "url"},   [artifact_raw] = {NULL, NULL},
    [artifact_plugin] = {NULL, "key"},
};

static Str str_of(const char *text) {
    return text ? (Str){(const uint8_t *)text, (uint32_t)strlen(text)} : NO_STR;
}

/* The kind of nearly all artifacts, and the one whose JSON nobody needs. */
static bool read_s3(Reader *reader, int *decided, Artifact *found) {
    Object object;
    *decided = artifact_s3;
    found->kind = artifact_names[artifact_s3];
    found->bucket = found->key = found->location = NO_STR;
    if (!open_object(reader, &object, s3_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;)
        if (!read_text(reader, member == s3_bucket ? &found->bucket : &found->key)) return false;
    return !reader->odd;
}

static bool read_kind(Reader *reader, int kind, int *decided, Artifact *found) {
    Str json, bucket, key;
    if (kind > *decided) return skip_value(reader); /* an earlier kind is there: nobody looks at this one */
    if (kind == artifact_s3) return read_s3(reader, decided, found);
    if (!read_location(reader, &json, str_of(location_members[kind].bucket), &bucket,
                       str_of(location_members[kind].key), &key))
        return false;
    *decided = kind;
    found->kind = artifact_names[kind];
    found->bucket = bucket;
    found->key = key;
    found->location = json;
    return true;
}

static bool read_artifact(Reader *reader, Document *document, int32_t node, Direction direction) {
    Artifact found = {.node = node, .direction = direction};
    int decided = artifact_plugin;
    Object object;
    if (!open_object(reader, &object, artifact_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case artifact_name: read = read_text(reader, &found.name); break;
            case artifact_path: read = read_text(reader, &found.path); break;
            case artifact_globalName: read = read_text(reader, &found.global_name); break;
            case artifact_from: read = read_text(reader, &found.from); break;
            case artifact_fromExpression: read = read_text(reader, &found.from_expression); break;
            case artifact_subPath: read = read_text(reader, &found.sub_path); break;
            case artifact_optional: read = read_flag(reader, &found.optional); break;
            case artifact_deleted: read = read_flag(reader, &found.deleted); break;
            default: read = read_kind(reader, member, &decided, &found);
        }
        if (!read) return odd(reader);
    }
    if (found.name.at == NULL) return odd(reader);
    if (filled(found.from)) found.from_expression = found.from;
    *PUSH(document->artifacts, Artifact) = found;
    return !reader->odd;
}

bool read_arguments(Reader *reader, Document *document, int32_t node, Direction direction, Arguments *arguments,
                    Str *result, int64_t *exit_code) {
    Object object;
    Type type;
    *arguments = (Arguments){{COUNT(document->parameters, Parameter), 0}, {COUNT(document->artifacts, Artifact), 0}};
    if (!open_object(reader, &object, arguments_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool begun = false, read = true;
        switch (member) {
            case arguments_parameters:
                if (!open_list(reader)) return false;
                while (next_item(reader, &begun))
                    if (!read_parameter(reader, document, node, direction)) return false;
                break;
            case arguments_artifacts:
                if (!open_list(reader)) return false;
                while (next_item(reader, &begun))
                    if (!read_artifact(reader, document, node, direction)) return false;
                break;
            case arguments_result: read = result ? read_value(reader, result, &type) : skip_value(reader); break;
            case arguments_exitCode: read = exit_code ? read_exit_code(reader, exit_code) : skip_value(reader); break;
        }
        if (!read) return odd(reader);
    }
    arguments->parameters.count = COUNT(document->parameters, Parameter) - arguments->parameters.first;
    arguments->artifacts.count = COUNT(document->artifacts, Artifact) - arguments->artifacts.first;
    return !reader->odd;
}
