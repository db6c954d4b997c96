#include "arrow.h"

#include "pieces.h"

enum {
    NULLABLE = 2,
    STRUCTS = 2048, /* bytes that the structs of one column take at most */
};

/* Where in a piece the next thing goes. */
typedef struct {
    Piece *piece;
    uint8_t *at;
} Space;

static size_t aligned(size_t size) {
    return (size + ALIGNED - 1) / ALIGNED * ALIGNED;
}

static void *take(Space *space, size_t size) {
    void *at = space->at;
    space->at += aligned(size);
    return at;
}

static const void *copy(Space *space, const Buffer *buffer) {
    return buffer->size ? memcpy(take(space, buffer->size), buffer->at, buffer->size) : take(space, ALIGNED);
}

/* Bytes of 0 and 1 as bits. */
static const void *bits(Space *space, const Buffer *flags) {
    const size_t size = flags->size / 8 + 1, whole = flags->size / 8;
    uint8_t *found = take(space, size);
    /* the product brings the lowest bits of eight bytes together in its highest byte */
    for (size_t i = 0; i < whole; i++)
        found[i] = (uint8_t)((eight_bytes(flags->at + 8 * i) * 0x0102040810204080u) >> 56);
    found[whole] = 0;
    for (size_t i = 8 * whole; i < flags->size; i++) found[whole] |= (uint8_t)(flags->at[i] << (i & 7));
    return found;
}

/* Bytes that a column takes as Arrow has it, or a few more. */
static size_t size_of(const Column *column) {
    const Buffer *copied[] = {&column->offsets,  &column->data,          &column->key_offsets,
                              &column->key_data, &column->value_offsets, &column->value_data};
    size_t size = STRUCTS + aligned(column->valid.size / 8 + 1);
    if (column->spec.kind == TEXT_MAP) size += aligned(column->index.slots.size / 8 + 1);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) size += aligned(copied[i]->size) + ALIGNED;
    return size;
}

/* Users of a piece may take arrays apart, so each one counts. */
static void free_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release) array->children[i]->release(array->children[i]);
    if (array->dictionary && array->dictionary->release) array->dictionary->release(array->dictionary);
    array->release = NULL;
    leave(array->private_data);
}

static void free_schema(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
    if (schema->dictionary && schema->dictionary->release) schema->dictionary->release(schema->dictionary);
    schema->release = NULL;
    leave(schema->private_data);
}

/* An array without buffers yet. */
static void start_array(Space *space, struct ArrowArray *array, int64_t rows, int64_t nulls, int children) {
    *array = (struct ArrowArray){.length = rows,
                                 .null_count = nulls,
                                 .n_children = children,
                                 .release = free_array,
                                 .private_data = space->piece};
    atomic_fetch_add(&space->piece->users, 1);
    array->buffers = memset(take(space, 3 * sizeof(void *)), 0, 3 * sizeof(void *));
    if (children) array->children = take(space, (size_t)children * sizeof(void *));
    for (int i = 0; i < children; i++) array->children[i] = take(space, sizeof(struct ArrowArray));
}

static void start_schema(Space *space, struct ArrowSchema *schema, const char *format, const char *name, int64_t flags,
                         int children) {
    *schema = (struct ArrowSchema){.format = format,
                                   .name = name,
                                   .flags = flags,
                                   .n_children = children,
                                   .release = free_schema,
                                   .private_data = space->piece};
    atomic_fetch_add(&space->piece->users, 1);
    if (children) schema->children = take(space, (size_t)children * sizeof(void *));
    for (int i = 0; i < children; i++) schema->children[i] = take(space, sizeof(struct ArrowSchema));
}

static void add_buffer(struct ArrowArray *array, const void *buffer) {
    array->buffers[array->n_buffers++] = buffer;
}

static void add_validity(Space *space, struct ArrowArray *array, const Buffer *valid) {
    add_buffer(array, array->null_count ? bits(space, valid) : NULL);
}

/* `valid` may be empty: no nulls. */
static void export_text(Space *space, struct ArrowArray *array, struct ArrowSchema *schema, const char *name,
                        int64_t flags, int64_t rows, const Buffer *valid, const Buffer *offsets, const Buffer *data) {
    int64_t nulls = 0;
    for (size_t i = 0; i < valid->size; i++) nulls += !valid->at[i];
    start_array(space, array, rows, nulls, 0);
    start_schema(space, schema, "u", name, flags, 0);
    add_validity(space, array, valid);
    add_buffer(array, copy(space, offsets));
    add_buffer(array, copy(space, data));
}

