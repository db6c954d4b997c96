/* Lines of texts that hold a literal: counted, or found. Definitions in Python: tests/test_native_search.py. */
#include "search.h"

#include <string.h>

#include "cpu.h"

enum { PART = 128 << 10 };

/* Anywhere: eight bytes at a time, in a register. */
static inline uint64_t equal64_plain(const uint8_t *data, uint8_t value) {
    const uint64_t each = 0x0101010101010101u, low = 0x7f7f7f7f7f7f7f7fu;
    uint64_t found = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t word;
        memcpy(&word, data + 8 * i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= each * value;
        word = ~(((word & low) + low) | word | low);                 /* 0x80 where a byte is zero */
        found |= ((word >> 7) * 0x0102040810204080u >> 56) << 8 * i; /* the eight bits beside each other */
    }
    return found;
}

/* Words at the end of the data, byte by byte; rare, so kept out of the loops. */
static __attribute__((noinline)) uint64_t careful_newlines(const uint8_t *data, size_t count) {
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++) found |= (uint64_t)(data[i] == '\n') << i;
    return found;
}

static __attribute__((noinline)) uint64_t careful_candidates(const Needle *needle, const uint8_t *one,
                                                             const uint8_t *other, size_t count) {
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const int both = (one[i] == needle->lower[0] || one[i] == needle->upper[0]) &&
                         (other[i] == needle->lower[1] || other[i] == needle->upper[1]);
        found |= (uint64_t)both << i;
    }
    return found;
}

#define TARGET
#define NAME(name) name##_plain
#include "search_body.h"

#ifdef HAS_AVX2_VARIANT

#include <immintrin.h>

static inline AVX2 uint64_t equal64_avx2(const uint8_t *data, uint8_t value) {
    const __m256i wanted = _mm256_set1_epi8((char)value);
    const __m256i low = _mm256_loadu_si256((const __m256i *)data);
    const __m256i high = _mm256_loadu_si256((const __m256i *)(data + 32));
    uint64_t first = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
    uint64_t second = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));
    /* a number from here on: clang 22 would keep 64 bits apart, in as many registers */
    __asm__("" : "+r"(first), "+r"(second));
    return first | second << 32;
}

#define TARGET AVX2
#define NAME(name) name##_avx2
#include "search_body.h"

#define PICK(name) (cpu_has_avx2() ? name##_avx2 : name##_plain)
#else
#define PICK(name) name##_plain
#endif

/* How common a byte is in logs, roughly: the place in this list from its end; what is not in it is rare. */
static size_t commonness(uint8_t byte) {
    static const char common[] = " etaoinrs0123456789dlcu.mph:-/_=gfy,bw[]\"'vk(){}TINDEFAORSGWxjzq";
    const char *found = byte ? strchr(common, byte) : NULL;
    return found ? sizeof common - (size_t)(found - common) : 0;
}

static uint8_t upper(uint8_t byte) {
    return (uint8_t)(byte - 'a') < 26 ? byte - 32 : byte;
}

static Needle prepare(const uint8_t *bytes, size_t size, int fold) {
    Needle needle = {.bytes = bytes, .size = size, .fold = fold};
    for (int which = 0; which < 2 && size; which++) {
        size_t best = which && size > 1 && needle.rare[0] == 0; /* another place than the first one, if there is one */
        for (size_t i = 0; i < size; i++) {
            if (which && i == needle.rare[0]) continue;
            if (commonness(bytes[i]) < commonness(bytes[best])) best = i;
        }
        needle.rare[which] = best;
        needle.lower[which] = bytes[best];
        needle.upper[which] = fold ? upper(bytes[best]) : bytes[best];
    }
    return needle;
}

static int ascend(const Texts *texts) {
    for (size_t i = 0; i < texts->count; i++)
        if (texts->bounds[i] < 0 || texts->bounds[i] > texts->bounds[i + 1]) return 0;
    return texts->count == 0 || (uint64_t)texts->bounds[texts->count] <= texts->size;
}

/* How many lines of each text hold the needle, which has no newline; without a needle, how many lines there are.
 * Returns their sum, or -1 if the bounds do not ascend or leave the data. */
EXPORT int64_t search_count(const uint8_t *data, size_t size, const int64_t *bounds, size_t texts,
                            const uint8_t *needle, size_t length, int32_t fold, int64_t *counts) {
    const Texts all = {data, size, bounds, texts};
    if (!ascend(&all)) return -1;
    const Needle wanted = prepare(needle, length, fold);
    PICK(count)(&all, &wanted, counts);
    int64_t sum = 0;
    for (size_t i = 0; i < texts; i++) sum += counts[i];
    return sum;
}

/* Where these lines begin and end (newline excluded); returns how many there are, at most `room`, or -1. */
EXPORT int64_t search_lines(const uint8_t *data, size_t size, const int64_t *bounds, size_t texts,
                            const uint8_t *needle, size_t length, int32_t fold, int64_t *starts, int64_t *ends,
                            size_t room) {
    const Texts all = {data, size, bounds, texts};
    if (!ascend(&all)) return -1;
    const Needle wanted = prepare(needle, length, fold);
    return (int64_t)PICK(lines)(&all, &wanted, starts, ends, room);
}

/* The first `room` places of the needle (not empty) in the data; returns how many were found. */
EXPORT int64_t search_places(const uint8_t *data, size_t size, const uint8_t *needle, size_t length, int64_t *places,
                             size_t room) {
    const Texts all = {.data = data, .size = size};
    const Needle wanted = prepare(needle, length, 0);
    return (int64_t)PICK(places)(&all, &wanted, places, room);
}

/* Whether any of the needles (not empty, one behind the other in `needles`) stands in the data. Each is looked for in
 * a part that stays in the processor's cache, so that the data come there once and not once for each needle. */
EXPORT int32_t search_any(const uint8_t *data, size_t size, const uint8_t *needles, const size_t *lengths,
                          size_t count) {
    for (size_t at = 0; at < size; at += PART) {
        const uint8_t *needle = needles;
        for (size_t i = 0; i < count; needle += lengths[i++]) {
            const size_t reach = PART + lengths[i] - 1;
            const Texts part = {.data = data + at, .size = size - at < reach ? size - at : reach};
            const Needle wanted = prepare(needle, lengths[i], 0);
            int64_t place;
            if (PICK(places)(&part, &wanted, &place, 1)) return 1;
        }
    }
    return 0;
}
