/* Batches of documents to the columns of every workflow table: what `tables/rowwise.py` defines, for documents that
 * are plainly right. The others are left to it. */
#include <stdlib.h>

#include "arrow.h"
#include "images.h"
#include "pieces.h"

/* clang-format off */
#define WORKFLOWS(X) \
    X(generate_name, TEXT) X(phase, TEXT) X(created_at, TIME) X(started_at, TIME) X(finished_at, TIME) \
    X(duration_s, DOUBLE) X(message, TEXT) X(progress, TEXT) X(entrypoint, TEXT) X(service_account, TEXT) \
    X(workflow_template, TEXT) X(cluster_workflow_template, TEXT) X(cron_workflow, TEXT) X(scheduled_at, TIME) \
    X(creator, TEXT) X(creator_email, TEXT) X(actor, TEXT) X(action, TEXT) X(resubmitted_from, TEXT) \
    X(shutdown, TEXT) X(priority, INT32) X(parallelism, INT64) X(node_count, INT32) X(pod_count, INT32) \
    X(retry_count, INT32) X(failed_node_count, INT32) X(cpu_s, DOUBLE) X(memory_mib_s, DOUBLE) X(gpu_s, DOUBLE) \
    X(resources_duration, NUMBER_MAP) X(estimated_duration_s, INT64) X(labels, TEXT_MAP) X(annotations, TEXT_MAP) \
    X(parameters, TEXT_MAP) X(name, TEXT) X(namespace, TEXT)
#define NODES(X) \
    X(node_id, TEXT) X(name, TEXT) X(display_name, TEXT) X(type, REPEATED) X(template_name, REPEATED) \
    X(template_ref, REPEATED) X(template_scope, REPEATED) X(boundary_id, TEXT) X(parent_ids, TEXTS) \
    X(children, TEXTS) X(phase, REPEATED) X(message, TEXT) X(created_at, TIME) X(started_at, TIME) \
    X(finished_at, TIME) X(duration_s, DOUBLE) X(exit_code, INT64) X(retry_attempt, INT32) X(host, REPEATED) \
    X(pod_name, TEXT) X(image, REPEATED) X(cpu_s, DOUBLE) X(memory_mib_s, DOUBLE) X(gpu_s, DOUBLE) \
    X(resources_duration, NUMBER_MAP) X(estimated_duration_s, INT64) X(progress, REPEATED) X(memoized, FLAG) \
    X(memo_key, TEXT) X(memo_cache, REPEATED) X(daemoned, FLAG) X(hooked, FLAG) X(outputs_result, TEXT) \
    X(sync_waiting, REPEATED) X(failed_pod_restarts, INT32) X(pod_ip, TEXT)
#define PARAMETERS(X) \
    X(scope, REPEATED) X(direction, REPEATED) X(node_id, TEXT) X(name, REPEATED) X(value, TEXT) \
    X(value_type, REPEATED) X(default_value, TEXT) X(value_from, TEXT) X(global_name, TEXT)
#define ARTIFACTS(X) \
    X(scope, REPEATED) X(direction, REPEATED) X(node_id, TEXT) X(name, REPEATED) X(path, REPEATED) X(kind, REPEATED) \
    X(bucket, REPEATED) X(key, TEXT) X(location, TEXT) X(global_name, TEXT) X(from_expression, TEXT) \
    X(sub_path, TEXT) X(optional, FLAG) X(deleted, FLAG)
#define LABELS(X) X(name, REPEATED) X(value, REPEATED)
#define CONDITIONS(X) X(type, REPEATED) X(status, REPEATED) X(message, TEXT)
#define IMAGES(X) X(template_name, REPEATED) X(container, REPEATED) X(role, REPEATED) X(image, REPEATED) \
    X(repository, REPEATED) X(tag, REPEATED) X(digest, REPEATED) X(pod_count, INT32)

/* In the order of the enumeration Table, and of WORKFLOW_TABLES in Python. */
#define FOR_EACH_TABLE(X) \
    X(workflows, WORKFLOWS) X(nodes, NODES) X(parameters, PARAMETERS) X(artifacts, ARTIFACTS) X(labels, LABELS) \
    X(conditions, CONDITIONS) X(images, IMAGES)
/* clang-format on */

#define SPEC_OF_COLUMN(name, kind) {#name, kind},
#define SPECS_OF_TABLE(table, list) static const ColumnSpec table##_specs[] = {list(SPEC_OF_COLUMN){"document", INT32}};
FOR_EACH_TABLE(SPECS_OF_TABLE)

