// A client's way to a server.
#ifndef STELE_TESTS_BENCH_LOAD_CONNECT_H
#define STELE_TESTS_BENCH_LOAD_CONNECT_H

struct error;

// A connected, blocking socket; the caller closes it. `address` is HOST:PORT, or the path of a unix
// socket if it has a slash. -1 with a message when it cannot be had.
int connect_to(const char *address, struct error *error);

#endif
