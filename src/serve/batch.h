// Requests that are read ahead, so that their keys can be looked up together. In each turn of the
// loop (net/loop.h), the batch collects pipelined requests of every client that has sent some.
// Looking up many keys at a time lets their waits for memory overlap. This makes pipelines and MGET
// fast. MGET needs no code of its own for that: it uses the batch like every other command with
// keys.
//
// Each loop has one batch, which it fills and empties in every turn. Only the thread of the loop
// touches it. The batch does not copy the input: an argument is an offset from the first byte of
// its request, as the parser returns it.
#ifndef STELE_SERVE_BATCH_H
#define STELE_SERVE_BATCH_H

#include "base/bytes.h"
#include "data/uuid.h"
#include "resp/resp.h"
#include "serve/command.h"

struct cluster_view;
struct dataset;
struct key_rules;

enum {
    BATCH_REQUESTS = 256,
    BATCH_ARGS = 1024,
    BATCH_KEYS = 256,
    // Most keys of a chunk: keys that are looked up together, of a request with too many keys for
    // the batch.
    BATCH_CHUNK = 64,
};

struct batch_request {
    const struct command_entry *entry; // command that the first word names; NULL: none
    uint32_t size;                     // bytes of the request
    uint16_t first_arg;                // index in `arg`
    uint16_t argc;
    uint16_t first_key; // index in `id`, `is_uuid` and `offset`
    // Number of keys of the request in the batch: all of them or none. None when the command does
    // not read keys, or when they are too many for a batch.
    uint16_t keys;
    bool away; // another node of the cluster answers it, or an error does
};

// A struct that is zeroed, except for `rules`, is an empty batch.
struct batch {
    const struct key_rules *rules; // which words are keys; set by the owner
    unsigned requests;
    unsigned args;
    unsigned keys;
    unsigned looked_up; // number of keys that have been looked up
    unsigned holders;   // number of sessions with requests here; the last of them empties the batch
    bool full;          // a request did not fit
    bool uncertain;     // a key was not found, but may exist (batch_look_up)
    // The last command name and its entry: requests of a pipeline often have the same name.
    struct span last_name; // points into last_text
    char last_text[COMMAND_NAME_MAX];
    const struct command_entry *last_entry;
    struct batch_request request[BATCH_REQUESTS];
    struct resp_arg arg[BATCH_ARGS];
    // The keys of the batch, and after them those of a chunk.
    struct uuid id[BATCH_KEYS + BATCH_CHUNK];
    bool is_uuid[BATCH_KEYS + BATCH_CHUNK];
    uint64_t offset[BATCH_KEYS + BATCH_CHUNK]; // offset of the key's line, or DATASET_NO_OFFSET
};

// Reads requests from the front of `in` and adds them and their keys. Returns how many requests it
// has added. It stops:
// - when it has added `limit` requests, or at least `limit` keys;
// - after EXEC, because the requests that it executes are answered before the rest of `in`;
// - after RESET, because the parser may have other limits then;
// - before an inline command, which is decoded in place and so cannot be parsed twice;
// - before a request that is incomplete, is malformed or does not fit into the batch. The session
//   parses such a request by itself.
// `view` is the cluster by which requests are routed; NULL: all requests are answered here.
unsigned batch_read(struct batch *b, const struct command_index *commands,
                    const struct cluster_view *view, struct bytes in, unsigned limit);

// Returns whether the batch has no room for another request, or the last one did not fit.
bool batch_is_full(const struct batch *b);

// Removes all requests and keys.
void batch_clear(struct batch *b);

// Looks up the keys that have not been looked up yet, and sets their offsets. The offset is
// DATASET_NO_OFFSET for a word that is no key and for a key that was not found. Sets `uncertain`
// when a key that was not found may exist, because the index is damaged.
//
// If `d` is NULL, no key is looked up, because the data may not be in memory (serve/cold.h). All
// keys then count as not found, and `uncertain` is set.
void batch_look_up(struct batch *b, const struct dataset *d);

// Does the same for a chunk: `count` arguments of one request, at most BATCH_CHUNK. They are the
// argument `first` and every `step`th argument after it. Their offsets begin at index BATCH_KEYS
// and are valid until the next chunk is looked up.
void batch_look_up_chunk(struct batch *b, const struct dataset *d, const struct resp_request *r,
                         uint32_t first, uint32_t step, uint32_t count);

#endif
