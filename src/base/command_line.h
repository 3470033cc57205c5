// Command lines. One table of options is used to read them, to print --help and to suggest an
// option for a misspelt one.
//
// Nothing here prints. No message shows a value that may be a password.
#ifndef STELE_BASE_COMMAND_LINE_H
#define STELE_BASE_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct error;
struct options; // the values of a program's options; each program defines the struct

// A row of the table: an option, or a heading of --help.
struct option_row {
    const char *name;  // "--port"; NULL for a heading
    const char *value; // placeholder for the value in --help; NULL when the option takes no value
    const char *help;  // what the option does, or the text of a heading
    // Stores the value. Returns NULL, or what is wrong with the value ("must be …"). When this
    // pointer is NULL, the table's `set_row` stores the value.
    const char *(*set)(struct options *o, const char *value);
    bool secret;               // the value is a password: no message shows it
    const char *default_value; // default that --help shows after `help`; NULL or empty: none
    const void *context;       // data for `set_row`
};

enum { OPTION_COMPLAINT_MAX = 160 }; // bytes for a text that says what is wrong with a value

// An option that this program lacks but a related program, such as redis-server, has.
struct option_hint {
    const char *name; // "--tls-port"; "--tls-*" stands for all options that begin with "--tls-"
    const char *text; // what to do instead
};

struct option_table {
    const struct option_row *rows;
    unsigned count;                  // number of rows
    const struct option_hint *hints; // list that ends with a NULL name; may be NULL
    // Stores the value of a row without `set`. Returns NULL, or what is wrong with the value; it
    // may write that text to `complaint`.
    const char *(*set_row)(struct options *o, const struct option_row *row, const char *value,
                           char complaint[OPTION_COMPLAINT_MAX]);
};

// Reads the option at argv[*at], stores its value in `o`, and sets `*at` to the option's last word.
// The value may follow as the next word ("--port 7000") or after a '=' ("--port=7000"). "-h" means
// "--help" and "-v" means "--version". Returns false with a message when the option is unknown, its
// value is missing or wrong, or it takes no value but has one.
bool command_line_option(const struct option_table *table, struct options *o, int argc,
                         char *const argv[], int *at, struct error *error);

// Appends the text of --help to `to`: the table in two columns. Lines are at most `width` bytes
// long, unless a single word is longer. Here and in all functions below, a `width` under 40 counts
// as 40.
void command_line_help(const struct option_table *table, unsigned width, struct buf *to);

// Writes the help of an option at `to`, with its default in parentheses. Text beyond `size`
// bytes is cut off.
void command_line_explain(const struct option_row *row, char *to, size_t size);

// Appends a row of two columns: `left` after two spaces, and `right` from column `column` on,
// wrapped at `width`. If `left` is too long for its column, `right` begins on the next line.
void command_line_row(const char *left, const char *right, unsigned column, unsigned width,
                      struct buf *to);

// Returns the column at which the right column should begin, so that texts of up to `longest` bytes
// fit to its left. It is at most two fifths of the width.
unsigned command_line_column(size_t longest, unsigned width);

// Appends `text`, wrapped at `width`. The first line has `used` bytes already; the other lines
// begin with `indent` spaces. Words in brackets, like [--limit N], stay on one line if they fit.
void command_line_wrap(const char *text, unsigned used, unsigned indent, unsigned width,
                       struct buf *to);

// Returns how far `word` (of `len` bytes) is from `known`: the number of letters that were added,
// dropped, changed or swapped. Leading dashes, the case of letters, and '_' instead of '-' do not
// count. Returns 1 when `word` is the beginning of `known` and has at least three letters. Returns
// SIZE_MAX when the words differ too much for a typing error.
size_t command_line_distance(const char *word, size_t len, const char *known);

#endif
