// Many clients of one server, and what it counts of them.
#ifndef STELE_TESTS_CROWD_H
#define STELE_TESTS_CROWD_H

#include <stdbool.h>

#include "base/bytes.h"

// Raises the limit of open files, which a server that is started then inherits; how many clients,
// of `wanted`, it leaves room for beside `spare` descriptors.
unsigned crowd_allowed(unsigned wanted, unsigned spare);

// As connect_tcp, from the address of this machine that is the client's turn, so that local ports
// do not run short. Ends the test when it fails.
int crowd_connect(unsigned number, int port);

// A round trip: sends `request`, receives as much as is wanted and compares.
bool crowd_converses(int fd, struct span request, struct span wanted);

// The number of a field of INFO, asked over `fd`; -1 when it is not there.
long long crowd_info(int fd, const char *field);

// Asks until the field has that number, 20 s at most: a test point.
bool crowd_await_info(int fd, const char *field, long long wanted, const char *name);

#endif
