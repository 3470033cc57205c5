// The counters of one loop. Only the loop's thread writes them. Any thread may read them, so INFO
// sums the counters of all loops.
#ifndef STELE_METRICS_STATS_H
#define STELE_METRICS_STATS_H

#include "base/counter.h"
#include "resp/resp.h"

enum { COMMANDS_MAX = 511 }; // largest number of commands with counters, including subcommands

struct command_stats {
    struct counter calls; // finished calls of the handler
    // Time spent, in ns. The time of a batch is divided among its commands, in proportion to their
    // work (timing.h).
    struct counter ns;
    struct counter rejected; // requests refused before the handler runs, such as for their arity
    struct counter failed;   // calls of the handler that replied with an error
};

struct stats {
    // Present numbers. CONFIG RESETSTAT does not change these.
    struct counter connected_clients;
    struct counter tracking_clients; // clients with CLIENT TRACKING ON
    struct counter pubsub_clients;   // clients with a subscription
    struct counter watching_clients; // clients that WATCH keys
    struct counter clients_memory;  // bytes that the loop's clients hold (session_memory, net/conn)
    struct counter parked_requests; // requests that wait for reader threads (serve/cold.h)
    struct counter cold_active;     // 1 if the loop expects data that is not in memory, otherwise 0
    // Numbers since the start, or since CONFIG RESETSTAT.
    struct counter connections_received;
    struct counter connections_rejected; // connections refused by maxclients or protected mode
    struct counter reads;                // reads of a socket that returned data
    struct counter writes;               // writes to a socket
    struct counter net_input_bytes;
    struct counter net_output_bytes;
    struct counter commands_processed;
    struct counter error_replies;
    struct counter keyspace_hits;
    struct counter keyspace_misses;
    struct counter sets_refused;        // refused writes that would have set something
    struct counter deletes_refused;     // refused writes that would have deleted something
    struct counter accept_errors;       // failures of accept(2), except that no client was waiting
    struct counter proxy_header_errors; // connections of proxies without a good PROXY header
    struct counter evicted_clients;     // clients closed to keep within maxmemory-clients
    struct counter outdated_clients;  // clients closed because they read a dataset that is too old
    struct counter request_timeouts;  // clients closed by the option request-timeout
    struct counter write_timeouts;    // clients closed by the option write-timeout
    struct counter input_limit_hits;  // clients closed because their request was too long
    struct counter pushes_limit_hits; // clients closed because too many messages for them waited
    struct counter cold_lookups;      // lines that reader threads had to read
    struct counter probes;            // lines that were read without waiting, or at least tried
    struct counter parks;             // requests that had to wait for reader threads
    struct counter parked_ns;         // time that they waited, in ns
    struct counter syncs_full;        // copies of the dataset that replicas have begun
    struct counter syncs_partial;     // replicas that had the data already
    struct counter syncs_refused;     // replicas that had other data
    struct counter redirects_moved;   // requests answered by MOVED
    struct counter redirects_ask;     // requests answered by ASK
    struct counter redirects_crossslot;          // requests answered by CROSSSLOT
    struct counter errors[RESP_ERROR_CODES];     // error replies by code (resp_error_codes)
    struct command_stats commands[COMMANDS_MAX]; // by command number
};

// Offset of the first counter that CONFIG RESETSTAT resets. It resets all from there on.
#define STATS_RESET_FROM offsetof(struct stats, connections_received)

#endif
