/* The level that a line of a log names: what `logs/lines_stamp.py` defines by a regular expression. */
#include <string.h>

#include "native.h"

typedef struct {
    const uint8_t *start, *end;
} Line;

enum { LOOKED_AT = 256 }; /* LEVEL_BYTES: what stands further to the right is part of the message */

static const struct {
    const char *word;
    uint8_t code;
} words[] = {
    {"TRACE", 1},  {"10", 1},        {"V", 1},      {"VERBOSE", 1},     {"DEBUG", 2},         {"20", 2},   {"D", 2},
    {"DBG", 2},    {"INFO", 3},      {"NOTICE", 3}, {"INFORMATION", 3}, {"INFORMATIONAL", 3}, {"30", 3},   {"I", 3},
    {"WARN", 4},   {"WARNING", 4},   {"40", 4},     {"W", 4},           {"ERROR", 5},         {"ERR", 5},  {"E", 5},
    {"SEVERE", 5}, {"50", 5},        {"FATAL", 6},  {"F", 6},           {"CRITICAL", 6},      {"CRIT", 6}, {"PANIC", 6},
    {"EMERG", 6},  {"EMERGENCY", 6}, {"ALERT", 6},  {"60", 6},          {"DPANIC", 6},
};
enum { LONGEST = 13 };

static inline int is_digit(uint8_t byte) {
    return (uint8_t)(byte - '0') < 10;
}
static inline int is_letter(uint8_t byte) {
    return (uint8_t)((byte | 32) - 'a') < 26;
}
static inline int is_word(uint8_t byte) {
    return is_digit(byte) || is_letter(byte) || byte == '_';
}
static inline int is_space(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The code of a word in any case; 0 if it names no level. */
static uint8_t code_of(const uint8_t *at, size_t size) {
    char upper[LONGEST + 1];
    if (size > LONGEST) return 0;
    for (size_t i = 0; i < size; i++) upper[i] = (char)(is_letter(at[i]) ? at[i] & ~32 : at[i]);
    upper[size] = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, upper) == 0) return words[i].code;
    return 0;
}

/* Behind `word` if it stands at `at`, else NULL. */
static inline const uint8_t *behind(Line line, const uint8_t *at, const char *word) {
    const size_t size = strlen(word);
    return (size_t)(line.end - at) >= size && memcmp(at, word, size) == 0 ? at + size : NULL;
}

static const uint8_t *behind_any(Line line, const uint8_t *at, const char *const *all) {
    for (; *all; all++) {
        const uint8_t *found = behind(line, at, *all);
        if (found) return found;
    }
    return NULL;
}

static inline int begins_word(Line line, const uint8_t *at) {
    return at == line.start || !is_word(at[-1]);
}

/* A value behind `"level":` or `level=`: its letters (or, in JSON, digits), perhaps behind a quote. */
static int value(Line line, const uint8_t *at, int json, uint8_t *code) {
    const uint8_t *stop;
    if (at < line.end && (*at == '"' || (!json && *at == '\''))) at++;
    for (stop = at; stop < line.end && is_letter(*stop); stop++) {
    }
    if (stop == at && json)
        for (; stop < line.end && is_digit(*stop); stop++) {
        }
    *code = code_of(at, (size_t)(stop - at));
    return stop > at;
}

/* `"level": "warn"` */
static int in_json(Line line, const uint8_t *at, uint8_t *code) {
    static const char *const keys[] = {"\"level\"",     "\"lvl\"", "\"severity\"", "\"levelname\"", "\"loglevel\"",
                                       "\"log.level\"", NULL};
    if (!(at = behind_any(line, at, keys))) return 0;
    while (at < line.end && is_space(*at)) at++;
    if (at == line.end || *at++ != ':') return 0;
    while (at < line.end && is_space(*at)) at++;
    return value(line, at, 1, code);
}

/* `level=warn` */
static int in_logfmt(Line line, const uint8_t *at, uint8_t *code) {
    static const char *const keys[] = {"level=", "lvl=", "severity=", NULL};
    return begins_word(line, at) && (at = behind_any(line, at, keys)) && value(line, at, 0, code);
}

