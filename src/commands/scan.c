// SCAN and KEYS. Keys stand in the order of their bits, so a cursor is the rank of the next one:
// each key comes exactly once, and a pattern that begins with characters of a UUID is a range of
// ranks. A key answers to both cases of its letters, so a pattern matches a letter when it matches
// it in one of them. When the dataset was replaced, that key has another rank: the session
// remembers it, so a client that goes on where its last SCAN has ended misses none and hears none
// twice.
//
// How many keys a call of SCAN finds stands in front of them, so they are collected first; what a
// client can make us keep by that is bounded, and COUNT is only a hint, as in Redis. KEYS has no
// such bound, so it keeps nothing: it counts first and then looks again, unless the pattern is
// nothing but a range.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/glob.h"
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/session.h"

enum {
    COUNT_DEFAULT = 10,
    COUNT_MAX = 1000000, // keys looked at in one call
    KEYS_MAX = 1024,     // keys found in one call
    // Bytes of a pattern: matching a key can take 36 times as many steps.
    PATTERN_MAX = 1024,
    PATTERN_PER_WORK = 8,
    WORDS_MAX = 64, // they are read in each turn
};

struct scan {
    uint64_t cursor;
    uint64_t count;
    struct span pattern; // `ptr` NULL: any key
    bool matches_none;   // of a type that no key has
};

// As Redis reads it, by strtoul: an empty one is 0, a sign may stand before it, and a NUL ends it.
static bool parse_cursor(struct span text, uint64_t *cursor)
{
    char copy[64];
    char *end;
    if (text.len >= sizeof copy || (text.len > 0 && isspace((unsigned char)text.ptr[0])))
        return false;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *cursor = strtoull(copy, &end, 10);
    return *end == '\0' && errno != ERANGE;
}

// False when the request is wrong and the error has been written.
static bool parse(struct session *s, const struct resp_request *r, struct scan *scan)
{
    scan->count = COUNT_DEFAULT;
    scan->pattern = span_of(NULL, 0);
    scan->matches_none = false;
    if (!parse_cursor(resp_arg(r, 1), &scan->cursor)) {
        resp_error(&s->reply, "ERR invalid cursor");
        return false;
    }
    for (uint32_t i = 2; i < r->argc; i += 2) {
        if (i >= WORDS_MAX) {
            reply_syntax_error(s);
            return false;
        }
        int64_t count;
        struct span option = resp_arg(r, i);
        struct span value = i + 1 < r->argc ? resp_arg(r, i + 1) : span_of(NULL, 0);
        bool valued = i + 1 < r->argc;
        if (valued && span_is(option, "count")) {
            if (!number_parse(value, &count)) {
                reply_not_an_integer(s);
                return false;
            }
            if (count < 1) {
                reply_syntax_error(s);
                return false;
            }
            scan->count = count < COUNT_MAX ? (uint64_t)count : COUNT_MAX;
        } else if (valued && span_is(option, "match")) {
            if (value.len > PATTERN_MAX) {
                resp_error(&s->reply, "ERR pattern exceeds %d bytes", PATTERN_MAX);
                return false;
            }
            scan->pattern = span_is(value, "*") ? span_of(NULL, 0) : value;
        } else if (valued && span_is(option, "type")) {
            scan->matches_none = !span_is(value, "string");
        } else {
            reply_syntax_error(s);
            return false;
        }
    }
    return true;
}

// The keys that can begin with what the pattern begins with, before its first special character:
// those of ranks `*first` to `*end` - 1.
static void choose_range(const struct dataset *d, struct span pattern, uint64_t *first,
                         uint64_t *end)
{
    char low[UUID_TEXT_LEN];
    char high[UUID_TEXT_LEN];
    struct uuid from;
    struct uuid to;
    memcpy(low, "00000000-0000-0000-0000-000000000000", UUID_TEXT_LEN);
    memcpy(high, "ffffffff-ffff-ffff-ffff-ffffffffffff", UUID_TEXT_LEN);
    for (size_t i = 0; i < pattern.len && i < UUID_TEXT_LEN; i++) {
        char c = pattern.ptr[i];
        if (c == '*' || c == '?' || c == '[' || c == '\\')
            break;
        low[i] = c;
        high[i] = c;
    }
    *first = 0;
    *end = 0;
    if (!uuid_parse(low, &from) || !uuid_parse(high, &to))
        return;
    *first = dataset_seek(d, from);
    to.lo++;
    to.hi += to.lo == 0;
    bool last = to.hi == 0 && to.lo == 0;
    *end = last ? dataset_figures(d)->keys : dataset_seek(d, to);
    if (*end < *first) // lines were overwritten, and a search went astray
        *end = *first;
}

