// How much memory of its own a server takes, measured from outside: by RssAnon, which does not
// count the data file's pages.
#ifndef STELE_TESTS_MEMORY_H
#define STELE_TESTS_MEMORY_H

#include "support/server.h"

// Checks of addresses and threads keep freed memory for long and shadow the rest: a MGET of 4 MiB
// grew such a server by 245 MiB, an ordinary one by 5. So where they are built in, the server of
// the release build is measured, and the checked one then does the same unmeasured.
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { CHECKED_BUILD = true };
#else
enum { CHECKED_BUILD = false };
#endif

// As server_start, but one that is to be measured is never of the checked build.
struct server_process server_start_measured(const char *data_file, const char *const *options,
                                            bool measured);

struct memory {
    pid_t pid;
    bool measured; // false: nothing is tested
    long long before;
    long long most;
};

// Begins with what the server has now.
struct memory memory_before(pid_t pid, bool measured);

// By how many bytes it has grown since; notes the most.
long long memory_grown(struct memory *m);

// A test point, when it is measured: it never was seen to have grown by more than `limit` bytes.
void memory_is_within(const struct memory *m, long long limit, const char *what);

#endif
