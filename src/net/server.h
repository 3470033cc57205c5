// The server: listeners, who may come in, signals, the graceful stop. It owns the event loops.
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

// Listens on all addresses and raises the descriptor limit for `maxclients` (or lowers
// `maxclients`, and logs it); clients who connect wait until server_listen. NULL with a message
// when an address cannot be had. For port 0 the system chooses one; 0 threads are as many as
// processors may be used, 64 at most. `commands`, the lists of rows of all commands,
// ends with NULL. It and the strings of `settings` must outlive the server; the rest is copied.
// One per process: it takes over SIGHUP, which reloads and opens the log anew, SIGUSR1,
// which does the latter alone, and from server_listen on SIGTERM and SIGINT; it ignores SIGPIPE.
struct server *server_open(const struct settings *settings, const struct command *const *commands,
                           struct error *error);

// Where it serves, with the real port: the first TCP address, or the unix socket's path.
const char *server_address(const struct server *server);

// Lets clients in, to be answered from `dataset`, which is the server's from here on, and then from
// what `source` opens when it is told to reload. False with a message when memory or threads are
// short, or the file of a unix socket is gone; the server is then only to be closed.
bool server_listen(struct server *server, const struct dataset_source *source,
                   struct dataset *dataset, struct error *error);

// How many bytes more its clients may come to hold (maxmemory-clients): who builds an index beside
// them leaves that much. From server_listen on; any thread may ask.
uint64_t server_clients_memory_left(const struct server *server);

// Serves until SIGTERM, SIGINT or SHUTDOWN; then accepts no more, answers what has arrived and
// returns when all replies are sent, after 5 seconds, or at a SIGINT that follows. No thread of the
// server runs then, unless one is held up by the disk or DEBUG SLEEP.
void server_run(struct server *server);

// Closes everything, also what is still connected; but what a thread that still runs may use is
// left until the process ends. NULL is accepted.
void server_close(struct server *server);

#endif
