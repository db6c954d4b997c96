#include "json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Behind the ASCII characters at `at`, or a few of them before. */
static const uint8_t *ascii_end(const uint8_t *at, const uint8_t *end) {
#if defined(__SSE2__)
    while (end - at >= 64) {
        const __m128i *four = (const __m128i *)(const void *)at;
        __m128i low = _mm_or_si128(_mm_loadu_si128(four), _mm_loadu_si128(four + 1));
        __m128i high = _mm_or_si128(_mm_loadu_si128(four + 2), _mm_loadu_si128(four + 3));
        if (_mm_movemask_epi8(_mm_or_si128(low, high))) break;
        at += 64;
    }
#endif
    while (end - at >= 8 && !(eight_bytes(at) & 0x8080808080808080u)) at += 8;
    return at;
}

/* Bytes of the character at `at`; 0 if it is none. RFC 3629, section 4. */
static int character(const uint8_t *at, const uint8_t *end) {
    const uint8_t first = at[0];
    if (first < 0x80) return 1;
    if (first < 0xC2 || first > 0xF4) return 0;
    const int size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (end - at < size) return 0;
    const uint8_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const uint8_t most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < least || at[1] > most) return 0;
    for (int i = 2; i < size; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    return size;
}

bool is_utf8(const uint8_t *at, size_t size) {
    const uint8_t *end = at + size;
    while ((at = ascii_end(at, end)) < end) {
        const int bytes = character(at, end);
        if (!bytes) return false;
        at += bytes;
    }
    return true;
}
