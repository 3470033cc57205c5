// SCAN and KEYS. The index holds the keys in ascending order, so a cursor is the rank of the next
// key: each key is returned exactly once. A pattern that begins with the start of a UUID selects a
// range of ranks. GET accepts a UUID in either case, so a pattern matches a letter of it if it
// matches either case. The prefix of --key-prefix is a part of each key.
//
// After the dataset is replaced, the next key has another rank. So the session remembers that key.
// A client that continues its last SCAN neither misses a key nor receives one twice.
//
// A reply begins with the number of keys. SCAN collects its keys first. The memory for them is
// bounded: a call returns at most KEYS_MAX keys, even if COUNT is higher. Redis, too, treats COUNT
// only as a hint. The reply of KEYS is not bounded, so KEYS keeps nothing: it counts the matching
// keys and then searches them again. If the pattern is a mere prefix, the range of ranks gives the
// count.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/glob.h"
#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/session.h"

enum {
    COUNT_DEFAULT = 10,
    COUNT_MAX = 1000000, // keys that a call of SCAN examines at most
    KEYS_MAX = 1024,     // keys that a call of SCAN returns at most
    // Bytes of a pattern. Matching a key takes at most as many steps for each byte as the key has
    // bytes.
    PATTERN_MAX = 1024,
    // Bytes of a pattern that are matched with a UUID in one unit of work.
    PATTERN_PER_WORK = 8,
    WORDS_MAX = 64, // words of a request; each turn parses them again
};

struct scan {
    uint64_t cursor;
    uint64_t count;      // keys to examine
    struct span pattern; // `ptr` is NULL if every key matches
    bool matches_none;   // TYPE names a type that no key has
};

// Parses a cursor as Redis does, with strtoul: an empty cursor is 0, a sign may precede it, and a
// NUL ends it. Returns false if it is invalid.
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

// Returns false if the request is wrong; the reply is then an error.
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

// Returns how many characters precede the first special character of the pattern.
static size_t plain_part(struct span pattern)
{
    size_t len = 0;
    while (len < pattern.len && memchr("*?[\\", pattern.ptr[len], 4) == NULL)
        len++;
    return len;
}

// Finds the ranks of all keys that can match the pattern: `*first` to `*end` - 1. These keys begin
// with the characters that precede the first special character of the pattern. The range is empty
// if no key begins with these characters. Returns false if the command is parked (session_seek).
static bool choose_range(struct session *s, struct span pattern, uint64_t *first, uint64_t *end)
{
    struct uuid from;
    struct uuid to;
    *first = 0;
    *end = 0;
    if (!key_rules_complete(s->service->keys, span_of(pattern.ptr, plain_part(pattern)), &from,
                            &to))
        return true;
    to.lo++;
    to.hi += to.lo == 0;
    bool last = to.hi == 0 && to.lo == 0;
    *end = dataset_figures(session_dataset(s))->keys;
    if (session_seek(s, from, first) == LOOKUP_GOES_ON ||
        (!last && session_seek(s, to, end) == LOOKUP_GOES_ON))
        return false;
    if (*end < *first) // an overwritten line has misled one of the searches
        *end = *first;
    return true;
}

// Writes the key with this rank to `text` (KEY_TEXT_MAX bytes) and sets `*key`. Returns
// LOOKUP_FOUND if the line still holds a key and the pattern matches it, otherwise LOOKUP_MISSED.
// `last` is the last rank that will be read.
static enum lookup match_key(struct session *s, struct span pattern, uint64_t rank, uint64_t last,
                             char *text, struct span *key)
{
    const struct key_rules *rules = s->service->keys;
    struct uuid id;
    enum lookup lookup = session_at(s, rank, last, &id, NULL);
    if (lookup != LOOKUP_FOUND)
        return lookup;
    *key = key_rules_write(rules, id, text);
    session_charge(s, pattern.len * key->len / (PATTERN_PER_WORK * UUID_TEXT_LEN));
    bool matches = pattern.ptr == NULL || glob_match_after(pattern, *key, rules->prefix.len);
    return matches ? LOOKUP_FOUND : LOOKUP_MISSED;
}

// Adds the key with this rank to `s->request.collected` if it matches. `last` is the last rank that
// will be read. Returns false if the key has not been read yet.
static bool collect_key(struct session *s, const struct scan *scan, uint64_t rank, uint64_t last)
{
    char text[KEY_TEXT_MAX];
    struct span key;
    if (scan->matches_none)
        return true;
    enum lookup lookup = match_key(s, scan->pattern, rank, last, text, &key);
    if (lookup == LOOKUP_FOUND)
        buf_append(&s->request.collected, key);
    return lookup != LOOKUP_GOES_ON;
}

// Sets `*cursor` to the rank at which this call of SCAN begins. That is the client's cursor, unless
// the dataset was replaced since the previous call. Then it is the new rank of the key that the
// cursor stood for. Returns false if the command is parked (session_seek).
static bool find_first_rank(struct session *s, uint64_t *cursor)
{
    bool moved = *cursor != 0 && *cursor == s->scanned.cursor &&
                 s->scanned.snapshot != session_snapshot(s)->number;
    return !moved || session_seek(s, s->scanned.key, cursor) == LOOKUP_FOUND;
}

// Remembers the cursor that is returned to the client, and the key that it stands for. Returns
// false if the key has not been read yet.
static bool remember_cursor(struct session *s, uint64_t cursor)
{
    struct uuid key;
    enum lookup lookup = cursor != 0 ? session_at(s, cursor, cursor, &key, NULL) : LOOKUP_MISSED;
    bool there = lookup == LOOKUP_FOUND;
    if (lookup == LOOKUP_GOES_ON)
        return false;
    s->scanned.cursor = there ? cursor : 0;
    s->scanned.snapshot = session_snapshot(s)->number;
    if (there)
        s->scanned.key = key;
    return true;
}

