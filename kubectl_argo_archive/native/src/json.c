#include "json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    MAX_DEPTH = 100,  /* far below the limit of the exact reader */
    MAX_COMPARED = 64 /* members of an object that is written again: each is compared with each */
};

static inline void skip_space(Reader *reader) {
    const uint8_t *at = reader->at, *end = reader->end;
    if (at < end && *at > ' ') return; /* mostly; and Postgres writes one space at most */
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
    reader->at = at;
}

/* Passes by one character of JSON's own, and the space before it. */
static inline bool skip_mark(Reader *reader, uint8_t mark) {
    skip_space(reader);
    if (reader->at >= reader->end || *reader->at != mark) return odd(reader);
    reader->at++;
    return true;
}

static inline bool is_next(Reader *reader, uint8_t mark) {
    skip_space(reader);
    return reader->at < reader->end && *reader->at == mark;
}

/* The first byte that ends a run of plain characters of a string: a quote, a backslash, a control character. */
static inline const uint8_t *plain_end(const uint8_t *at, const uint8_t *end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        int found = _mm_movemask_epi8(stop);
        if (found) return at + __builtin_ctz((unsigned)found);
        at += 16;
    }
#else
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    while (end - at >= 8) {
        uint64_t bytes, quotes, slashes;
        memcpy(&bytes, at, 8);
        quotes = bytes ^ ones * '"';
        slashes = bytes ^ ones * '\\';
        /* finds every byte that stops, and at worst some that do not: those are looked at below */
        if ((((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes) | ((bytes - ones * 0x20) & ~bytes)) & highs)
            break;
        at += 8;
    }
#endif
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20) at++;
    return at;
}

static inline int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The character of the escape at `at` (behind the backslash), and how long the escape is; -1 for none. Halves of
 * surrogate pairs are none. */
static int32_t unescape(const uint8_t *at, const uint8_t *end, int *size) {
    if (at >= end) return -1;
    *size = 1;
    switch (*at) {
        case '"':
        case '\\':
        case '/': return *at;
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'u': break;
        default: return -1;
    }
    int32_t code = 0;
    if (end - at < 5) return -1;
    for (int i = 1; i <= 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0) return -1;
        code = code << 4 | digit;
    }
    *size = 5;
    return code >= 0xD800 && code <= 0xDFFF ? -1 : code;
}

/* From inside a string to behind its closing quote; `end_of_text` is that quote. */
static bool skip_string(Reader *reader, const uint8_t *at, const uint8_t **end_of_text) {
    for (;;) {
        at = plain_end(at, reader->end);
        if (at >= reader->end || *at < 0x20) return odd(reader);
        if (*at == '"') {
            *end_of_text = at;
            reader->at = at + 1;
            return true;
        }
        int size;
        if (unescape(at + 1, reader->end, &size) < 0) return odd(reader);
        at += 1 + size;
    }
}

static uint8_t *write_utf8(uint8_t *to, int32_t code) {
    if (code < 0x80) {
        *to++ = (uint8_t)code;
    } else if (code < 0x800) {
        *to++ = (uint8_t)(0xC0 | code >> 6);
        *to++ = (uint8_t)(0x80 | (code & 0x3F));
    } else {
        *to++ = (uint8_t)(0xE0 | code >> 12);
        *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        *to++ = (uint8_t)(0x80 | (code & 0x3F));
    }
    return to;
}

/* A string with escapes, which are never shorter than what they stand for. */
static bool read_escaped(Reader *reader, const uint8_t *at, const uint8_t *first_escape, Str *text) {
    const uint8_t *end;
    if (!skip_string(reader, first_escape, &end)) return false;
    uint8_t *start = arena_take(reader->arena, (size_t)(end - at)), *to = start;
    while (at < end) {
        const uint8_t *stop = plain_end(at, end);
        memcpy(to, at, (size_t)(stop - at));
        to += stop - at;
        at = stop;
        if (at < end) {
            int size;
            to = write_utf8(to, unescape(at + 1, end, &size));
            at += 1 + size;
        }
    }
    *text = (Str){start, (uint32_t)(to - start)};
    return true;
}

bool read_text(Reader *reader, Str *text) {
    if (!skip_mark(reader, '"')) return false;
    const uint8_t *start = reader->at, *stop = plain_end(start, reader->end);
    if (stop < reader->end && *stop == '"') {
        *text = (Str){start, (uint32_t)(stop - start)};
        reader->at = stop + 1;
        return true;
    }
    return read_escaped(reader, start, stop, text);
}

static bool skip_word(Reader *reader, Str word) {
    if ((size_t)(reader->end - reader->at) < word.size || memcmp(reader->at, word.at, word.size) != 0)
        return odd(reader);
    reader->at += word.size;
    return true;
}

