// Tests of lines of progress: on a terminal they are never too wide, and always show the most
// important parts.
#include "base/progress.h"

#include <stdio.h>
#include <string.h>

#include "support/tap.h"

// Returns the line of a step that began a second ago.
static const char *line_of(struct progress *p, uint64_t done, uint64_t total, unsigned width)
{
    static char text[PROGRESS_TEXT];
    p->began_ns -= 1000000000;
    p->shown_ns = p->began_ns - 1000000000;
    return progress_due(p, done, total, width, text) ? text : "nothing";
}

// Returns the columns of a text; each UTF-8 character counts as one.
static unsigned columns(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0'; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

static const char *bar(const char *file, uint64_t done, unsigned width)
{
    struct progress p;
    progress_begin(&p, "indexing", file, false, true);
    return line_of(&p, done, 100, width);
}

static void test_layout(void)
{
    static const struct {
        unsigned width;
        const char *wanted;
    } cases[] = {
        {200, "indexing d.data [###############---------------]  50 %  0:01 left"},
        {63, "indexing d.data [#############--------------]  50 %  0:01 left"},
        {45, "indexing d.data [####-----]  50 %  0:01 left"},
        {44, "indexing d.data [####----]  50 %  0:01 left"},
        {43, "indexing d.data  50 %  0:01 left"},
        {33, "indexing d.data  50 %  0:01 left"},
        {32, "indexing d.data  50 %"},
        {26, "indexing d.data  50 %"},
        {20, "indexing  50 %"},
        {10, " 50 %"},
        {1, " 50 %"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        is_text(bar("path/to/d.data", 50, cases[i].width), cases[i].wanted, "%u columns",
                cases[i].width);
    is_text(bar("a-long-name-of-a-file.data", 50, 40), "indexing ...-file.data  50 %  0:01 left",
            "of a long name only the end is shown");
    is_text(bar("a\033[2Jb\n", 50, 60),
            "indexing a?[2Jb? [###########------------]  50 %  0:01 left",
            "a name cannot control the terminal");
}

static void test_widths(void)
{
    static const char *const names[] = {
        "d",
        "a-long-name-of-a-file-with-many-letters-in-it.data",
        "",
        "/",
        "\xc3\xa4\xc3\xb6\xc3\xbc-\xc3\xa4\xc3\xb6\xc3\xbc-\xc3\xa4\xc3\xb6\xc3\xbc.data",
    };
    unsigned wide = 0;
    unsigned incomplete = 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        for (unsigned width = 7; width < 300; width++) {
            for (uint64_t done = 1; done <= 101; done += 10) {
                const char *text = bar(names[i], done, width);
                wide += columns(text) >= width;
                incomplete += strchr(text, '%') == NULL ||
                              (width >= 20 && strncmp(text, "indexing ", 9) != 0);
            }
        }
    }
    is_number(wide, 0, "every line is less wide than the terminal");
    is_number(incomplete, 0, "each line shows the percentage, and in 20 columns or more the step");
}

static void test_others(void)
{
    struct progress p;
    char text[PROGRESS_TEXT];
    progress_begin(&p, "indexing", "path/to/d.data", true, false);
    ok(!progress_due(&p, 1, 2, 80, text) && !progress_was_shown(&p), "no line is due at once");
    p.began_ns -= 2000000000;
    p.shown_ns = p.began_ns;
    ok(!progress_due(&p, 1, 2, 80, text), "no line is due after two seconds without a terminal");
    const char *line = line_of(&p, 50000000, 100000000, 20);
    ok(strncmp(line, "indexing path/to/d.data:  50 %  ", 32) == 0 &&
           strstr(line, " MB/s  0:0") != NULL,
       "a line without a terminal has the whole path: %s", line);
    ok(progress_was_shown(&p), "progress_was_shown is then true");
    is_text(line_of(&p, 0, 100, 80), "nothing", "no line is due while nothing is done");
    progress_begin(&p, "indexing", "d", true, true);
    ok(strstr(line_of(&p, 200, 100, 80), "100 %") != NULL, "no line shows more than 100 %%");
}

int main(void)
{
    test_layout();
    test_widths();
    test_others();
    return done_testing();
}
