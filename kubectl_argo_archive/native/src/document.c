#include <stdlib.h>

#include "parts.h"

/* clang-format off */
#define ROOT(X, T) X(T, metadata) X(T, spec) X(T, status)
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
#define REFERENCE(X, T) X(T, name) X(T, template) X(T, clusterScope)
#define OWNER(X, T) X(T, kind) X(T, name)
#define CONDITION(X, T) X(T, type) X(T, status) X(T, message)
#define MEMO(X, T) X(T, hit) X(T, key) X(T, cacheName)
#define LOCK(X, T) X(T, waiting)
#define FLAG(X, T) X(T, hooked)
/* clang-format on */

DEFINE_MEMBERS(root, ROOT)
DEFINE_MEMBERS(metadata, METADATA)
DEFINE_MEMBERS(spec, SPEC)
DEFINE_MEMBERS(status, STATUS)
DEFINE_MEMBERS(node, NODE)
DEFINE_MEMBERS(reference, REFERENCE)
DEFINE_MEMBERS(owner, OWNER)
DEFINE_MEMBERS(condition, CONDITION)
DEFINE_MEMBERS(memo, MEMO)
DEFINE_MEMBERS(lock, LOCK)
DEFINE_MEMBERS(flag, FLAG)

static const int64_t MOST_SECONDS = (int64_t)1 << 40; /* sums and multiples stay exact as doubles */
enum { FEW_ENTRIES = 256 };                           /* of a map whose keys are compared one with another */

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
    Node node = {.id = id,
                 .created_at = MISSING,
                 .started_at = MISSING,
                 .finished_at = MISSING,
                 .estimated_duration = MISSING,
                 .failed_pod_restarts = MISSING,
                 .exit_code = MISSING,
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
            Str *text = member == condition_type     ? &found.type
                        : member == condition_status ? &found.status
                                                     : &found.message;
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
                read =
                    own ? read_reference(reader, &document->template_reference, NULL, &document->reference_is_clustered)
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
    *document = (Document){.created_at = MISSING,
                           .started_at = MISSING,
                           .finished_at = MISSING,
                           .estimated_duration = MISSING,
                           .spec = no_spec,
                           .stored = no_spec,
                           .arena = kept.arena,
                           .labels = kept.labels,
                           .annotations = kept.annotations,
                           .usages = kept.usages,
                           .parameters = kept.parameters,
                           .artifacts = kept.artifacts,
                           .conditions = kept.conditions,
                           .children = kept.children,
                           .nodes = kept.nodes,
                           .templates = kept.templates,
                           .insides = kept.insides,
                           .containers = kept.containers,
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