#define TABLE_NUMBER(table, list) table##_table,
enum { FOR_EACH_TABLE(TABLE_NUMBER) TABLES };

#define TABLE_SPECS(table, list) {table##_specs, sizeof(table##_specs) / sizeof(ColumnSpec)},
static const struct {
    const ColumnSpec *specs;
    int columns;
} table_specs[] = {FOR_EACH_TABLE(TABLE_SPECS)};

/* The number of each column in its table. */
#define COLUMN_NUMBER_W(name, kind) w_##name,
#define COLUMN_NUMBER_N(name, kind) n_##name,
#define COLUMN_NUMBER_P(name, kind) p_##name,
#define COLUMN_NUMBER_A(name, kind) a_##name,
#define COLUMN_NUMBER_L(name, kind) l_##name,
#define COLUMN_NUMBER_C(name, kind) c_##name,
#define COLUMN_NUMBER_I(name, kind) i_##name,
enum { WORKFLOWS(COLUMN_NUMBER_W) w_document };
enum { NODES(COLUMN_NUMBER_N) n_document };
enum { PARAMETERS(COLUMN_NUMBER_P) p_document };
enum { ARTIFACTS(COLUMN_NUMBER_A) a_document };
enum { LABELS(COLUMN_NUMBER_L) l_document };
enum { CONDITIONS(COLUMN_NUMBER_C) c_document };
enum { IMAGES(COLUMN_NUMBER_I) i_document };

enum {
    MOST_COLUMNS = 48,
    MOST_REPEATED = 512 << 20,
    MOST_ARGUMENTS = 1000, /* of a workflow: each name is compared with each */
};
static const int64_t MOST_MICROS = (int64_t)1 << 53; /* that a double counts exactly */

typedef struct {
    Document document;
    Graph graph;
    Images images;
    Buffer text;       /* for one that is put together */
    uint64_t repeated; /* bytes, in this batch */
    Column columns[TABLES][MOST_COLUMNS];
    int64_t rows[TABLES];
} Flattener;

/* What became of a document. */
typedef enum { TAKEN, ODD, NOT_WANTED } Outcome;

/* --- what several tables share --- */

static Column *new_row(Flattener *flattener, int table, int32_t document) {
    Column *columns = flattener->columns[table];
    put_number(&columns[table_specs[table].columns - 1], document);
    flattener->rows[table]++;
    return columns;
}

static void put_duration(Column *column, int64_t started, int64_t finished) {
    if (started == MISSING || finished == MISSING) {
        put_null(column);
    } else {
        put_double(column, (double)(finished - started) / 1e6);
    }
}

static bool contains(Str text, Str word) {
    for (uint32_t i = 0; i + word.size <= text.size; i++)
        if (memcmp(text.at + i, word.at, word.size) == 0) return true;
    return false;
}

static void put_resources(const Document *document, const Resources *resources, Column *cpu, Column *memory,
                          Column *gpu, Column *whole) {
    if (!resources->known) {
        put_null(cpu);
        put_null(memory);
        put_null(gpu);
        put_null(whole);
        return;
    }
    int64_t cpu_s = MISSING, memory_s = MISSING, gpu_s = 0;
    for (uint32_t i = 0; i < resources->usages.count; i++) {
        const Usage *usage = ITEM(document->usages, Usage, resources->usages.first + i);
        if (same(usage->resource, STR("cpu"))) cpu_s = usage->seconds;
        if (same(usage->resource, STR("memory"))) memory_s = usage->seconds * 100; /* Argo counts units of 100 MiB */
        if (contains(usage->resource, STR("gpu")) || contains(usage->resource, STR("nvidia.com/mig-")))
            gpu_s += usage->seconds;
        add_number(whole, usage->resource, usage->seconds);
    }
    put_entries(whole);
    if (cpu_s == MISSING)
        put_null(cpu);
    else
        put_double(cpu, (double)cpu_s);
    if (memory_s == MISSING)
        put_null(memory);
    else
        put_double(memory, (double)memory_s);
    put_double(gpu, (double)gpu_s);
}

static void put_pairs(Column *column, bool known, const Buffer *pairs) {
    const Pair *all = (const Pair *)(const void *)pairs->at;
    if (!known) {
        put_null(column);
        return;
    }
    for (size_t i = 0; i < pairs->size / sizeof(Pair); i++) add_pair(column, all[i].key, all[i].value);
    put_entries(column);
}

