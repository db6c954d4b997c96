/* The loops of search.c, compiled once for each set of instructions: NAME and TARGET say which, and equal64 is given.
 *
 * Texts are looked at 64 bytes at a time, as words with a bit for each byte: the newlines, and where the needle begins.
 * No byte outside data[0 .. size) is read: words that would reach beyond are put together by the careful functions. */

/* The bits below place `count`. */
static inline TARGET uint64_t NAME(below)(size_t count) {
    return count < 64 ? ((uint64_t)1 << count) - 1 : ~(uint64_t)0;
}

static inline TARGET uint64_t NAME(newlines)(const Texts *texts, size_t at, size_t end) {
    const size_t count = end - at < 64 ? end - at : 64;
    if (at + 64 > texts->size) return careful_newlines(texts->data + at, count);
    return NAME(equal64)(texts->data + at, '\n') & NAME(below)(count);
}

/* Places from `at` on where the needle's two rarest bytes stand, and where it would end before `end`. */
static inline TARGET uint64_t NAME(candidates)(const Texts *texts, const Needle *needle, size_t at, size_t end) {
    if (end - at < needle->size) return 0;
    const size_t room = end - at - needle->size + 1, count = room < 64 ? room : 64;
    const uint8_t *one = texts->data + at + needle->rare[0], *other = texts->data + at + needle->rare[1];
    if (at + 64 + needle->size > texts->size) return careful_candidates(needle, one, other, count);
    uint64_t found = NAME(equal64)(one, needle->lower[0]);
    if (needle->fold) found |= NAME(equal64)(one, needle->upper[0]);
    if (needle->size > 1) {
        uint64_t also = NAME(equal64)(other, needle->lower[1]);
        if (needle->fold) also |= NAME(equal64)(other, needle->upper[1]);
        found &= also;
    }
    return found & NAME(below)(count);
}

static inline TARGET int NAME(stands)(const Needle *needle, const uint8_t *place) {
    if (!needle->fold) return memcmp(place, needle->bytes, needle->size) == 0;
    for (size_t i = 0; i < needle->size; i++) {
        const uint8_t byte = place[i];
        if ((uint8_t)(byte - 'A') < 26 ? (byte | 32) != needle->bytes[i] : byte != needle->bytes[i]) return 0;
    }
    return 1;
}

/* Those of the candidates where the needle does stand; of each line the first one, for more change nothing.
 * `known`: the line that the word begins in is one already. */
static inline TARGET uint64_t NAME(first_hits)(const Needle *needle, const uint8_t *place, uint64_t left,
                                               uint64_t newlines, int known) {
    uint64_t found = 0;
    if (known) left &= ~((newlines & -newlines) - 1); /* on behind the next newline; without one, nothing is left */
    while (left) {
        const uint64_t bit = left & -left;
        if (needle->size <= 2 || NAME(stands)(needle, place + __builtin_ctzll(left))) {
            const uint64_t ends = newlines & ~(bit - 1);
            found |= bit;
            left &= ~((ends & -ends) - 1);
        } else {
            left ^= bit;
        }
    }
    return found;
}

/* How many lines of one text hold the needle, without finding the lines: an addition does.
 *
 * A line is a run of ones that ends at a zero, its newline. A hit is added to its run: the carry goes up to the zero
 * and turns it into a one. What is carried out of the word says that the line that goes on in the next word is hit. */
static TARGET int64_t NAME(count_text)(const Texts *texts, const Needle *needle, size_t at, size_t end) {
    int64_t count = 0;
    unsigned long long carry = 0;
    for (; at < end; at += 64) {
        uint64_t hits = NAME(candidates)(texts, needle, at, end);
        if (!(hits | carry)) continue;
        uint64_t ends = NAME(newlines)(texts, at, end);
        if (needle->size > 2) hits = NAME(first_hits)(needle, texts->data + at, hits, ends, (int)carry);
        if (end - at < 64) ends |= (uint64_t)1 << (end - at); /* a text may end without a newline */
        unsigned long long sum;
        const int over = __builtin_uaddll_overflow(~ends, hits, &sum);
        const int again = __builtin_uaddll_overflow(sum, carry, &sum);
        count += __builtin_popcountll(sum & ends);
        carry = (unsigned long long)(over | again);
    }
    return count + (int64_t)carry;
}

/* How many lines a text has. */
static TARGET int64_t NAME(count_all)(const Texts *texts, size_t at, size_t end) {
    if (at == end) return 0;
    int64_t count = texts->data[end - 1] != '\n';
    for (; at < end; at += 64) count += __builtin_popcountll(NAME(newlines)(texts, at, end));
    return count;
}

static TARGET void NAME(count)(const Texts *texts, const Needle *needle, int64_t *counts) {
    for (size_t i = 0; i < texts->count; i++) {
        const size_t from = (size_t)texts->bounds[i], to = (size_t)texts->bounds[i + 1];
        counts[i] = needle->size ? NAME(count_text)(texts, needle, from, to) : NAME(count_all)(texts, from, to);
    }
}

/* Where the lines of one text that hold the needle (or all, without one) begin and end. */
static TARGET size_t NAME(lines_of_text)(const Texts *texts, const Needle *needle, size_t at, size_t end,
                                         int64_t *starts, int64_t *ends, size_t room) {
    size_t count = 0, line = at;
    int hit = needle->size == 0;
    for (; at < end; at += 64) {
        uint64_t breaks = NAME(newlines)(texts, at, end), hits = 0;
        if (needle->size) {
            hits = NAME(candidates)(texts, needle, at, end);
            hits = NAME(first_hits)(needle, texts->data + at, hits, breaks, hit);
        }
        for (; breaks; breaks &= breaks - 1) {
            const uint64_t before = (breaks & -breaks) - 1;
            const size_t stop = at + (size_t)__builtin_ctzll(breaks);
            if (hit || (hits & before)) {
                if (count == room) return count;
                starts[count] = (int64_t)line;
                ends[count++] = (int64_t)stop;
            }
            hits &= ~before;
            hit = needle->size == 0;
            line = stop + 1;
        }
        hit |= hits != 0;
    }
    if (hit && line < end && count < room) { /* a text may end without a newline */
        starts[count] = (int64_t)line;
        ends[count++] = (int64_t)end;
    }
    return count;
}

static TARGET size_t NAME(lines)(const Texts *texts, const Needle *needle, int64_t *starts, int64_t *ends,
                                 size_t room) {
    size_t count = 0;
    for (size_t i = 0; i < texts->count && count < room; i++) {
        const size_t from = (size_t)texts->bounds[i], to = (size_t)texts->bounds[i + 1];
        count += NAME(lines_of_text)(texts, needle, from, to, starts + count, ends + count, room - count);
    }
    return count;
}

/* The first `room` places of the needle, overlaps included. */
static TARGET size_t NAME(places)(const Texts *texts, const Needle *needle, int64_t *places, size_t room) {
    size_t count = 0;
    for (size_t at = 0; at < texts->size; at += 64) {
        uint64_t left = NAME(candidates)(texts, needle, at, texts->size);
        for (; left; left &= left - 1) {
            const size_t place = at + (size_t)__builtin_ctzll(left);
            if (needle->size > 2 && !NAME(stands)(needle, texts->data + place)) continue;
            if (count == room) return count;
            places[count++] = (int64_t)place;
        }
    }
    return count;
}

#undef NAME
#undef TARGET
