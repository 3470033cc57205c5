// A file that a subcommand writes, or standard output. The file has a temporary name until it is
// complete. It never replaces another file, and is removed when the subcommand fails or a signal
// ends the program.
#ifndef STELE_TOOL_NEW_FILE_H
#define STELE_TOOL_NEW_FILE_H

#include <sys/stat.h>

#include "tool/sink.h"

struct new_file {
    struct sink sink;
    const char *path; // final name; NULL: standard output
    char *temporary;  // temporary name; NULL: none
    char *quoted;     // the name in quotes, for `sink`
    unsigned ending;  // number of ending_register
};

// Creates the file under a temporary name in the folder of `path`, which must stay valid. "-" is
// standard output. Returns false with a message if a file with that name exists already, or none
// can be created. Call new_file_abandon in either case.
bool new_file_create(struct new_file *f, const char *path, struct error *error);

// Sets the permissions of the complete file, syncs it, and gives it its final name. Returns false
// with a message if that fails, or if there is a file with that name by now. Does nothing for
// standard output.
bool new_file_publish(struct new_file *f, mode_t mode, struct error *error);

// Removes the file unless it was published, and frees the memory. A zeroed struct is accepted.
void new_file_abandon(struct new_file *f);

#endif