static Str first_of(Str one, Str other) {
    return one.at ? one : other;
}
static int64_t first_number(int64_t one, int64_t other) {
    return one != MISSING ? one : other;
}

/* --- the tables --- */

static Str label(const Document *document, const char *name) {
    return value_of(&document->labels.items, (Str){(const uint8_t *)name, (uint32_t)strlen(name)});
}

/* The name of the template that the whole workflow refers to, of the kind that `clustered` says. */
static Str template_name(const Document *document, bool clustered, const char *by_label) {
    if (!filled(document->template_reference)) return label(document, by_label);
    return document->reference_is_clustered == clustered ? document->template_reference : NO_STR;
}

static void put_workflow(Flattener *flattener, const Document *document, int32_t number, int64_t retries) {
    Column *c = new_row(flattener, workflows_table, number);
    int64_t pods = 0, failed = 0, scheduled = MISSING;
    for (uint32_t i = 0; i < COUNT(document->nodes, Node); i++) {
        const Node *node = ITEM(document->nodes, Node, i);
        pods += node->type.at && same(node->type, STR("Pod"));
        failed += node->phase.at && (same(node->phase, STR("Failed")) || same(node->phase, STR("Error")));
    }
    Str annotation = value_of(&document->annotations.items, STR("workflows.argoproj.io/scheduled-time"));
    Str cron = label(document, "workflows.argoproj.io/cron-workflow");
    put_text(&c[w_name], document->name);
    put_text(&c[w_namespace], document->namespace);
    put_text(&c[w_generate_name], document->generate_name);
    put_text(&c[w_phase], document->phase);
    put_number(&c[w_created_at], document->created_at);
    put_number(&c[w_started_at], document->started_at);
    put_number(&c[w_finished_at], document->finished_at);
    put_text(&c[w_message], document->message);
    put_text(&c[w_progress], document->progress);
    put_text(&c[w_entrypoint], first_of(document->spec.entrypoint, document->stored.entrypoint));
    put_text(&c[w_service_account], first_of(document->spec.service_account, document->stored.service_account));
    put_text(&c[w_workflow_template], template_name(document, false, "workflows.argoproj.io/workflow-template"));
    put_text(&c[w_cluster_workflow_template],
             template_name(document, true, "workflows.argoproj.io/cluster-workflow-template"));
    put_text(&c[w_cron_workflow], filled(cron) ? cron : document->cron_owner);
    put_text(&c[w_creator], label(document, "workflows.argoproj.io/creator"));
    put_text(&c[w_creator_email], label(document, "workflows.argoproj.io/creator-email"));
    put_text(&c[w_actor], label(document, "workflows.argoproj.io/actor"));
    put_text(&c[w_action], label(document, "workflows.argoproj.io/action"));
    put_text(&c[w_resubmitted_from], label(document, "workflows.argoproj.io/resubmitted-from-workflow"));
    put_text(&c[w_shutdown], document->shutdown);
    put_number(&c[w_priority], first_number(document->spec.priority, document->stored.priority));
    put_number(&c[w_parallelism], first_number(document->spec.parallelism, document->stored.parallelism));
    put_number(&c[w_node_count], COUNT(document->nodes, Node));
    put_number(&c[w_pod_count], pods);
    put_number(&c[w_retry_count], retries);
    put_number(&c[w_failed_node_count], failed);
    put_resources(document, &document->resources, &c[w_cpu_s], &c[w_memory_mib_s], &c[w_gpu_s],
                  &c[w_resources_duration]);
    put_number(&c[w_estimated_duration_s], document->estimated_duration);
    put_pairs(&c[w_labels], document->has_labels, &document->labels.items);
    put_pairs(&c[w_annotations], document->has_annotations, &document->annotations.items);
    for (uint32_t i = 0; i < document->arguments.parameters.count; i++) {
        const Parameter *parameter = ITEM(document->parameters, Parameter, document->arguments.parameters.first + i);
        add_pair(&c[w_parameters], parameter->name, parameter->value);
    }
    put_entries(&c[w_parameters]);
    if (annotation.at) time_of(annotation, &scheduled);
    put_number(&c[w_scheduled_at], scheduled);
    put_duration(&c[w_duration_s], document->started_at, document->finished_at);
}

static Str template_reference(Flattener *flattener, const Node *node) {
    if (!node->has_reference) return NO_STR;
    flattener->text.size = 0;
    append(&flattener->text, node->reference_name.at, node->reference_name.size);
    append(&flattener->text, "/", 1);
    append(&flattener->text, node->reference_template.at, node->reference_template.size);
    return (Str){flattener->text.at, (uint32_t)flattener->text.size};
}

