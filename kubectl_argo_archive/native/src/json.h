/* Reading JSON: every byte is checked, nothing is built. What is not plainly right is called odd, and the caller
 * gives the document up: an exact reader in Python decides what it is. So this reader may be stricter than JSON, and
 * must never be more lenient than Python's. */
#ifndef JSON_H
#define JSON_H

#include "memory.h"

typedef struct {
    const uint8_t *at, *end;
    Arena *arena;
    int depth;
    bool odd;
} Reader;

/* The JSON type of a value; the order is that of VALUE_TYPES in Python. */
typedef enum { STRING, NUMBER, BOOLEAN, OBJECT, LIST, NOTHING } Type;

/* Marks the document as odd; always false, so that callers can return it. */
static inline bool odd(Reader *reader) {
    reader->odd = true;
    return false;
}

/* The known members of an object, and where in an object the reader is. A known member that stands there twice makes
 * the document odd, one that is null is passed by: Argo's types do not tell null from missing. */
typedef struct {
    const Str *names;
    int count;
} Members;

/* From a list of names as an X-macro: `type_members`, and an enumeration type_NAME. */
#define MEMBER_NUMBER(type, name) type##_##name,
#define MEMBER_NAME(type, name) {(const uint8_t *)#name, sizeof(#name) - 1},
#define DEFINE_MEMBERS(type, list) \
    enum { list(MEMBER_NUMBER, type) }; \
    static const Str type##_names[] = {list(MEMBER_NAME, type)}; \
    static const Members type##_members = {type##_names, sizeof(type##_names) / sizeof(Str)};

typedef struct {
    Members members;
    uint64_t seen;
    int next;
    bool begun;
} Object;

bool open_object(Reader *reader, Object *object, Members members);
/* To the next known member whose value is not null; -1 at the end, and when the document turns odd. */
int next_member(Reader *reader, Object *object);
/* To the next member of a map, whose value is next to be read; false at the end, and when the document turns odd. */
bool next_entry(Reader *reader, Object *object, Str *key);

bool open_list(Reader *reader);
/* To the next item of a list, which is next to be read. `begun` starts as false. */
bool next_item(Reader *reader, bool *begun);

Type peek(Reader *reader);
bool read_null(Reader *reader);
bool read_text(Reader *reader, Str *text);
bool read_flag(Reader *reader, bool *flag);
/* Any value as text: strings as they are, all else as compact JSON; null gives a missing text. */
bool read_value(Reader *reader, Str *text, Type *type);
/* An object as compact JSON; if it has members named `first` or `second` (may be missing), these are texts. */
bool read_location(Reader *reader, Str *json, Str first, Str *first_text, Str second, Str *second_text);
/* The text of a number. */
bool read_number(Reader *reader, Str *text);
bool skip_value(Reader *reader);
/* Whether a text is UTF-8 as Python takes it: no overlong forms, no halves of surrogate pairs. */
bool is_utf8(const uint8_t *at, size_t size);
/* Nothing but white space is left. */
bool at_end(Reader *reader);

#endif