// Writes the key of that rank at `text`; whether there is one and the pattern matches it.
static bool match_key(struct session *s, struct span pattern, uint64_t rank, char *text)
{
    struct uuid id;
    if (!dataset_at(session_dataset(s), rank, &id, NULL))
        return false;
    uuid_format(id, text);
    session_charge(s, pattern.len / PATTERN_PER_WORK);
    return pattern.ptr == NULL ||
           glob_match(pattern, span_of(text, UUID_TEXT_LEN), GLOB_CASE_EITHER);
}

// Looks at the key of that rank; what matches is collected.
static void collect_key(struct session *s, const struct scan *scan, uint64_t rank)
{
    char text[UUID_TEXT_LEN];
    if (!scan->matches_none && match_key(s, scan->pattern, rank, text))
        buf_append(&s->request.collected, span_of(text, sizeof text));
}

// Where the call begins: at the cursor, or where the key that it stood for has gone.
static uint64_t first_rank(const struct session *s, uint64_t cursor)
{
    bool moved = cursor != 0 && cursor == s->scanned.cursor &&
                 s->scanned.snapshot != session_snapshot(s)->number;
    return moved ? dataset_seek(session_dataset(s), s->scanned.key) : cursor;
}

// What the client is to say next.
static void remember_cursor(struct session *s, uint64_t cursor)
{
    struct uuid key;
    bool there = cursor != 0 && dataset_at(session_dataset(s), cursor, &key, NULL);
    s->scanned.cursor = there ? cursor : 0;
    s->scanned.snapshot = session_snapshot(s)->number;
    if (there)
        s->scanned.key = key;
}

static void reply(struct session *s, uint64_t cursor)
{
    char digits[NUMBER_TEXT_MAX];
    resp_array(&s->reply, 2);
    resp_bulk(&s->reply, span_of(digits, number_format(digits, cursor)));
    resp_array(&s->reply, s->request.collected.len / UUID_TEXT_LEN);
    for (size_t i = 0; i < s->request.collected.len; i += UUID_TEXT_LEN)
        resp_bulk(&s->reply, span_of(s->request.collected.ptr + i, UUID_TEXT_LEN));
    s->oom |= s->request.collected.oom;
    buf_release(&s->request.collected);
}

// `sum` counts the keys looked at in this call.
static enum command_result scan_command(struct session *s, const struct resp_request *r)
{
    struct scan scan;
    uint64_t rank;
    uint64_t end;
    if (!parse(s, r, &scan))
        return COMMAND_DONE;
    choose_range(session_dataset(s), scan.pattern, &rank, &end);
    scan.cursor = first_rank(s, scan.cursor);
    rank = scan.cursor > rank ? scan.cursor : rank;
    for (rank += s->request.sum; rank < end && s->request.sum < scan.count;
         rank++, s->request.sum++) {
        if (s->request.collected.len >= KEYS_MAX * UUID_TEXT_LEN)
            break;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        collect_key(s, &scan, rank);
    }
    rank = rank < end ? rank : 0;
    remember_cursor(s, rank);
    reply(s, rank);
    return COMMAND_DONE;
}

// ---- KEYS ---------------------------------------------------------------------------------------

// In the cursor of KEYS: the count has been sent, and `sum` says how many keys are still owed.
#define SENDING (UINT64_C(1) << 63)

// Whether the keys that begin with what the pattern begins with are those that it matches: a `*`
// behind nothing but characters that stand for themselves.
static bool is_prefix(struct span pattern)
{
    for (size_t i = 0; i + 1 < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '*' || c == '?' || c == '[' || c == '\\')
            return false;
    }
    return pattern.len > 0 && pattern.len <= UUID_TEXT_LEN + 1 &&
           pattern.ptr[pattern.len - 1] == '*';
}