static void put_node(Flattener *flattener, const Document *document, const Node *node, int32_t number) {
    Column *c = new_row(flattener, nodes_table, number);
    put_text(&c[n_node_id], node->id);
    put_text(&c[n_name], node->name);
    put_text(&c[n_display_name], node->display_name);
    put_text(&c[n_type], node->type);
    put_text(&c[n_template_name], node->template_name);
    put_text(&c[n_template_ref], template_reference(flattener, node));
    put_text(&c[n_template_scope], node->template_scope);
    put_text(&c[n_boundary_id], node->boundary_id);
    for (uint32_t i = 0; i < node->parents.count; i++)
        add_text(&c[n_parent_ids],
                 ITEM(document->nodes, Node, *ITEM(document->parents, uint32_t, node->parents.first + i))->id);
    put_entries(&c[n_parent_ids]);
    for (uint32_t i = 0; i < node->children.count; i++)
        add_text(&c[n_children], *ITEM(document->children, Str, node->children.first + i));
    put_entries(&c[n_children]);
    put_text(&c[n_phase], node->phase);
    put_text(&c[n_message], node->message);
    put_number(&c[n_created_at], node->created_at);
    put_number(&c[n_started_at], node->started_at);
    put_number(&c[n_finished_at], node->finished_at);
    put_number(&c[n_exit_code], node->exit_code);
    put_number(&c[n_retry_attempt], node->attempt);
    put_text(&c[n_host], node->host);
    put_text(&c[n_pod_name], node->pod_name);
    put_text(&c[n_image], node->image);
    put_resources(document, &node->resources, &c[n_cpu_s], &c[n_memory_mib_s], &c[n_gpu_s], &c[n_resources_duration]);
    put_number(&c[n_estimated_duration_s], node->estimated_duration);
    put_text(&c[n_progress], node->progress);
    put_flag(&c[n_memoized], node->memoized);
    put_text(&c[n_memo_key], node->memo_key);
    put_text(&c[n_memo_cache], node->memo_cache);
    put_flag(&c[n_daemoned], node->daemoned);
    put_flag(&c[n_hooked], node->hooked);
    put_text(&c[n_outputs_result], node->result);
    put_text(&c[n_sync_waiting], node->waiting);
    put_number(&c[n_failed_pod_restarts], node->failed_pod_restarts);
    put_text(&c[n_pod_ip], node->pod_ip);
    put_duration(&c[n_duration_s], node->started_at, node->finished_at);
}

static Str scope_of(int32_t node) {
    return node == WORKFLOW ? STR("workflow") : STR("node");
}
static Str direction_of(Direction direction) {
    return direction == IN ? STR("in") : STR("out");
}
static Str id_of(const Document *document, int32_t node) {
    return node == WORKFLOW ? NO_STR : ITEM(document->nodes, Node, node)->id;
}

static Str type_name(Type type) {
    switch (type) {
        case STRING: return STR("string");
        case NUMBER: return STR("number");
        case BOOLEAN: return STR("boolean");
        case OBJECT: return STR("object");
        case LIST: return STR("array");
        case NOTHING: break;
    }
    return NO_STR;
}

static void put_parameter(Flattener *flattener, const Document *document, const Parameter *parameter, int32_t number) {
    Column *c = new_row(flattener, parameters_table, number);
    put_text(&c[p_scope], scope_of(parameter->node));
    put_text(&c[p_direction], direction_of(parameter->direction));
    put_text(&c[p_node_id], id_of(document, parameter->node));
    put_text(&c[p_name], parameter->name);
    put_text(&c[p_value], parameter->value);
    put_text(&c[p_value_type], type_name(parameter->type));
    put_text(&c[p_default_value], parameter->fallback);
    put_text(&c[p_value_from], parameter->value_from);
    put_text(&c[p_global_name], parameter->global_name);
}