bool read_null(Reader *reader) {
    skip_space(reader);
    return skip_word(reader, STR("null"));
}

bool read_flag(Reader *reader, bool *flag) {
    *flag = is_next(reader, 't');
    return skip_word(reader, *flag ? STR("true") : STR("false"));
}

static const uint8_t *digits(const uint8_t *at, const uint8_t *end) {
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at;
}

bool read_number(Reader *reader, Str *text) {
    skip_space(reader);
    const uint8_t *start = reader->at, *end = reader->end, *at = start, *from;
    if (at < end && *at == '-') at++;
    from = at;
    at = digits(at, end);
    if (at == from || (*from == '0' && at - from > 1)) return odd(reader);
    if (at < end && *at == '.') {
        from = ++at;
        at = digits(at, end);
        if (at == from) return odd(reader);
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        from = at;
        at = digits(at, end);
        if (at == from) return odd(reader);
    }
    *text = (Str){start, (uint32_t)(at - start)};
    reader->at = at;
    return true;
}

Type peek(Reader *reader) {
    skip_space(reader);
    if (reader->at >= reader->end) return NUMBER; /* which then is none */
    switch (*reader->at) {
        case '"': return STRING;
        case '{': return OBJECT;
        case '[': return LIST;
        case 't':
        case 'f': return BOOLEAN;
        case 'n': return NOTHING;
        default: return NUMBER;
    }
}

static bool open(Reader *reader, uint8_t mark) {
    if (reader->depth >= MAX_DEPTH) return odd(reader);
    reader->depth++;
    return skip_mark(reader, mark);
}

/* To the next item of an object or a list; false at its end. */
static bool next(Reader *reader, bool *begun, uint8_t closing) {
    if (reader->odd) return false;
    if (is_next(reader, closing)) {
        reader->at++;
        reader->depth--;
        return false;
    }
    if (*begun && !skip_mark(reader, ',')) return false;
    *begun = true;
    return true;
}

bool open_list(Reader *reader) {
    return open(reader, '[');
}

bool next_item(Reader *reader, bool *begun) {
    return next(reader, begun, ']');
}

bool open_object(Reader *reader, Object *object, Members members) {
    *object = (Object){members, 0, 0, false};
    return open(reader, '{');
}

bool next_entry(Reader *reader, Object *object, Str *key) {
    return next(reader, &object->begun, '}') && read_text(reader, key) && skip_mark(reader, ':');
}

/* Objects of one type mostly have their members in the same order: the search begins behind the last one found. */
static inline int find_member(Object *object, Str key) {
    for (int tried = 0, i = object->next; tried < object->members.count; tried++, i++) {
        if (i >= object->members.count) i = 0;
        if (same(object->members.names[i], key)) {
            object->next = i + 1;
            return i;
        }
    }
    return -1;
}

int next_member(Reader *reader, Object *object) {
    Str key;
    while (next_entry(reader, object, &key)) {
        int found = find_member(object, key);
        if (found < 0) {
            if (!skip_value(reader)) return -1;
            continue;
        }
        uint64_t bit = (uint64_t)1 << found;
        if (object->seen & bit) {
            odd(reader);
            return -1;
        }
        object->seen |= bit;
        if (peek(reader) != NOTHING) return found;
        if (!read_null(reader)) return -1;
    }
    return -1;
}

bool skip_value(Reader *reader) {
    const uint8_t *end;
    Str unused;
    bool begun = false, flag;
    switch (peek(reader)) {
        case STRING: return skip_string(reader, reader->at + 1, &end);
        case NUMBER: return read_number(reader, &unused);
        case BOOLEAN: return read_flag(reader, &flag);
        case NOTHING: return read_null(reader);
        case LIST:
            if (!open_list(reader)) return false;
            while (next_item(reader, &begun))
                if (!skip_value(reader)) return false;
            return !reader->odd;
        case OBJECT: break;
    }
    if (!open(reader, '{')) return false;
    while (next(reader, &begun, '}')) {
        if (!skip_mark(reader, '"') || !skip_string(reader, reader->at, &end) || !skip_mark(reader, ':') ||
            !skip_value(reader))
            return false;
    }
    return !reader->odd;
}

