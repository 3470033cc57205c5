// Which part of a divided data file has a key. Each rule divides keys as a Redis Cluster, or a
// proxy in front of several servers, asks for them.
//
// Parts are numbered from 0. Those programs choose by the bytes of the key that a client sends.
// Here the key's lower-case text decides, so all spellings of a UUID are in one part. A partition
// never changes, and any thread may use it.
#ifndef STELE_CLUSTER_PARTITION_H
#define STELE_CLUSTER_PARTITION_H

#include "cluster/partition_hash.h"
#include "cluster/topology.h"

struct error;
struct partition;

enum {
    PARTITION_PARTS_MAX = 1000,
    // Bytes of a server's name. twemproxy cuts longer names in some versions.
    PARTITION_NAME_MAX = 75,
    PARTITION_WEIGHT_MAX = 1000000, // the weights of all servers together
};

// A server of a twemproxy pool.
struct partition_server {
    char name[PARTITION_NAME_MAX + 1]; // the name that decides its place
    unsigned weight;                   // at least 1
};

enum partition_distribution { PARTITION_MODULA, PARTITION_KETAMA };

// The functions below return NULL with a message when memory is short or a number is out of range.
// The caller frees the result with partition_free.

// Redis Cluster: part K has the slots of shard K of the topology.
struct partition *partition_by_topology(const struct topology *t, struct error *error);

// Redis Cluster with equal ranges of slots, as `redis-cli --cluster create` makes them.
struct partition *partition_by_ranges(unsigned parts, struct error *error);

// twemproxy: part K has the keys of servers[K]. twemproxy sorts the servers by the lengths of their
// names, and names of equal length by their bytes. So the order of `servers` numbers the parts, but
// does not decide which keys a server has. Two servers with the same name are refused.
struct partition *partition_by_servers(enum partition_hash hash,
                                       enum partition_distribution distribution,
                                       const struct partition_server *servers, unsigned count,
                                       struct error *error);

// predixy's pool of standalone servers, with the hash crc16 and the distribution modula.
struct partition *partition_by_remainder(unsigned parts, struct error *error);

// By the first hexadecimal digit (16 parts), or the first two (256 parts).
struct partition *partition_by_prefix(unsigned digits, struct error *error);

// NULL is accepted.
void partition_free(struct partition *p);

// Returns the number of parts.
unsigned partition_count(const struct partition *p);

// Returns the part of the key. `text` is a UUID: UUID_TEXT_LEN bytes in upper or lower case.
unsigned partition_of(const struct partition *p, const char *text);

// Finds the first range of slots of the part from slot `from` on. Sets `*range` and returns true,
// or returns false if there is none or the rule does not divide by slots.
bool partition_next_range(const struct partition *p, unsigned part, unsigned from,
                          struct topology_range *range);

#endif