static void put_artifact(Flattener *flattener, const Document *document, const Artifact *artifact, int32_t number) {
    Column *c = new_row(flattener, artifacts_table, number);
    put_text(&c[a_scope], scope_of(artifact->node));
    put_text(&c[a_direction], direction_of(artifact->direction));
    put_text(&c[a_node_id], id_of(document, artifact->node));
    put_text(&c[a_name], artifact->name);
    put_text(&c[a_path], artifact->path);
    put_text(&c[a_kind], artifact->kind);
    put_text(&c[a_bucket], artifact->bucket);
    put_text(&c[a_key], artifact->key);
    put_text(&c[a_location], artifact->location);
    put_text(&c[a_global_name], artifact->global_name);
    put_text(&c[a_from_expression], artifact->from_expression);
    put_text(&c[a_sub_path], artifact->sub_path);
    put_flag(&c[a_optional], artifact->optional);
    put_flag(&c[a_deleted], artifact->deleted);
}

static void put_labels(Flattener *flattener, const Document *document, int32_t number) {
    for (uint32_t i = 0; i < COUNT(document->labels, Pair); i++) {
        Column *c = new_row(flattener, labels_table, number);
        put_text(&c[l_name], ITEM(document->labels, Pair, i)->key);
        put_text(&c[l_value], ITEM(document->labels, Pair, i)->value);
    }
}

static void put_conditions(Flattener *flattener, const Document *document, int32_t number) {
    for (uint32_t i = 0; i < COUNT(document->conditions, Condition); i++) {
        const Condition *condition = ITEM(document->conditions, Condition, i);
        Column *c = new_row(flattener, conditions_table, number);
        put_text(&c[c_type], condition->type);
        put_text(&c[c_status], condition->status);
        put_text(&c[c_message], condition->message);
    }
}

/* `split_image` of argo/images.py: a colon before the last slash belongs to the registry's port. */
static void put_reference(Column *c, Str image) {
    Str name = image, tag = NO_STR, digest = NO_STR;
    const uint8_t *at = memchr(image.at, '@', image.size);
    if (at) {
        name.size = (uint32_t)(at - image.at);
        if (name.size + 1 < image.size) digest = (Str){at + 1, image.size - name.size - 1};
    }
    uint32_t last = name.size; /* where the last part of the name begins */
    while (last > 0 && name.at[last - 1] != '/') last--;
    const uint8_t *colon = memchr(name.at + last, ':', name.size - last);
    if (colon) {
        tag = (Str){colon + 1, (uint32_t)(name.at + name.size - colon - 1)};
        name.size = (uint32_t)(colon - name.at);
    }
    put_text(&c[i_image], image);
    put_text(&c[i_repository], name);
    put_text(&c[i_tag], tag);
    put_text(&c[i_digest], digest);
}

static void put_images(Flattener *flattener, int32_t number) {
    static const Str roles[] = {[MAIN] = {(const uint8_t *)"main", 4},
                                [INIT] = {(const uint8_t *)"init", 4},
                                [SIDECAR] = {(const uint8_t *)"sidecar", 7}};
    for (uint32_t i = 0; i < COUNT(flattener->images.images, Image); i++) {
        const Image *image = ITEM(flattener->images.images, Image, i);
        Column *c = new_row(flattener, images_table, number);
        put_text(&c[i_template_name], image->template);
        put_text(&c[i_container], image->container);
        put_text(&c[i_role], roles[image->role]);
        put_reference(c, image->image);
        put_number(&c[i_pod_count], image->pods);
    }
}

/* --- one document, and many --- */

static bool duration_is_exact(int64_t started, int64_t finished) {
    if (started == MISSING || finished == MISSING) return true;
    return finished - started < MOST_MICROS && finished - started > -MOST_MICROS;
}

/* What would only show when rows are made: a document's rows get into the tables whole or not at all. */
static bool is_sound(const Document *document) {
    int64_t unused;
    Range arguments = document->arguments.parameters;
    Str scheduled = value_of(&document->annotations.items, STR("workflows.argoproj.io/scheduled-time"));
    if (scheduled.at && !time_of(scheduled, &unused)) return false;
    if (!duration_is_exact(document->started_at, document->finished_at)) return false;
    for (uint32_t i = 0; i < COUNT(document->nodes, Node); i++) {
        const Node *node = ITEM(document->nodes, Node, i);
        if (!duration_is_exact(node->started_at, node->finished_at)) return false;
    }
    if (arguments.count > MOST_ARGUMENTS) return false;
    for (uint32_t i = 0; i < arguments.count; i++) /* of one name the last value counts, at the place of the first */
        for (uint32_t j = 0; j < i; j++)
            if (same(ITEM(document->parameters, Parameter, arguments.first + i)->name,
                     ITEM(document->parameters, Parameter, arguments.first + j)->name))
                return false;
    return true;
}

