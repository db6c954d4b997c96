#include "columns.h"

#include <stdlib.h>

enum { NULLABLE = 2 };

static void add_offset(Buffer *offsets, const Buffer *data) {
    int32_t end = (int32_t)data->size;
    append(offsets, &end, sizeof end);
}

static void start_offsets(Buffer *offsets) {
    int32_t zero = 0;
    append(offsets, &zero, sizeof zero);
}

void start_column(Column *column, ColumnSpec spec) {
    *column = (Column){.spec = spec};
    start_offsets(&column->offsets);
    start_offsets(&column->key_offsets);
    start_offsets(&column->value_offsets);
    if (spec.kind == REPEATED) index_clear(&column->index, 64);
}

void release_column(Column *column) {
    release(&column->valid);
    release(&column->offsets);
    release(&column->data);
    release(&column->key_offsets);
    release(&column->key_data);
    release(&column->value_offsets);
    release(&column->value_data);
    release(&column->index.slots);
}

static inline void put_validity(Column *column, bool valid) {
    *(uint8_t *)claim(&column->valid, 1) = valid;
    column->rows++;
    column->nulls += !valid;
}

static Str dictionary_text(const void *context, uint32_t i) {
    const Column *column = context;
    const int32_t *offsets = (const int32_t *)(const void *)column->key_offsets.at;
    return (Str){column->key_data.at + offsets[i], (uint32_t)(offsets[i + 1] - offsets[i])};
}

/* A larger index over the same dictionary. */
static void index_anew(Column *column) {
    uint32_t count = (uint32_t)column->entries;
    index_clear(&column->index, count * 2);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *slot = index_slot(&column->index, dictionary_text(column, i), dictionary_text, column);
        if (slot) *slot = i + 1;
    }
}

static int32_t code_of(Column *column, Str text) {
    uint32_t *slot = index_slot(&column->index, text, dictionary_text, column);
    if (slot && *slot) return (int32_t)*slot - 1;
    if (slot)
        *slot = (uint32_t)column->entries + 1; /* else: the text stands in the dictionary twice, which is allowed */
    append(&column->key_data, text.at, text.size);
    add_offset(&column->key_offsets, &column->key_data);
    column->entries++;
    if ((uint32_t)column->entries > column->index.mask / 2) index_anew(column);
    return (int32_t)column->entries - 1;
}

void put_text(Column *column, Str text) {
    put_validity(column, text.at != NULL);
    if (column->spec.kind == REPEATED) {
        int32_t code = text.at ? code_of(column, text) : 0;
        append(&column->data, &code, sizeof code);
    } else {
        append(&column->data, text.at, text.size);
        add_offset(&column->offsets, &column->data);
    }
}

void put_number(Column *column, int64_t value) {
    bool valid = value != INT64_MIN;
    if (!valid) value = 0;
    put_validity(column, valid);
    if (column->spec.kind == INT32) {
        int32_t small = (int32_t)value;
        append(&column->data, &small, sizeof small);
    } else {
        append(&column->data, &value, sizeof value);
    }
}

void put_double(Column *column, double value) {
    put_validity(column, true);
    append(&column->data, &value, sizeof value);
}

void put_flag(Column *column, bool value) {
    put_validity(column, true);
    *(uint8_t *)claim(&column->data, 1) = value;
}

static void end_entries(Column *column, bool valid) {
    int32_t end = (int32_t)column->entries;
    put_validity(column, valid);
    append(&column->offsets, &end, sizeof end);
}

void put_null(Column *column) {
    switch (column->spec.kind) {
        case TEXT:
        case REPEATED: put_text(column, (Str){NULL, 0}); return;
        case TIME:
        case INT64:
        case INT32: put_number(column, INT64_MIN); return;
        case DOUBLE: put_double(column, 0); break;
        case FLAG: put_flag(column, false); break;
        case TEXTS:
        case TEXT_MAP:
        case NUMBER_MAP: end_entries(column, false); return;
    }
    column->valid.at[column->valid.size - 1] = false;
    column->nulls++;
}

void add_text(Column *column, Str item) {
    append(&column->key_data, item.at, item.size);
    add_offset(&column->key_offsets, &column->key_data);
    column->entries++;
}

/* Values of TEXT_MAP may be missing; their validity is kept in the index's buffer, which maps do not need. */
void add_pair(Column *column, Str key, Str value) {
    add_text(column, key);
    append(&column->value_data, value.at, value.size);
    add_offset(&column->value_offsets, &column->value_data);
    *(uint8_t *)claim(&column->index.slots, 1) = value.at != NULL;
}

void add_number(Column *column, Str key, int64_t value) {
    add_text(column, key);
    append(&column->value_data, &value, sizeof value);
}

void put_entries(Column *column) {
    end_entries(column, true);
}

/* --- Arrow --- */

static void *allocate(size_t size) {
    Buffer buffer = {NULL, 0, 0};
    return memset(claim(&buffer, size), 0, size);
}

static void free_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_buffers; i++) free((void *)(uintptr_t)array->buffers[i]);
    free((void *)(uintptr_t)array->buffers);
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release) array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    free(array->children);
    if (array->dictionary) {
        if (array->dictionary->release) array->dictionary->release(array->dictionary);
        free(array->dictionary);
    }
    array->release = NULL;
}

static void free_schema(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children);
    if (schema->dictionary) {
        if (schema->dictionary->release) schema->dictionary->release(schema->dictionary);
        free(schema->dictionary);
    }
    schema->release = NULL;
}

/* An array without buffers yet. */
static void start_array(struct ArrowArray *array, int64_t rows, int64_t nulls, int children) {
    *array = (struct ArrowArray){.length = rows, .null_count = nulls, .n_children = children, .release = free_array};
    array->buffers = allocate(3 * sizeof(void *));
    if (children) array->children = allocate((size_t)children * sizeof(void *));
    for (int i = 0; i < children; i++) array->children[i] = allocate(sizeof(struct ArrowArray));
}