static void send_count(struct session *s, uint64_t count)
{
    s->request.cursor = SENDING;
    s->request.sum = count;
    resp_array(&s->reply, count);
}

// Sends the key of that rank, if it is one of those that were counted.
static void send_key(struct session *s, struct span pattern, uint64_t rank)
{
    char text[UUID_TEXT_LEN];
    if (!match_key(s, pattern, rank, text))
        return;
    resp_bulk(&s->reply, span_of(text, sizeof text));
    s->request.sum--;
}

// Below SENDING the cursor counts the keys looked at, and `sum` those found; from there on the
// cursor counts again. What was overwritten in between leaves fewer keys than were announced: nulls
// stand for them.
static enum command_result keys_command(struct session *s, const struct resp_request *r)
{
    struct span pattern = resp_arg(r, 1);
    uint64_t first;
    uint64_t end;
    char text[UUID_TEXT_LEN];
    if (pattern.len > PATTERN_MAX) {
        resp_error(&s->reply, "ERR pattern exceeds %d bytes", PATTERN_MAX);
        return COMMAND_DONE;
    }
    choose_range(session_dataset(s), pattern, &first, &end);
    if (is_prefix(pattern)) {
        pattern = span_of(NULL, 0);
        if (s->request.cursor == 0)
            send_count(s, end - first);
    }
    for (; s->request.cursor < SENDING && s->request.cursor < end - first; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        s->request.sum += match_key(s, pattern, first + s->request.cursor, text);
    }
    if (s->request.cursor < SENDING)
        send_count(s, s->request.sum);
    for (; s->request.sum > 0; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (s->request.cursor - SENDING < end - first) {
            send_key(s, pattern, first + (s->request.cursor - SENDING));
        } else {
            resp_null(&s->reply);
            s->request.sum--;
        }
    }
    return COMMAND_DONE;
}

// ---- the rows -----------------------------------------------------------------------------------

// clang-format off: rows are tables

static const struct command_argument scan_words[] = {
    {"cursor", "integer", NULL, 0, NULL},
    {"pattern", "pattern", "MATCH", ARGUMENT_OPTIONAL, NULL},
    {"count", "integer", "COUNT", ARGUMENT_OPTIONAL, NULL},
    {"type", "string", "TYPE", ARGUMENT_OPTIONAL, NULL, "6.0.0"},
    {0}};
static const struct command_argument key_pattern[] = {{"pattern", "pattern", NULL, 0, NULL}, {0}};
static const struct command_change scan_history[] = {{"6.0.0", "Accepts `TYPE`"}, {0}};

const struct command scan_commands[] = {
    {"keys", 2, READONLY | ORDERED, NO_KEYS, GROUP_GENERIC, "1.0.0", IN_KEYSPACE | IN_DANGEROUS,
     keys_command, "Returns all keys that match a pattern, in ascending order",
     "O(N) where N is the number of keys, or of keys that match the start of the pattern",
     "request_policy:all_shards nondeterministic_output_order", key_pattern,
     .deviation = "Keys are returned in ascending order, and other clients are served while the "
                  "reply is produced. A pattern matches the letters of a key in either case. A "
                  "pattern has at most 1,024 bytes, as the time of a match grows with its length. "
                  "The number of keys is sent first. If the line of a counted key is overwritten "
                  "before the key is sent, a null takes its place."},
    {"scan", -2, READONLY | ORDERED, NO_KEYS, GROUP_GENERIC, "2.8.0", 0, scan_command,
     "Iterates over the keys: returns some of them and the cursor for the next call",
     "O(1) for each call, O(N) for a whole iteration, where N is the number of keys",
     "nondeterministic_output request_policy:special", scan_words, .history = scan_history,
     .deviation = "Keys are returned in ascending order, and each key exactly once. A pattern "
                  "matches the letters of a key in either case. A call returns at most 1,024 keys, "
                  "and a pattern has at most 1,024 bytes; this limits the memory that the server "
                  "keeps for a client."},
    {0},
};
