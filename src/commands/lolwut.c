// LOLWUT draws a stele that has a trie carved into it, like the one that finds the keys.
#include "base/number.h"
#include "base/version.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/session.h"

static const char picture[] = "     .---------------------------------.\n"
                              "    /                                   \\\n"
                              "    |                / \\                |\n"
                              "    |                \\ /                |\n"
                              "    |                  \\                |\n"
                              "    |                  /|\\              |\n"
                              "    |                / / \\|\\            |\n"
                              "    |              / /|/ /| |\\          |\n"
                              "    |             o o o o o o o         |\n"
                              "    |                                   |\n"
                              "  __|___________________________________|__\n"
                              "\n"
                              "Written once, read ever after.\n"
                              "Stele ver. " STELE_VERSION "\n";

// Returns whether the words after VERSION are numbers. They are the version and, as in Redis,
// optional sizes of the picture: three for version 5, two for version 6. Every number is accepted
// and has no effect, as there is one picture.
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
    if (r->argc >= 3 && span_is(resp_arg(r, 1), "version") && !are_numbers(r))
        reply_not_an_integer(s);
    else
        resp_verbatim(&s->reply, span_text(picture));
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument lolwut_words[] = {
    {"version", "integer", "VERSION", ARGUMENT_OPTIONAL, NULL}, {0}};

const struct command lolwut_commands[] = {
    {"lolwut", -1, READONLY | FAST, NO_KEYS, GROUP_SERVER, "5.0.0", 0, lolwut_command,
     "Returns a small picture and the version of the server", "O(1)", NULL, lolwut_words,
     .deviation = "Returns another picture, and the version of Stele."},
    {0},
};
