// Options of a command line. Each option is a row of a table. For a misspelt option, the row with
// the least edit distance is suggested.
#include "base/command_line.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
    WIDTH_MIN = 40,
    // A word of this many bytes or more, without its leading dashes, gets no suggestion.
    WORD_MAX = 40,
    HELP_MAX = 512, // bytes of an option's help text, with its NUL
    // A word of at least this many letters gets the suggestion of an option that begins with it.
    SHORTEST_BEGINNING = 3,
};

// ---- near misses --------------------------------------------------------------------------------

// Copies a word without leading dashes, in lower case, with '-' for '_'. Returns the length of the
// copy, or `room` when the word does not fit.
static size_t normalise(const char *word, size_t len, char *to, size_t room)
{
    while (len > 0 && *word == '-') {
        word++;
        len--;
    }
    if (len >= room)
        return room;
    for (size_t i = 0; i < len; i++)
        to[i] = word[i] == '_' ? '-' : ascii_lower(word[i]);
    return len;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Returns the edit distance of two words: how many letters must be added, dropped, changed or
// swapped with a neighbour to turn `a` into `b`.
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            bool same = a[i - 1] == b[j - 1];
            now[j] = least(last[j - 1] + !same, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_len];
}

size_t command_line_distance(const char *word, size_t len, const char *known)
{
    char a[WORD_MAX];
    char b[WORD_MAX];
    size_t a_len = normalise(word, len, a, sizeof a);
    size_t b_len = normalise(known, strlen(known), b, sizeof b);
    if (a_len == 0 || a_len == sizeof a || b_len == sizeof b)
        return SIZE_MAX;
    size_t distance = edit_distance(a, a_len, b, b_len);
    if (a_len >= SHORTEST_BEGINNING && a_len < b_len && memcmp(a, b, a_len) == 0)
        distance = 1;
    return distance <= (a_len + 2) / 4 ? distance : SIZE_MAX;
}

// Returns the hint for an option that a related program has but this program lacks. Returns NULL
// when there is none.
static const char *find_hint(const struct option_hint *hints, const char *word, size_t len)
{
    for (; hints != NULL && hints->name != NULL; hints++) {
        size_t name_len = strlen(hints->name);
        bool all = hints->name[name_len - 1] == '*';
        if (all ? len >= name_len - 1 && memcmp(word, hints->name, name_len - 1) == 0
                : len == name_len && memcmp(word, hints->name, len) == 0)
            return hints->text;
    }
    return NULL;
}

// Returns the row whose name is nearest to `word`, or NULL when none is near.
static const struct option_row *find_near(const struct option_table *table, const char *word,
                                          size_t len)
{
    const struct option_row *near = NULL;
    size_t best = SIZE_MAX;
    for (unsigned i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        size_t distance =
            row->name != NULL ? command_line_distance(word, len, row->name) : SIZE_MAX;
        if (distance < best) {
            best = distance;
            near = row;
        }
    }
    return near;
}

// ---- reading ------------------------------------------------------------------------------------

// Returns the row whose name is the first `len` bytes of `word`, or NULL when there is none.
static const struct option_row *find_row(const struct option_table *table, const char *word,
                                         size_t len)
{
    if (len == 2 && memcmp(word, "-h", 2) == 0)
        return find_row(table, "--help", strlen("--help"));
    if (len == 2 && memcmp(word, "-v", 2) == 0)
        return find_row(table, "--version", strlen("--version"));
    for (unsigned i = 0; i < table->count; i++) {
        const char *name = table->rows[i].name;
        if (name != NULL && strlen(name) == len && memcmp(name, word, len) == 0)
            return &table->rows[i];
    }
    return NULL;
}

// Sets the error for an unknown option. It shows only the option's name, up to its '=', because the
// value of a misspelt --requirepass is a password.
static void refuse_unknown(const struct option_table *table, const char *word, size_t len,
                           struct error *error)
{
    const char *hint = find_hint(table->hints, word, len);
    const struct option_row *near = find_near(table, word, len);
    if (hint != NULL)
        error_set(error, "unknown option '%.*s': %s", (int)len, word, hint);
    else if (near != NULL)
        error_set(error, "unknown option '%.*s'; did you mean %s?", (int)len, word, near->name);
    else
        error_set(error, "unknown option '%.*s'; --help lists all options", (int)len, word);
}

