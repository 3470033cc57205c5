// The command lines of both programs, for the programs that write manual pages (docs/man.c) and
// shell completion (docs/completion.c). `struct options` is another struct in each program, so each
// of them has a source file here. All texts are constant.
#ifndef STELE_DOCS_PROGRAMS_H
#define STELE_DOCS_PROGRAMS_H

#include "base/command_line.h"

// A command line: stele-server, or a subcommand of stele.
struct program {
    const char *name;
    const char *words;   // words after the name, as in the usage
    const char *help;    // what it does
    const char *example; // NULL: none
    const struct option_row *rows;
    unsigned count; // number of rows
};

// Returns the command line of stele-server.
const struct program *programs_server(void);

// Returns the words that an option of stele-server accepts, in a list that ends with NULL. Returns
// NULL when the option accepts other values too.
const char *const *programs_server_words(const struct option_row *row);

// Returns subcommand number `i` of stele, or NULL when there are no more. The result is valid until
// the next call.
const struct program *programs_subcommand(unsigned i);

#endif
