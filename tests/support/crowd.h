// Many clients of one server, and the server's counters of them.
#ifndef STELE_TESTS_CROWD_H
#define STELE_TESTS_CROWD_H

#include <stdbool.h>

#include "base/bytes.h"

// Raises the limit of open files as far as possible. A server that is started afterwards inherits
// the limit. Returns how many clients the limit allows beside `spare` other descriptors, but at
// most `wanted`. If it allows fewer, prints a remark.
unsigned crowd_allowed(unsigned wanted, unsigned spare);

// Connects client `number` to the port and returns the socket. Every 5,000 clients use another
// local address, because one address does not have enough ports. Ends the test on failure.
int crowd_connect(unsigned number, int port);

// Sends `request`, receives a reply of `wanted.len` bytes, and returns whether it equals `wanted`.
bool crowd_converses(int fd, struct span request, struct span wanted);

// Sends INFO over `fd` and returns the number in a field, or -1 when the field is missing.
long long crowd_info(int fd, const char *field);

// A test point: sends INFO until the field has the number `wanted`, for at most 20 s.
bool crowd_await_info(int fd, const char *field, long long wanted, const char *name);

#endif
