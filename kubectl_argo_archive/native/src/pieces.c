#define _DEFAULT_SOURCE /* anonymous mappings */
#include "pieces.h"

#include <stdbool.h>
#include <stdlib.h>

#include "memory.h"

#if !defined(_WIN32)
#include <sys/mman.h>
#endif

enum {
    MAPPED = 256 << 10, /* pieces of this size and more come from the system and go back to it: writers keep them for
                           long, and malloc's heap would be full of holes (an export of 3 GB grew by 140 MB) */
    KEPT = 32,          /* pieces, and bytes, that wait: memory from the system comes in pages that it clears one by
                           one, which takes longer than to fill them */
    KEPT_BYTES = 24 << 20,
};

static _Atomic(Piece *) kept[KEPT];
static atomic_size_t kept_bytes;
static atomic_int keepers;

static void *map(size_t size) {
#if defined(_WIN32)
    return aligned_alloc(ALIGNED, size);
#else
#if defined(MAP_POPULATE)
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
#else
    const int flags = MAP_PRIVATE | MAP_ANON;
#endif
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
#endif
}

static void unmap(Piece *piece) {
#if defined(_WIN32)
    free(piece);
#else
    munmap(piece, piece->size);
#endif
}

static bool kept_again(Piece *piece) {
    if (atomic_load(&keepers) == 0 || atomic_load(&kept_bytes) + piece->size > KEPT_BYTES) return false;
    for (int i = 0; i < KEPT; i++) {
        Piece *none = NULL;
        atomic_fetch_add(&kept_bytes, piece->size);
        if (atomic_compare_exchange_strong(&kept[i], &none, piece)) return true;
        atomic_fetch_sub(&kept_bytes, piece->size);
    }
    return false;
}

static Piece *taken(int i) {
    Piece *piece = atomic_exchange(&kept[i], NULL);
    if (piece != NULL) atomic_fetch_sub(&kept_bytes, piece->size);
    return piece;
}

/* A piece that waits and is neither too small nor twice as large. */
static Piece *waiting(size_t size) {
    for (int i = 0; i < KEPT; i++) {
        Piece *piece = taken(i);
        if (piece == NULL) continue;
        if (piece->size >= size && piece->size / 2 <= size) return piece;
        if (!kept_again(piece)) unmap(piece);
    }
    return NULL;
}

Piece *new_piece(size_t size) {
    Piece *piece;
    if (size >= MAPPED) {
        piece = waiting(size);
        if (piece != NULL) return piece;
        size += size / 8 / ALIGNED * ALIGNED; /* the next one may be a little larger */
        piece = checked(map(size));
    } else {
        piece = checked(aligned_alloc(ALIGNED, size));
    }
    piece->size = size;
    atomic_init(&piece->users, 0);
    return piece;
}

void leave(Piece *piece) {
    if (atomic_fetch_sub(&piece->users, 1) > 1) return;
    if (piece->size < MAPPED) {
        free(piece);
    } else if (!kept_again(piece)) {
        unmap(piece);
    }
}

void keep_pieces(void) {
    atomic_fetch_add(&keepers, 1);
}

void drop_pieces(void) {
    if (atomic_fetch_sub(&keepers, 1) > 1) return;
    for (int i = 0; i < KEPT; i++) {
        Piece *piece = taken(i);
        if (piece != NULL) unmap(piece);
    }
}
