// Requests read ahead, and the keys in them looked up together: what one client has sent at once,
// and what the clients of one turn of the loop have. Looking up many keys at a time lets their
// waits for memory overlap, so this is what makes pipelines fast; MGET goes through it like any
// other command with keys.
//
// A batch lives for a part of a turn. It borrows the input: offsets, as the parser gives them. One
// per loop; only that loop's thread touches it.
#ifndef STELE_SERVE_BATCH_H
#define STELE_SERVE_BATCH_H

#include "base/bytes.h"
#include "data/uuid.h"
#include "resp/resp.h"
#include "serve/command.h"

struct dataset;

enum {
    BATCH_REQUESTS = 256,
    BATCH_ARGS = 1024,
    BATCH_KEYS = 256,
    BATCH_CHUNK = 64, // keys of one long request that are looked up together
};

struct batch_request {
    const struct command_entry *entry; // of its name; NULL: of no command
    uint32_t size;                     // bytes of the request
    uint16_t first_arg;
    uint16_t argc;
    uint16_t first_key;
    uint16_t keys; // those looked up ahead: all of the request's, or none
};

// A zeroed struct is an empty batch.
struct batch {
    unsigned requests;
    unsigned args;
    unsigned keys;
    unsigned looked_up; // of the keys
    unsigned holders;   // sessions that have requests here; when none has, it is emptied
    bool full;          // one that was read did not fit
    bool uncertain;     // of a key that is nowhere, it may not be known
    // The command named last and its entry: a pipeline names the same one over and over.
    struct span last_name; // points into last_text
    char last_text[COMMAND_NAME_MAX];
    const struct command_entry *last_entry;
    struct batch_request request[BATCH_REQUESTS];
    struct resp_arg arg[BATCH_ARGS];
    // Behind the keys of the batch, those of a stretch.
    struct uuid id[BATCH_KEYS + BATCH_CHUNK];
    bool is_uuid[BATCH_KEYS + BATCH_CHUNK];
    uint64_t offset[BATCH_KEYS + BATCH_CHUNK];
};

// Reads requests from the front of `in` and adds them with their keys: at most `limit` requests, no
// request when there are `limit` keys already, none behind an EXEC or a RESET, and no inline
// commands, which are decoded where they stand and so cannot be read twice. How many were added.
// What could not be added (not complete, malformed, too many arguments, no room) is left to be read
// by itself.
unsigned batch_read(struct batch *b, const struct command_index *commands, struct bytes in,
                    unsigned limit);

// Whether there is no room for another request, or was none for one.
bool batch_is_full(const struct batch *b);

// Forgets all requests and keys.
void batch_clear(struct batch *b);

// Looks up all keys that have not been. The place of each is then known: DATASET_NO_OFFSET for one
// that is not there, or no UUID; or, with `doubt`, one of which that cannot be told.
void batch_look_up(struct batch *b, const struct dataset *d);

// The same for `count` arguments of one request, from argument `first` on in steps of `step`: at
// most BATCH_CHUNK. Their places begin at BATCH_KEYS and are good until the next stretch.
void batch_look_up_chunk(struct batch *b, const struct dataset *d, const struct resp_request *r,
                         uint32_t first, uint32_t step, uint32_t count);

#endif
