// What Redis checks of the words of a request, word by word, option by option, command by
// command; as far as it can be told without the key.
#include "commands/type_checks.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/number.h"

enum {
    // Words of options in one request. More make no sense, and each takes time.
    OPTIONS_MAX = 64,
    NUMBER_MAX = 256, // bytes of a number with a fraction
    ENTRY_MAX = 128,  // of the number of an entry of a stream, as in Redis
};

// Degrees that a geohash can tell.
#define LONGITUDE_MAX 180
#define LATITUDE_MAX 85.05112878

#define SYNTAX_ERROR "ERR syntax error"
#define NOT_AN_INTEGER "ERR value is not an integer or out of range"
#define NOT_A_FLOAT "ERR value is not a valid float"

// What a check returns: the error, or NULL.
typedef const char *word_check(struct span word);

static const char *any(struct span word)
{
    (void)word;
    return NULL;
}

static const char *an_integer(struct span word)
{
    int64_t number;
    return number_parse(word, &number) ? NULL : NOT_AN_INTEGER;
}

// Reads all of `word`, up to a NUL, as a number with a fraction; spaces before it, and nothing at
// all, as strtod does.
static bool read_double(struct span word, double *number)
{
    char copy[NUMBER_MAX];
    char *end;
    if (word.len >= sizeof copy)
        return false;
    if (word.len > 0)
        memcpy(copy, word.ptr, word.len);
    copy[word.len] = '\0';
    errno = 0;
    *number = strtod(copy, &end);
    return *end == '\0' && !isnan(*number);
}

static bool is_double(struct span word, double *number)
{
    return word.len > 0 && !isspace((unsigned char)word.ptr[0]) &&
           memchr(word.ptr, '\0', word.len) == NULL && read_double(word, number) &&
           !(errno == ERANGE && (isinf(*number) || *number == 0));
}

static const char *a_double(struct span word)
{
    double number;
    return is_double(word, &number) ? NULL : NOT_A_FLOAT;
}

// A bound of a range of scores, which '(' excludes.
static const char *a_score(struct span word)
{
    double number;
    bool excluded = word.len > 0 && word.ptr[0] == '(';
    struct span digits = excluded ? span_of(word.ptr + 1, word.len - 1) : word;
    return read_double(digits, &number) ? NULL : "ERR min or max is not a float";
}

// A bound of a range of names.
static const char *a_name(struct span word)
{
    char kind = word.len > 0 ? word.ptr[0] : '\0';
    bool good = kind == '(' || kind == '[' || ((kind == '+' || kind == '-') && word.len == 1);
    return good ? NULL : "ERR min or max not valid string range item";
}

// A number of 64 bits without a sign, as strtoull reads it.
static bool is_number(struct span digits)
{
    char copy[ENTRY_MAX];
    char *end;
    int64_t number;
    if (number_parse(digits, &number))
        return number >= 0;
    memcpy(copy, digits.ptr, digits.len);
    copy[digits.len] = '\0';
    errno = 0;
    (void)strtoull(copy, &end, 10);
    return digits.len > 0 && end == copy + digits.len && errno == 0;
}

// The number of an entry of a stream: milliseconds, and maybe a '-' and a count.
static const char *an_entry(struct span word)
{
    if (word.len > 0) // as a C string
        word.len = strnlen(word.ptr, word.len);
    const char *dash = word.len > 0 ? memchr(word.ptr, '-', word.len) : NULL;
    size_t len = dash != NULL ? (size_t)(dash - word.ptr) : word.len;
    bool good = word.len < ENTRY_MAX && is_number(span_of(word.ptr, len)) &&
                (dash == NULL || is_number(span_of(dash + 1, word.len - len - 1)));
    return good ? NULL : "ERR Invalid stream ID specified as stream command argument";
}

// A bound of a range of entries.
static const char *an_entry_bound(struct span word)
{
    if (word.len == 1 && (word.ptr[0] == '-' || word.ptr[0] == '+'))
        return NULL;
    if (word.len > 1 && word.ptr[0] == '(')
        return an_entry(span_of(word.ptr + 1, word.len - 1));
    return an_entry(word);
}

// As SCAN's.
static const char *a_cursor(struct span word)
{
    char copy[64];
    char *end;
    if (word.len >= sizeof copy || (word.len > 0 && isspace((unsigned char)word.ptr[0])))
        return "ERR invalid cursor";
    if (word.len > 0)
        memcpy(copy, word.ptr, word.len);
    copy[word.len] = '\0';
    errno = 0;
    (void)strtoull(copy, &end, 10);
    return *end == '\0' && errno != ERANGE ? NULL : "ERR invalid cursor";
}

