// All bars have the same scale, which begins at 0. So their lengths can be compared.
#include "tool/bars.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/terminal.h"

enum {
    LABEL_MIN = 10, // columns of the labels before the bars
    WIDTH_MAX = 60, // columns of the longest bar
    WIDTH_MIN = 5,
    EIGHTHS = 8, // parts of a column that a bar can fill
};

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

void bars_print(const char *title, const struct bar *bars, unsigned count)
{
    unsigned columns = terminal_width(STDOUT_FILENO);
    unsigned label = LABEL_MIN;
    unsigned text = 0;
    bool blocks = has_blocks();
    double most = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned label_len = (unsigned)strlen(bars[i].label);
        unsigned text_len = (unsigned)strlen(bars[i].text);
        label = label_len > label ? label_len : label;
        text = text_len > text ? text_len : text;
        most = bars[i].value > most ? bars[i].value : most;
    }
    unsigned used = label + 1 + text;
    unsigned width = columns > used + WIDTH_MIN ? columns - used : WIDTH_MIN;
    width = width < WIDTH_MAX ? width : WIDTH_MAX;
    printf("\n%s\n", title);
    for (unsigned i = 0; i < count; i++) {
        double share = most > 0 ? bars[i].value / most : 0;
        printf("%-*s ", (int)label, bars[i].label);
        print_bar((unsigned)(share * width * EIGHTHS), width, blocks);
        printf("%*s\n", (int)text, bars[i].text);
    }
}
