// Command lines: options are read, explained and, when misspelt, guessed from one table.
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
    const char *name;  // "--port"; NULL: a heading
    const char *value; // what stands for its value in --help; NULL: it takes none
    const char *help;  // what it does; of a heading: its text
    // Stores the value. NULL, or what is wrong with it ("must be …"). NULL: `set_row` of the table
    // does it.
    const char *(*set)(struct options *o, const char *value);
    bool secret;               // the value is a password: no message shows it
    const char *default_value; // shown after `help`; NULL or empty: nothing is
    const void *context;       // for `set_row`
};

enum { OPTION_COMPLAINT_MAX = 160 }; // bytes of a complaint

// An option of a related program that this one does not have, and what to do instead.
struct option_hint {
    const char *name; // "--tls-port"; "--tls-*" stands for all that begin so
    const char *text;
};

struct option_table {
    const struct option_row *rows;
    unsigned count;
    const struct option_hint *hints; // ends with a name that is NULL; may be NULL
    // Stores the value of rows that have no `set`. NULL, or what is wrong with the value, which may
    // be written to `complaint`.
    const char *(*set_row)(struct options *o, const struct option_row *row, const char *value,
                           char complaint[OPTION_COMPLAINT_MAX]);
};

// Reads the option at argv[*at] ("--port 7000" or "--port=7000"; "-h" is "--help" and "-v" is
// "--version"), stores its value in `o`, and moves `*at` to its last word. False with a message
// when it is unknown, lacks its value, has one too many, or the value is wrong.
bool command_line_option(const struct option_table *table, struct options *o, int argc,
                         char *const argv[], int *at, struct error *error);

// Appends the table to `to`: two columns, in lines of at most `width` bytes where words allow it.
// Here and below a `width` under 40 counts as 40.
void command_line_help(const struct option_table *table, unsigned width, struct buf *to);

// Formats what --help says of an option: its help, and its default in parentheses. A longer text is
// cut at `size`.
void command_line_explain(const struct option_row *row, char *to, size_t size);

// Appends one row of two columns: `left` after two spaces, and `right` from column `column` on,
// wrapped at `width`. `right` begins on a line of its own when `left` leaves it no room.
void command_line_row(const char *left, const char *right, unsigned column, unsigned width,
                      struct buf *to);

// The column at which the right column should begin so that `longest` bytes fit left of it, if the
// width allows that.
unsigned command_line_column(size_t longest, unsigned width);

// Appends `text`, wrapped at `width`; lines after the first begin with `indent` spaces. The first
// line is `used` bytes long already.
void command_line_wrap(const char *text, unsigned used, unsigned indent, unsigned width,
                       struct buf *to);

// How far `word` (of `len` bytes) is from `known`: 0 when they differ in leading dashes, in
// letters' case or in '_' for '-' only, otherwise the number of letters added, dropped, changed or
// swapped, or 1 for the beginning of `known` with three letters at least. SIZE_MAX when that is too
// much for a typing error.
size_t command_line_distance(const char *word, size_t len, const char *known);

#endif
