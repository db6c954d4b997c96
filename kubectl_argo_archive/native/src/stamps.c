/* Times of one form at one place of many lines: `logs/lines_rule.py`. */
#include <string.h>

#include "dates.h"
#include "native.h"

/* What a byte of the stamp is. */
enum { SAME, DIGIT, DIGIT_OR_SPACE, LETTER };

/* The parts of a time, in the order of PARTS in Python; `low` is -1 for one that is not there. */
enum { YEAR, SHORT_YEAR, MONTH, MONTH_NAME, DAY, HOUR, MINUTE, SECOND, FRACTION, PARTS };

typedef struct {
    int32_t low, high;
} Span;

/* How a stamp is read; as native/stamps.py lays it out. */
typedef struct {
    const uint8_t *prefix, *sample, *what;
    int64_t prefix_size, sample_size, zone;
    const int32_t *years; /* of dates without one, at month * 32 + day; NULL if the stamp has a year */
    int32_t follower;     /* the byte behind the stamp; -1 for the end of the line */
    int32_t zone_may_follow;
    Span parts[PARTS];
} Form;

enum { ROOM = 3 }; /* bytes behind the stamp that tell whether it goes on */

static inline int is_digit(uint8_t byte) {
    return (uint8_t)(byte - '0') < 10;
}

static inline int number(const uint8_t *stamp, Span span) {
    int value = 0;
    for (int32_t i = span.low; i < span.high; i++) value = value * 10 + (stamp[i] == ' ' ? 0 : stamp[i] - '0');
    return value;
}

static int month_named(const uint8_t *name) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12; month++)
        if (memcmp(name, names + 3 * month, 3) == 0) return month + 1;
    return 0;
}

/* Whether the stamp has the form of the sample, and what follows it does not go on with it. */
static int fits(const Form *form, const uint8_t *stamp) {
    for (int64_t i = 0; i < form->sample_size; i++) {
        const uint8_t byte = stamp[i];
        switch (form->what[i]) {
            case SAME:
                if (byte != form->sample[i]) return 0;
                break;
            case DIGIT:
                if (!is_digit(byte)) return 0;
                break;
            case DIGIT_OR_SPACE:
                if (!is_digit(byte) && byte != ' ') return 0;
                break;
        }
    }
    if (form->follower < 0) return 1;
    const uint8_t *behind = stamp + form->sample_size;
    if (behind[0] != form->follower) return 0;
    if (!form->zone_may_follow) return 1;
    return behind[1] != 'U' && ((behind[1] != '+' && behind[1] != '-') || !is_digit(behind[2]));
}

static int moment(const Form *form, const uint8_t *stamp, int64_t *at) {
    const Span *parts = form->parts;
    const int month =
        parts[MONTH_NAME].low >= 0 ? month_named(stamp + parts[MONTH_NAME].low) : number(stamp, parts[MONTH]);
    const int day = number(stamp, parts[DAY]), hour = number(stamp, parts[HOUR]);
    const int minute = number(stamp, parts[MINUTE]), second = number(stamp, parts[SECOND]);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return 0;
    const int year = parts[YEAR].low >= 0         ? number(stamp, parts[YEAR])
                     : parts[SHORT_YEAR].low >= 0 ? 2000 + number(stamp, parts[SHORT_YEAR])
                                                  : form->years[month * 32 + day];
    if (year < 1 || day > days_in(year, month)) return 0;
    int64_t fraction = 0;
    if (parts[FRACTION].low >= 0)
        for (int32_t i = parts[FRACTION].low; i < parts[FRACTION].low + 6; i++)
            fraction = fraction * 10 + (i < parts[FRACTION].high ? stamp[i] - '0' : 0);
    const int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - form->zone;
    *at = seconds * 1000000 + fraction;
    return 1;
}

/* Which lines data[starts[i] .. ends[i]) begin with a stamp of this form behind the prefix, and the microsecond that it
 * names. Returns -1 if a line does not lie in the data. */
EXPORT int64_t stamps_read(const Form *form, const uint8_t *data, int64_t size, const int64_t *starts,
                           const int64_t *ends, int64_t count, uint8_t *taken, int64_t *at) {
    const int64_t needed = form->prefix_size + form->sample_size;
    for (int64_t i = 0; i < count; i++) {
        if (starts[i] < 0 || starts[i] > ends[i] || ends[i] > size) return -1;
        const int64_t length = ends[i] - starts[i];
        const uint8_t *line = data + starts[i];
        at[i] = 0;
        taken[i] = (form->follower < 0 ? length == needed : length >= needed + ROOM) &&
                   memcmp(line, form->prefix, (size_t)form->prefix_size) == 0 && fits(form, line + form->prefix_size) &&
                   moment(form, line + form->prefix_size, &at[i]);
    }
    return count;
}
