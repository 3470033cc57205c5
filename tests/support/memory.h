// Measures how much memory a server takes for itself, from outside. The figure is RssAnon, which
// does not count pages of the data file.
#ifndef STELE_TESTS_MEMORY_H
#define STELE_TESTS_MEMORY_H

#include "support/server.h"

// CHECKED_BUILD: the test is built with the address or thread sanitizer. These keep freed memory
// for a long time, and add memory of their own. An MGET of 4 MiB grew a server with a sanitizer by
// 245 MiB, and an ordinary server by 5 MiB. So if the test is built with a sanitizer, the server of
// the release build is measured. The server with the sanitizer then does the same work without
// being measured.
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { CHECKED_BUILD = true };
#else
enum { CHECKED_BUILD = false };
#endif

// As server_start. When `measured`, the server is never one with a sanitizer.
struct server_process server_start_measured(const char *data_file, const char *const *options,
                                            bool measured);

struct memory {
    pid_t pid;
    bool measured;    // false: memory_is_within tests nothing
    long long before; // bytes at memory_before
    long long most;   // most bytes that memory_grown has seen
};

// Begins a measurement with the memory that the server has now.
struct memory memory_before(pid_t pid, bool measured);

// Measures again, and returns by how many bytes the server has grown since memory_before.
long long memory_grown(struct memory *m);

// A test point, if the server is measured: no call of memory_grown has seen it grow by more than
// `limit` bytes.
void memory_is_within(const struct memory *m, long long limit, const char *what);

#endif
