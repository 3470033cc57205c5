// Fuzz target: headers of the PROXY protocol. Whatever bytes have arrived, a result that is settled
// stays the same when more arrive, the header lies within the bytes, and a header that names a
// client is found again when it is written anew in version 2.
//
// Each prefix is a copy of its own in a block of exactly its size.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"
#include "support/fuzz.h"

// Parses a copy of the first `len` bytes.
static enum proxy_header_status parse(const uint8_t *data, size_t len, struct proxy_header *header)
{
    char *copy = malloc(len > 0 ? len : 1);
    must(copy != NULL, "memory for a copy");
    if (len > 0)
        memcpy(copy, data, len);
    enum proxy_header_status status = proxy_header_parse(span_of(copy, len), header);
    free(copy);
    return status;
}

// Writes a header of version 2 for the client, and parses it.
static void check_again(const struct proxy_header *header)
{
    uint8_t bytes[16 + 36] = "\r\n\r\n\0\r\nQUIT\n\x21";
    struct proxy_header again;
    bool v4 = header->client.ss_family == AF_INET;
    size_t len = v4 ? 12 : 36;
    bytes[13] = v4 ? 0x11 : 0x21;
    bytes[15] = (uint8_t)len;
    if (v4) {
        const struct sockaddr_in *client = (const struct sockaddr_in *)&header->client;
        memcpy(bytes + 16, &client->sin_addr, 4);
        memcpy(bytes + 16 + 8, &client->sin_port, 2);
    } else {
        const struct sockaddr_in6 *client = (const struct sockaddr_in6 *)&header->client;
        memcpy(bytes + 16, &client->sin6_addr, 16);
        memcpy(bytes + 16 + 32, &client->sin6_port, 2);
    }
    must(parse(bytes, 16 + len, &again) == PROXY_HEADER_COMPLETE && again.len == 16 + len &&
             again.has_client && memcmp(&again.client, &header->client, sizeof again.client) == 0,
         "the same client is found in a header of version 2");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header first;
    enum proxy_header_status settled = PROXY_HEADER_PARTIAL;
    for (size_t len = 0; len <= size; len++) {
        struct proxy_header header;
        enum proxy_header_status status = parse(data, len, &header);
        must(settled == PROXY_HEADER_PARTIAL || status == settled, "a result stays the same");
        must(status != PROXY_HEADER_PARTIAL || len < PROXY_HEADER_MAX, "the end is bounded");
        must(status != PROXY_HEADER_BAD || header.fault != NULL, "a bad header has a reason");
        must(status != PROXY_HEADER_COMPLETE || (header.len > 0 && header.len <= len),
             "the header lies within the bytes");
        if (settled == PROXY_HEADER_COMPLETE)
            must(header.len == first.len && header.has_client == first.has_client &&
                     memcmp(&header.client, &first.client, sizeof first.client) == 0,
                 "a header stays the same");
        else
            first = header;
        settled = status;
    }
    if (settled == PROXY_HEADER_COMPLETE && first.has_client)
        check_again(&first);
    return 0;
}
