// Requests for keys, and the replies that a server has to give to them, to the byte.
//
// RESP2 as Redis speaks it, and memcached's text protocol, where a miss is left out of the reply
// and the flags of a stored value are 0.
#ifndef STELE_TESTS_BENCH_LOAD_PROTOCOL_H
#define STELE_TESTS_BENCH_LOAD_PROTOCOL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "data/uuid_text.h"

enum protocol { PROTOCOL_RESP, PROTOCOL_MEMCACHED };

enum request_kind {
    REQUEST_GET,  // one key
    REQUEST_MGET, // many
    REQUEST_PING, // none: what a request costs without a lookup
};

struct lookup {
    struct span key;   // UUID_TEXT_LEN bytes
    struct span value; // `ptr` is NULL when the key is absent
};

// Appends a request for the `count` keys (1 for a GET, 0 for a PING) and its reply. When memory is
// short, `oom` is set in one of them.
void protocol_append(enum protocol protocol, enum request_kind kind, const struct lookup *lookups,
                     size_t count, struct buf *request, struct buf *reply);

// Appends memcached's command that stores a pair and is not answered.
void protocol_append_set(struct span key, struct span value, struct buf *request);

#endif
