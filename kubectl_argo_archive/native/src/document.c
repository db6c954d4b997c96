#include "document.h"

#include <stdlib.h>

#define METADATA(X, T) X(T, name) X(T, generateName) X(T, namespace) X(T, creationTimestamp) X(T, labels) \
    X(T, annotations) X(T, ownerReferences)
#define SPEC(X, T) X(T, entrypoint) X(T, serviceAccountName) X(T, priority) X(T, parallelism) X(T, templates) \
    X(T, shutdown) X(T, workflowTemplateRef) X(T, arguments)
#define STATUS(X, T) X(T, phase) X(T, startedAt) X(T, finishedAt) X(T, message) X(T, progress) \
    X(T, estimatedDuration) X(T, compressedNodes) X(T, offloadNodeStatusVersion) X(T, resourcesDuration) \
    X(T, conditions) X(T, outputs) X(T, storedTemplates) X(T, storedWorkflowTemplateSpec) X(T, nodes)
#define NODE(X, T) X(T, id) X(T, name) X(T, displayName) X(T, type) X(T, templateName) X(T, templateScope) \
    X(T, boundaryID) X(T, phase) X(T, message) X(T, createdAt) X(T, startedAt) X(T, finishedAt) X(T, hostNodeName) \
    X(T, podIP) X(T, progress) X(T, estimatedDuration) X(T, daemoned) X(T, failedPodRestarts) X(T, templateRef) \
    X(T, resourcesDuration) X(T, children) X(T, inputs) X(T, outputs) X(T, memoizationStatus) \
    X(T, synchronizationStatus) X(T, nodeFlag)
#define ARGUMENTS(X, T) X(T, parameters) X(T, artifacts) X(T, result) X(T, exitCode)
#define PARAMETER(X, T) X(T, name) X(T, value) X(T, default) X(T, valueFrom) X(T, globalName)
/* the kinds of location in the order in which the first one decides */
#define KINDS(X, T) X(T, s3) X(T, gcs) X(T, oss) X(T, azure) X(T, http) X(T, git) X(T, hdfs) X(T, artifactory) \
    X(T, raw) X(T, plugin)
#define ARTIFACT(X, T) KINDS(X, T) X(T, name) X(T, path) X(T, globalName) X(T, from) X(T, fromExpression) \
    X(T, subPath) X(T, optional) X(T, deleted)
#define TEMPLATE(X, T) X(T, name) X(T, container) X(T, script) X(T, containerSet) X(T, initContainers) \
    X(T, sidecars) X(T, steps) X(T, dag)
#define CONTAINER(X, T) X(T, name) X(T, image)
#define S3(X, T) X(T, bucket) X(T, key)
#define TASK(X, T) X(T, name) X(T, inline)
#define DAG(X, T) X(T, tasks)
#define CONTAINER_SET(X, T) X(T, containers)
#define REFERENCE(X, T) X(T, name) X(T, template) X(T, clusterScope)
#define OWNER(X, T) X(T, kind) X(T, name)
#define CONDITION(X, T) X(T, type) X(T, status) X(T, message)
#define MEMO(X, T) X(T, hit) X(T, key) X(T, cacheName)
#define LOCK(X, T) X(T, waiting)
#define FLAG(X, T) X(T, hooked)
#define ROOT(X, T) X(T, metadata) X(T, spec) X(T, status)

DEFINE_MEMBERS(metadata, METADATA)
DEFINE_MEMBERS(spec, SPEC)
DEFINE_MEMBERS(status, STATUS)
DEFINE_MEMBERS(node, NODE)
DEFINE_MEMBERS(arguments, ARGUMENTS)
DEFINE_MEMBERS(parameter, PARAMETER)
DEFINE_MEMBERS(artifact, ARTIFACT)
DEFINE_MEMBERS(template, TEMPLATE)
DEFINE_MEMBERS(container, CONTAINER)
DEFINE_MEMBERS(s3, S3)
DEFINE_MEMBERS(task, TASK)
DEFINE_MEMBERS(dag, DAG)
DEFINE_MEMBERS(container_set, CONTAINER_SET)
DEFINE_MEMBERS(reference, REFERENCE)
DEFINE_MEMBERS(owner, OWNER)
DEFINE_MEMBERS(condition, CONDITION)
DEFINE_MEMBERS(memo, MEMO)
DEFINE_MEMBERS(lock, LOCK)
DEFINE_MEMBERS(flag, FLAG)
DEFINE_MEMBERS(root, ROOT)