static bool is_count(struct span word)
{
    int64_t number;
    return number_parse(word, &number) && number >= 0;
}

static const char *a_count(struct span word)
{
    return is_count(word) ? NULL : "ERR COUNT can't be negative";
}

static const char *a_limit(struct span word)
{
    return is_count(word) ? NULL : "ERR LIMIT can't be negative";
}

static const char *a_length(struct span word)
{
    return is_count(word) ? NULL : "ERR MAXLEN can't be negative";
}

static const char *a_rank(struct span word)
{
    int64_t number;
    if (!number_parse(word, &number))
        return NOT_AN_INTEGER;
    return number != 0 ? NULL
                       : "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                         "second ... or use negative to start from the end of the list";
}

static const char *a_unit(struct span word)
{
    bool known =
        span_is(word, "m") || span_is(word, "km") || span_is(word, "ft") || span_is(word, "mi");
    return known ? NULL : "ERR unsupported unit provided. please use M, KM, FT, MI";
}

static const char *a_radius(struct span word)
{
    double number;
    if (!is_double(word, &number))
        return "ERR need numeric radius";
    return number < 0 ? "ERR radius cannot be negative" : NULL;
}

static const char *a_side(struct span word, const char *error)
{
    double number;
    if (!is_double(word, &number))
        return error;
    return number < 0 ? "ERR height or width cannot be negative" : NULL;
}

static const char *a_width(struct span word)
{
    return a_side(word, "ERR need numeric width");
}

static const char *a_height(struct span word)
{
    return a_side(word, "ERR need numeric height");
}

static const char *a_positive_count(struct span word)
{
    int64_t number;
    if (!number_parse(word, &number))
        return NOT_AN_INTEGER;
    return number <= 0 ? "ERR COUNT must be > 0" : NULL;
}

static const char *an_aggregate(struct span word)
{
    bool known = span_is(word, "sum") || span_is(word, "min") || span_is(word, "max");
    return known ? NULL : SYNTAX_ERROR;
}

// ---- options ------------------------------------------------------------------------------------

enum { OPTION_VALUES = 3 };

// A word and the checks of those behind it. Lists of them end with a zeroed one.
struct option {
    const char *word;
    word_check *values[OPTION_VALUES];
    unsigned once; // at most one of those with the same number; 0: may be repeated
};

static unsigned count_values(const struct option *o)
{
    unsigned count = 0;
    while (count < OPTION_VALUES && o->values[count] != NULL)
        count++;
    return count;
}

// Whether one of the options seen keeps one of that number out.
static bool excludes(const struct option *options, unsigned seen, unsigned once)
{
    for (unsigned i = 0; once != 0 && options[i].word != NULL; i++)
        if (options[i].once == once && (seen >> i & 1) != 0)
            return true;
    return false;
}

// Checks the words from argument `first` on; `*seen` has a bit for each option that is among them.
static const char *check_options(const struct resp_request *r, uint32_t first,
                                 const struct option *options, unsigned *seen)
{
    *seen = 0;
    if (r->argc > first + OPTIONS_MAX)
        return SYNTAX_ERROR;
    for (uint32_t i = first; i < r->argc;) {
        unsigned which = 0;
        while (options[which].word != NULL && !span_is(resp_arg(r, i), options[which].word))
            which++;
        unsigned count = options[which].word != NULL ? count_values(&options[which]) : 0;
        if (options[which].word == NULL || count > r->argc - i - 1 ||
            excludes(options, *seen, options[which].once))
            return SYNTAX_ERROR;
        for (unsigned v = 0; v < count; v++) {
            const char *error = options[which].values[v](resp_arg(r, i + 1 + v));
            if (error != NULL)
                return error;
        }
        *seen |= 1u << which;
        i += 1 + count;
    }
    return NULL;
}

static const char *check_words(const struct resp_request *r, uint32_t first, uint32_t count,
                               word_check *check)
{
    const char *error = NULL;
    for (uint32_t i = 0; i < count && error == NULL; i++)
        error = check(resp_arg(r, first + i));
    return error;
}

// ---- what each command checks before it looks at the key ----------------------------------------

const char *type_check_integers(const struct resp_request *r)
{
    return check_words(r, 2, r->argc - 2, an_integer);
}

const char *type_check_cursor(const struct resp_request *r)
{
    return a_cursor(resp_arg(r, 2));
}

const char *type_check_scores(const struct resp_request *r)
{
    return check_words(r, 2, 2, a_score);
}