/* `WARN` */
static int as_word(Line line, const uint8_t *at, uint8_t *code) {
    static const char *const all[] = {"TRACE", "DEBUG", "INFO",     "NOTICE", "WARNING", "WARN", "ERROR",
                                      "ERR",   "FATAL", "CRITICAL", "SEVERE", "PANIC",   NULL};
    if (!begins_word(line, at)) return 0;
    for (const char *const *word = all; *word; word++) {
        const uint8_t *end = behind(line, at, *word);
        if (end && (end == line.end || !is_word(*end))) {
            *code = code_of(at, (size_t)(end - at));
            return 1;
        }
    }
    return 0;
}

/* `[warn]`, `(warn)` */
static int in_brackets(Line line, const uint8_t *at, uint8_t *code) {
    static const char *const all[] = {"trace", "debug", "info",     "notice", "warning", "warn", "error",
                                      "fatal", "emerg", "critical", "crit",   "alert",   NULL};
    at++;
    for (const char *const *word = all; *word; word++) {
        const uint8_t *end = behind(line, at, *word);
        if (end && end < line.end && (*end == ']' || *end == ')')) {
            *code = code_of(at, (size_t)(end - at));
            return 1;
        }
    }
    return 0;
}

/* `W0302 15:` of klog */
static int of_klog(Line line, uint8_t *code) {
    const uint8_t *at = line.start;
    if (line.end - at < 9 || !strchr("IWEF", *at) || *at == 0) return 0;
    for (int i = 1; i <= 4; i++)
        if (!is_digit(at[i])) return 0;
    if (at[5] != ' ' || !is_digit(at[6]) || !is_digit(at[7]) || at[8] != ':') return 0;
    *code = code_of(at, 1);
    return 1;
}

/* `Warning:` at the beginning */
static int before_colon(Line line, uint8_t *code) {
    static const char *const all[] = {"atal:", "rror:", "arning:", "nfo:", "ebug:", NULL};
    static const char first[] = "fewid";
    const uint8_t *at = line.start;
    for (int i = 0; all[i]; i++) {
        const uint8_t *end;
        if ((*at | 32) == first[i] && (end = behind(line, at + 1, all[i]))) {
            *code = code_of(at, (size_t)(end - at) - 1);
            return 1;
        }
    }
    return 0;
}

/* The first place where a level stands decides, and there the first form in the order of the definition. */
static uint8_t level_of(Line line) {
    uint8_t code = 0;
    if (line.start < line.end && of_klog(line, &code)) return code;
    for (const uint8_t *at = line.start; at < line.end; at++) {
        int found = 0;
        switch (*at) {
            case '"': found = in_json(line, at, &code); break;
            case 'l':
            case 's': found = in_logfmt(line, at, &code); break;
            case '[':
            case '(': found = in_brackets(line, at, &code); break;
            case 'C':
            case 'D':
            case 'E':
            case 'F':
            case 'I':
            case 'N':
            case 'P':
            case 'S':
            case 'T':
            case 'W': found = as_word(line, at, &code); break;
        }
        if (found || (at == line.start && before_colon(line, &code))) return code;
    }
    return 0;
}

/* Fills in the codes that are 0. Line i is data[starts[i] .. ends[i]); returns -1 if one does not lie in the data. */
EXPORT int64_t levels_fill(const uint8_t *data, int64_t size, const int64_t *starts, const int64_t *ends, int64_t count,
                           uint8_t *codes) {
    for (int64_t i = 0; i < count; i++) {
        if (codes[i]) continue;
        if (starts[i] < 0 || starts[i] > ends[i] || ends[i] > size) return -1;
        const int64_t length = ends[i] - starts[i];
        const Line line = {data + starts[i], data + starts[i] + (length < LOOKED_AT ? length : LOOKED_AT)};
        codes[i] = level_of(line);
    }
    return count;
}
