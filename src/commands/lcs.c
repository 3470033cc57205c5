// LCS finds the longest common subsequence of two values with the usual table of dynamic
// programming. The cell (i, j) holds the length of the longest common subsequence of the first i
// bytes of one value and the first j bytes of the other.
//
// The handler keeps only the last row of lengths, and one bit for each cell. The way back leads
// from the last cell to the first: at each cell, its bit says which value is made shorter by one
// byte. The bytes of the subsequence are found on this way. The table is filled row by row, in as
// many turns as it takes. The size of the table is bounded, and so are the lengths of the values.
#include "base/number.h"
#include "commands/groups.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/session.h"

enum {
    LENGTH_MAX = 64 * 1024,      // bytes of a value
    CELLS_MAX = 4 * 1024 * 1024, // product of the two lengths; the bits take 0.5 MiB
    SHORTER_MAX = 2 * 1024,      // bytes of the shorter value: the square root of CELLS_MAX
    CELLS_PER_WORK = 64,         // cells that are filled in one unit of work
    WORDS_MAX = 64,              // highest index of an option word in a request
};

// A lookup that returns LOOKUP_GOES_ON has searched at least two parts of DATASET_PART bytes.
_Static_assert(2 * DATASET_PART > LENGTH_MAX,
               "a value whose end is not found in one turn is too long for LCS");

// The request and its values.
struct lcs {
    struct span a;
    struct span b;
    bool only_length;
    bool ranges;
    bool range_lengths;
    int64_t range_min;
};

// The table has a row for each byte of the longer value, `outer`, and a column for each byte of the
// shorter one, `inner`. `row` has one more cell at the front, for the empty prefix of `inner`.
struct table {
    struct span outer;
    struct span inner;
    bool swapped; // `outer` is b
    uint16_t *row;
    unsigned char *bits; // one bit for each cell; set if the way back makes `a` of struct lcs
                         // shorter at this cell, not `b`
};

// Returns false if the request is wrong; the reply is then an error.
static bool parse(struct session *s, const struct resp_request *r, struct lcs *lcs)
{
    const char *error = NULL;
    for (uint32_t i = 3; i < r->argc && error == NULL; i++) {
        struct span word = resp_arg(r, i);
        if (span_is(word, "idx"))
            lcs->ranges = true;
        else if (span_is(word, "len"))
            lcs->only_length = true;
        else if (span_is(word, "withmatchlen"))
            lcs->range_lengths = true;
        else if (!span_is(word, "minmatchlen") || i + 1 == r->argc || i > WORDS_MAX)
            error = "ERR syntax error";
        else if (!number_parse(resp_arg(r, ++i), &lcs->range_min))
            error = "ERR value is not an integer or out of range";
        if (i > WORDS_MAX)
            error = "ERR syntax error";
    }
    if (error == NULL && lcs->ranges && lcs->only_length)
        error = "ERR If you want both the length and indexes, please just use IDX.";
    if (error != NULL)
        resp_error(&s->reply, "%s", error);
    return error == NULL;
}

// Returns false if the values are too long; the reply is then an error.
static bool is_bounded(struct session *s, const struct lcs *lcs)
{
    if (lcs->a.len <= LENGTH_MAX && lcs->b.len <= LENGTH_MAX &&
        lcs->a.len * lcs->b.len <= CELLS_MAX)
        return true;
    resp_error(&s->reply,
               "ERR String too long for LCS: at most %d bytes each, and at most %d as the "
               "product of both lengths",
               LENGTH_MAX, CELLS_MAX);
    return false;
}

// `s->request.collected` keeps the state between turns: struct lcs, the row, the bits, and copies
// of both values, in this order.
static size_t row_size(const struct table *t)
{
    return (t->inner.len + 1) * sizeof *t->row;
}

static size_t bits_size(const struct table *t)
{
    return (t->outer.len * t->inner.len + 7) / 8;
}

static void choose_sides(struct table *t, const struct lcs *lcs)
{
    t->swapped = lcs->b.len > lcs->a.len;
    t->outer = t->swapped ? lcs->b : lcs->a;
    t->inner = t->swapped ? lcs->a : lcs->b;
}

