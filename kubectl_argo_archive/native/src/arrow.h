/* Columns as an Arrow record batch, through Arrow's C data interface. */
#ifndef ARROW_H
#define ARROW_H

#include "columns.h"

/* https://arrow.apache.org/docs/format/CDataInterface.html */
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

/* A copy of the columns as one struct array. Memory of its own, in one piece, that ends with its last user. */
void export_columns(const Column *columns, int count, int64_t rows, struct ArrowArray *array,
                    struct ArrowSchema *schema);

#endif
