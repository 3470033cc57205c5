// Socket addresses: their text, their port, and whether the peer is on this machine.
#ifndef STELE_NET_ADDRESS_H
#define STELE_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_TEXT = 128 }; // room for the longest text: a unix socket's path

// Writes the address to `text`, which has room for ADDRESS_TEXT bytes, with a NUL at the end. The
// result is like "127.0.0.1:6379" or "[::1]:6379", or the path of a unix socket, "" if it is
// unnamed.
void address_format(const struct sockaddr *address, socklen_t len, char *text);

// Returns the port of an IPv4 or IPv6 address in host order; 0 for another family.
unsigned address_port(const struct sockaddr *address);

// Returns true when the address proves that the peer is on this machine. Such an address is a unix
// socket, 127.0.0.0/8, ::1, or 127.0.0.0/8 mapped into IPv6.
bool address_is_local(const struct sockaddr *address);

// Returns whether both texts are the same IPv4 or IPv6 address, without a port or brackets.
bool address_is_same(const char *a, const char *b);

// Returns whether an interface of this machine has the address `text`, such as "10.0.0.1" or "::1".
bool address_is_of_this_machine(const char *text);

#endif
