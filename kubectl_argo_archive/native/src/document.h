/* One workflow as it stands in its JSON: what `tables/rowwise.py` reads, in structs whose texts are slices. */
#ifndef DOCUMENT_H
#define DOCUMENT_H

#include "scalars.h"

#define MOST_BYTES ((size_t)1 << 30) /* of a document; its texts have sizes of 32 bits */

/* Items of the document's lists: `first` and those that follow. */
typedef struct {
    uint32_t first, count;
} Range;

typedef struct {
    Str key, value;
} Pair;

typedef struct {
    Str resource;
    int64_t seconds;
} Usage;

typedef struct {
    bool known; /* else null */
    Range usages;
} Resources;

enum { WORKFLOW = -1 }; /* for a node: parameters and artifacts of the workflow itself */
typedef enum { IN, OUT } Direction;

typedef struct {
    int32_t node;
    Direction direction;
    Str name, value, fallback, value_from, global_name;
    Type type;
} Parameter;

typedef struct {
    int32_t node;
    Direction direction;
    Str name, path, kind, bucket, key, location, global_name, from, from_expression, sub_path;
    bool optional, deleted;
} Artifact;

typedef struct {
    Str type, status, message;
} Condition;

typedef struct {
    Range parameters, artifacts;
} Arguments;

typedef struct {
    Str id, name, display_name, type, template_name, template_scope, boundary_id, phase, message, host, pod_ip,
        progress;
    bool has_reference, reference_is_clustered;
    Str reference_name, reference_template;
    int64_t created_at, started_at, finished_at, estimated_duration, failed_pod_restarts, exit_code;
    Resources resources;
    Range children;
    Arguments inputs, outputs;
    Str result, memo_key, memo_cache, waiting;
    bool memoized, daemoned, hooked;
    /* found by looking at other nodes and at templates: graph.c, images.c */
    Range parents;
    int64_t attempt;
    Str pod_name, image;
} Node;

typedef enum { MAIN, INIT, SIDECAR } Role;

typedef struct {
    Str name, image;
    Role role;
} Container;

/* Where a template stands; `inside` another one's steps or tasks: under the name of that step. */
typedef enum { OWN, OF_TEMPLATE, STORED, INSIDE } Place;

typedef struct {
    Place place;
    Str key; /* of a stored one; the step's name of one inside */
    Str name;
    Range containers, inside; /* `inside`: indices into `insides` */
} Template;

/* The members of a spec that may also come from the stored spec of a template. */
typedef struct {
    Str entrypoint, service_account;
    int64_t priority, parallelism;
} Spec;

typedef struct {
    Arena arena;
    Str name, generate_name, namespace, cron_owner, phase, message, progress, shutdown;
    Str template_reference;
    bool reference_is_clustered, has_labels, has_annotations;
    int64_t created_at, started_at, finished_at, estimated_duration;
    Spec spec, stored;
    Resources resources;
    Arguments arguments, outputs;
    ARRAY(Pair) labels;
    ARRAY(Pair) annotations;
    ARRAY(Usage) usages;
    ARRAY(Parameter) parameters;
    ARRAY(Artifact) artifacts;
    ARRAY(Condition) conditions;
    ARRAY(Str) children;
    ARRAY(Node) nodes;
    ARRAY(Template) templates;
    ARRAY(uint32_t) insides;
    ARRAY(Container) containers;
    ARRAY(uint32_t) parents;
} Document;

/* Reads one document; false if it is odd, and then nothing of `document` counts. */
bool read_document(Document *document, const uint8_t *json, size_t size);
void release_document(Document *document);

/* The value of a key; missing if there is none. */
Str value_of(const Buffer *pairs, Str key);

#endif