static const int64_t GO_ZERO = -62135596800000000; /* 0001-01-01T00:00:00Z */
static const int64_t LAST = 253402300799999999;    /* 9999-12-31T23:59:59.999999Z */
enum { MOST_DIGITS = 18 };
static const int64_t MOST_SECONDS = (int64_t)1 << 40; /* sums and multiples stay exact as doubles */
enum {
    FEW_ENTRIES = 256,  /* of a map whose keys are compared one with another */
    MOST_STORED = 1000, /* templates, likewise */
};

/* --- scalars --- */

static bool number_at(const uint8_t *at, int digits, int *value) {
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        *value = *value * 10 + at[i] - '0';
    }
    return true;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_of(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y % 400, of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

bool time_of(Str text, int64_t *micros) {
    const uint8_t *at = text.at, *end = text.at + text.size;
    int year, month, day, hour, minute, second, offset_hours = 0, offset_minutes = 0;
    if (text.size < 20) return false;
    if (!number_at(at, 4, &year) || at[4] != '-' || !number_at(at + 5, 2, &month) || at[7] != '-' ||
        !number_at(at + 8, 2, &day) || at[10] != 'T' || !number_at(at + 11, 2, &hour) || at[13] != ':' ||
        !number_at(at + 14, 2, &minute) || at[16] != ':' || !number_at(at + 17, 2, &second))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    int64_t fraction = 0;
    at += 19;
    if (*at == '.') {
        int digits = 0;
        for (at++; at < end && *at >= '0' && *at <= '9'; at++, digits++)
            if (digits < 6) fraction = fraction * 10 + *at - '0';
        if (digits == 0) return false;
        for (; digits < 6; digits++) fraction *= 10;
    }
    int64_t found = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000000 + fraction;
    if (end - at == 6 && (*at == '+' || *at == '-')) {
        if (!number_at(at + 1, 2, &offset_hours) || at[3] != ':' || !number_at(at + 4, 2, &offset_minutes)) return false;
        int64_t offset = (int64_t)(offset_hours * 60 + offset_minutes) * 60000000;
        found += *at == '+' ? -offset : offset;
    } else if (end - at != 1 || *at != 'Z') {
        return false;
    }
    if (found < GO_ZERO || found > LAST) return false;
    *micros = found == GO_ZERO ? MISSING : found;
    return true;
}

static bool read_time(Reader *reader, int64_t *micros) {
    Str text;
    return read_text(reader, &text) && (time_of(text, micros) || odd(reader));
}

/* Digits with a sign or without; MISSING if they are no such number. */
static int64_t integer_of(Str text) {
    const uint8_t *at = text.at, *end = text.at + text.size;
    bool negative = at < end && *at == '-';
    if (negative) at++;
    if (at == end || end - at > MOST_DIGITS) return MISSING;
    int64_t value = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') return MISSING;
        value = value * 10 + *at - '0';
    }
    return negative ? -value : value;
}

/* A number, or a string that holds one. */
static bool read_number_text(Reader *reader, Str *text) {
    return peek(reader) == STRING ? read_text(reader, text) : read_number(reader, text);
}

static bool read_integer(Reader *reader, int64_t *value) {
    Str text;
    if (!read_number_text(reader, &text)) return false;
    *value = integer_of(text);
    return *value != MISSING || odd(reader);
}

static bool read_small(Reader *reader, int64_t *value) {
    return read_integer(reader, value) && ((*value >= INT32_MIN && *value <= INT32_MAX) || odd(reader));
}