static void export_number(Space *space, struct ArrowArray *array, struct ArrowSchema *schema, const char *format,
                          const Column *column) {
    start_array(space, array, column->rows, column->nulls, 0);
    start_schema(space, schema, format, column->spec.name, NULLABLE, 0);
    add_validity(space, array, &column->valid);
    add_buffer(array, column->spec.kind == FLAG ? bits(space, &column->data) : copy(space, &column->data));
}

static void export_map(Space *space, struct ArrowArray *array, struct ArrowSchema *schema, const Column *column) {
    const Buffer none = {NULL, 0, 0};
    start_array(space, array, column->rows, column->nulls, 1);
    start_schema(space, schema, "+m", column->spec.name, NULLABLE, 1);
    add_validity(space, array, &column->valid);
    add_buffer(array, copy(space, &column->offsets));
    struct ArrowArray *pairs = array->children[0];
    struct ArrowSchema *pair = schema->children[0];
    start_array(space, pairs, column->entries, 0, 2);
    start_schema(space, pair, "+s", "entries", 0, 2);
    pairs->n_buffers = 1; /* no validity */
    export_text(space, pairs->children[0], pair->children[0], "key", 0, column->entries, &none, &column->key_offsets,
                &column->key_data);
    struct ArrowArray *values = pairs->children[1];
    if (column->spec.kind == TEXT_MAP) {
        export_text(space, values, pair->children[1], "value", NULLABLE, column->entries, &column->index.slots,
                    &column->value_offsets, &column->value_data);
    } else {
        start_array(space, values, column->entries, 0, 0);
        start_schema(space, pair->children[1], "l", "value", NULLABLE, 0);
        add_buffer(values, NULL);
        add_buffer(values, copy(space, &column->value_data));
    }
}

static void export_column(Space *space, struct ArrowArray *array, struct ArrowSchema *schema, const Column *column) {
    static const char *const formats[] = {
        [TIME] = "tsu:UTC", [INT64] = "l", [INT32] = "i", [DOUBLE] = "g", [FLAG] = "b", [REPEATED] = "i"};
    const char *name = column->spec.name;
    const Buffer none = {NULL, 0, 0};
    switch (column->spec.kind) {
        case TEXT:
            export_text(space, array, schema, name, NULLABLE, column->rows, &column->valid, &column->offsets,
                        &column->data);
            break;
        case REPEATED:
        case TIME:
        case INT64:
        case INT32:
        case DOUBLE:
        case FLAG: export_number(space, array, schema, formats[column->spec.kind], column); break;
        case TEXTS:
            start_array(space, array, column->rows, column->nulls, 1);
            start_schema(space, schema, "+l", name, NULLABLE, 1);
            add_validity(space, array, &column->valid);
            add_buffer(array, copy(space, &column->offsets));
            export_text(space, array->children[0], schema->children[0], "element", NULLABLE, column->entries, &none,
                        &column->key_offsets, &column->key_data);
            break;
        case TEXT_MAP:
        case NUMBER_MAP: export_map(space, array, schema, column); break;
    }
    if (column->spec.kind == REPEATED) {
        array->dictionary = take(space, sizeof(struct ArrowArray));
        schema->dictionary = take(space, sizeof(struct ArrowSchema));
        export_text(space, array->dictionary, schema->dictionary, "", NULLABLE, column->entries, &none,
                    &column->key_offsets, &column->key_data);
    }
}

void export_columns(const Column *columns, int count, int64_t rows, struct ArrowArray *array,
                    struct ArrowSchema *schema) {
    size_t size = aligned(sizeof(Piece)) + STRUCTS + (size_t)count * 2 * ALIGNED;
    for (int i = 0; i < count; i++) size += size_of(&columns[i]);
    Piece *piece = new_piece(aligned(size));
    Space space = {piece, (uint8_t *)piece + aligned(sizeof(Piece))};
    start_array(&space, array, rows, 0, count);
    start_schema(&space, schema, "+s", "", 0, count);
    array->n_buffers = 1; /* no validity */
    for (int i = 0; i < count; i++) export_column(&space, array->children[i], schema->children[i], &columns[i]);
}
