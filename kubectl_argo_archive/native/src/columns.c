#include "columns.h"

enum { KEPT = 16 << 20 }; /* of a buffer, for the next batch */

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

static void clear(Buffer *buffer) {
    buffer->size = 0;
    if (buffer->room > KEPT) release(buffer);
}

void clear_column(Column *column) {
    clear(&column->valid);
    clear(&column->offsets);
    clear(&column->data);
    clear(&column->key_offsets);
    clear(&column->key_data);
    clear(&column->value_offsets);
    clear(&column->value_data);
    clear(&column->index.slots);
    column->rows = column->nulls = column->waiting = column->entries = column->last = 0;
    start_offsets(&column->offsets);
    start_offsets(&column->key_offsets);
    start_offsets(&column->value_offsets);
    if (column->spec.kind == REPEATED) index_clear(&column->index, 64);
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

void settle(Column *column) {
    const size_t count = (size_t)column->waiting;
    if (count == 0) return;
    column->waiting = 0;
    memset(claim(&column->valid, count), 0, count);
    size_t width = sizeof(int64_t);
    switch (column->spec.kind) {
        case TEXT:
        case TEXTS:
        case TEXT_MAP:
        case NUMBER_MAP: { /* empty: they end where the row before ends */
            int32_t *ends = claim(&column->offsets, count * sizeof(int32_t));
            for (size_t i = 0; i < count; i++) ends[i] = ends[-1];
            return;
        }
        case FLAG: width = 1; break;
        case REPEATED:
        case INT32: width = sizeof(int32_t); break;
        case TIME:
        case INT64:
        case DOUBLE: break;
    }
    memset(claim(&column->data, count * width), 0, count * width);
}

/* A row that is not null; its value is put next. */
static inline void new_row(Column *column) {
    settle(column);
    *(uint8_t *)claim(&column->valid, 1) = true;
    column->rows++;
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

static int32_t look_up(Column *column, Str text) {
    uint32_t *slot = index_slot(&column->index, text, dictionary_text, column);
    if (slot && *slot) return (int32_t)*slot - 1;
    if (slot)
        *slot = (uint32_t)column->entries + 1; /* else: the text stands in the dictionary twice, which is allowed */
    append_text(&column->key_data, text);
    add_offset(&column->key_offsets, &column->key_data);
    column->entries++;
    if ((uint32_t)column->entries > column->index.mask / 2) index_anew(column);
    return (int32_t)column->entries - 1;
}

/* The code that came behind `code` last time. Values mostly come in an order of their own, as the parameters of a
 * template do: so most are found by one comparison, and are not looked up. */
static inline int32_t *follower(Column *column, int32_t code) {
    return (int32_t *)(void *)column->value_data.at + code;
}

static inline int32_t code_of(Column *column, Str text) {
    if (column->entries == 0) {
        *(int32_t *)claim(&column->value_data, sizeof(int32_t)) = 0;
        return column->last = look_up(column, text);
    }
    const int32_t guess = *follower(column, column->last);
    if (same(dictionary_text(column, (uint32_t)guess), text)) return column->last = guess;
    const int64_t known = column->entries;
    const int32_t code = look_up(column, text);
    if (column->entries > known) *(int32_t *)claim(&column->value_data, sizeof(int32_t)) = code;
    *follower(column, column->last) = code;
    return column->last = code;
}

void put_null(Column *column) {
    column->rows++;
    column->nulls++;
    column->waiting++;
}

void put_text(Column *column, Str text) {
    if (text.at == NULL) {
        put_null(column);
        return;
    }
    new_row(column);
    if (column->spec.kind == REPEATED) {
        int32_t code = code_of(column, text);
        append(&column->data, &code, sizeof code);
    } else {
        append_text(&column->data, text);
        add_offset(&column->offsets, &column->data);
    }
}

void put_number(Column *column, int64_t value) {
    if (value == INT64_MIN) {
        put_null(column);
        return;
    }
    new_row(column);
    if (column->spec.kind == INT32) {
        int32_t small = (int32_t)value;
        append(&column->data, &small, sizeof small);
    } else {
        append(&column->data, &value, sizeof value);
    }
}

void put_double(Column *column, double value) {
    new_row(column);
    append(&column->data, &value, sizeof value);
}

void put_flag(Column *column, bool value) {
    new_row(column);
    *(uint8_t *)claim(&column->data, 1) = value;
}

void put_entries(Column *column) {
    int32_t end = (int32_t)column->entries;
    new_row(column);
    append(&column->offsets, &end, sizeof end);
}

void add_text(Column *column, Str item) {
    append_text(&column->key_data, item);
    add_offset(&column->key_offsets, &column->key_data);
    column->entries++;
}

/* Values of TEXT_MAP may be missing; their validity is kept in the index's buffer, which maps do not need. */
void add_pair(Column *column, Str key, Str value) {
    add_text(column, key);
    append_text(&column->value_data, value);
    add_offset(&column->value_offsets, &column->value_data);
    *(uint8_t *)claim(&column->index.slots, 1) = value.at != NULL;
}

void add_number(Column *column, Str key, int64_t value) {
    add_text(column, key);
    append(&column->value_data, &value, sizeof value);
}