/* Argo gives the exit code as free text: what is no number is null. */
static bool read_exit_code(Reader *reader, int64_t *value) {
    Str text;
    if (!read_number_text(reader, &text)) return false;
    *value = integer_of(text);
    return true;
}

/* --- maps --- */

static bool read_pairs(Reader *reader, Buffer *pairs) {
    Object object;
    Str key;
    if (!open_object(reader, &object, (Members){NULL, 0})) return false;
    while (next_entry(reader, &object, &key)) {
        if (value_of(pairs, key).at != NULL || pairs->size > FEW_ENTRIES * sizeof(Pair)) return odd(reader);
        Pair *pair = claim(pairs, sizeof(Pair));
        *pair = (Pair){key, NO_STR};
        if (!(peek(reader) == NOTHING ? read_null(reader) : read_text(reader, &pair->value))) return false;
        if (pair->value.at == NULL) return odd(reader); /* so that a key without value is not taken for none above */
    }
    return !reader->odd;
}

Str value_of(const Buffer *pairs, Str key) {
    const Pair *all = (const Pair *)(const void *)pairs->at;
    for (size_t i = 0; i < pairs->size / sizeof(Pair); i++)
        if (same(all[i].key, key)) return all[i].value;
    return NO_STR;
}

static bool read_resources(Reader *reader, Document *document, Resources *resources) {
    Object object;
    Str resource;
    uint32_t first = COUNT(document->usages, Usage);
    *resources = (Resources){true, {first, 0}};
    if (!open_object(reader, &object, (Members){NULL, 0})) return false;
    while (next_entry(reader, &object, &resource)) {
        if (resources->usages.count == FEW_ENTRIES) return odd(reader);
        for (uint32_t i = 0; i < resources->usages.count; i++)
            if (same(ITEM(document->usages, Usage, first + i)->resource, resource)) return odd(reader);
        int64_t seconds;
        if (peek(reader) == NOTHING) return odd(reader);
        if (!read_integer(reader, &seconds)) return false;
        if (llabs(seconds) > MOST_SECONDS) return odd(reader);
        *PUSH(document->usages, Usage) = (Usage){resource, seconds};
        resources->usages.count++;
    }
    return !reader->odd;
}

/* --- parameters and artifacts --- */

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
    [artifact_gcs] = {"bucket", "key"}, [artifact_oss] = {"bucket", "key"},
    [artifact_azure] = {"container", "blob"}, [artifact_http] = {NULL, "url"},  [artifact_git] = {NULL, "repo"},
    [artifact_hdfs] = {NULL, "path"},       [artifact_artifactory] = {NULL, "url"}, [artifact_raw] = {NULL, NULL},
    [artifact_plugin] = {NULL, "key"},
};

static Str str_of(const char *text) { return text ? (Str){(const uint8_t *)text, (uint32_t)strlen(text)} : NO_STR; }

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

/* `arguments`, `inputs` or `outputs`; `result` and `exit_code` are those of a node's outputs, else NULL. */
static bool read_arguments(Reader *reader, Document *document, int32_t node, Direction direction, Arguments *arguments,
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

/* --- templates --- */

static bool read_container(Reader *reader, Document *document, Role role, Str given_name) {
    Container found = {.role = role, .name = STR("")};
    Object object;
    if (!open_object(reader, &object, container_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;)
        if (!read_text(reader, member == container_name ? &found.name : &found.image)) return false;
    if (given_name.at) found.name = given_name;
    if (filled(found.image)) *PUSH(document->containers, Container) = found;
    return !reader->odd;
}

static bool read_containers(Reader *reader, Document *document, Role role) {
    bool begun = false;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun))
        if (!read_container(reader, document, role, NO_STR)) return false;
    return !reader->odd;
}

static bool read_container_set(Reader *reader, Document *document) {
    Object object;
    if (!open_object(reader, &object, container_set_members)) return false;
    while (next_member(reader, &object) >= 0)
        if (!read_containers(reader, document, MAIN)) return false;
    return !reader->odd;
}

static bool read_template(Reader *reader, Document *document, Place place, Str key, uint32_t *index);

