// The command line of stele-server.
#ifndef STELE_OPTIONS_H
#define STELE_OPTIONS_H

#include <stdbool.h>

#include "base/log.h"
#include "base/password.h"
#include "net/server.h"

struct buf;
struct error;

enum { OPTIONS_BINDS_MAX = 16 };

struct options {
    const char *data_file;
    struct server_settings server; // its strings are those of argv
    const char *binds[OPTIONS_BINDS_MAX];
    char bind_text[1024];      // the same, separated by spaces
    const char *password_file; // NULL: none
    char password[PASSWORD_MAX + 1];
    bool skip_malformed;
    const char *index;     // path of the index file; NULL: beside the data file; empty: none
    bool sampled_trust;    // serve from an index that only samples show to be of the data
    uint64_t index_verify; // bytes of an index that are compared at once; 0: as many as usual
    uint64_t build_memory; // most bytes for building the index; 0: a quarter of what there is
    bool huge_pages;       // copy the index file's image to huge pages
    enum log_level log_level;
    bool write_error_given; // otherwise its default depends on whether there is a cluster
    bool help;              // print options_help and stop
    bool version;           // print the version and stop
};

// Reads the command line ("--port 7000" or "--port=7000"). Pure: it prints nothing, exits never.
// No message shows a password.
// False with a message for an unknown option, a missing or bad value, or no data file (unless help
// or the version is asked for). `*o` keeps pointers into itself and must not be moved.
bool options_parse(struct options *o, int argc, char *const argv[], struct error *error);

// Reads the password file, if one was named, into `o`. False with a message when it cannot be read
// or its first line is no password (base/password.h).
bool options_read_password(struct options *o, struct error *error);

// Appends the text of --help to `to`, in lines of at most `width` columns.
void options_help(unsigned width, struct buf *to);

#endif
