#include "scalars.h"

#include "dates.h"

static const int64_t GO_ZERO = -62135596800000000; /* 0001-01-01T00:00:00Z */
static const int64_t LAST = 253402300799999999;    /* 9999-12-31T23:59:59.999999Z */
enum { MOST_DIGITS = 18 };

static bool number_at(const uint8_t *at, int digits, int *value) {
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        *value = *value * 10 + at[i] - '0';
    }
    return true;
}

bool time_of(Str text, int64_t *micros) {
    const uint8_t *at = text.at, *end = text.at + text.size;
    int year, month, day, hour, minute, second, offset_hours = 0, offset_minutes = 0;
    if (text.size < 20) return false;
    if (!number_at(at, 4, &year) || at[4] != '-' || !number_at(at + 5, 2, &month) || at[7] != '-' ||
        !number_at(at + 8, 2, &day) || at[10] != 'T' || !number_at(at + 11, 2, &hour) || at[13] != ':' ||
        !number_at(at + 14, 2, &minute) || at[16] != ':' || !number_at(at + 17, 2, &second))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    int64_t fraction = 0;
    at += 19;
    if (*at == '.') {
        int digits = 0;
        for (at++; at < end && *at >= '0' && *at <= '9'; at++, digits++)
            if (digits < 6) fraction = fraction * 10 + *at - '0';
        if (digits == 0) return false;
        for (; digits < 6; digits++) fraction *= 10;
    }
    int64_t found = (days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1000000 + fraction;
    if (end - at == 6 && (*at == '+' || *at == '-')) {
        if (!number_at(at + 1, 2, &offset_hours) || at[3] != ':' || !number_at(at + 4, 2, &offset_minutes))
            return false;
        int64_t offset = (int64_t)(offset_hours * 60 + offset_minutes) * 60000000;
        found += *at == '+' ? -offset : offset;
    } else if (end - at != 1 || *at != 'Z') {
        return false;
    }
    if (found < GO_ZERO || found > LAST) return false;
    *micros = found == GO_ZERO ? MISSING : found;
    return true;
}

bool read_time(Reader *reader, int64_t *micros) {
    Str text;
    return read_text(reader, &text) && (time_of(text, micros) || odd(reader));
}

/* Digits with a sign or without; MISSING if they are no such number. */
static int64_t integer_of(Str text) {
    const uint8_t *at = text.at, *end = text.at + text.size;
    bool negative = at < end && *at == '-';
    if (negative) at++;
    if (at == end || end - at > MOST_DIGITS) return MISSING;
    int64_t value = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') return MISSING;
        value = value * 10 + *at - '0';
    }
    return negative ? -value : value;
}

/* A number, or a string that holds one. */
static bool read_number_text(Reader *reader, Str *text) {
    return peek(reader) == STRING ? read_text(reader, text) : read_number(reader, text);
}

bool read_integer(Reader *reader, int64_t *value) {
    Str text;
    if (!read_number_text(reader, &text)) return false;
    *value = integer_of(text);
    return *value != MISSING || odd(reader);
}

bool read_small(Reader *reader, int64_t *value) {
    return read_integer(reader, value) && ((*value >= INT32_MIN && *value <= INT32_MAX) || odd(reader));
}

/* Argo gives the exit code as free text: what is no number is null. */
bool read_exit_code(Reader *reader, int64_t *value) {
    Str text;
    if (!read_number_text(reader, &text)) return false;
    *value = integer_of(text);
    return true;
}