/* A step or a task, for the template that it may hold. */
static bool read_task(Reader *reader, Document *document, Buffer *inside) {
    Object object;
    Str name = NO_STR;
    uint32_t index = 0;
    bool found = false;
    if (peek(reader) != OBJECT) return odd(reader);
    if (!open_object(reader, &object, task_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        if (member == task_name) {
            if (!read_text(reader, &name)) return false;
        } else {
            if (!read_template(reader, document, INSIDE, NO_STR, &index)) return false;
            found = true;
        }
    }
    if (found && name.at) {
        ITEM(document->templates, Template, index)->key = name;
        append(inside, &index, sizeof index);
    }
    return !reader->odd;
}

static bool read_tasks(Reader *reader, Document *document, Buffer *inside) {
    bool begun = false;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun)) {
        /* steps are lists of lists; the exact reader knows lists of steps, too */
        if (!(peek(reader) == LIST ? read_tasks(reader, document, inside) : read_task(reader, document, inside)))
            return false;
    }
    return !reader->odd;
}

static bool read_dag(Reader *reader, Document *document, Buffer *inside) {
    Object object;
    if (!open_object(reader, &object, dag_members)) return false;
    while (next_member(reader, &object) >= 0)
        if (!read_tasks(reader, document, inside)) return false;
    return !reader->odd;
}

static bool read_template_members(Reader *reader, Document *document, Template *found, Buffer *inside) {
    Object object;
    if (!open_object(reader, &object, template_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case template_name: read = read_text(reader, &found->name); break;
            case template_container:
            case template_script: read = read_container(reader, document, MAIN, STR("main")); break;
            case template_containerSet: read = read_container_set(reader, document); break;
            case template_initContainers: read = read_containers(reader, document, INIT); break;
            case template_sidecars: read = read_containers(reader, document, SIDECAR); break;
            case template_steps: read = read_tasks(reader, document, inside); break;
            case template_dag: read = read_dag(reader, document, inside); break;
        }
        if (!read) return odd(reader);
    }
    /* two ways to say what the main containers are: the order in which they count is the exact reader's affair */
    uint64_t kinds = (uint64_t)1 << template_container | (uint64_t)1 << template_script | (uint64_t)1 << template_containerSet;
    uint64_t both_tasks = (uint64_t)1 << template_steps | (uint64_t)1 << template_dag;
    if (__builtin_popcountll(object.seen & kinds) > 1 || (object.seen & both_tasks) == both_tasks) return odd(reader);
    return !reader->odd;
}

static bool read_template(Reader *reader, Document *document, Place place, Str key, uint32_t *index) {
    Template found = {.place = place, .key = key};
    Buffer inside = {NULL, 0, 0};
    uint32_t first = COUNT(document->containers, Container);
    bool read = read_template_members(reader, document, &found, &inside);
    if (read) {
        /* containers of templates inside this one would stand among its own: the exact reader takes such documents
         * unless the template has none itself */
        uint32_t own = COUNT(document->containers, Container) - first;
        if (inside.size && own) {
            uint32_t within = 0;
            for (uint32_t i = 0; i < inside.size / sizeof(uint32_t); i++)
                within += ITEM(document->templates, Template, ((uint32_t *)(void *)inside.at)[i])->containers.count;
            if (within != own) read = odd(reader);
            own = 0;
        }
        found.containers = (Range){first, own};
        found.inside = (Range){COUNT(document->insides, uint32_t), (uint32_t)(inside.size / sizeof(uint32_t))};
        append(&document->insides.items, inside.at, inside.size);
        if (!filled(found.name)) found.name = NO_STR;
        *index = COUNT(document->templates, Template);
        *PUSH(document->templates, Template) = found;
    }
    release(&inside);
    return read;
}

static bool read_templates(Reader *reader, Document *document, Place place) {
    bool begun = false;
    uint32_t index;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun))
        if (!read_template(reader, document, place, NO_STR, &index)) return false;
    return !reader->odd;
}

