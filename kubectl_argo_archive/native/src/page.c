/* A page of texts as Parquet has it: what its header says, and its values as texts that lie one behind the other.
 *
 * Only the one form is understood that this package writes (one page of version 1, plain, no nulls): for all others
 * the answer is -1, and Arrow reads them. */
#include <string.h>

#include "native.h"

typedef struct {
    const uint8_t *at, *end;
    int broken;
} Reader;

static uint64_t varint(Reader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 63 && reader->at < reader->end; shift += 7) {
        const uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    reader->broken = 1;
    return 0;
}

/* Whether a byte comes next; it is taken then. */
static int next_is(Reader *reader, uint8_t byte) {
    if (reader->at == reader->end || *reader->at != byte) return 0;
    reader->at++;
    return 1;
}

/* The next field of a Thrift struct (compact protocol), which must be an integer with the number after the last. */
static int64_t number(Reader *reader) {
    if (!next_is(reader, 0x15)) reader->broken = 1;
    const uint64_t value = varint(reader);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* `found`: bytes of the page as it is stored, unpacked, and its number of values. Returns the header's size, or -1. */
EXPORT int64_t page_header(const uint8_t *bytes, size_t size, int64_t *found) {
    Reader reader = {bytes, bytes + size, 0};
    enum { DATA_PAGE = 0, PLAIN = 0, RLE = 3 };
    const int64_t type = number(&reader);
    found[1] = number(&reader);
    found[0] = number(&reader);
    if (!next_is(&reader, 0x2c)) return -1; /* a struct, two fields further: there is no checksum */
    found[2] = number(&reader);
    const int64_t encoding = number(&reader), of_levels = number(&reader);
    (void)number(&reader); /* encoding of repetitions, of which a text has none */
    if (next_is(&reader, 0x1c) && !next_is(&reader, 0)) return -1; /* statistics, empty */
    if (!next_is(&reader, 0) || !next_is(&reader, 0)) return -1;   /* the ends of both structs */
    if (reader.broken || type != DATA_PAGE || encoding != PLAIN || of_levels != RLE) return -1;
    if (found[0] < 0 || found[1] < 0 || found[2] < 0) return -1;
    return reader.at - bytes;
}

/* Whether `count` levels of one bit are all 1: no value is null. */
static int all_there(Reader reader, int64_t count) {
    while (count > 0) {
        const uint64_t head = varint(&reader);
        if (reader.broken || head >> 1 == 0) return 0;
        if (head & 1) { /* packed: head >> 1 bytes of eight levels */
            for (uint64_t i = 0; i < head >> 1 && count > 0; i++, count -= 8) {
                const uint8_t wanted = count < 8 ? (uint8_t)((1u << count) - 1) : 255;
                if (reader.at == reader.end || (*reader.at++ & wanted) != wanted) return 0;
            }
        } else { /* one level, head >> 1 times */
            if (!next_is(&reader, 1)) return 0;
            if (head >> 1 >= (uint64_t)count) return 1;
            count -= (int64_t)(head >> 1);
        }
    }
    return 1;
}

static uint32_t little(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Moves the texts of an unpacked page together, over the lengths that stand before each.
 * `bounds` (count + 1) says where each begins from the first on. Returns where the first one lies, or -1. */
EXPORT int64_t page_texts(uint8_t *page, size_t size, int64_t count, int64_t *bounds) {
    if (size < 4 || little(page) > size - 4) return -1;
    size_t at = 4 + little(page);
    const Reader levels = {page + 4, page + at, 0};
    if (!all_there(levels, count)) return -1;
    const size_t first = at + 4; /* so that a single text need not be moved */
    size_t to = first;
    bounds[0] = 0;
    for (int64_t i = 0; i < count; i++) {
        if (size - at < 4) return -1;
        const size_t length = little(page + at);
        at += 4;
        if (size - at < length) return -1;
        if (to != at) memmove(page + to, page + at, length);
        at += length;
        to += length;
        bounds[i + 1] = (int64_t)(to - first);
    }
    return at == size ? (int64_t)first : -1;
}
