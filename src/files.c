// Finds the identity of each file that the options name, even before the file exists, and compares
// the identities pair by pair.
#include "files.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "data/index_target.h"
#include "options.h"

enum { LINKS_MAX = 40 }; // symbolic links followed for one path, as many as Linux follows

// The identity of a file. For a file that does not exist, it is that of its folder, and the name
// that the file would have there.
struct identity {
    bool known;  // false: the file cannot be compared, and counts as different from all others
    bool exists; // the file exists
    dev_t device;
    ino_t inode;
    char name[NAME_MAX + 1]; // only of a file that does not exist
};

// A file that an option or a standard stream names.
struct named_file {
    const char *what;  // the option or the stream, for the message
    const char *path;  // "" for a standard stream, or when the option is not used
    const char *fault; // the reason why the log must not be written to it
    bool written;      // the server writes to it
    bool stream;       // it is standard output or standard error
    struct identity identity;
};

static const struct options *options; // options of the last call of files_are_distinct

// The identity of an existing file. A device is marked as not known, so it counts as different from
// all other files. Writing to a device such as /dev/null destroys nothing, so several options may
// name it.
static struct identity identity_of_status(const struct stat *status)
{
    return (struct identity){.known = !S_ISCHR(status->st_mode) && !S_ISBLK(status->st_mode),
                             .exists = true,
                             .device = status->st_dev,
                             .inode = status->st_ino};
}

// Splits `path` after its last slash. Writes the folder to `folder` and returns the name.
static const char *split(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(folder, PATH_MAX, "%.*s", slash != NULL ? (int)(slash - path) + 1 : 1,
             slash != NULL ? path : ".");
    return slash != NULL ? slash + 1 : path;
}

// The identity of the file at `path`, after following symbolic links, even to a missing file.
static struct identity identity_of(const char *path)
{
    char now[PATH_MAX];
    struct stat status;
    struct identity identity = {.exists = false};
    snprintf(now, sizeof now, "%s", path);
    for (unsigned links = 0; links < LINKS_MAX; links++) {
        char folder[PATH_MAX];
        char target[PATH_MAX];
        char next[2 * PATH_MAX];
        if (stat(now, &status) == 0)
            return identity_of_status(&status);
        const char *name = split(now, folder);
        ssize_t len = readlink(now, target, sizeof target - 1);
        if (len < 0) {
            if (stat(folder, &status) == 0 && strlen(name) <= NAME_MAX) {
                identity = identity_of_status(&status);
                identity.exists = false;
                memcpy(identity.name, name, strlen(name) + 1);
            }
            return identity;
        }
        // A symbolic link to a missing file. Opening the link would make that file, so its identity
        // is the one to compare.
        target[len] = '\0';
        snprintf(next, sizeof next, "%s%s", target[0] == '/' ? "" : folder, target);
        if (strlen(next) >= sizeof now)
            return identity;
        memcpy(now, next, strlen(next) + 1);
    }
    return identity;
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->known && b->known && a->exists == b->exists && a->device == b->device &&
           a->inode == b->inode && strcmp(a->name, b->name) == 0;
}

// Sets the path of the index file; "" when no index file is used or its path is not known.
static void find_index_path(const struct options *o, char path[PATH_MAX])
{
    char real[PATH_MAX];
    path[0] = '\0';
    if (o->settings.index != NULL)
        snprintf(path, PATH_MAX, "%s", o->settings.index);
    else if (realpath(o->data_file, real) != NULL &&
             snprintf(path, PATH_MAX, "%s" INDEX_SUFFIX, real) >= PATH_MAX)
        path[0] = '\0';
}

// The files that must stay unharmed: those that the server reads, the index file, and its lock.
// Neither the log nor a standard stream may be written to them.
enum { OWN_FILES = 5 };

struct own_files {
    struct named_file files[OWN_FILES];
    char index[PATH_MAX];
    char lock[PATH_MAX + 8];
};

static void find_own_files(const struct options *o, struct own_files *own)
{
    find_index_path(o, own->index);
    snprintf(own->lock, sizeof own->lock, "%s%s", own->index,
             *own->index != '\0' ? INDEX_LOCK_SUFFIX : "");
    const struct named_file files[OWN_FILES] = {
        {.what = "the data file", .path = o->data_file, .fault = "it is the data file"},
        {.what = "--requirepass-file",
         .path = o->settings.requirepass_file != NULL ? o->settings.requirepass_file : "",
         .fault = "it is the password file"},
        {.what = "--cluster-config",
         .path = o->settings.cluster_config != NULL ? o->settings.cluster_config : "",
         .fault = "it is the topology of the cluster"},
        {.what = o->settings.index != NULL ? "--index" : "the index file",
         .path = own->index,
         .fault = "it is the index file",
         .written = true},
        {.what = "the lock of the index file",
         .path = own->lock,
         .fault = "it is the lock of the index file",
         .written = true},
    };
    memcpy(own->files, files, sizeof files);
}

bool files_are_distinct(const struct options *o, struct error *error)
{
    struct own_files own;
    find_own_files(o, &own);
    struct named_file files[] = {
        own.files[0],
        own.files[1],
        own.files[2],
        own.files[3],
        own.files[4],
        {.what = "--logfile", .path = o->settings.logfile, .written = true},
        {.what = "--unixsocket", .path = o->settings.unixsocket, .written = true},
        {.what = "standard output", .path = "", .written = true, .stream = true},
        {.what = "standard error", .path = "", .written = true, .stream = true},
    };
    enum { FILES = sizeof files / sizeof *files };
    options = o;
    for (unsigned i = 0; i < FILES; i++) {
        struct stat status;
        if (files[i].path == NULL)
            files[i].path = "";
        if (*files[i].path != '\0')
            files[i].identity = identity_of(files[i].path);
        else if (files[i].stream &&
                 fstat(i + 1 == FILES ? STDERR_FILENO : STDOUT_FILENO, &status) == 0 &&
                 S_ISREG(status.st_mode))
            files[i].identity = identity_of_status(&status);
        for (unsigned j = 0; j < i; j++) {
            // Both standard streams may lead to the same file, and that may be the log file.
            bool both_may =
                files[i].stream && (files[j].stream || files[j].path == o->settings.logfile);
            if (both_may || !(files[i].written || files[j].written) ||
                !is_same(&files[i].identity, &files[j].identity))
                continue;
            error_set(error, "%s%s%s%s and %s '%s' are the same file", files[i].what,
                      files[i].stream ? "" : " '", files[i].path, files[i].stream ? "" : "'",
                      files[j].what, files[j].path);
            return false;
        }
    }
    return true;
}

const char *files_log_fault(const char *path, int fd)
{
    struct own_files own;
    struct stat status;
    if (options == NULL || (fd >= 0 && fstat(fd, &status) != 0))
        return NULL;
    find_own_files(options, &own);
    struct identity log = fd >= 0 ? identity_of_status(&status) : identity_of(path);
    for (unsigned i = 0; i < OWN_FILES; i++) {
        struct identity identity = {.exists = false};
        if (*own.files[i].path != '\0')
            identity = identity_of(own.files[i].path);
        if (is_same(&log, &identity))
            return own.files[i].fault;
    }
    return NULL;
}