const char *type_check_names(const struct resp_request *r)
{
    return check_words(r, 2, 2, a_name);
}

static const char *check_random(const struct resp_request *r, const char *with)
{
    int64_t count;
    if (r->argc == 2)
        return NULL;
    if (!number_parse(resp_arg(r, 2), &count))
        return NOT_AN_INTEGER;
    if (count == INT64_MIN)
        return "ERR value is out of range, value must between -9223372036854775807 and "
               "9223372036854775807";
    if (r->argc > 4 || (r->argc == 4 && !span_is(resp_arg(r, 3), with)))
        return SYNTAX_ERROR;
    bool pairs = r->argc == 4;
    return pairs && (count < -INT64_MAX / 2 || count > INT64_MAX / 2) ? "ERR value is out of range"
                                                                      : NULL;
}

const char *type_check_random_field(const struct resp_request *r)
{
    return check_random(r, "withvalues");
}

const char *type_check_random_score(const struct resp_request *r)
{
    return check_random(r, "withscores");
}

const char *type_check_random_member(const struct resp_request *r)
{
    return r->argc > 3 ? SYNTAX_ERROR : check_random(r, "");
}

static const struct option list_position[] = {
    {"count", {a_count}}, {"maxlen", {a_length}}, {"rank", {a_rank}}, {0}};

const char *type_check_list_position(const struct resp_request *r)
{
    unsigned seen;
    return check_options(r, 3, list_position, &seen);
}

const char *type_check_sort(const struct resp_request *r)
{
    static const struct option options[] = {{"asc", {0}},
                                            {"desc", {0}},
                                            {"alpha", {0}},
                                            {"limit", {an_integer, an_integer}},
                                            {"by", {any}},
                                            {"get", {any}},
                                            {0}};
    unsigned seen;
    return check_options(r, 2, options, &seen);
}

// ZRANGE and its kin: options first, then how they go together, then the bounds.
enum range_kind { BY_RANK, BY_SCORE, BY_NAME, BY_ANY };

// Whether the last LIMIT has a count: -1 is as good as none.
static bool is_limited(const struct resp_request *r)
{
    int64_t count = -1;
    for (uint32_t i = 4; i + 2 < r->argc; i++) {
        if (!span_is(resp_arg(r, i), "limit"))
            continue;
        number_parse(resp_arg(r, i + 2), &count);
        i += 2;
    }
    return count != -1;
}

static const char *check_range(const struct resp_request *r, enum range_kind kind)
{
    enum { WITHSCORES = 1, LIMIT = 2, BYLEX = 8, BYSCORE = 16 };
    static const struct option any_options[] = {
        {"withscores", {0}}, {"limit", {an_integer, an_integer}},
        {"rev", {0}, 1},     {"bylex", {0}, 2},
        {"byscore", {0}, 2}, {0}};
    static const struct option fixed_options[] = {
        {"withscores", {0}}, {"limit", {an_integer, an_integer}}, {0}};
    unsigned seen;
    const char *error = check_options(r, 4, kind == BY_ANY ? any_options : fixed_options, &seen);
    if (error != NULL)
        return error;
    if (kind == BY_ANY)
        kind = (seen & BYLEX) != 0 ? BY_NAME : (seen & BYSCORE) != 0 ? BY_SCORE : BY_RANK;
    if (kind == BY_RANK && (seen & LIMIT) != 0 && is_limited(r))
        return "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or "
               "BYLEX";
    if (kind == BY_NAME && (seen & WITHSCORES) != 0)
        return "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    return check_words(r, 2, 2, kind == BY_RANK ? an_integer : kind == BY_SCORE ? a_score : a_name);
}

const char *type_check_any_range(const struct resp_request *r)
{
    return check_range(r, BY_ANY);
}

const char *type_check_rank_range(const struct resp_request *r)
{
    return check_range(r, BY_RANK);
}

const char *type_check_score_range(const struct resp_request *r)
{
    return check_range(r, BY_SCORE);
}

const char *type_check_name_range(const struct resp_request *r)
{
    return check_range(r, BY_NAME);
}

const char *type_check_stream_range(const struct resp_request *r)
{
    static const struct option options[] = {{"count", {an_integer}}, {0}};
    unsigned seen;
    const char *error = check_words(r, 2, 2, an_entry_bound);
    return error != NULL ? error : check_options(r, 4, options, &seen);
}

