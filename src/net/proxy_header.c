// Both versions are parsed strictly: a header that a proxy would not send means that the peer is no
// proxy, or that its bytes are no header. The address decides what a client may do, so there is no
// guess.
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/number.h"

enum {
    // Version 2: the signature, then a byte with version and command, a byte with family and
    // transport, and the number of bytes that follow, which begin with the addresses.
    SIGNATURE_LEN = 12,
    FIXED_LEN = 16,
    COMMAND_LOCAL = 0x20, // version 2: the proxy itself is the client
    COMMAND_PROXY = 0x21, // version 2: the proxy forwards a client
    FAMILY_UNKNOWN = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    FAMILY_UNIX = 0x31, // stream sockets, like the two before
    // Bytes of the addresses and ports of client and server.
    TCP4_LEN = 12,
    TCP6_LEN = 36,
    UNIX_LEN = 216,
    V1_FIELDS = 6, // words of a line of version 1 with addresses
};

static const char signature[SIGNATURE_LEN + 1] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_beginning[] = "PROXY ";

static enum proxy_header_status bad(struct proxy_header *header, const char *fault)
{
    header->fault = fault;
    return PROXY_HEADER_BAD;
}

// Returns whether the input begins with the `len` bytes at `beginning`, or is a part of them.
static bool may_begin_with(struct span input, const char *beginning, size_t len)
{
    size_t compared = input.len < len ? input.len : len;
    return compared == 0 || memcmp(input.ptr, beginning, compared) == 0;
}

static void set_v4(struct proxy_header *header, const struct in_addr *address, uint16_t port)
{
    struct sockaddr_in client = {.sin_family = AF_INET, .sin_port = port, .sin_addr = *address};
    header->has_client = true;
    memcpy(&header->client, &client, sizeof client);
}

static void set_v6(struct proxy_header *header, const struct in6_addr *address, uint16_t port)
{
    struct sockaddr_in6 client = {
        .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = *address};
    header->has_client = true;
    memcpy(&header->client, &client, sizeof client);
}

// ---- version 1 ----------------------------------------------------------------------------------

// Reads a port. Returns false if the text is not a number from 0 to 65535 in its canonical form.
static bool read_port(const char *text, uint16_t *port)
{
    int64_t value;
    if (!number_parse(span_text(text), &value) || value < 0 || value > UINT16_MAX)
        return false;
    *port = htons((uint16_t)value);
    return true;
}

// Parses the words of a line, which must be a writable text without its end ("\r\n").
static enum proxy_header_status parse_words(char *line, struct proxy_header *header)
{
    char *words[V1_FIELDS + 1] = {NULL};
    unsigned count = 0;
    struct in_addr v4[2];
    struct in6_addr v6[2];
    uint16_t ports[2];
    while (line != NULL && count <= V1_FIELDS)
        words[count++] = strsep(&line, " ");
    if (count >= 2 && strcmp(words[1], "UNKNOWN") == 0)
        return PROXY_HEADER_COMPLETE; // any words may follow
    if (count != V1_FIELDS || !read_port(words[4], &ports[0]) || !read_port(words[5], &ports[1]))
        return bad(header, "its line is malformed");
    if (strcmp(words[1], "TCP4") == 0 && inet_pton(AF_INET, words[2], &v4[0]) == 1 &&
        inet_pton(AF_INET, words[3], &v4[1]) == 1)
        set_v4(header, &v4[0], ports[0]);
    else if (strcmp(words[1], "TCP6") == 0 && inet_pton(AF_INET6, words[2], &v6[0]) == 1 &&
             inet_pton(AF_INET6, words[3], &v6[1]) == 1)
        set_v6(header, &v6[0], ports[0]);
    else
        return bad(header, "its line is malformed");
    return PROXY_HEADER_COMPLETE;
}

