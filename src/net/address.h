// Socket addresses as text, and whether they are of this machine.
#ifndef STELE_NET_ADDRESS_H
#define STELE_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT = 128 }; // room for the longest text: a unix socket's path

// "127.0.0.1:6379", "[::1]:6379", or the path of a unix socket ("" for an unnamed one), at `text`
// (ADDRESS_TEXT bytes, NUL-terminated).
void address_format(const struct sockaddr *address, socklen_t len, char *text);

// The port of an IPv4 or IPv6 address in host order; 0 for another family.
unsigned address_port(const struct sockaddr *address);

// True for a peer that must be on this machine: a unix socket, IPv4 127.0.0.0/8, IPv6 ::1, and
// IPv4 loopback addresses mapped into IPv6.
bool address_is_local(const struct sockaddr *address);

#endif