static bool read_stored_templates(Reader *reader, Document *document) {
    Object object;
    Str key;
    uint32_t index;
    if (!open_object(reader, &object, (Members){NULL, 0})) return false;
    for (uint32_t count = 0; next_entry(reader, &object, &key); count++) {
        for (uint32_t i = 0; i < COUNT(document->templates, Template); i++) {
            const Template *known = ITEM(document->templates, Template, i);
            if (known->place == STORED && same(known->key, key)) return odd(reader);
        }
        if (count == MOST_STORED || !read_template(reader, document, STORED, key, &index)) return odd(reader);
    }
    return !reader->odd;
}

/* --- the document --- */

static bool read_reference(Reader *reader, Str *name, Str *template, bool *clustered) {
    Object object;
    Str unused;
    if (!open_object(reader, &object, reference_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case reference_name: read = read_text(reader, name); break;
            case reference_template: read = read_text(reader, template ? template : &unused); break;
            case reference_clusterScope: read = read_flag(reader, clustered); break;
        }
        if (!read) return odd(reader);
    }
    return !reader->odd;
}

static bool read_children(Reader *reader, Document *document, Range *children) {
    bool begun = false;
    *children = (Range){COUNT(document->children, Str), 0};
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun)) {
        if (!read_text(reader, PUSH(document->children, Str))) return false;
        children->count++;
    }
    return !reader->odd;
}

static bool read_memo(Reader *reader, Node *node) {
    Object object;
    if (!open_object(reader, &object, memo_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case memo_hit: read = read_flag(reader, &node->memoized); break;
            case memo_key: read = read_text(reader, &node->memo_key); break;
            case memo_cacheName: read = read_text(reader, &node->memo_cache); break;
        }
        if (!read) return odd(reader);
    }
    return !reader->odd;
}

static bool read_lock(Reader *reader, Node *node) {
    Object object;
    if (!open_object(reader, &object, lock_members)) return false;
    while (next_member(reader, &object) >= 0)
        if (!read_text(reader, &node->waiting)) return false;
    return !reader->odd;
}

static bool read_node_flag(Reader *reader, Node *node) {
    Object object;
    if (!open_object(reader, &object, flag_members)) return false;
    while (next_member(reader, &object) >= 0)
        if (!read_flag(reader, &node->hooked)) return false;
    return !reader->odd;
}

static bool read_node(Reader *reader, Document *document, Str id) {
    Node node = {.id = id, .created_at = MISSING, .started_at = MISSING, .finished_at = MISSING,
                 .estimated_duration = MISSING, .failed_pod_restarts = MISSING, .exit_code = MISSING,
                 .attempt = MISSING};
    int32_t number = (int32_t)COUNT(document->nodes, Node);
    Object object;
    if (!open_object(reader, &object, node_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case node_id: read = skip_value(reader); break; /* the key is the id */
            case node_name: read = read_text(reader, &node.name); break;
            case node_displayName: read = read_text(reader, &node.display_name); break;
            case node_type: read = read_text(reader, &node.type); break;
            case node_templateName: read = read_text(reader, &node.template_name); break;
            case node_templateScope: read = read_text(reader, &node.template_scope); break;
            case node_boundaryID: read = read_text(reader, &node.boundary_id); break;
            case node_phase: read = read_text(reader, &node.phase); break;
            case node_message: read = read_text(reader, &node.message); break;
            case node_createdAt: read = read_time(reader, &node.created_at); break;
            case node_startedAt: read = read_time(reader, &node.started_at); break;
            case node_finishedAt: read = read_time(reader, &node.finished_at); break;
            case node_hostNodeName: read = read_text(reader, &node.host); break;
            case node_podIP: read = read_text(reader, &node.pod_ip); break;
            case node_progress: read = read_text(reader, &node.progress); break;
            case node_estimatedDuration: read = read_integer(reader, &node.estimated_duration); break;
            case node_daemoned: read = read_flag(reader, &node.daemoned); break;
            case node_failedPodRestarts: read = read_small(reader, &node.failed_pod_restarts); break;
            case node_templateRef:
                node.has_reference = true;
                read = read_reference(reader, &node.reference_name, &node.reference_template,
                                      &node.reference_is_clustered);
                break;
            case node_resourcesDuration: read = read_resources(reader, document, &node.resources); break;
            case node_children: read = read_children(reader, document, &node.children); break;
            case node_inputs: read = read_arguments(reader, document, number, IN, &node.inputs, NULL, NULL); break;
            case node_outputs:
                read = read_arguments(reader, document, number, OUT, &node.outputs, &node.result, &node.exit_code);
                break;
            case node_memoizationStatus: read = read_memo(reader, &node); break;
            case node_synchronizationStatus: read = read_lock(reader, &node); break;
            case node_nodeFlag: read = read_node_flag(reader, &node); break;
        }
        if (!read) return odd(reader);
    }
    *PUSH(document->nodes, Node) = node;
    return !reader->odd;
}

