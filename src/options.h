// The command line of stele-server.
#ifndef STELE_OPTIONS_H
#define STELE_OPTIONS_H

#include <stdbool.h>

#include "base/command_line.h"
#include "base/password.h"
#include "serve/settings.h"

struct buf;
struct error;

enum { OPTIONS_ROWS_MAX = SETTINGS_MAX + 3 };

struct options {
    const char *data_file;
    struct settings settings; // its strings are those of argv, or `password`
    char password[PASSWORD_MAX + 1];
    bool help;    // print options_help and stop
    bool version; // print the version and stop
};

// Reads the command line ("--port 7000" or "--port=7000"). Pure: it neither prints nor exits. No
// message shows a password. False with a message for an unknown option, a missing or bad value,
// options that contradict each other, or no data file (unless help or the version is asked for).
bool options_parse(struct options *o, int argc, char *const argv[], struct error *error);

// Reads the password file, if one was named, into `o`, which must then stay where it is. False with
// a message when the file cannot be read or its first line is no password (base/password.h).
bool options_read_password(struct options *o, struct error *error);

// Appends the text of --help to `to`, in lines of at most `width` columns.
void options_help(unsigned width, struct buf *to);

// Fills in the rows of --help, in its order; the texts are constant. Returns their number.
unsigned options_rows(struct option_row rows[OPTIONS_ROWS_MAX]);

#endif
