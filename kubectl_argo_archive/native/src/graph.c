#include "graph.h"

#include <stdio.h>

typedef struct {
    uint32_t parent, child;
} Edge;

enum { MOST_PREFIX = 242, ATTEMPT_DIGITS = 9 }; /* see argo/pods.py */

static Str id_of(const void *nodes, uint32_t i) {
    return ((const Node *)nodes)[i].id;
}

Node *node_of(Graph *graph, const Document *document, Str id) {
    Node *nodes = ITEM(document->nodes, Node, 0);
    uint32_t *slot = index_slot(&graph->ids, id, id_of, nodes);
    return slot && *slot ? nodes + *slot - 1 : NULL;
}

static bool index_nodes(Graph *graph, const Document *document) {
    uint32_t count = COUNT(document->nodes, Node);
    Node *nodes = ITEM(document->nodes, Node, 0);
    index_clear(&graph->ids, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *slot = index_slot(&graph->ids, nodes[i].id, id_of, nodes);
        if (slot == NULL || *slot) return false;
        *slot = i + 1;
    }
    return true;
}

/* Every child that is a node (a retry leaves some behind that are none), once for each parent. */
static void find_edges(Graph *graph, const Document *document) {
    uint32_t count = COUNT(document->nodes, Node);
    Node *nodes = ITEM(document->nodes, Node, 0);
    graph->edges.size = graph->marks.size = 0;
    uint32_t *last_parent = claim(&graph->marks, count * sizeof(uint32_t));
    memset(last_parent, 0, count * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < nodes[i].children.count; c++) {
            Node *child = node_of(graph, document, *ITEM(document->children, Str, nodes[i].children.first + c));
            if (child == NULL || last_parent[child - nodes] == i + 1) continue;
            last_parent[child - nodes] = i + 1;
            Edge edge = {i, (uint32_t)(child - nodes)};
            append(&graph->edges, &edge, sizeof edge);
        }
    }
}

static void note_parents(Graph *graph, Document *document) {
    Node *nodes = ITEM(document->nodes, Node, 0);
    Edge *edges = (Edge *)(void *)graph->edges.at;
    uint32_t count = (uint32_t)(graph->edges.size / sizeof(Edge)), first = 0;
    for (uint32_t e = 0; e < count; e++) nodes[edges[e].child].parents.count++;
    for (uint32_t i = 0; i < COUNT(document->nodes, Node); i++) {
        nodes[i].parents.first = first;
        first += nodes[i].parents.count;
        nodes[i].parents.count = 0;
    }
    uint32_t *parents = claim(&document->parents.items, count * sizeof(uint32_t));
    for (uint32_t e = 0; e < count; e++) {
        Range *own = &nodes[edges[e].child].parents;
        parents[own->first + own->count++] = edges[e].parent;
    }
}

/* The number in `<parent>(<number>)` if the child's name has that form, else MISSING. */
static int64_t attempt_under(const Node *parent, const Node *child) {
    Str name = child->name, base = parent->name;
    if (name.at == NULL || base.at == NULL || name.size < base.size + 3) return MISSING;
    if (memcmp(name.at, base.at, base.size) != 0 || name.at[base.size] != '(' || name.at[name.size - 1] != ')')
        return MISSING;
    uint32_t digits = name.size - base.size - 2;
    if (digits > ATTEMPT_DIGITS) return MISSING;
    int64_t number = 0;
    for (uint32_t i = 0; i < digits; i++) {
        uint8_t digit = name.at[base.size + 1 + i];
        if (digit < '0' || digit > '9') return MISSING;
        number = number * 10 + digit - '0';
    }
    return number;
}

/* The first parent in the order of the document decides. */
static int64_t note_attempts(Graph *graph, Document *document) {
    Node *nodes = ITEM(document->nodes, Node, 0);
    Edge *edges = (Edge *)(void *)graph->edges.at;
    int64_t retries = 0, under_parent = 0;
    for (uint32_t e = 0, count = (uint32_t)(graph->edges.size / sizeof(Edge)); e < count; e++) {
        if (e == 0 || edges[e].parent != edges[e - 1].parent) under_parent = 0;
        Node *parent = nodes + edges[e].parent, *child = nodes + edges[e].child;
        if (parent->type.at == NULL || !same(parent->type, STR("Retry"))) continue;
        int64_t attempt = attempt_under(parent, child);
        if (attempt == MISSING) continue;
        if (child->attempt == MISSING) child->attempt = attempt;
        if (under_parent++) retries++;
    }
    return retries;
}