bool command_line_option(const struct option_table *table, struct options *o, int argc,
                         char *const argv[], int *at, struct error *error)
{
    const char *word = argv[*at];
    size_t len = strcspn(word, "=");
    const struct option_row *row = find_row(table, word, len);
    if (row == NULL) {
        refuse_unknown(table, word, len, error);
        return false;
    }
    const char *value = NULL;
    if (word[len] == '=')
        value = word + len + 1;
    else if (row->value != NULL && *at + 1 < argc)
        value = argv[++*at];
    if ((value == NULL) != (row->value == NULL)) {
        error_set(error,
                  row->value != NULL ? "option %s needs a value" : "option %s takes no value",
                  row->name);
        return false;
    }
    char buf[OPTION_COMPLAINT_MAX];
    const char *complaint =
        row->set != NULL ? row->set(o, value) : table->set_row(o, row, value, buf);
    if (complaint != NULL && row->secret)
        error_set(error, "%s %s", row->name, complaint);
    else if (complaint != NULL)
        error_set(error, "%s '%s' %s", row->name, value, complaint);
    return complaint == NULL;
}

// ---- explaining ---------------------------------------------------------------------------------

void command_line_wrap(const char *text, unsigned used, unsigned indent, unsigned width,
                       struct buf *to)
{
    if (width < WIDTH_MIN)
        width = WIDTH_MIN;
    size_t column = used;
    bool first = true; // the next word is the first of its line
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        const char *close = *text == '[' ? strchr(text, ']') : NULL;
        if (close != NULL) {
            size_t group = (size_t)(close - text) + strcspn(close, " ");
            len = indent + group <= width ? group : len;
        }
        if (!first && column + 1 + len > width) {
            buf_printf(to, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        buf_printf(to, "%s%.*s", first ? "" : " ", (int)len, text);
        column += len + !first;
        first = false;
        text += len;
        text += strspn(text, " ");
    }
    buf_append_text(to, "\n");
}

unsigned command_line_column(size_t longest, unsigned width)
{
    size_t wanted = longest + 4; // two spaces on either side
    size_t most = (width < WIDTH_MIN ? WIDTH_MIN : width) * 2 / 5;
    return (unsigned)least(wanted, most);
}

void command_line_row(const char *left, const char *right, unsigned column, unsigned width,
                      struct buf *to)
{
    size_t len = strlen(left);
    buf_append_text(to, "  ");
    if (len + 4 > column) {
        command_line_wrap(left, 2, 6, width, to);
        buf_printf(to, "%*s", (int)column, "");
    } else {
        buf_printf(to, "%s%*s", left, (int)(column - 2 - len), "");
    }
    command_line_wrap(right, column, column, width, to);
}

// Writes the left column of a row: the option's name and the placeholder of its value.
static size_t format_left(const struct option_row *row, char *to, size_t size)
{
    int len = snprintf(to, size, "%s%s%s", row->name, row->value != NULL ? " " : "",
                       row->value != NULL ? row->value : "");
    return (size_t)len;
}

void command_line_explain(const struct option_row *row, char *to, size_t size)
{
    bool has_default = row->default_value != NULL && *row->default_value != '\0';
    snprintf(to, size, "%s%s%s%s", row->help, has_default ? " (default: " : "",
             has_default ? row->default_value : "", has_default ? ")" : "");
}

void command_line_help(const struct option_table *table, unsigned width, struct buf *to)
{
    char left[2 * WORD_MAX];
    char right[HELP_MAX];
    size_t longest = 0;
    for (unsigned i = 0; i < table->count; i++) {
        size_t len =
            table->rows[i].name != NULL ? format_left(&table->rows[i], left, sizeof left) : 0;
        longest = len > longest ? len : longest;
    }
    unsigned column = command_line_column(longest, width);
    for (unsigned i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->name == NULL) {
            buf_printf(to, "\n%s:\n", row->help);
            continue;
        }
        format_left(row, left, sizeof left);
        command_line_explain(row, right, sizeof right);
        command_line_row(left, right, column, width, to);
    }
}
