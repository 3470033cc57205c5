// Counters of one loop. Only its thread writes them; any thread may read them, for a sum.
#ifndef STELE_METRICS_STATS_H
#define STELE_METRICS_STATS_H

#include "base/counter.h"
#include "resp/resp.h"

enum { COMMANDS_MAX = 511 }; // commands of which there are statistics, subcommands included

struct command_stats {
    struct counter calls;    // handled
    struct counter ns;       // time spent; that of a batch is divided by work (timing.h)
    struct counter rejected; // refused before the handler: arity, read-only
    struct counter failed;   // handled with an error as the reply
};

struct stats {
    // How many there are now. CONFIG RESETSTAT leaves these alone.
    struct counter connected_clients;
    struct counter tracking_clients;
    struct counter pubsub_clients;
    struct counter watching_clients;
    struct counter clients_memory; // bytes that clients hold: see session_memory and net/conn
    // How many there have been.
    struct counter connections_received;
    struct counter connections_rejected; // over maxclients, or kept out by protected mode
    struct counter reads;                // of a socket, that brought something
    struct counter writes;
    struct counter net_input_bytes;
    struct counter net_output_bytes;
    struct counter commands_processed;
    struct counter error_replies;
    struct counter keyspace_hits;
    struct counter keyspace_misses;
    struct counter sets_refused;     // writes that would have set something
    struct counter deletes_refused;  // or deleted it
    struct counter accept_errors;    // but for there being nobody to accept
    struct counter evicted_clients;  // for maxmemory-clients
    struct counter outdated_clients; // closed as they read a dataset that is too old
    struct counter request_timeouts; // clients closed by these two
    struct counter write_timeouts;
    struct counter input_limit_hits; // clients closed for what they sent, or did not read
    struct counter pushes_limit_hits;
    struct counter errors[RESP_ERROR_CODES];     // error replies by their code
    struct command_stats commands[COMMANDS_MAX]; // by the command's number
};

// The first of those that CONFIG RESETSTAT counts from anew.
#define STATS_RESET_FROM offsetof(struct stats, connections_received)

#endif