static uint32_t fnv32a(Str text) {
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < text.size; i++) hash = (hash ^ text.at[i]) * 16777619u;
    return hash;
}

/* As much of `text` as `left` characters are. */
static uint32_t characters(Str text, uint32_t *left) {
    uint32_t size = 0;
    while (size < text.size && *left > 0) {
        size++;
        while (size < text.size && (text.at[size] & 0xC0) == 0x80) size++;
        --*left;
    }
    return size;
}

/* `<workflow>[-<template>]-<hash of the node's name>`: see argo/pods.py. */
static Str pod_name_v2(Arena *arena, Str workflow, const Node *node) {
    Str template = filled(node->reference_template) ? node->reference_template : node->template_name;
    if (same(node->name, workflow)) return workflow.at ? workflow : STR("");
    uint8_t *start = arena_take(arena, (size_t)workflow.size + template.size + 16), *to = start;
    uint32_t left = MOST_PREFIX, size = characters(workflow, &left);
    if (size) memcpy(to, workflow.at, size);
    to += size;
    if (filled(template) && left) {
        *to++ = '-';
        left--;
        size = characters(template, &left);
        memcpy(to, template.at, size);
        to += size;
    }
    char number[16];
    int digits = snprintf(number, sizeof number, "-%u", fnv32a(node->name));
    memcpy(to, number, (size_t)digits);
    return (Str){start, (uint32_t)(to - start) + (uint32_t)digits};
}

static bool ends_with(Str text, Str ending) {
    return text.size >= ending.size && memcmp(text.at + text.size - ending.size, ending.at, ending.size) == 0;
}

/* Whether `/<name>/` stands in the key. */
static bool names_folder(Str key, Str name) {
    for (uint32_t i = 0; (uint64_t)i + name.size + 2 <= key.size; i++)
        if (key.at[i] == '/' && key.at[i + name.size + 1] == '/' && memcmp(key.at + i + 1, name.at, name.size) == 0)
            return true;
    return false;
}

static bool is_pod(const Node *node) {
    return node->type.at && same(node->type, STR("Pod")) && !node->memoized;
}

/* By the annotation; without one (Argo < 3.2.5) by a recorded log key. All pods have their v2 name already. */
static bool pods_are_v2(const Document *document) {
    Str format = value_of(&document->annotations.items, STR("workflows.argoproj.io/pod-name-format"));
    if (format.at && same(format, STR("v1"))) return false;
    if (format.at && same(format, STR("v2"))) return true;
    for (uint32_t i = 0; i < COUNT(document->nodes, Node); i++) {
        const Node *node = ITEM(document->nodes, Node, i);
        if (!is_pod(node) || same(node->pod_name, node->id)) continue;
        for (uint32_t a = 0; a < node->outputs.artifacts.count; a++) {
            const Artifact *artifact = ITEM(document->artifacts, Artifact, node->outputs.artifacts.first + a);
            if (ends_with(artifact->name, STR("-logs")) && filled(artifact->key) &&
                names_folder(artifact->key, node->pod_name))
                return true;
        }
    }
    return false;
}

static void name_pods(Document *document) {
    uint32_t count = COUNT(document->nodes, Node);
    for (uint32_t i = 0; i < count; i++) {
        Node *node = ITEM(document->nodes, Node, i);
        if (is_pod(node)) node->pod_name = pod_name_v2(&document->arena, document->name, node);
    }
    if (pods_are_v2(document)) return;
    for (uint32_t i = 0; i < count; i++) {
        Node *node = ITEM(document->nodes, Node, i);
        if (is_pod(node)) node->pod_name = node->id;
    }
}

bool link_nodes(Graph *graph, Document *document, int64_t *retries) {
    *retries = 0;
    if (COUNT(document->nodes, Node) == 0) return true;
    if (!index_nodes(graph, document)) return false;
    find_edges(graph, document);
    note_parents(graph, document);
    *retries = note_attempts(graph, document);
    name_pods(document);
    return true;
}

void release_graph(Graph *graph) {
    release(&graph->ids.slots);
    release(&graph->edges);
    release(&graph->marks);
}
