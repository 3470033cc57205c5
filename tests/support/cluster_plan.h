// The arithmetic of docs/scaling.md: how many machines serve a table, how many of its shards a
// request asks, and how long it takes to publish a new version. docs/scaling.c prints the tables of
// that page from it. tests/unit/cluster/balance.c checks it with random keys.
//
// Parts of a table, slots and bytes of a slot of the index are computed by the product's own code.
#ifndef STELE_TESTS_CLUSTER_PLAN_H
#define STELE_TESTS_CLUSTER_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/partition.h"

// What the plan assumes. The first group are choices, the second group are measured figures of
// docs/benchmarks.md, docs/limits.md and docs/scaling.md.
enum {
    PLAN_REPLICAS = 2,
    PLAN_SPARE_PERCENT = 10, // memory that is kept for the system, the server itself and clients
    PLAN_BUILD_PERCENT = 5,  // and the part of it that an index build may use (--build-memory)
    PLAN_LINK_PERCENT = 90,  // bandwidth of a network that a copy gets

    PLAN_SPLIT_MB = 800,       // MB a second that `stele split` divides by slots, on one core
    PLAN_INDEX_KEYS = 5000000, // keys a second of `stele index` on two cores, a billion keys
    PLAN_NODE_HUNDREDTHS = 70, // bytes a key that the index needs at most besides its slots, × 100
    PLAN_WARM_SECONDS = 5,     // most time for which a reload reads the new data into memory
    PLAN_LOCK_MB = 1000,       // MB a second at which an index is read and locked
    PLAN_TEMPORARY_BYTES = 22, // bytes a line of the temporary file of an index build, at most
    PLAN_BUILD_BYTES = 25,     // bytes a line that an index build needs in memory without it
    PLAN_REQUEST_NS = 9100,    // processor time of a request
    PLAN_KEY_NS = 270,         // and of each of its keys, in memory
};

// A table, and the machines that are to serve it.
struct plan_load {
    uint64_t keys;
    unsigned line_bytes; // mean length of a line, with its newline
    uint64_t memory;     // bytes of memory of a machine
    bool all_in_memory;  // the data, too, and not only the index
};

struct plan {
    unsigned machines; // number of machines that hold the table once; replicas need as many again
    unsigned nodes;    // number of nodes on each machine, each with a part of its own
    unsigned shards;   // machines × nodes
    // Of one machine, if all of its parts are as large as the largest part of all:
    double keys;
    double data_bytes;
    double index_bytes;
    double disk_bytes; // data and index twice, and the temporary file of an index build
};

// Seconds that each step of publishing takes. The steps follow one another.
struct plan_publishing {
    double split;  // of the whole table, on one core; 0 with one shard
    double copy;   // to all machines, from one machine
    double index;  // on all machines at the same time, one part after the other on each
    double reload; // of all replicas but one, and then of the last one of each shard
};

// Finds the smallest number of machines. Returns false if a cluster cannot have so many nodes.
bool plan_make(const struct plan_load *load, struct plan *plan);

// Computes the times of publishing over a network of `gigabits` a second.
struct plan_publishing plan_publish(const struct plan_load *load, const struct plan *plan,
                                    unsigned gigabits);

// Returns the most bytes of the index of `keys` keys in a data file of `data_bytes` bytes.
double plan_index_bytes(double keys, double data_bytes);

// Fills `share` with the share of random keys that each of the parts has, when the slots are
// divided into equal ranges. Returns the largest share, multiplied by the number of parts.
double plan_shares(unsigned parts, double *share);

// Returns how many of the parts have at least one of `keys` random keys, on average.
double plan_parts_asked(const double *share, unsigned parts, unsigned keys);

// The same for the 16384 slots.
double plan_slots_asked(unsigned keys);

// Returns the probability that at least one of the parts that are asked for `keys` random keys
// answers as slowly as only one of a hundred of its answers is. Parts are slow independently.
double plan_meets_slow(const double *share, unsigned parts, unsigned keys);

// Returns the seconds of processor time that all servers together need for `keys` keys in so many
// requests.
double plan_request_seconds(double requests, unsigned keys);

#endif