static bool read_nodes(Reader *reader, Document *document) {
    Object object;
    Str id;
    if (!open_object(reader, &object, (Members){NULL, 0})) return false;
    while (next_entry(reader, &object, &id))
        if (!read_node(reader, document, id)) return false;
    return !reader->odd;
}

static bool read_owners(Reader *reader, Document *document) {
    bool begun = false, known = false;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun)) {
        Object object;
        Str kind = NO_STR, name = NO_STR;
        if (!open_object(reader, &object, owner_members)) return false;
        for (int member; (member = next_member(reader, &object)) >= 0;)
            if (!read_text(reader, member == owner_kind ? &kind : &name)) return false;
        if (!known && kind.at && same(kind, STR("CronWorkflow"))) {
            document->cron_owner = name;
            known = true;
        }
    }
    return !reader->odd;
}

static bool read_conditions(Reader *reader, Document *document) {
    bool begun = false;
    if (!open_list(reader)) return false;
    while (next_item(reader, &begun)) {
        Object object;
        Condition found = {NO_STR, NO_STR, NO_STR};
        if (!open_object(reader, &object, condition_members)) return false;
        for (int member; (member = next_member(reader, &object)) >= 0;) {
            Str *text = member == condition_type ? &found.type : member == condition_status ? &found.status : &found.message;
            if (!read_text(reader, text)) return false;
        }
        *PUSH(document->conditions, Condition) = found;
    }
    return !reader->odd;
}

static bool read_metadata(Reader *reader, Document *document) {
    Object object;
    if (!open_object(reader, &object, metadata_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case metadata_name: read = read_text(reader, &document->name); break;
            case metadata_generateName: read = read_text(reader, &document->generate_name); break;
            case metadata_namespace: read = read_text(reader, &document->namespace); break;
            case metadata_creationTimestamp: read = read_time(reader, &document->created_at); break;
            case metadata_labels:
                document->has_labels = true;
                read = read_pairs(reader, &document->labels.items);
                break;
            case metadata_annotations:
                document->has_annotations = true;
                read = read_pairs(reader, &document->annotations.items);
                break;
            case metadata_ownerReferences: read = read_owners(reader, document); break;
        }
        if (!read) return odd(reader);
    }
    return !reader->odd;
}

/* `spec`, or the stored spec of the template that the workflow refers to: `own` tells which. */
static bool read_spec(Reader *reader, Document *document, Spec *spec, bool own) {
    Object object;
    if (!open_object(reader, &object, spec_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case spec_entrypoint: read = read_text(reader, &spec->entrypoint); break;
            case spec_serviceAccountName: read = read_text(reader, &spec->service_account); break;
            case spec_priority: read = read_small(reader, &spec->priority); break;
            case spec_parallelism: read = read_integer(reader, &spec->parallelism); break;
            case spec_templates: read = read_templates(reader, document, own ? OWN : OF_TEMPLATE); break;
            case spec_shutdown: read = own ? read_text(reader, &document->shutdown) : skip_value(reader); break;
            case spec_workflowTemplateRef:
                read = own ? read_reference(reader, &document->template_reference, NULL, &document->reference_is_clustered)
                           : skip_value(reader);
                break;
            case spec_arguments:
                read = own ? read_arguments(reader, document, WORKFLOW, IN, &document->arguments, NULL, NULL)
                           : skip_value(reader);
                break;
        }
        if (!read) return odd(reader);
    }
    return !reader->odd;
}

