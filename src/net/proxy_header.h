// The header of the PROXY protocol, by which a proxy names the client whose connection it forwards.
// Version 1 is a line of text, version 2 is binary. Its specification is proxy-protocol.txt of
// HAProxy.
//
// The parser is a function on memory. It keeps nothing between its calls and allocates nothing.
#ifndef STELE_NET_PROXY_HEADER_H
#define STELE_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/bytes.h"

enum {
    PROXY_HEADER_V1_MAX = 107, // longest header of version 1, in bytes
    // The longest header of either version. Senders of version 2 should need at most 536 bytes.
    // But some add the client's certificate, so this is the limit that nginx has, too.
    PROXY_HEADER_MAX = 4096,
};

enum proxy_header_status {
    PROXY_HEADER_PARTIAL,  // the input may be the beginning of a header
    PROXY_HEADER_COMPLETE, // the input begins with a header
    PROXY_HEADER_BAD,      // the input does not begin with a header, whatever comes next
};

struct proxy_header {
    size_t len; // bytes of the header
    // The header names the client by its IP address. Otherwise the proxy itself is the client (as
    // in its health checks), does not know the client's address, or has got the client on a unix
    // socket. The receiver then uses the address of the connection.
    bool has_client;
    struct sockaddr_storage client; // an AF_INET or AF_INET6 address, if `has_client`
    const char *fault;              // what is wrong with a bad header, as a clause: "it is …"
};

// Parses the header at the beginning of `input`. Additional fields (TLV) of version 2 are skipped.
// Sets `*header`: all but `fault` when the result is PROXY_HEADER_COMPLETE, and `fault` when it is
// PROXY_HEADER_BAD. An input of PROXY_HEADER_MAX bytes is never PROXY_HEADER_PARTIAL.
enum proxy_header_status proxy_header_parse(struct span input, struct proxy_header *header);

#endif
