// `stele stats` shows what is in a data file: its figures, the kinds of its keys, and the lengths
// of its values, with bars on the terminal or as a page.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tool/bars.h"
#include "tool/data_stats.h"
#include "tool/line_output.h"
#include "tool/stats_page.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum { LABEL_WIDTH = 10 }; // columns

static void print_bars(const char *title, const struct data_bar *counts, unsigned count,
                       uint64_t total)
{
    struct bar bars[DATA_BARS_MAX];
    for (unsigned i = 0; i < count; i++) {
        bars[i] = (struct bar){.label = counts[i].label, .value = (double)counts[i].count};
        snprintf(bars[i].text, sizeof bars[i].text, "%14llu %6.2f %%", (ull)counts[i].count,
                 100.0 * (double)counts[i].count / (double)total);
    }
    bars_print(title, bars, count);
}

static void print_stats(const struct data_stats *s)
{
    struct data_facts facts;
    struct data_bar bars[DATA_BARS_MAX];
    data_stats_facts(s, &facts);
    for (unsigned i = 0; i < facts.count; i++)
        printf("%-*s %s\n", LABEL_WIDTH, facts.facts[i].name, facts.facts[i].text);
    if (s->lengths.count == 0)
        return;
    unsigned count = data_stats_kind_bars(s, bars);
    print_bars("kinds of keys", bars, count, s->lengths.count);
    count = data_stats_length_bars(s, bars);
    print_bars("lengths of values, in bytes", bars, count, s->lengths.count);
}

// Writes the page. Returns false after printing the reason when that is not possible.
static bool write_page(const struct data_stats *s, const char *name, struct line_output *file)
{
    struct error error = {""};
    struct buf page = {0};
    stats_page_append(s, name, &page);
    bool good = !page.oom;
    if (!good)
        error_set(&error, "%s", strerror(ENOMEM));
    good = good && line_output_append(file, buf_span(&page), &error) &&
           line_output_finish(file, &error);
    if (!good)
        tool_say("%s", error.text);
    buf_release(&page);
    return good;
}

// Reads the file, and prints what is in it. Returns the exit code.
static int show(const struct options *o, const struct dataset *d, struct line_output *page)
{
    const char *html = o->stats.html;
    struct error error = {""};
    struct data_stats *s = malloc(sizeof *s);
    int code = TOOL_ERROR;
    if (s == NULL)
        tool_say("%s", strerror(ENOMEM));
    else if (!data_stats_read(s, d, &error))
        tool_say("%s", error.text);
    else if (html == NULL || write_page(s, o->file, page))
        code = TOOL_OK;
    if (code == TOOL_OK && (html == NULL || strcmp(html, "-") != 0))
        print_stats(s);
    free(s);
    return code;
}

static bool create_page(const struct options *o, struct line_output *page)
{
    struct error error = {""};
    struct stat source;
    if (stat(o->file, &source) != 0)
        error_set(&error, "cannot open '%s': %s", o->file, strerror(errno));
    else if (line_output_open(page, o->stats.html, &source, &error))
        return true;
    tool_say("%s", error.text);
    return false;
}

static int stats(const struct options *o)
{
    struct dataset_settings settings = o->settings;
    struct line_output page = {0};
    int code = TOOL_ERROR;
    settings.malformed = DATASET_SKIP_MALFORMED;
    // If the size of files is limited (ulimit -f), SIGXFSZ would kill the process. When the signal
    // is ignored, the write fails instead.
    signal(SIGXFSZ, SIG_IGN);
    struct dataset *d =
        o->stats.html == NULL || create_page(o, &page) ? tool_open(o->file, &settings) : NULL;
    if (d != NULL)
        code = show(o, d, &page);
    code = tool_close(d, code);
    line_output_release(&page);
    return code;
}

static const char *set_html(struct options *o, const char *value)
{
    o->stats.html = value;
    return *value != '\0' ? NULL : "must be a path, or - for standard output";
}

static const struct option_row rows[] = {
    {"--html", "OUT",
     "also write a page with pictures to OUT, a new file; if OUT is -, print only the page",
     set_html},
    TOOL_INDEX_MEMORY_ROW,
    TOOL_HELP_ROW,
};

const struct tool_command tool_stats = {
    .name = "stats",
    .words = "FILE [--html OUT] [--build-memory SIZE]",
    .help = "show the number of keys, duplicates and malformed lines, the kinds of keys, and the "
            "lengths of values",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = stats,
    .example = "stele stats devices.data --html devices.html",
};
