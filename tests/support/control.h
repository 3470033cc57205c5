// A connection over which a test asks its server for INFO and sends single commands.
#ifndef STELE_TESTS_CONTROL_H
#define STELE_TESTS_CONTROL_H

#define CONTROL_PASSWORD "s3cret"

// Connects to a server on 127.0.0.1 and authenticates with CONTROL_PASSWORD. Returns the socket.
int control_open(int port);

// Sends the request `command`, unless it is NULL, and receives the first line of a reply. Returns
// the line without its end; it is valid until the next call.
const char *control_line(int fd, const char *command);

// Returns the value of a field of INFO dataset, valid until the next call.
const char *control_info(int fd, const char *field);

#endif
