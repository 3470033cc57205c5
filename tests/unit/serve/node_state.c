// Tests of serve/node_state.h: replies to STELE.CLUSTER STATE, whole, in pieces and wrong.
#include "serve/node_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/tap.h"

#define BEGIN                                                                                      \
    "$2\r\na1\r\n:7\r\n:3\r\n$16\r\n20261128T020000Z\r\n$4\r\nabcd\r\n:55\r\n:-1\r\n:1\r\n"        \
    ":1795226400\r\n"

static enum node_state_reply parse(const char *text, struct node_state *state)
{
    // A copy of exactly this size shows reads beyond its end.
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    require(copy != NULL, "no memory");
    memcpy(copy, text, len);
    char *exact = realloc(copy, len > 0 ? len : 1);
    enum node_state_reply reply = node_state_parse(span_of(exact, len), state);
    free(exact);
    return reply;
}

static void check_good(void)
{
    struct node_state state = {.epoch = 99};
    is_number(parse("*9\r\n" BEGIN, &state), NODE_STATE_GOOD, "a reply");
    is_text(state.name, "a1", "the name");
    is_number(state.epoch, 7, "the epoch");
    is_number(state.generation, 3, "the generation");
    is_text(state.version, "20261128T020000Z", "the version");
    is_text(state.hash, "abcd", "the hash");
    is_number(state.keys, 55, "the keys");
    is_number(state.foreign_keys, -1, "the foreign keys");
    is_number(state.loading, 1, "loading");
    is_number(state.made_at, 1795226400, "when the data was made");
    is_number(parse("*11\r\n" BEGIN "$1\r\nx\r\n:5\r\n", &state), NODE_STATE_GOOD,
              "a reply with more fields");
    is_number(
        parse("*9\r\n$0\r\n\r\n:0\r\n:1\r\n$0\r\n\r\n$0\r\n\r\n:0\r\n:0\r\n:0\r\n:0\r\n", &state),
        NODE_STATE_GOOD, "a reply with empty fields");
    is_text(state.version, "", "the version is empty");
}

static void check_pieces(void)
{
    static const char whole[] = "*10\r\n" BEGIN "$1\r\nx\r\n";
    struct node_state state = {.epoch = 99};
    char piece[sizeof whole];
    unsigned incomplete = 0;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        snprintf(piece, sizeof piece, "%.*s", (int)len, whole);
        incomplete += parse(piece, &state) == NODE_STATE_INCOMPLETE;
    }
    is_number(incomplete, sizeof whole - 1, "every beginning of a reply is incomplete");
    is_number(state.epoch, 99, "an incomplete reply sets nothing");
}

static void check_wrong(void)
{
    static const char *const wrong[] = {
        "*9\r\n" BEGIN "x",
        "*8\r\n" BEGIN,
        "*-1\r\n",
        "*65\r\n",
        "*99999999999999999999999\r\n",
        "*10\r\n" BEGIN "+OK\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "+PONG\r\n",
        "$2\r\n",
        "*9\n",
        "*9\r\n$-1\r\n",
        "*9\r\n$65\r\n",
        "*9\r\n$9223372036854775807\r\n",
        "*9\r\n$2\r\na1xx",
        "*9\r\n:5\r\n",
        "*9\r\n$2\r\na1\r\n:x\r\n",
        "*9\r\n$2\r\na1\r\n:111111111111111111111111111111",
    };
    struct node_state state = {.epoch = 99};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        is_number(parse(wrong[i], &state), NODE_STATE_WRONG, "wrong reply %zu", i);
    is_number(node_state_parse(span_of("*9\r\n$2\r\na\0\r\n", 12), &state), NODE_STATE_WRONG,
              "a NUL in a name");
    is_number(state.epoch, 99, "a wrong reply sets nothing");
}

int main(void)
{
    check_good();
    check_pieces();
    check_wrong();
    return done_testing();
}
