// Requests for keys, and the exact replies that a server must send.
//
// The protocols are RESP2, as in Redis, and the text protocol of memcached. There a missing key is
// left out of the reply, and the flags of stored values are 0.
#ifndef STELE_TESTS_BENCH_LOAD_PROTOCOL_H
#define STELE_TESTS_BENCH_LOAD_PROTOCOL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "data/uuid_text.h"

enum protocol { PROTOCOL_RESP, PROTOCOL_MEMCACHED };

enum request_kind {
    REQUEST_GET,  // one key
    REQUEST_MGET, // many keys
    REQUEST_PING, // no key, to measure the cost of a request without a lookup
};

struct lookup {
    struct span key;   // UUID_TEXT_LEN bytes
    struct span value; // `ptr` is NULL when the key is absent
};

// Appends a request for `count` keys (1 for a GET, 0 for a PING) to one buf, and its reply to the
// other. When memory is short, `oom` is set in one of them.
void protocol_append(enum protocol protocol, enum request_kind kind, const struct lookup *lookups,
                     size_t count, struct buf *request, struct buf *reply);

// Appends memcached's command that stores a key with its value, without a reply.
void protocol_append_set(struct span key, struct span value, struct buf *request);

#endif
