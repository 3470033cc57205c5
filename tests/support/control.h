// One connection that asks a server of the test's about itself.
#ifndef STELE_TESTS_CONTROL_H
#define STELE_TESTS_CONTROL_H

#define CONTROL_PASSWORD "s3cret"

// To 127.0.0.1, of a server with CONTROL_PASSWORD.
int control_open(int port);

// Sends a request, unless it is NULL, and receives the first line of the reply; without its end,
// valid until the next call.
const char *control_line(int fd, const char *command);

// A field of INFO dataset; valid until the next call.
const char *control_info(int fd, const char *field);

#endif
