/* Times and numbers, as strict as `tables/document.py` or stricter. */
#ifndef SCALARS_H
#define SCALARS_H

#include "json.h"

#define MISSING INT64_MIN /* of a number or a time that is not there */

/* An RFC 3339 time in microseconds; MISSING for Go's zero time. False if it is not plainly one. */
bool time_of(Str text, int64_t *micros);

bool read_time(Reader *reader, int64_t *micros);
/* A number, or a string of digits. */
bool read_integer(Reader *reader, int64_t *value);
/* The same, of 32 bits. */
bool read_small(Reader *reader, int64_t *value);
/* Argo gives the exit code as free text: what is no number is MISSING. */
bool read_exit_code(Reader *reader, int64_t *value);

#endif
