/* Pieces of memory that hold a record batch each, and are used again. */
#ifndef PIECES_H
#define PIECES_H

#include <stdatomic.h>
#include <stddef.h>

enum { ALIGNED = 64 };

/* The header of a piece; what it holds follows. */
typedef struct {
    _Alignas(ALIGNED) atomic_int users;
    size_t size; /* with the header */
} Piece;

/* A piece of at least `size` bytes, header included, without users. Its bytes have any values. */
Piece *new_piece(size_t size);

/* One user less; without any, the memory is free. */
void leave(Piece *piece);

/* From the first `keep_pieces` to the last `drop_pieces`, free pieces wait for their next use. */
void keep_pieces(void);
void drop_pieces(void);

#endif
