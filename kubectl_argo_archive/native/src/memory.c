#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 64 << 10, KEPT = 1 << 20, PROBES = 256 };

struct Block {
    Block *next;
    size_t size, room;
    uint8_t bytes[];
};

void *checked(void *memory) {
    if (memory == NULL) {
        fputs("error: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void grow(Buffer *buffer, size_t more) {
    size_t room = buffer->room < 256 ? 256 : buffer->room;
    while (room - buffer->size < more) room *= 2;
    buffer->at = checked(realloc(buffer->at, room));
    buffer->room = room;
}

void release(Buffer *buffer) {
    free(buffer->at);
    *buffer = (Buffer){NULL, 0, 0};
}

uint8_t *arena_take(Arena *arena, size_t size) {
    Block *block = arena->blocks;
    if (block == NULL || block->room - block->size < size) {
        size_t room = size < BLOCK ? BLOCK : size;
        block = checked(malloc(sizeof(Block) + room));
        *block = (Block){arena->blocks, 0, room};
        arena->blocks = block;
    }
    uint8_t *at = block->bytes + block->size;
    block->size += size;
    return at;
}

/* Keeps one block of usual size for the next document. */
void arena_clear(Arena *arena) {
    Block *kept = NULL;
    for (Block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        if (kept == NULL && block->room <= KEPT) {
            kept = block;
        } else {
            free(block);
        }
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->size = 0;
    }
    arena->blocks = kept;
}

void arena_release(Arena *arena) {
    for (Block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}

static inline uint64_t folded(uint64_t word) {
    __uint128_t product = (__uint128_t)word * 0xD6E8FEB86659FD93u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes at a time, each step a multiplication folded upon itself (the idea of wyhash). Its users compare the
 * texts too and bound their probing, so texts made to collide cost time only. */
uint64_t hash_of(Str text) {
    uint64_t hash = 0x9E3779B97F4A7C15u ^ text.size, last = 0;
    const uint8_t *at = text.at, *end = text.at + text.size;
    for (; end - at > 8; at += 8) hash = folded(hash ^ eight_bytes(at));
    if (text.size >= 8) {
        last = eight_bytes(end - 8);
    } else if (text.size >= 4) {
        last = (uint64_t)four_bytes(at) << 32 | four_bytes(end - 4);
    } else {
        for (; at < end; at++) last = last << 8 | *at;
    }
    return folded(hash ^ last);
}

void index_clear(Index *index, uint32_t count) {
    size_t slots = 16;
    while (slots < (size_t)count * 2) slots *= 2;
    index->slots.size = 0;
    memset(claim(&index->slots, slots * sizeof(uint32_t)), 0, slots * sizeof(uint32_t));
    index->mask = (uint32_t)(slots - 1);
}

uint32_t *index_slot(Index *index, Str text, Str (*text_of)(const void *context, uint32_t i), const void *context) {
    uint32_t *slots = (uint32_t *)(void *)index->slots.at;
    uint32_t place = (uint32_t)hash_of(text);
    for (int probe = 0; probe < PROBES; probe++, place++) {
        uint32_t *slot = slots + (place & index->mask);
        if (*slot == 0 || same(text_of(context, *slot - 1), text)) return slot;
    }
    return NULL;
}
