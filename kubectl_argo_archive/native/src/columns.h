/* Columns that grow value by value. */
#ifndef COLUMNS_H
#define COLUMNS_H

#include "memory.h"

typedef enum {
    TEXT,
    REPEATED, /* text as a dictionary: few values, many rows */
    TIME,     /* microseconds, UTC */
    INT64,
    INT32,
    DOUBLE,
    FLAG,
    TEXTS,      /* list of text */
    TEXT_MAP,   /* text to text */
    NUMBER_MAP, /* text to int64 */
} Kind;

typedef struct {
    const char *name;
    Kind kind;
} ColumnSpec;

typedef struct {
    ColumnSpec spec;
    int64_t rows, nulls;
    int64_t waiting; /* the last so many rows are null and not yet in the buffers: nulls mostly come many at a time */
    Buffer valid, offsets, data; /* validity: a byte a row; data: values or bytes of text */
    /* REPEATED: the dictionary's offsets and bytes, and for each code the one that followed last.
     * Lists and maps: keys (or items) and values. */
    Buffer key_offsets, key_data, value_offsets, value_data;
    int64_t entries;
    int32_t last; /* REPEATED: the code of the row before */
    Index index;
} Column;

void start_column(Column *column, ColumnSpec spec);
/* No rows again, with the memory for as many. */
void clear_column(Column *column);
void release_column(Column *column);

void put_null(Column *column);
void put_text(Column *column, Str text);        /* TEXT, REPEATED; null if missing */
void put_number(Column *column, int64_t value); /* TIME, INT64, INT32; null if INT64_MIN */
void put_double(Column *column, double value);
void put_flag(Column *column, bool value);
/* Entries of the list or map whose row put_entries ends. */
void add_text(Column *column, Str item);                 /* TEXTS */
void add_pair(Column *column, Str key, Str value);       /* TEXT_MAP */
void add_number(Column *column, Str key, int64_t value); /* NUMBER_MAP */
void put_entries(Column *column);
/* Brings the buffers up to date with the rows. */
void settle(Column *column);

#endif