// Writes the initial state, in which no row is filled, to `s->request.collected`. Returns false if
// memory is short.
static bool save_state(struct session *s, const struct lcs *lcs)
{
    struct table t;
    choose_sides(&t, lcs);
    size_t table_size = row_size(&t) + bits_size(&t);
    char *to =
        buf_reserve(&s->request.collected, sizeof *lcs + table_size + lcs->a.len + lcs->b.len);
    if (to == NULL)
        return false;
    memcpy(to, lcs, sizeof *lcs);
    memset(to + sizeof *lcs, 0, table_size);
    s->request.collected.len = sizeof *lcs + table_size;
    buf_append(&s->request.collected, lcs->a);
    buf_append(&s->request.collected, lcs->b);
    return true;
}

// Reads the state that save_state wrote. `*lcs` and `*t` point into `s->request.collected`.
static void restore_state(struct session *s, struct lcs *lcs, struct table *t)
{
    char *at = s->request.collected.ptr;
    memcpy(lcs, at, sizeof *lcs);
    choose_sides(t, lcs);
    t->row = (uint16_t *)(void *)(at + sizeof *lcs);
    t->bits = (unsigned char *)t->row + row_size(t);
    lcs->a.ptr = (const char *)t->bits + bits_size(t);
    lcs->b.ptr = lcs->a.ptr + lcs->a.len;
    choose_sides(t, lcs);
}

// Fills the row of byte `o` of `outer`. If two bytes differ, the way back drops the last byte of
// `a` or of `b`: the byte of `a` if the longer subsequence is left then, otherwise the byte of `b`.
static void fill_row(struct table *t, size_t o)
{
    uint16_t diagonal = 0; // the cell of the previous row and the previous column
    for (size_t i = 0; i < t->inner.len; i++) {
        uint16_t above = t->row[i + 1]; // length without the last byte of the prefix of `outer`
        uint16_t left = t->row[i];      // length without the last byte of the prefix of `inner`
        uint16_t less_a = t->swapped ? left : above;
        uint16_t less_b = t->swapped ? above : left;
        size_t cell = o * t->inner.len + i;
        if (t->outer.ptr[o] == t->inner.ptr[i])
            t->row[i + 1] = (uint16_t)(diagonal + 1);
        else
            t->row[i + 1] = above > left ? above : left;
        if (less_a > less_b)
            t->bits[cell / 8] |= (unsigned char)(1u << cell % 8);
        diagonal = above;
    }
}

static bool goes_back_in_a(const struct table *t, size_t a, size_t b)
{
    size_t cell = t->swapped ? b * t->inner.len + a : a * t->inner.len + b;
    return (t->bits[cell / 8] >> cell % 8 & 1) != 0;
}

// A run of bytes that both values have, with the offset of its first byte in each value.
struct match {
    size_t a;
    size_t b;
    size_t len;
};

// Finds the next match on the way back from offsets `*a` and `*b`, and moves both to its start.
// Returns false if there is none.
static bool next_match(const struct lcs *lcs, const struct table *t, size_t *a, size_t *b,
                       struct match *match)
{
    match->len = 0;
    while (*a > 0 && *b > 0) {
        if (lcs->a.ptr[*a - 1] == lcs->b.ptr[*b - 1]) {
            *match = (struct match){--*a, --*b, match->len + 1};
        } else if (match->len > 0) {
            return true;
        } else if (goes_back_in_a(t, *a - 1, *b - 1)) {
            --*a;
        } else {
            --*b;
        }
    }
    return match->len > 0;
}

static void reply_text(struct session *s, const struct lcs *lcs, const struct table *t, size_t len)
{
    char text[SHORTER_MAX];
    struct match match;
    size_t a = lcs->a.len;
    size_t b = lcs->b.len;
    size_t at = len;
    while (next_match(lcs, t, &a, &b, &match)) {
        at -= match.len;
        memcpy(text + at, lcs->a.ptr + match.a, match.len);
    }
    resp_bulk(&s->reply, span_of(text, len));
}

static void reply_range(struct resp_writer *w, size_t first, size_t len)
{
    resp_array(w, 2);
    resp_integer(w, (int64_t)first);
    resp_integer(w, (int64_t)(first + len - 1));
}

