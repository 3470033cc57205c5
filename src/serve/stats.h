// Counters of one loop. Only its thread writes them.
#ifndef STELE_SERVE_STATS_H
#define STELE_SERVE_STATS_H

#include <stdint.h>

#include "serve/command.h"

struct command_stats {
    uint64_t calls;    // handled
    uint64_t ns;       // time spent; that of a batch is divided evenly among its commands
    uint64_t rejected; // refused before the handler: arity, read-only
    uint64_t failed;   // handled with an error as the reply
};

struct stats {
    uint64_t connections_received;
    uint64_t connections_rejected; // over maxclients, or kept out by protected mode
    uint64_t connected_clients;
    uint64_t net_input_bytes;
    uint64_t net_output_bytes;
    uint64_t commands_processed;
    uint64_t error_replies;
    uint64_t keyspace_hits;
    uint64_t keyspace_misses;
    struct command_stats commands[COMMANDS_MAX]; // by the command's number
};

#endif
