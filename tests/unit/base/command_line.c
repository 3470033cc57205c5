// Tests of suggestions for misspelt options, and of the layout and wrapping of columns.
#include "base/command_line.h"

#include <stdint.h>

#include "base/bytes.h"
#include "support/tap.h"

static void test_distances(void)
{
    static const struct {
        const char *word;
        const char *known;
        size_t distance;
    } cases[] = {
        {"--port", "--port", 0},
        {"-port", "--port", 0},
        {"PORT", "--port", 0},
        {"--write_timeout", "--write-timeout", 0},
        {"--por", "--port", 1},
        {"--prot", "--port", 1},
        {"--ports", "--port", 1},
        {"--qort", "--port", 1},
        {"--nope", "--port", SIZE_MAX},
        {"--po", "--port", SIZE_MAX}, // two letters are the beginning of too many words
        {"--max-clients", "--maxclients", 1},
        {"--require", "--requirepass", 1},
        {"--requirepassfile", "--requirepass-file", 1},
        {"--protectedmod", "--protected-mode", 2},
        {"--loglvel", "--loglevel", 1},
        {"--bnid", "--bind", 1},
        {"--bdni", "--bind", SIZE_MAX},
        {"--", "--port", SIZE_MAX},
        {"", "--port", SIZE_MAX},
        {"--a-word-that-is-far-too-long-to-be-a-misspelt-option", "--port", SIZE_MAX},
        {"idnex", "index", 1},
        {"chek", "check", 1},
        {"x", "get", SIZE_MAX},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        is_number(
            (int64_t)command_line_distance(cases[i].word, strlen(cases[i].word), cases[i].known),
            (int64_t)cases[i].distance, "'%s' and '%s'", cases[i].word, cases[i].known);
    is_number((int64_t)command_line_distance("--port=1", 6, "--port"), 0,
              "only the first `len` bytes of the word count");
}

static void test_rows(void)
{
    static const struct {
        const char *left;
        const char *right;
        unsigned column;
        unsigned width;
        const char *wanted;
    } cases[] = {
        {"a", "b", 6, 80, "  a   b\n"},
        {"ab", "c", 6, 80, "  ab  c\n"},
        {"abc", "d", 6, 80, "  abc\n      d\n"},
        {"a", "", 6, 80, "  a   \n"},
        {"a", "0123456789 0123456789 0123456789", 20, 40,
         "  a                 0123456789\n                    0123456789\n"
         "                    0123456789\n"},
        {"a", "0123456789 012345678 0123456789", 20, 40,
         "  a                 0123456789 012345678\n                    0123456789\n"},
        {"a", "a-word-that-is-longer-than-its-column b", 20, 40,
         "  a                 a-word-that-is-longer-than-its-column\n                    b\n"},
        {"a", "b c", 6, 0, "  a   b c\n"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf got = {0};
        command_line_row(cases[i].left, cases[i].right, cases[i].column, cases[i].width, &got);
        buf_append(&got, span_of("", 1));
        is_text(got.ptr, cases[i].wanted, "'%s' and '%s' in %u columns", cases[i].left,
                cases[i].right, cases[i].width);
        buf_release(&got);
    }
    is_number(command_line_column(10, 80), 14, "the right column begins after the left one");
    is_number(command_line_column(60, 80), 32, "it is at most two fifths of the width");
    is_number(command_line_column(60, 0), 16, "a width under 40 counts as 40");
}

int main(void)
{
    test_distances();
    test_rows();
    return done_testing();
}
