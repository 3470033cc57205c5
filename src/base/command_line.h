// Command lines. One table serves to read options, to explain them and to guess misspelt ones.
//
// Nothing here prints. Messages name options, never a value that may be a password.
#ifndef STELE_BASE_COMMAND_LINE_H
#define STELE_BASE_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;
struct options; // what a program stores its options in; each program defines its own

// One option, or a heading of --help.
struct option_row {
    const char *name;  // "--port"; NULL for a heading
    const char *value; // placeholder of its value in --help; NULL when it takes no value
    const char *help;  // what the option does, or the text of a heading
    // Stores the value. Returns NULL, or what is wrong with the value ("must be …"). When this is
    // NULL, the table's `set_row` stores it.
    const char *(*set)(struct options *o, const char *value);
    bool secret;               // the value is a password: no message shows it
    const char *default_value; // shown after `help`; NULL or empty: nothing
    const void *context;       // for `set_row`
};

enum { OPTION_COMPLAINT_MAX = 160 }; // bytes

// An option of a related program that this program lacks, and what to do instead.
struct option_hint {
    const char *name; // "--tls-port"; "--tls-*" stands for all options that begin with "--tls-"
    const char *text;
};

struct option_table {
    const struct option_row *rows;
    unsigned count;
    const struct option_hint *hints; // the last one has a NULL name; may be NULL
    // Stores the value of a row without `set`. Returns NULL, or what is wrong with the value; it
    // may write that text to `complaint`.
    const char *(*set_row)(struct options *o, const struct option_row *row, const char *value,
                           char complaint[OPTION_COMPLAINT_MAX]);
};

// Reads the option at argv[*at] ("--port 7000" or "--port=7000"; "-h" is "--help" and "-v" is
// "--version"), stores its value in `o`, and moves `*at` to its last word. Returns false with a
// message when the option is unknown, lacks its value, takes none, or the value is wrong.
bool command_line_option(const struct option_table *table, struct options *o, int argc,
                         char *const argv[], int *at, struct error *error);

// Appends the table to `to` as two columns, in lines of at most `width` bytes unless a single word
// is longer. Here and below a `width` under 40 counts as 40.
void command_line_help(const struct option_table *table, unsigned width, struct buf *to);

// Writes the text of --help for an option at `to`, cut to `size`: its help, then its default in
// parentheses.
void command_line_explain(const struct option_row *row, char *to, size_t size);

// Appends one row of two columns: `left` after two spaces, and `right` from column `column` on,
// wrapped at `width`. `right` begins on a line of its own when `left` leaves it no room.
void command_line_row(const char *left, const char *right, unsigned column, unsigned width,
                      struct buf *to);

// The column where the right column begins so that `longest` bytes fit to its left, as far as the
// width allows it.
unsigned command_line_column(size_t longest, unsigned width);

// Appends `text`, wrapped at `width`; lines after the first begin with `indent` spaces. The first
// line is `used` bytes long already.
void command_line_wrap(const char *text, unsigned used, unsigned indent, unsigned width,
                       struct buf *to);

// The distance of `word` (of `len` bytes) from `known`. 0: they differ at most in leading dashes,
// in the case of letters or in '_' for '-'. 1 also for a beginning of `known` of at least three
// letters. Otherwise the number of letters added, dropped, changed or swapped; SIZE_MAX when these
// are too many for a typing error.
size_t command_line_distance(const char *word, size_t len, const char *known);

#endif