static void start_schema(struct ArrowSchema *schema, const char *format, const char *name, int64_t flags,
                         int children) {
    *schema = (struct ArrowSchema){
        .format = format, .name = name, .flags = flags, .n_children = children, .release = free_schema};
    if (children) schema->children = allocate((size_t)children * sizeof(void *));
    for (int i = 0; i < children; i++) schema->children[i] = allocate(sizeof(struct ArrowSchema));
}

/* Gives the buffer's memory to the array. */
static void give(struct ArrowArray *array, Buffer *buffer) {
    array->buffers[array->n_buffers++] = buffer->at ? buffer->at : allocate(8);
    *buffer = (Buffer){NULL, 0, 0};
}

/* Bytes of 0 and 1 as bits. */
static uint8_t *packed(const Buffer *flags) {
    uint8_t *bits = allocate(flags->size / 8 + 8);
    for (size_t i = 0; i < flags->size; i++) bits[i >> 3] |= (uint8_t)(flags->at[i] << (i & 7));
    return bits;
}

static void give_validity(struct ArrowArray *array, Buffer *valid) {
    array->buffers[array->n_buffers++] = array->null_count ? packed(valid) : NULL;
    release(valid);
}

static void export_text(struct ArrowArray *array, struct ArrowSchema *schema, const char *name, int64_t flags,
                        int64_t rows, Buffer *valid, Buffer *offsets, Buffer *data) {
    int64_t nulls = 0;
    for (size_t i = 0; i < valid->size; i++) nulls += !valid->at[i];
    start_array(array, rows, nulls, 0);
    start_schema(schema, "u", name, flags, 0);
    give_validity(array, valid);
    give(array, offsets);
    give(array, data);
}

static void export_number(struct ArrowArray *array, struct ArrowSchema *schema, const char *format, const char *name,
                          int64_t rows, int64_t nulls, Buffer *valid, Buffer *data) {
    start_array(array, rows, nulls, 0);
    start_schema(schema, format, name, NULLABLE, 0);
    give_validity(array, valid);
    give(array, data);
}

static void export_map(Column *column, struct ArrowArray *array, struct ArrowSchema *schema) {
    Buffer none = {NULL, 0, 0}, valid = none;
    int64_t entries = column->entries;
    start_array(array, column->rows, column->nulls, 1);
    start_schema(schema, "+m", column->spec.name, NULLABLE, 1);
    give_validity(array, &column->valid);
    give(array, &column->offsets);
    struct ArrowArray *pairs = array->children[0];
    struct ArrowSchema *pair = schema->children[0];
    start_array(pairs, entries, 0, 2);
    start_schema(pair, "+s", "entries", 0, 2);
    pairs->n_buffers = 1; /* no validity */
    export_text(pairs->children[0], pair->children[0], "key", 0, entries, &none, &column->key_offsets,
                &column->key_data);
    if (column->spec.kind == TEXT_MAP) {
        valid = column->index.slots;
        column->index.slots = none;
        export_text(pairs->children[1], pair->children[1], "value", NULLABLE, entries, &valid, &column->value_offsets,
                    &column->value_data);
    } else {
        export_number(pairs->children[1], pair->children[1], "l", "value", entries, 0, &valid, &column->value_data);
    }
}

static void export_column(Column *column, struct ArrowArray *array, struct ArrowSchema *schema) {
    static const char *const formats[] = {
        [TIME] = "tsu:UTC", [INT64] = "l", [INT32] = "i", [DOUBLE] = "g", [REPEATED] = "i"};
    const char *name = column->spec.name;
    Buffer none = {NULL, 0, 0};
    switch (column->spec.kind) {
        case TEXT:
            export_text(array, schema, name, NULLABLE, column->rows, &column->valid, &column->offsets, &column->data);
            break;
        case REPEATED:
        case TIME:
        case INT64:
        case INT32:
        case DOUBLE:
            export_number(array, schema, formats[column->spec.kind], name, column->rows, column->nulls, &column->valid,
                          &column->data);
            break;
        case FLAG: {
            Buffer bits = {packed(&column->data), 1, 1};
            export_number(array, schema, "b", name, column->rows, column->nulls, &column->valid, &bits);
            break;
        }
        case TEXTS:
            start_array(array, column->rows, column->nulls, 1);
            start_schema(schema, "+l", name, NULLABLE, 1);
            give_validity(array, &column->valid);
            give(array, &column->offsets);
            export_text(array->children[0], schema->children[0], "element", NULLABLE, column->entries, &none,
                        &column->key_offsets, &column->key_data);
            break;
        case TEXT_MAP:
        case NUMBER_MAP: export_map(column, array, schema); break;
    }
    if (column->spec.kind == REPEATED) {
        array->dictionary = allocate(sizeof(struct ArrowArray));
        schema->dictionary = allocate(sizeof(struct ArrowSchema));
        export_text(array->dictionary, schema->dictionary, "", NULLABLE, column->entries, &none, &column->key_offsets,
                    &column->key_data);
    }
}

void export_columns(Column *columns, int count, int64_t rows, struct ArrowArray *array, struct ArrowSchema *schema) {
    start_array(array, rows, 0, count);
    start_schema(schema, "+s", "", 0, count);
    array->n_buffers = 1; /* no validity */
    for (int i = 0; i < count; i++) {
        ColumnSpec spec = columns[i].spec;
        export_column(&columns[i], array->children[i], schema->children[i]);
        release_column(&columns[i]); /* what was not given away */
        start_column(&columns[i], spec);
    }
}
