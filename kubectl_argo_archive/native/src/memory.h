/* Memory: texts as slices, an arena for what lives as long as one document, and buffers that grow. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <string.h>

#include "native.h"

/* A text in UTF-8: a slice of the document or of the arena. `at` is NULL for a missing one. */
typedef struct {
    const uint8_t *at;
    uint32_t size;
} Str;

#define NO_STR ((Str){NULL, 0})
#define STR(literal) ((Str){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline uint64_t eight_bytes(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline uint32_t four_bytes(const uint8_t *at) {
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

/* The texts compared are short: a call of memcmp would cost more than this. The last step may overlap the one before.
 */
static inline bool same(Str a, Str b) {
    if (a.size != b.size) return false;
    const uint8_t *one = a.at, *other = b.at, *end = a.at + a.size;
    if (a.size >= 8) {
        for (; end - one > 8; one += 8, other += 8)
            if (eight_bytes(one) != eight_bytes(other)) return false;
        return eight_bytes(end - 8) == eight_bytes(b.at + b.size - 8);
    }
    if (a.size >= 4)
        return four_bytes(one) == four_bytes(other) && four_bytes(end - 4) == four_bytes(b.at + b.size - 4);
    for (; one < end; one++, other++)
        if (*one != *other) return false;
    return true;
}

/* Whether `text` is there and not empty. */
static inline bool filled(Str text) {
    return text.size != 0;
}

uint64_t hash_of(Str text);

/* Memory that was asked for; the process ends if there is none. */
void *checked(void *memory);

/* Grown by doubling; the process ends if memory does, as it would under the system's own limit. */
typedef struct {
    uint8_t *at;
    size_t size, room;
} Buffer;

void grow(Buffer *buffer, size_t more);
void release(Buffer *buffer);

static inline void *claim(Buffer *buffer, size_t size) {
    if (buffer->room - buffer->size < size) grow(buffer, size);
    void *at = buffer->at + buffer->size;
    buffer->size += size;
    return at;
}

static inline void append(Buffer *buffer, const void *from, size_t size) {
    if (size) memcpy(claim(buffer, size), from, size);
}

/* The same for texts, which mostly are short: a call of memcpy would cost more than this. Pieces may overlap. */
static inline void append_text(Buffer *buffer, Str text) {
    uint8_t *to = claim(buffer, text.size);
    const uint8_t *from = text.at;
    const size_t size = text.size;
    if (size > 32) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        uint8_t first[16], last[16];
        memcpy(first, from, 16);
        memcpy(last, from + size - 16, 16);
        memcpy(to, first, 16);
        memcpy(to + size - 16, last, 16);
    } else if (size >= 8) {
        uint64_t first = eight_bytes(from), last = eight_bytes(from + size - 8);
        memcpy(to, &first, 8);
        memcpy(to + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first = four_bytes(from), last = four_bytes(from + size - 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
    } else {
        for (size_t i = 0; i < size; i++) to[i] = from[i];
    }
}

/* A growing array of one type: items are reached by index, because growing moves them. */
#define ARRAY(type) \
    struct { \
        Buffer items; \
    }
#define COUNT(array, type) ((uint32_t)((array).items.size / sizeof(type)))
#define ITEM(array, type, index) (((type *)(void *)(array).items.at) + (index))
#define PUSH(array, type) ((type *)claim(&(array).items, sizeof(type)))
#define CLEAR(array) ((array).items.size = 0)

/* Finds texts by their hash. Probing is bounded: texts made to collide are not taken instead of costing time. */
typedef struct {
    Buffer slots;
    uint32_t mask;
} Index;

/* Room for `count` entries, none of them there yet. */
void index_clear(Index *index, uint32_t count);
/* Where `text` is or would be among the entries, of which number i has the text text_of(context, i); NULL if probing
 * takes too long. A slot holds the entry's number plus one, 0 if it is free. */
uint32_t *index_slot(Index *index, Str text, Str (*text_of)(const void *context, uint32_t i), const void *context);

/* Small pieces that all end together. */
typedef struct Block Block;
typedef struct {
    Block *blocks;
} Arena;

uint8_t *arena_take(Arena *arena, size_t size);
void arena_clear(Arena *arena);
void arena_release(Arena *arena);

#endif