static enum proxy_header_status parse_v1(struct span input, struct proxy_header *header)
{
    char line[PROXY_HEADER_V1_MAX + 1];
    size_t searched = input.len < PROXY_HEADER_V1_MAX ? input.len : PROXY_HEADER_V1_MAX;
    const char *end = memchr(input.ptr, '\n', searched);
    if (end == NULL && input.len < PROXY_HEADER_V1_MAX)
        return PROXY_HEADER_PARTIAL;
    if (end == NULL)
        return bad(header, "its line is too long");
    size_t len = (size_t)(end - input.ptr) - 1; // "PROXY " comes before the end
    if (input.ptr[len] != '\r' || memchr(input.ptr, '\0', len) != NULL)
        return bad(header, "its line is malformed");
    memcpy(line, input.ptr, len);
    line[len] = '\0';
    header->len = len + 2;
    return parse_words(line, header);
}

// ---- version 2 ----------------------------------------------------------------------------------

static unsigned byte_at(struct span input, size_t i)
{
    return (unsigned char)input.ptr[i];
}

// Sets the client's address, if the header has one and its address block is as long as it must be.
static enum proxy_header_status read_addresses(struct span input, unsigned family,
                                               struct proxy_header *header)
{
    const char *block = input.ptr + FIXED_LEN;
    size_t len = header->len - FIXED_LEN;
    struct in_addr v4;
    struct in6_addr v6;
    uint16_t port;
    size_t wanted = family == FAMILY_TCP4   ? TCP4_LEN
                    : family == FAMILY_TCP6 ? TCP6_LEN
                    : family == FAMILY_UNIX ? UNIX_LEN
                                            : 0;
    if (len < wanted)
        return bad(header, "its addresses are cut");
    if (input.len < header->len)
        return PROXY_HEADER_PARTIAL;
    if (family == FAMILY_TCP4) {
        memcpy(&v4, block, sizeof v4);
        memcpy(&port, block + 2 * sizeof v4, sizeof port);
        set_v4(header, &v4, port);
    } else if (family == FAMILY_TCP6) {
        memcpy(&v6, block, sizeof v6);
        memcpy(&port, block + 2 * sizeof v6, sizeof port);
        set_v6(header, &v6, port);
    }
    return PROXY_HEADER_COMPLETE;
}

static enum proxy_header_status parse_v2(struct span input, struct proxy_header *header)
{
    if (input.len < FIXED_LEN)
        return PROXY_HEADER_PARTIAL;
    unsigned command = byte_at(input, SIGNATURE_LEN);
    unsigned family = byte_at(input, SIGNATURE_LEN + 1);
    header->len = FIXED_LEN + (byte_at(input, 14) << 8) + byte_at(input, 15);
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return bad(header, "its version or its command is unknown");
    if (header->len > PROXY_HEADER_MAX)
        return bad(header, "it is longer than 4096 bytes");
    if (command == COMMAND_LOCAL)
        return input.len < header->len ? PROXY_HEADER_PARTIAL : PROXY_HEADER_COMPLETE;
    if (family != FAMILY_UNKNOWN && family != FAMILY_TCP4 && family != FAMILY_TCP6 &&
        family != FAMILY_UNIX)
        return bad(header, "its kind of address is unknown");
    return read_addresses(input, family, header);
}

enum proxy_header_status proxy_header_parse(struct span input, struct proxy_header *header)
{
    _Static_assert(PROXY_HEADER_MAX == 4096, "the message about the length states the limit");
    *header = (struct proxy_header){0};
    if (input.len == 0)
        return PROXY_HEADER_PARTIAL;
    if (may_begin_with(input, signature, SIGNATURE_LEN))
        return parse_v2(input, header);
    if (!may_begin_with(input, v1_beginning, sizeof v1_beginning - 1))
        return bad(header, "the first bytes are no header");
    if (input.len < sizeof v1_beginning - 1)
        return PROXY_HEADER_PARTIAL;
    return parse_v1(input, header);
}