// Walks back twice: the first round counts the matches, as their number precedes them in the reply.
static void reply_ranges(struct session *s, const struct lcs *lcs, const struct table *t,
                         size_t len)
{
    struct resp_writer *w = &s->reply;
    struct match match;
    uint64_t count = 0;
    resp_map(w, 2);
    resp_bulk_text(w, "matches");
    for (int round = 0; round < 2; round++) {
        size_t a = lcs->a.len;
        size_t b = lcs->b.len;
        if (round == 1)
            resp_array(w, count);
        while (next_match(lcs, t, &a, &b, &match)) {
            if ((int64_t)match.len < lcs->range_min)
                continue;
            count++;
            if (round == 0)
                continue;
            resp_array(w, 2u + lcs->range_lengths);
            reply_range(w, match.a, match.len);
            reply_range(w, match.b, match.len);
            if (lcs->range_lengths)
                resp_integer(w, (int64_t)match.len);
        }
    }
    resp_bulk_text(w, "len");
    resp_integer(w, (int64_t)len);
}

static void reply(struct session *s, const struct lcs *lcs, const struct table *t)
{
    size_t len = t->row[t->inner.len];
    session_charge(s, (lcs->a.len + lcs->b.len) / CELLS_PER_WORK);
    if (lcs->ranges)
        reply_ranges(s, lcs, t, len);
    else if (lcs->only_length)
        resp_integer(&s->reply, (int64_t)len);
    else
        reply_text(s, lcs, t, len);
}

// Does the work of the first turn, when `s->request.cursor` is 0. Returns false if it has written
// an error or memory is short.
static bool begin(struct session *s, const struct resp_request *r)
{
    struct lcs lcs = {.a = {"", 0}, .b = {"", 0}};
    if (!parse(s, r, &lcs))
        return false;
    // If a lookup returns LOOKUP_GOES_ON, the span holds the part that was searched so far. That is
    // longer than LENGTH_MAX, so is_bounded refuses it.
    enum lookup a = session_look_up(s, r, 1, &lcs.a);
    enum lookup b = session_look_up(s, r, 2, &lcs.b);
    if (s->parked) {
        session_uncount_lookup(s, a);
        session_uncount_lookup(s, b);
    }
    return s->parked || (is_bounded(s, &lcs) && save_state(s, &lcs));
}

// `s->request.cursor` is 0 at first, then 1 + the number of rows that have been filled.
static enum command_result lcs_command(struct session *s, const struct resp_request *r)
{
    struct lcs lcs;
    struct table table;
    if (s->request.cursor == 0 && !begin(s, r)) {
        s->oom |= s->request.collected.oom;
        return COMMAND_DONE;
    }
    if (s->parked)
        return COMMAND_AGAIN;
    s->request.cursor += s->request.cursor == 0;
    restore_state(s, &lcs, &table);
    for (; s->request.cursor <= table.outer.len; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        session_charge(s, table.inner.len / CELLS_PER_WORK);
        fill_row(&table, (size_t)s->request.cursor - 1);
    }
    reply(s, &lcs, &table);
    buf_release(&s->request.collected);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument lcs_words[] = {
    {"key1", "key", NULL, 0, NULL},
    {"key2", "key", NULL, 0, NULL},
    {"len", "pure-token", "LEN", ARGUMENT_OPTIONAL, NULL},
    {"idx", "pure-token", "IDX", ARGUMENT_OPTIONAL, NULL},
    {"len", "integer", "MINMATCHLEN", ARGUMENT_OPTIONAL, NULL},
    {"withmatchlen", "pure-token", "WITHMATCHLEN", ARGUMENT_OPTIONAL, NULL},
    {0}};

const struct command lcs_commands[] = {
    {"lcs", -3, READONLY, TWO_KEYS, "RO access", GROUP_STRING, "7.0.0", 0, lcs_command,
     "Returns the longest common subsequence of two values",
     "O(N*M) where N and M are the lengths of the values", NULL, lcs_words,
     .deviation = "Each value has at most 64 KiB, and the product of their lengths is at most "
                  "4,194,304, as time and memory grow with it. A request has at most 62 option "
                  "words."},
    {0},
};