static void reply(struct session *s, uint64_t cursor)
{
    char digits[NUMBER_TEXT_MAX];
    size_t len = s->service->keys->text_len;
    resp_array(&s->reply, 2);
    resp_bulk(&s->reply, span_of(digits, number_format(digits, cursor)));
    resp_array(&s->reply, s->request.collected.len / len);
    for (size_t i = 0; i < s->request.collected.len; i += len)
        resp_bulk(&s->reply, span_of(s->request.collected.ptr + i, len));
    s->oom |= s->request.collected.oom;
    buf_release(&s->request.collected);
}

// `s->request.sum` is the number of keys that this call has examined.
static enum command_result scan_command(struct session *s, const struct resp_request *r)
{
    struct scan scan;
    uint64_t rank;
    uint64_t end;
    if (!parse(s, r, &scan))
        return COMMAND_DONE;
    if (!choose_range(s, scan.pattern, &rank, &end) || !find_first_rank(s, &scan.cursor))
        return COMMAND_AGAIN;
    rank = scan.cursor > rank ? scan.cursor : rank;
    for (rank += s->request.sum; rank < end && s->request.sum < scan.count;
         rank++, s->request.sum++) {
        if (s->request.collected.len >= KEYS_MAX * s->service->keys->text_len)
            break;
        // The key after the last one is read, too: the cursor stands for it.
        uint64_t left = scan.count - s->request.sum;
        uint64_t last = left < end - rank ? rank + left : end - 1;
        if (!session_may_go_on(s) || !collect_key(s, &scan, rank, last))
            return COMMAND_AGAIN;
    }
    rank = rank < end ? rank : 0;
    if (!remember_cursor(s, rank))
        return COMMAND_AGAIN;
    reply(s, rank);
    return COMMAND_DONE;
}

// ---- KEYS ---------------------------------------------------------------------------------------

// A bit of `s->request.cursor` while KEYS runs. It is set when the number of keys has been sent.
// From then on, `s->request.sum` is the number of keys that are still to be sent.
#define SENDING (UINT64_C(1) << 63)

// Returns whether the pattern is a prefix and a `*`: characters without a special meaning, then a
// final `*`. Such a pattern matches exactly the keys in the range that choose_range finds.
static bool is_prefix(const struct session *s, struct span pattern)
{
    size_t len = plain_part(pattern);
    return len + 1 == pattern.len && pattern.ptr[len] == '*' && len <= s->service->keys->text_len;
}

// Begins the second pass, which sends the keys, by sending their number.
static void send_count(struct session *s, uint64_t count)
{
    s->request.cursor = SENDING;
    s->request.sum = count;
    resp_array(&s->reply, count);
}

// Sends the key with this rank if it matches. `last` is the last rank that will be read. Returns
// false if the key has not been read yet.
static bool send_key(struct session *s, struct span pattern, uint64_t rank, uint64_t last)
{
    char text[KEY_TEXT_MAX];
    struct span key;
    enum lookup lookup = match_key(s, pattern, rank, last, text, &key);
    if (lookup == LOOKUP_FOUND) {
        resp_bulk(&s->reply, key);
        s->request.sum--;
    }
    return lookup != LOOKUP_GOES_ON;
}

// The first pass counts the keys that match; the second pass sends them. In the first pass,
// `s->request.cursor` is the number of keys that have been examined, and `s->request.sum` is the
// number of keys that match. In the second pass, `s->request.cursor` is SENDING + the number of
// keys examined again. If lines were overwritten in between, fewer keys match than were counted,
// and nulls take their place.
static enum command_result keys_command(struct session *s, const struct resp_request *r)
{
    struct span pattern = resp_arg(r, 1);
    uint64_t first;
    uint64_t end;
    char text[KEY_TEXT_MAX];
    struct span key;
    if (pattern.len > PATTERN_MAX) {
        resp_error(&s->reply, "ERR pattern exceeds %d bytes", PATTERN_MAX);
        return COMMAND_DONE;
    }
    if (!choose_range(s, pattern, &first, &end))
        return COMMAND_AGAIN;
    if (is_prefix(s, pattern)) {
        pattern = span_of(NULL, 0);
        if (s->request.cursor == 0)
            send_count(s, end - first);
    }
    for (; s->request.cursor < SENDING && s->request.cursor < end - first; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum lookup lookup = match_key(s, pattern, first + s->request.cursor, end - 1, text, &key);
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        s->request.sum += lookup == LOOKUP_FOUND;
    }
    if (s->request.cursor < SENDING)
        send_count(s, s->request.sum);
    for (; s->request.sum > 0; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (s->request.cursor - SENDING < end - first) {
            if (!send_key(s, pattern, first + (s->request.cursor - SENDING), end - 1))
                return COMMAND_AGAIN;
        } else {
            resp_null(&s->reply);
            s->request.sum--;
        }
    }
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

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
     "O(N) where N is the number of keys that begin with the characters before the first wildcard "
     "of the pattern",
     "request_policy:all_shards nondeterministic_output_order", key_pattern,
     .deviation = "Keys are returned in ascending order, and other clients are served while the "
                  "reply is produced. A pattern matches the letters of a key in either case. A "
                  "pattern has at most 1,024 bytes, as the time of a match grows with its length. "
                  "The reply begins with the number of keys. If the data file is overwritten in "
                  "place while the reply is produced, a null takes the place of each key that is "
                  "no longer there."},
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
