/* What a node is to other nodes. */
#ifndef GRAPH_H
#define GRAPH_H

#include "document.h"

typedef struct {
    Index ids;
    Buffer edges, marks;
} Graph;

/* Finds parents, attempts and the names of pods; false if the document is odd. `retries`: attempts beyond the first. */
bool link_nodes(Graph *graph, Document *document, int64_t *retries);
void release_graph(Graph *graph);

/* The node with this id, or NULL. */
Node *node_of(Graph *graph, const Document *document, Str id);

#endif