/* Bytes that rows hold beyond what stands in the JSON: texts of a node in rows of other nodes, parameters, artifacts.
 * Without a bound, a few MB of JSON could make columns that no offset of 32 bits reaches. */
static uint64_t repeated_bytes(const Document *document) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < COUNT(document->nodes, Node); i++) {
        const Node *node = ITEM(document->nodes, Node, i);
        uint64_t rows = node->inputs.parameters.count + (uint64_t)node->inputs.artifacts.count +
                        node->outputs.parameters.count + node->outputs.artifacts.count;
        bytes += rows * node->id.size + node->pod_name.size + node->image.size;
    }
    for (uint32_t i = 0; i < COUNT(document->parents, uint32_t); i++)
        bytes += ITEM(document->nodes, Node, *ITEM(document->parents, uint32_t, i))->id.size;
    return bytes;
}

static Outcome flatten(Flattener *flattener, const uint8_t *json, size_t size, int64_t since, int64_t until,
                       int32_t number) {
    Document *document = &flattener->document;
    int64_t retries;
    if (!is_utf8(json, size) || !read_document(document, json, size) || !is_sound(document)) return ODD;
    if ((since != MISSING || until != MISSING) && document->finished_at == MISSING) return NOT_WANTED;
    if (since != MISSING && document->finished_at < since) return NOT_WANTED;
    if (until != MISSING && document->finished_at >= until) return NOT_WANTED;
    if (!link_nodes(&flattener->graph, document, &retries) ||
        !find_images(&flattener->images, document, &flattener->graph))
        return ODD;
    uint64_t repeated = repeated_bytes(document);
    if (flattener->repeated + repeated > MOST_REPEATED) return ODD;
    flattener->repeated += repeated;
    put_workflow(flattener, document, number, retries);
    for (uint32_t i = 0; i < COUNT(document->nodes, Node); i++)
        put_node(flattener, document, ITEM(document->nodes, Node, i), number);
    for (uint32_t i = 0; i < COUNT(document->parameters, Parameter); i++)
        put_parameter(flattener, document, ITEM(document->parameters, Parameter, i), number);
    for (uint32_t i = 0; i < COUNT(document->artifacts, Artifact); i++)
        put_artifact(flattener, document, ITEM(document->artifacts, Artifact, i), number);
    put_labels(flattener, document, number);
    put_conditions(flattener, document, number);
    put_images(flattener, number);
    return TAKEN;
}

/* --- what Python calls: native/flatten.py --- */

EXPORT Flattener *flattener_new(void) {
    Flattener *flattener = calloc(1, sizeof(Flattener));
    if (flattener != NULL) keep_pieces();
    for (int table = 0; flattener != NULL && table < TABLES; table++)
        for (int column = 0; column < table_specs[table].columns; column++)
            start_column(&flattener->columns[table][column], table_specs[table].specs[column]);
    return flattener;
}

EXPORT void flattener_free(Flattener *flattener) {
    for (int table = 0; table < TABLES; table++)
        for (int column = 0; column < table_specs[table].columns; column++)
            release_column(&flattener->columns[table][column]);
    release_document(&flattener->document);
    release_graph(&flattener->graph);
    release(&flattener->images.images.items);
    release(&flattener->text);
    free(flattener);
    drop_pieces();
}

/* Adds the rows of all documents that are plainly right; `outcomes` gets a byte for each document: what became of it.
 * Rows number the documents that are taken from 0. */
EXPORT void flattener_add(Flattener *flattener, const uint8_t *json, const int64_t *offsets, int64_t count,
                          int64_t since, int64_t until, uint8_t *outcomes) {
    int32_t taken = 0;
    flattener->repeated = 0;
    for (int64_t i = 0; i < count; i++) {
        outcomes[i] =
            (uint8_t)flatten(flattener, json + offsets[i], (size_t)(offsets[i + 1] - offsets[i]), since, until, taken);
        if (outcomes[i] == TAKEN) taken++;
    }
}

/* The rows of one table, as an Arrow struct array; the table is empty then. */
EXPORT void flattener_export(Flattener *flattener, int32_t table, struct ArrowArray *array,
                             struct ArrowSchema *schema) {
    for (int i = 0; i < table_specs[table].columns; i++) settle(&flattener->columns[table][i]);
    export_columns(flattener->columns[table], table_specs[table].columns, flattener->rows[table], array, schema);
    for (int i = 0; i < table_specs[table].columns; i++) clear_column(&flattener->columns[table][i]);
    flattener->rows[table] = 0;
}