/* A text as a JSON string, as Python's json.dumps(text, ensure_ascii=False) writes it. */
static uint8_t *write_string(uint8_t *to, Str text) {
    static const char hex[] = "0123456789abcdef", from[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    *to++ = '"';
    for (const uint8_t *at = text.at, *end = text.at + text.size; at < end;) {
        const uint8_t *stop = plain_end(at, end);
        memcpy(to, at, (size_t)(stop - at));
        to += stop - at;
        at = stop;
        if (at == end) break;
        const char *known = *at ? strchr(from, *at) : NULL;
        *to++ = '\\';
        if (known) {
            *to++ = (uint8_t)letter[known - from];
        } else {
            memcpy(to, "u00", 3);
            to[3] = (uint8_t)hex[*at >> 4];
            to[4] = (uint8_t)hex[*at & 15];
            to += 5;
        }
        at++;
    }
    *to++ = '"';
    return to;
}

/* Writes the next string as JSON again: never longer than it was, since what is escaped was escaped before. */
static bool rewrite_string(Reader *reader, uint8_t **to, Str *text) {
    if (!read_text(reader, text)) return false;
    *to = write_string(*to, *text);
    return true;
}

static bool rewrite(Reader *reader, uint8_t **to);

static bool rewrite_object(Reader *reader, uint8_t **to) {
    Str seen[MAX_COMPARED];
    int count = 0;
    Object object;
    if (!open_object(reader, &object, (Members){NULL, 0})) return false;
    *(*to)++ = '{';
    while (next(reader, &object.begun, '}')) {
        if (count == MAX_COMPARED) return odd(reader);
        if (count) *(*to)++ = ',';
        if (!rewrite_string(reader, to, &seen[count]) || !skip_mark(reader, ':')) return false;
        for (int i = 0; i < count; i++)
            if (same(seen[i], seen[count])) return odd(reader);
        count++;
        *(*to)++ = ':';
        if (!rewrite(reader, to)) return false;
    }
    *(*to)++ = '}';
    return !reader->odd;
}

static bool rewrite_list(Reader *reader, uint8_t **to) {
    bool begun = false, first = true;
    if (!open_list(reader)) return false;
    *(*to)++ = '[';
    while (next_item(reader, &begun)) {
        if (!first) *(*to)++ = ',';
        first = false;
        if (!rewrite(reader, to)) return false;
    }
    *(*to)++ = ']';
    return !reader->odd;
}

/* The next value as compact JSON. */
static bool rewrite(Reader *reader, uint8_t **to) {
    Str text;
    bool flag;
    switch (peek(reader)) {
        case STRING: return rewrite_string(reader, to, &text);
        case OBJECT: return rewrite_object(reader, to);
        case LIST: return rewrite_list(reader, to);
        case NUMBER:
            if (!read_number(reader, &text)) return false;
            break;
        case BOOLEAN:
            if (!read_flag(reader, &flag)) return false;
            text = flag ? STR("true") : STR("false");
            break;
        case NOTHING:
            if (!read_null(reader)) return false;
            text = STR("null");
            break;
    }
    memcpy(*to, text.at, text.size);
    *to += text.size;
    return true;
}

/* Room for the next value as compact JSON, by passing by it once. */
static bool room_for_value(Reader *reader, uint8_t **start) {
    const uint8_t *at = reader->at;
    int depth = reader->depth;
    if (!skip_value(reader)) return false;
    *start = arena_take(reader->arena, (size_t)(reader->at - at));
    reader->at = at;
    reader->depth = depth;
    return true;
}

bool read_value(Reader *reader, Str *text, Type *type) {
    uint8_t *start, *to;
    *type = peek(reader);
    *text = NO_STR;
    if (*type == STRING) return read_text(reader, text);
    if (*type == NOTHING) return read_null(reader);
    if (!room_for_value(reader, &start)) return false;
    to = start;
    if (!rewrite(reader, &to)) return false;
    *text = (Str){start, (uint32_t)(to - start)};
    return true;
}

bool read_location(Reader *reader, Str *json, Str first, Str *first_text, Str second, Str *second_text) {
    const uint8_t *at = reader->at;
    int depth = reader->depth;
    Type type;
    Object object;
    if (!read_value(reader, json, &type)) return false;
    if (type != OBJECT) return odd(reader);
    /* once more for the two members: read_value has found it sound, and no member twice */
    const uint8_t *behind = reader->at;
    reader->at = at;
    reader->depth = depth;
    *first_text = *second_text = NO_STR;
    Str key;
    if (!open_object(reader, &object, (Members){NULL, 0})) return false;
    while (next_entry(reader, &object, &key)) {
        Str *wanted = first.at && same(key, first) ? first_text : second.at && same(key, second) ? second_text : NULL;
        if (!(wanted && peek(reader) != NOTHING ? read_text(reader, wanted) : skip_value(reader))) return false;
    }
    reader->at = behind;
    reader->depth = depth;
    return !reader->odd;
}

bool at_end(Reader *reader) {
    skip_space(reader);
    return reader->at == reader->end || odd(reader);
}
