// LOLWUT: a stele. What is carved on it is a trie of the kind that finds the keys, branching by
// chance of a fixed seed, so that all who ask see the same one.
#include "base/number.h"
#include "base/random.h"
#include "base/version.h"
#include "commands/table.h"
#include "serve/session.h"

enum { LEVELS = 6, WIDTH = 33, LEFT = 1, DOWN = 2, RIGHT = 4 };
enum { PICTURE_WORK = 32 }; // in lookups

// Draws one level of branches from those marked in `at`, and marks where they end.
static void draw_level(char *row, bool *at, uint64_t *seed)
{
    bool next[WIDTH] = {false};
    memset(row, ' ', WIDTH);
    for (unsigned i = 1; i + 1 < WIDTH; i++) {
        if (!at[i])
            continue;
        unsigned branches = (unsigned)(splitmix64(seed) % 8); // left, down, right: a bit each
        branches = branches != 0 ? branches : LEFT | RIGHT;
        if ((branches & LEFT) != 0) {
            row[i - 1] = '/';
            next[i > 2 ? i - 2 : 1] = true;
        }
        if ((branches & DOWN) != 0) {
            row[i] = '|';
            next[i] = true;
        }
        if ((branches & RIGHT) != 0) {
            row[i + 1] = '\\';
            next[i + 3 < WIDTH ? i + 2 : WIDTH - 2] = true;
        }
    }
    memcpy(at, next, sizeof next);
}

static void draw_stele(struct buf *b)
{
    uint64_t seed = 0x57e1e;
    bool at[WIDTH] = {false};
    char row[WIDTH];
    at[WIDTH / 2] = true;
    buf_printf(b, "     .-%.*s-.\n", WIDTH - 2, "--------------------------------------");
    buf_printf(b, "    /  %*s  \\\n", WIDTH - 2, "");
    for (unsigned level = 0; level < LEVELS; level++) {
        draw_level(row, at, &seed);
        buf_printf(b, "    | %.*s |\n", WIDTH, row);
    }
    for (unsigned i = 0; i < WIDTH; i++)
        row[i] = at[i] ? 'o' : ' ';
    buf_printf(b, "    | %.*s |\n", WIDTH, row);
    buf_printf(b, "    | %*s |\n", WIDTH, "");
    buf_printf(b, "  __|_%.*s_|__\n\n", WIDTH, "________________________________________");
    buf_printf(b, "Written once, read ever after.\n");
}

// VERSION, which chooses among Redis's pictures, is accepted: there is one.
// The version and, of those of Redis that take some, the sizes of the picture, which here is always
// the same.
static bool are_numbers(const struct resp_request *r)
{
    int64_t version;
    int64_t size;
    if (!number_parse(resp_arg(r, 2), &version))
        return false;
    uint32_t sizes = version == 5 ? 3 : version == 6 ? 2 : 0;
    for (uint32_t i = 3; i < r->argc && i < 3 + sizes; i++)
        if (!number_parse(resp_arg(r, i), &size))
            return false;
    return true;
}

static enum command_result lolwut_command(struct session *s, const struct resp_request *r)
{
    struct buf text = {0};
    if (r->argc >= 3 && span_is(resp_arg(r, 1), "version") && !are_numbers(r)) {
        resp_error(&s->reply, "ERR value is not an integer or out of range");
        return COMMAND_DONE;
    }
    draw_stele(&text);
    session_charge(s, PICTURE_WORK);
    buf_printf(&text, "Stele ver. %s\n", STELE_VERSION);
    s->oom |= text.oom;
    resp_verbatim(&s->reply, buf_span(&text));
    buf_release(&text);
    return COMMAND_DONE;
}

// ---- the rows -----------------------------------------------------------------------------------

// clang-format off: rows are tables

static const struct command_argument lolwut_words[] = {
    {"version", "integer", "VERSION", ARGUMENT_OPTIONAL, NULL}, {0}};

const struct command lolwut_commands[] = {
    {"lolwut", -1, READONLY | FAST, NO_KEYS, GROUP_SERVER, "5.0.0", 0, lolwut_command,
     "A small picture, and the version of the server", "O(1)", NULL, lolwut_words,
     .deviation = "Another picture, and the version of Stele."},
    {0},
};