static bool read_status(Reader *reader, Document *document) {
    Object object;
    Str elsewhere;
    if (!open_object(reader, &object, status_members)) return false;
    for (int member; (member = next_member(reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case status_phase: read = read_text(reader, &document->phase); break;
            case status_startedAt: read = read_time(reader, &document->started_at); break;
            case status_finishedAt: read = read_time(reader, &document->finished_at); break;
            case status_message: read = read_text(reader, &document->message); break;
            case status_progress: read = read_text(reader, &document->progress); break;
            case status_estimatedDuration: read = read_integer(reader, &document->estimated_duration); break;
            case status_compressedNodes:
            case status_offloadNodeStatusVersion: /* the nodes lie elsewhere */
                read = read_text(reader, &elsewhere) && !filled(elsewhere);
                break;
            case status_resourcesDuration: read = read_resources(reader, document, &document->resources); break;
            case status_conditions: read = read_conditions(reader, document); break;
            case status_outputs:
                read = read_arguments(reader, document, WORKFLOW, OUT, &document->outputs, NULL, NULL);
                break;
            case status_storedTemplates: read = read_stored_templates(reader, document); break;
            case status_storedWorkflowTemplateSpec: read = read_spec(reader, document, &document->stored, false); break;
            case status_nodes: read = read_nodes(reader, document); break;
        }
        if (!read) return odd(reader);
    }
    return !reader->odd;
}

static void clear_document(Document *document) {
    static const Spec no_spec = {.priority = MISSING, .parallelism = MISSING};
    Document kept = *document;
    *document = (Document){.created_at = MISSING, .started_at = MISSING, .finished_at = MISSING,
                           .estimated_duration = MISSING, .spec = no_spec, .stored = no_spec,
                           .arena = kept.arena, .labels = kept.labels, .annotations = kept.annotations,
                           .usages = kept.usages, .parameters = kept.parameters, .artifacts = kept.artifacts,
                           .conditions = kept.conditions, .children = kept.children, .nodes = kept.nodes,
                           .templates = kept.templates, .insides = kept.insides, .containers = kept.containers,
                           .parents = kept.parents};
    arena_clear(&document->arena);
    CLEAR(document->labels);
    CLEAR(document->annotations);
    CLEAR(document->usages);
    CLEAR(document->parameters);
    CLEAR(document->artifacts);
    CLEAR(document->conditions);
    CLEAR(document->children);
    CLEAR(document->nodes);
    CLEAR(document->templates);
    CLEAR(document->insides);
    CLEAR(document->containers);
    CLEAR(document->parents);
}

bool read_document(Document *document, const uint8_t *json, size_t size) {
    clear_document(document);
    Reader reader = {json, json + size, &document->arena, 0, false};
    Object object;
    if (size > MOST_BYTES || !open_object(&reader, &object, root_members)) return false;
    for (int member; (member = next_member(&reader, &object)) >= 0;) {
        bool read = false;
        switch (member) {
            case root_metadata: read = read_metadata(&reader, document); break;
            case root_spec: read = read_spec(&reader, document, &document->spec, true); break;
            case root_status: read = read_status(&reader, document); break;
        }
        if (!read) return false;
    }
    /* neither name nor phase nor nodes: it is for the exact reader to say what this is */
    bool something = document->name.at && (document->phase.at || COUNT(document->nodes, Node));
    return !reader.odd && at_end(&reader) && something;
}

void release_document(Document *document) {
    arena_release(&document->arena);
    release(&document->labels.items);
    release(&document->annotations.items);
    release(&document->usages.items);
    release(&document->parameters.items);
    release(&document->artifacts.items);
    release(&document->conditions.items);
    release(&document->children.items);
    release(&document->nodes.items);
    release(&document->templates.items);
    release(&document->insides.items);
    release(&document->containers.items);
    release(&document->parents.items);
}
