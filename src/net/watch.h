// Watches the data file and the file of the topology, for --watch. Only the publisher uses this.
//
// It polls with stat instead of inotify. Any folder or link on the path may change which file the
// path leads to, and inotify reports changes of the last folder only.
#ifndef STELE_NET_WATCH_H
#define STELE_NET_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct dataset;

// The file at the data file's path, if it may need a reload: it is not the served file, or a
// process has written to the served file.
struct watch_candidate {
    struct stat status;
    uint64_t pause_ns;   // pause before the next attempt to load it; 0: there is no candidate
    uint64_t since_ns;   // start of the pause; monotonic
    bool load_requested; // a reload of this file was requested
    bool delay_logged;   // the log has said that the file is not loaded yet
};

// The caller sets the paths; the rest is zero at first.
struct watch {
    const char *data;
    const char *topology; // NULL: there is none
    struct watch_candidate candidate;
    struct stat read_topology; // status of the file of the topology when it was read last
};

// Returns whether the data file must be loaded now: it has changed and has then stayed the same for
// a second, or for longer if it looks incomplete. A file that cannot be loaded is tried again,
// because memory or descriptors may have been short. The pauses between retries grow. While the
// path leads to no file, the result is false. `served` is the present dataset.
bool watch_data(struct watch *w, const struct dataset *served);

// Returns whether the file of the topology is not the one that was noted. A wrong file is read
// once. While a changed data file must not be loaded yet, the result is false, because a reload
// loads both. Call it after watch_data.
bool watch_topology(struct watch *w);

// Notes what the file of the topology looks like. Call it before the file is read.
void watch_note_topology(struct watch *w);

#endif
