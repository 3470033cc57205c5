// What the sessions of one loop share: the dataset they answer from, the settings they report, the
// counters they add to. One per loop; only that loop's thread touches it.
#ifndef STELE_SERVE_SERVICE_H
#define STELE_SERVE_SERVICE_H

#include "base/bytes.h"
#include "serve/batch.h"
#include "serve/command.h"
#include "serve/stats.h"
#include "serve/timing.h"

struct dataset;

enum enable_command { ENABLE_NO, ENABLE_LOCAL, ENABLE_YES };

// The options as CONFIG GET and INFO report them. Strings are the program's and outlive the
// service; none is NULL.
struct service_settings {
    const char *executable;
    const char *bind; // addresses separated by spaces
    unsigned port;    // the real one; 0 when no TCP is served
    const char *unixsocket;
    unsigned unixsocketperm; // 0: as the umask says
    bool protected_mode;
    unsigned maxclients;
    unsigned timeout; // seconds
    unsigned tcp_backlog;
    const char *loglevel;
    const char *logfile;
    enum enable_command enable_debug_command;
    bool enable_shutdown_command;
};

enum { RUN_ID_LEN = 40 };

struct service {
    const struct service_settings *settings;
    struct dataset *dataset; // the caller's reference, kept for as long as the service
    struct stats stats;
    struct timing timing; // settled by the caller of the sessions, at the end of a turn
    struct batch batch;
    struct command_index commands;
    char run_id[RUN_ID_LEN + 1]; // 40 random hexadecimal digits, new at each start
    uint64_t started_ns;         // monotonic
    uint64_t last_client_id;
    // Asks the program to stop, for SHUTDOWN.
    void (*stop)(void *context);
    void *stop_context;
};

// Fills in all but `stop`. `settings` and `dataset` must outlive the service.
void service_init(struct service *service, const struct service_settings *settings,
                  struct dataset *dataset);

#endif
