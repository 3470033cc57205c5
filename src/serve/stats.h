// Counters of one loop. Only its thread writes them; any thread may read them, for a sum.
#ifndef STELE_SERVE_STATS_H
#define STELE_SERVE_STATS_H

#include "base/counter.h"
#include "serve/command.h"

struct command_stats {
    struct counter calls;    // handled
    struct counter ns;       // time spent; that of a batch is divided by work (timing.h)
    struct counter rejected; // refused before the handler: arity, read-only
    struct counter failed;   // handled with an error as the reply
};

struct stats {
    struct counter connections_received;
    struct counter connections_rejected; // over maxclients, or kept out by protected mode
    struct counter connected_clients;
    struct counter pubsub_clients;
    struct counter tracking_clients;
    struct counter watching_clients;
    struct counter reads; // of a socket, that brought something
    struct counter writes;
    struct counter net_input_bytes;
    struct counter net_output_bytes;
    struct counter commands_processed;
    struct counter error_replies;
    struct counter keyspace_hits;
    struct counter keyspace_misses;
    struct command_stats commands[COMMANDS_MAX]; // by the command's number
};

#endif
