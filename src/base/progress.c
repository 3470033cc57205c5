// Formats lines of progress. The time left is estimated from the time that the work has
// taken so far.
#include "base/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"

enum {
    BAR_MOST = 30,
    BAR_LEAST = 8,
    NAME_LEAST = 8, // columns; a shorter part of a file's name would say nothing
};

#define BAR_NS (CLOCK_SECOND / 5)  // time between two lines on a terminal
#define LINE_NS (3 * CLOCK_SECOND) // time between two lines elsewhere

void progress_begin(struct progress *p, const char *step, const char *file, bool bytes,
                    bool terminal)
{
    uint64_t now = clock_monotonic_ns();
    *p = (struct progress){step, file, terminal, bytes, now, now};
}

bool progress_was_shown(const struct progress *p)
{
    return p->shown_ns != p->began_ns;
}

// Returns the most columns that the character at `*at` may take on a terminal. Moves `*at` after
// the character.
static unsigned columns_of(const char **at)
{
    const char *first = (*at)++;
    while ((**at & 0xc0) == 0x80) // the other bytes of a UTF-8 character
        (*at)++;
    return *at - first > 2 ? 2 : 1;
}

static unsigned columns_of_name(const char *name)
{
    unsigned columns = 0;
    while (*name != '\0')
        columns += columns_of(&name);
    return columns;
}

// Writes `name` in at most `columns` columns. If it does not fit, only its end is written, after
// "...". A control character, which could move the cursor, becomes '?'. Returns the columns used.
static unsigned put_name(const char *name, unsigned columns, char *to)
{
    unsigned left = columns_of_name(name);
    size_t len = 0;
    if (left > columns) {
        while (left + 3 > columns && *name != '\0')
            left -= columns_of(&name);
        memcpy(to, "...", 3);
        len = 3;
        left += 3;
    }
    for (; *name != '\0' && len < PROGRESS_TEXT / 2; name++) {
        bool plain = (unsigned char)*name >= ' ' && *name != 0x7f;
        to[len++] = plain ? *name : '?';
    }
    to[len] = '\0';
    return left;
}

static void put_bar(uint64_t done, uint64_t total, unsigned columns, char *to)
{
    unsigned filled = (unsigned)((double)done / (double)total * columns);
    *to++ = '[';
    for (unsigned i = 0; i < columns; i++)
        *to++ = i < filled ? '#' : '-';
    memcpy(to, "] ", 3);
}

// Composes a line of less than `width` columns. The most important parts get their columns first;
// parts for which no columns are left are omitted.
static void compose_line(const struct progress *p, uint64_t done, uint64_t total, unsigned width,
                         const char *rate, const char *left, char *to)
{
    char name[PROGRESS_TEXT / 2 + 1] = "";
    char bar[BAR_MOST + 4] = "";
    const char *slash = strrchr(p->file, '/');
    const char *file = slash != NULL ? slash + 1 : p->file;
    unsigned file_columns = columns_of_name(file);
    unsigned file_least = file_columns < NAME_LEAST ? file_columns : NAME_LEAST;
    unsigned step_columns = (unsigned)strlen(p->step) + 1;
    unsigned left_columns = (unsigned)strlen(left);
    unsigned columns = width > 6 ? width - 6 : 0; // columns left beside "100 %"
    bool with_step = step_columns <= columns;
    columns -= with_step ? step_columns : 0;
    bool with_left = with_step && columns >= file_least + 1 + left_columns;
    columns -= with_left ? left_columns : 0;
    bool with_name = with_step && columns >= file_least + 1;
    if (with_name)
        columns -= put_name(file, columns - 1, name) + 1;
    bool with_rate = strlen(rate) <= columns;
    columns -= with_rate ? (unsigned)strlen(rate) : 0;
    if (columns >= BAR_LEAST + 3)
        put_bar(done, total, columns - 3 < BAR_MOST ? columns - 3 : BAR_MOST, bar);
    snprintf(to, PROGRESS_TEXT, "%s%s%s%s%s%3.0f %%%s%s", with_step ? p->step : "",
             with_step ? " " : "", name, with_name ? " " : "", bar,
             (double)done / (double)total * 100, with_rate ? rate : "", with_left ? left : "");
}

bool progress_due(struct progress *p, uint64_t done, uint64_t total, unsigned width,
                  char to[PROGRESS_TEXT])
{
    uint64_t now = clock_monotonic_ns();
    if (now - p->shown_ns < (p->terminal ? BAR_NS : LINE_NS) || done == 0)
        return false;
    p->shown_ns = now;
    if (done > total)
        done = total;
    double part = (double)done / (double)total;
    double seconds = (double)(now - p->began_ns) / 1e9;
    uint64_t left = (uint64_t)(seconds / part - seconds + 0.5);
    char rate_text[32] = "";
    char left_text[48];
    if (p->bytes)
        snprintf(rate_text, sizeof rate_text, "  %.1f MB/s", (double)done / seconds / 1e6);
    snprintf(left_text, sizeof left_text, "  %llu:%02llu left", (unsigned long long)(left / 60),
             (unsigned long long)(left % 60));
    if (p->terminal)
        compose_line(p, done, total, width, rate_text, left_text, to);
    else
        snprintf(to, PROGRESS_TEXT, "%s %.300s: %3.0f %%%s%s", p->step, p->file, part * 100,
                 rate_text, left_text);
    escape_in_place(to, PROGRESS_TEXT); // the file's name may contain any byte
    return true;
}
