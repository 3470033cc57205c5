// `stele stats` shows what is in a data file: its figures, the kinds of its keys, and the lengths
// of its values, with bars on the terminal or as a page.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/terminal.h"
#include "tool/data_stats.h"
#include "tool/line_output.h"
#include "tool/stats_page.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum {
    LABEL_MIN = 10,     // columns of the labels before the bars
    COUNT_WIDTH = 23,   // columns of the counts after the bars: a number of 12 digits, and percent
    BAR_WIDTH_MAX = 60, // columns
    BAR_WIDTH_MIN = 5,
    EIGHTHS = 8, // parts of a column that a bar can fill
};

// Whether the terminal shows UTF-8. Files and pipes get only ASCII, so that any program can read
// them.
static bool has_blocks(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;
    for (unsigned i = 0; i < 3 && (locale == NULL || *locale == '\0'); i++)
        locale = getenv(names[i]);
    return isatty(STDOUT_FILENO) && locale != NULL &&
           (strcasestr(locale, "UTF-8") != NULL || strcasestr(locale, "UTF8") != NULL);
}

// Prints a bar that fills `eighths` / 8 of `width` columns, and spaces after it.
static void print_bar(unsigned eighths, unsigned width, bool blocks)
{
    static const char *const parts[EIGHTHS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned whole = blocks ? eighths / EIGHTHS : (eighths + EIGHTHS / 2) / EIGHTHS;
    unsigned rest = blocks ? eighths % EIGHTHS : 0;
    for (unsigned i = 0; i < whole; i++)
        fputs(blocks ? "█" : "#", stdout);
    fputs(parts[rest], stdout);
    printf("%*s", (int)(width - whole - (rest > 0)), "");
}

static void print_bars(const char *title, const struct data_bar *bars, unsigned count,
                       uint64_t total)
{
    unsigned columns = terminal_width(STDOUT_FILENO);
    unsigned label = LABEL_MIN;
    bool blocks = has_blocks();
    uint64_t most = 1;
    for (unsigned i = 0; i < count; i++) {
        unsigned len = (unsigned)strlen(bars[i].label);
        label = len > label ? len : label;
        most = bars[i].count > most ? bars[i].count : most;
    }
    unsigned used = label + COUNT_WIDTH + 1;
    unsigned width = columns > used + BAR_WIDTH_MIN ? columns - used : BAR_WIDTH_MIN;
    width = width < BAR_WIDTH_MAX ? width : BAR_WIDTH_MAX;
    printf("\n%s\n", title);
    for (unsigned i = 0; i < count; i++) {
        double share = (double)bars[i].count / (double)most;
        printf("%-*s ", (int)label, bars[i].label);
        print_bar((unsigned)(share * width * EIGHTHS), width, blocks);
        printf("%14llu %6.2f %%\n", (ull)bars[i].count,
               100.0 * (double)bars[i].count / (double)total);
    }
}

static void print_stats(const struct data_stats *s)
{
    struct data_facts facts;
    struct data_bar bars[DATA_BARS_MAX];
    data_stats_facts(s, &facts);
    for (unsigned i = 0; i < facts.count; i++)
        printf("%-*s %s\n", LABEL_MIN, facts.facts[i].name, facts.facts[i].text);
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
    "stats",
    "FILE [--html OUT] [--build-memory SIZE]",
    "show the number of keys, duplicates and malformed lines, the kinds of keys, and the lengths "
    "of "
    "values",
    false,
    rows,
    sizeof rows / sizeof *rows,
    stats,
    .example = "stele stats devices.data --html devices.html",
};
