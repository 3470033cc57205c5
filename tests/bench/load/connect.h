// Opening a connection to a server.
#ifndef STELE_TESTS_BENCH_LOAD_CONNECT_H
#define STELE_TESTS_BENCH_LOAD_CONNECT_H

struct error;

// Returns a connected, blocking socket, which the caller closes. `address` is HOST:PORT, or the
// path of a unix socket if it has a slash. Returns -1 with a message on failure.
int connect_to(const char *address, struct error *error);

#endif