const char *type_check_pending(const struct resp_request *r)
{
    if (r->argc == 3)
        return NULL;
    if (r->argc < 6 || r->argc > 9)
        return SYNTAX_ERROR;
    uint32_t first = 3;
    if (span_is(resp_arg(r, 3), "idle")) {
        const char *error = an_integer(resp_arg(r, 4));
        if (error != NULL || r->argc < 8)
            return error != NULL ? error : SYNTAX_ERROR;
        first = 5;
    }
    const char *error = an_integer(resp_arg(r, first + 2));
    return error != NULL ? error : check_words(r, first, 2, an_entry_bound);
}

const char *type_check_distance(const struct resp_request *r)
{
    if (r->argc > 5)
        return SYNTAX_ERROR;
    return r->argc == 5 ? a_unit(resp_arg(r, 4)) : NULL;
}

uint32_t type_check_announced_keys(const struct resp_request *r)
{
    int64_t count = 0;
    number_parse(resp_arg(r, 1), &count);
    return (uint32_t)count;
}

const char *type_check_set_count(const struct resp_request *r)
{
    static const struct option options[] = {{"limit", {a_limit}}, {0}};
    unsigned seen;
    int64_t count;
    if (!number_parse(resp_arg(r, 1), &count) || count < 1)
        return "ERR numkeys should be greater than 0";
    if (count > r->argc - 2)
        return "ERR Number of keys can't be greater than number of args";
    return check_options(r, 2 + type_check_announced_keys(r), options, &seen);
}

// Formatted with the name of the command when it is written.
static const char too_few_keys[] = "ERR at least 1 input key is needed for '%s' command";

const char *type_check_sorted_count(const struct resp_request *r)
{
    int64_t count;
    if (!number_parse(resp_arg(r, 1), &count))
        return NOT_AN_INTEGER;
    if (count < 1)
        return too_few_keys;
    return count > r->argc - 2 ? SYNTAX_ERROR : NULL;
}

// ---- and what behind it, when there is no key ---------------------------------------------------

// Formatted with the two numbers when it is written.
static const char bad_point[] = "ERR invalid longitude,latitude pair %f,%f";

static const char *check_point(const struct resp_request *r, uint32_t i)
{
    double longitude;
    double latitude;
    if (!is_double(resp_arg(r, i), &longitude) || !is_double(resp_arg(r, i + 1), &latitude))
        return NOT_A_FLOAT;
    return fabs(longitude) <= LONGITUDE_MAX && fabs(latitude) <= LATITUDE_MAX ? NULL : bad_point;
}

static const char *check_around(const struct resp_request *r, uint32_t first)
{
    enum { ANY = 1, COUNT = 2 };
    static const struct option options[] = {{"any", {0}},       {"count", {a_positive_count}},
                                            {"withdist", {0}},  {"withhash", {0}},
                                            {"withcoord", {0}}, {"asc", {0}},
                                            {"desc", {0}},      {0}};
    unsigned seen;
    const char *error = check_options(r, first, options, &seen);
    if (error == NULL && (seen & ANY) != 0 && (seen & COUNT) == 0)
        error = "ERR the ANY argument requires COUNT argument";
    return error;
}

const char *type_check_around_point(const struct resp_request *r)
{
    const char *error = check_point(r, 2);
    if (error == NULL)
        error = a_radius(resp_arg(r, 4));
    if (error == NULL)
        error = a_unit(resp_arg(r, 5));
    return error != NULL ? error : check_around(r, 6);
}

// Without the key there is no member to measure from, and Redis does not look at the radius.
const char *type_check_around_member(const struct resp_request *r)
{
    return check_around(r, 5);
}

// Formatted with the name of the command, as the client wrote it.
static const char no_center[] =
    "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s";
static const char no_area[] = "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s";

const char *type_check_geosearch(const struct resp_request *r)
{
    enum { MEMBER = 1, POINT = 2, RADIUS = 4, BOX = 8, COUNT = 16, ANY = 32 };
    static const struct option options[] = {{"frommember", {any}, 1},
                                            {"fromlonlat", {a_double, a_double}, 2},
                                            {"byradius", {a_radius, a_unit}, 3},
                                            {"bybox", {a_width, a_height, a_unit}, 4},
                                            {"count", {a_positive_count}},
                                            {"any", {0}},
                                            {"asc", {0}},
                                            {"desc", {0}},
                                            {"withcoord", {0}},
                                            {"withdist", {0}},
                                            {"withhash", {0}},
                                            {0}};
    unsigned seen;
    const char *error = check_options(r, 2, options, &seen);
    if (error != NULL)
        return error;
    if ((seen & (MEMBER | POINT)) == (MEMBER | POINT) || (seen & (RADIUS | BOX)) == (RADIUS | BOX))
        return SYNTAX_ERROR;
    if ((seen & (MEMBER | POINT)) == 0)
        return no_center;
    if ((seen & (RADIUS | BOX)) == 0)
        return no_area;
    return (seen & ANY) != 0 && (seen & COUNT) == 0 ? "ERR the ANY argument requires COUNT argument"
                                                    : NULL;
}

