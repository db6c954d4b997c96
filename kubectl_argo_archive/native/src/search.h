/* Lines of texts that hold a literal. */
#ifndef SEARCH_H
#define SEARCH_H

#include "native.h"

/* Texts that lie one behind the other: text i is data[bounds[i]] up to data[bounds[i + 1]]. */
typedef struct {
    const uint8_t *data;
    size_t size;
    const int64_t *bounds;
    size_t count;
} Texts;

/* What is looked for. `rare` are the places of its two rarest bytes: where both stand, the rest is compared. */
typedef struct {
    const uint8_t *bytes;
    size_t size;
    size_t rare[2];
    uint8_t lower[2], upper[2]; /* these bytes, in both cases if case does not count; else the same twice */
    int fold;                   /* ASCII letters match in any case; `bytes` is in lower case then */
} Needle;

#endif
