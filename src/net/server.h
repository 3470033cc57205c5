// The server: listeners, admission of clients, event loops, signals, reloads and the graceful stop.
//
// There is one server per process. All functions are for the main thread, except
// server_clients_memory_left.
#ifndef STELE_NET_SERVER_H
#define STELE_NET_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct command;
struct dataset;
struct dataset_source;
struct error;
struct server;
struct settings;

// Makes a server and opens the sockets that listen on all addresses of `settings`. From now on
// clients can connect. The system queues their connections until server_listen begins to accept
// them. Returns NULL with a message when an address cannot be used, memory is short, or the limit
// of open files leaves no descriptor for clients.
//
// Raises the limit of open files so that `maxclients` clients fit, or lowers `maxclients`;
// server_listen logs the change. Port 0 lets the system choose a port. 0 threads mean one for each
// processor that the process may use, at most 64.
//
// `commands` lists the command tables and ends with NULL. It and the strings of `settings` must
// outlive the server; the rest is copied.
//
// From now on SIGHUP reloads and reopens the log, SIGUSR1 only reopens the log, and SIGPIPE is
// ignored. The server handles SIGTERM and SIGINT from server_listen on.
struct server *server_open(const struct settings *settings, const struct command *const *commands,
                           struct error *error);

// Returns the address that the server listens on, with the real port: the first TCP address, or
// else the path of the unix socket.
const char *server_address(const struct server *server);

// Accepts clients from now on and answers them from `dataset`. A reload replaces it by a dataset
// that `source` opens. The server owns `dataset`, even when this fails. Returns false with a
// message when memory or threads are short, or the file of a unix socket was removed or replaced.
// The only valid call is then server_close.
bool server_listen(struct server *server, const struct dataset_source *source,
                   struct dataset *dataset, struct error *error);

// Returns the bytes of memory that building an index must leave free for clients: as many as they
// may still take under maxmemory-clients. Returns 0 when they have reached that limit, and also
// when there is no limit, because no memory is then kept free for them. Only after server_listen;
// any thread may call it.
uint64_t server_clients_memory_left(const struct server *server);

// Serves until SIGTERM, SIGINT or SHUTDOWN. Then accepts no more clients and answers all requests
// that have arrived. Returns when all replies are sent, after 5 seconds, or at a second SIGINT. All
// worker threads have then ended, except one that is blocked by the disk or DEBUG SLEEP.
void server_run(struct server *server);

// Closes all connections and listeners, and frees the server. If a thread is still running, only
// the listeners are closed, because the thread may use everything else. NULL is accepted.
void server_close(struct server *server);

#endif