static const char *a_weight(struct span word)
{
    return a_double(word) == NULL ? NULL : "ERR weight value is not a float";
}

// WEIGHTS has as many words as there are keys. No more than a few are looked at: the reply is empty
// whatever they are.
const char *type_check_union(const struct resp_request *r)
{
    uint32_t keys = type_check_announced_keys(r);
    const char *error = NULL;
    unsigned options = 0;
    for (uint32_t i = 2 + keys; i < r->argc && error == NULL; options++) {
        struct span word = resp_arg(r, i);
        uint32_t behind = r->argc - i - 1;
        if (options >= OPTIONS_MAX) {
            error = SYNTAX_ERROR;
        } else if (behind >= keys && span_is(word, "weights")) {
            error = check_words(r, i + 1, keys < OPTIONS_MAX ? keys : OPTIONS_MAX, a_weight);
            i += 1 + keys;
        } else if (behind > 0 && span_is(word, "aggregate")) {
            error = an_aggregate(resp_arg(r, i + 1));
            i += 2;
        } else if (span_is(word, "withscores")) {
            i++;
        } else {
            error = SYNTAX_ERROR;
        }
    }
    return error;
}

const char *type_check_difference(const struct resp_request *r)
{
    static const struct option options[] = {{"withscores", {0}}, {0}};
    unsigned seen;
    return check_options(r, 2 + type_check_announced_keys(r), options, &seen);
}

const char *type_check_intersection_limit(const struct resp_request *r)
{
    static const struct option options[] = {{"limit", {a_limit}}, {0}};
    unsigned seen;
    return check_options(r, 2 + type_check_announced_keys(r), options, &seen);
}

bool type_check_has_count(const struct resp_request *r)
{
    unsigned seen;
    check_options(r, 3, list_position, &seen);
    return (seen & 1) != 0;
}

// ---- XREAD --------------------------------------------------------------------------------------

const char *type_check_streams(const struct resp_request *r, uint32_t *streams)
{
    int64_t number;
    for (uint32_t i = 1; i < r->argc && i < OPTIONS_MAX; i++) {
        struct span word = resp_arg(r, i);
        bool more = i + 1 < r->argc;
        if (more && span_is(word, "streams")) {
            *streams = i + 1;
            return (r->argc - *streams) % 2 == 0
                       ? NULL
                       : "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' "
                         "must be specified.";
        }
        if (more && span_is(word, "block")) {
            if (!number_parse(resp_arg(r, ++i), &number))
                return "ERR timeout is not an integer or out of range";
            if (number < 0)
                return "ERR timeout is negative";
        } else if (more && span_is(word, "count")) {
            if (!number_parse(resp_arg(r, ++i), &number))
                return NOT_AN_INTEGER;
        } else if (i + 2 < r->argc && span_is(word, "group")) {
            return "ERR The GROUP option is only supported by XREADGROUP. You called XREAD "
                   "instead.";
        } else if (span_is(word, "noack")) {
            return "ERR The NOACK option is only supported by XREADGROUP. You called XREAD "
                   "instead.";
        } else {
            return SYNTAX_ERROR;
        }
    }
    return SYNTAX_ERROR;
}

const char *type_check_entry(struct span word)
{
    if (span_equal(word, span_text("$")))
        return NULL;
    return span_equal(word, span_text(">"))
               ? "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                 "<group> <consumer> option."
               : an_entry(word);
}

// ---- errors -------------------------------------------------------------------------------------

bool type_check_refuse(struct session *s, const struct resp_request *r, const char *error)
{
    double longitude = 0;
    double latitude = 0;
    if (error == NULL)
        return false;
    if (error == bad_point) {
        read_double(resp_arg(r, 2), &longitude);
        read_double(resp_arg(r, 3), &latitude);
        resp_error(&s->reply, bad_point, longitude, latitude);
    } else if (error == no_center || error == no_area) {
        struct span name = resp_arg(r, 0);
        resp_error(&s->reply, error == no_center ? no_center : no_area, session_echoed(name),
                   name.ptr);
    } else if (error == too_few_keys) {
        resp_error(&s->reply, too_few_keys, s->running->command->name);
    } else {
        resp_error(&s->reply, "%s", error);
    }
    return true;
}
