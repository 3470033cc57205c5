// The command line of stele-server. Its functions neither print nor exit.
#ifndef STELE_OPTIONS_H
#define STELE_OPTIONS_H

#include <limits.h>
#include <stdbool.h>

#include "base/command_line.h"
#include "base/password.h"
#include "serve/settings.h"

struct buf;
struct error;

enum { OPTIONS_ROWS_MAX = SETTINGS_MAX + 3 };

struct options {
    const char *data_file;
    const char *store;         // the store whose current version is served; NULL: none
    char store_data[PATH_MAX]; // its data file, if there is a store
    struct settings settings;  // its strings are borrowed from argv and `password`
    char password[PASSWORD_MAX + 1];
    bool help;    // --help: the program prints options_help and ends
    bool version; // --version: the program prints its version and ends
};

// Reads the command line; `--port 7000` and `--port=7000` are the same. Returns false with a
// message for an unknown option, a missing or bad value, options that contradict each other, or a
// missing data file. --help and --version need no data file. No message contains a password. `argv`
// must outlive `o`. If the data file is a store (data/store.h), `store` is its path and `data_file`
// that of the current data in it; `o` must then stay at its address.
bool options_parse(struct options *o, int argc, char *const argv[], struct error *error);

// Reads the password file into `o`, if the options name one. `o` must then stay at its address.
// Returns false with a message when the file cannot be read or its first line is no password
// (base/password.h).
bool options_read_password(struct options *o, struct error *error);

// Appends the text of --help to `to`, in lines of at most `width` columns.
void options_help(unsigned width, struct buf *to);

// Fills in the rows of --help, in the order of its lines, and returns their number. The texts are
// constant.
unsigned options_rows(struct option_row rows[OPTIONS_ROWS_MAX]);

#endif
