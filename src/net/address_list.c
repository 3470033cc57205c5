// All networks are compared as IPv6 addresses, so IPv4 needs no code of its own after the parsing.
// Addresses are copied into the struct of their family first: the caller's memory may be aligned
// for a struct sockaddr only.
#include "net/address_list.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "base/number.h"

enum { ADDRESS_BITS = 128, MAPPED_BITS = 96 }; // MAPPED_BITS: bits before a mapped IPv4 address

static const unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Keeps the first `bits` bits of `bytes`, and sets the others to 0.
static void mask(unsigned char bytes[16], unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kept = bits > i * 8 ? bits - i * 8 : 0;
        if (kept < 8)
            bytes[i] &= (unsigned char)(0xff00u >> kept);
    }
}

// Reads an address into `bytes`. Sets `*first` to the number of bits before the address itself:
// those of the prefix of a mapped IPv4 address, or 0. Returns false if the text is no address.
static bool read_address(const char *text, unsigned char bytes[16], unsigned *first)
{
    *first = MAPPED_BITS;
    memcpy(bytes, mapped_prefix, sizeof mapped_prefix);
    if (inet_pton(AF_INET, text, bytes + sizeof mapped_prefix) == 1)
        return true;
    *first = 0;
    return inet_pton(AF_INET6, text, bytes) == 1;
}

// Reads an address or a network. Returns false if the text is neither.
static bool read_network(const char *text, struct address_network *network)
{
    char address[INET6_ADDRSTRLEN] = "";
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    unsigned first;
    int64_t bits = 0;
    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    if (!read_address(address, network->bytes, &first))
        return false;
    network->bits = ADDRESS_BITS;
    if (slash == NULL)
        return true;
    if (!number_parse(span_text(slash + 1), &bits) || bits < 0 || bits > ADDRESS_BITS - first)
        return false;
    network->bits = first + (unsigned)bits;
    // Bits after the prefix mean a slip, such as 10.0.0.1/8 for one host. It would admit too many.
    unsigned char masked[16];
    memcpy(masked, network->bytes, sizeof masked);
    mask(masked, network->bits);
    return memcmp(masked, network->bytes, sizeof masked) == 0;
}

bool address_list_add(struct address_list *list, const char *text)
{
    struct address_network network;
    if (strcmp(text, "unix") == 0) {
        list->has_unix = true;
        return true;
    }
    if (list->count == ADDRESS_LIST_MAX || !read_network(text, &network))
        return false;
    list->networks[list->count++] = network;
    return true;
}

bool address_list_has(const struct address_list *list, const struct sockaddr *address)
{
    unsigned char bytes[16];
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->sa_family == AF_UNIX)
        return list->has_unix;
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        memcpy(bytes, mapped_prefix, sizeof mapped_prefix);
        memcpy(bytes + sizeof mapped_prefix, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        memcpy(bytes, &v6.sin6_addr, sizeof bytes);
    } else {
        return false;
    }
    for (unsigned i = 0; i < list->count; i++) {
        unsigned char masked[16];
        memcpy(masked, bytes, sizeof masked);
        mask(masked, list->networks[i].bits);
        if (memcmp(masked, list->networks[i].bytes, sizeof masked) == 0)
            return true;
    }
    return false;
}
