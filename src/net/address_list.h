// A list of addresses and networks, as an option gives them, and whether a peer is among them.
#ifndef STELE_NET_ADDRESS_LIST_H
#define STELE_NET_ADDRESS_LIST_H

#include <stdbool.h>
#include <sys/socket.h>

enum { ADDRESS_LIST_MAX = 16 }; // largest number of networks

// The first `bits` bits of an IPv6 address; the others are 0. An IPv4 network is mapped into IPv6.
struct address_network {
    unsigned char bytes[16];
    unsigned bits;
};

// A zeroed struct is an empty list. It owns no memory.
struct address_list {
    bool has_unix; // clients on unix sockets belong to the list
    unsigned count;
    struct address_network networks[ADDRESS_LIST_MAX];
};

// Adds an address ("10.0.0.1", "::1"), a network ("10.0.0.0/8", "fd00::/8"), or all clients on unix
// sockets ("unix"). Returns false, and leaves the list as it is, when the text is none of these,
// when a network has bits after its prefix that are not 0, or when the list is full.
bool address_list_add(struct address_list *list, const char *text);

// Returns whether the address of a peer belongs to the list. An IPv4 address that is mapped into
// IPv6 counts as the IPv4 address.
bool address_list_has(const struct address_list *list, const struct sockaddr *address);

#endif
