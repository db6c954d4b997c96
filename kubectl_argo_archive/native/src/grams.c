/* Which short strings a text holds, as the search index has it: definition in logs/grams.py (`slots`) and in SQL. */
#include <string.h>

#include "cpu.h"
#include "native.h"

enum { LONG = 5, LONG_BITS = 19, SHORT_BITS = 16, STEP = 512 };

static inline uint32_t lower(uint32_t byte) {
    return byte - 'A' < 26 ? byte | 32 : byte;
}

/* Marks the strings that begin at data[0 .. count), with LONG - 1 bytes behind them; count <= STEP.
 * Loops apart, so that all but the last are done with vectors. */
static inline __attribute__((always_inline)) void mark_step(uint8_t *flags, const uint8_t *data, size_t count) {
    uint32_t bytes[STEP + LONG - 1], longs[STEP], shorts[STEP];
    for (size_t i = 0; i < count + LONG - 1; i++) bytes[i] = lower(data[i]);
    for (size_t i = 0; i < count; i++) {
        const uint32_t word = bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
        uint32_t hash = bytes[i + 4] * 0x85EBCA6Bu;
        hash = ((hash ^ hash >> 15) + word) * 0x9E3779B1u;
        longs[i] = (hash ^ hash >> 15) * 0xC2B2AE35u >> (32 - LONG_BITS);
        shorts[i] = (word << 8) * 0x9E3779B1u >> (32 - SHORT_BITS);
    }
    for (size_t i = 0; i < count; i++) {
        flags[longs[i]] = 1;
        flags[(1u << LONG_BITS) + shorts[i]] = 1;
    }
}

static void mark_plain(uint8_t *flags, const uint8_t *data, size_t count) {
    for (; count > STEP; count -= STEP, data += STEP) mark_step(flags, data, STEP);
    mark_step(flags, data, count);
}

#ifdef HAS_AVX2_VARIANT
static AVX2 void mark_avx2(uint8_t *flags, const uint8_t *data, size_t count) {
    for (; count > STEP; count -= STEP, data += STEP) mark_step(flags, data, STEP);
    mark_step(flags, data, count);
}
#define MARK (cpu_has_avx2() ? mark_avx2 : mark_plain)
#else
#define MARK mark_plain
#endif

/* Sets the flag of each string of the data and of the five newlines behind it; ASCII counts as in lower case.
 * `flags` has (1 << LONG_BITS) + (1 << SHORT_BITS) bytes. */
EXPORT void grams_mark(uint8_t *flags, const uint8_t *data, size_t size) {
    const size_t inside = size >= LONG ? size - LONG + 1 : 0, rest = size - inside;
    uint8_t end[2 * LONG];
    memset(end, '\n', sizeof end);
    if (rest) memcpy(end, data + inside, rest);
    MARK(flags, data, inside);
    MARK(flags, end, rest + 1);
}
