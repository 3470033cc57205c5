// What sessions share: with those of their own loop a service, which holds what that loop's thread
// writes (counters, references); with those of all loops a group, which is constant once they run.
#ifndef STELE_SERVE_SERVICE_H
#define STELE_SERVE_SERVICE_H

#include "base/bytes.h"
#include "base/ref.h"
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
    unsigned threads;        // loops, one on a thread each
    bool protected_mode;
    unsigned maxclients;
    unsigned timeout; // seconds
    unsigned tcp_backlog;
    const char *loglevel;
    const char *logfile;
    enum enable_command enable_debug_command;
    bool enable_shutdown_command;
};

enum { RUN_ID_LEN = 40, SERVICES_MAX = 128 };

// The services of all loops and what they have in common.
struct service_group {
    const struct service_settings *settings;
    struct dataset *dataset;
    struct command_index commands;
    struct service *services[SERVICES_MAX]; // one a loop, in the order of their loops
    unsigned count;
    char run_id[RUN_ID_LEN + 1]; // 40 random hexadecimal digits, new at each start
    uint64_t started_ns;         // monotonic
    // Asks the program to stop, for SHUTDOWN; any loop's thread may call it.
    void (*stop)(void *context);
    void *stop_context;
};

// One loop's. Only its thread touches it, but for reading the counters.
struct service {
    const struct service_group *group;
    const struct service_settings *settings; // these three are the group's
    struct dataset *dataset;
    const struct command_index *commands;
    // For replies that borrow a value: a reference of the loop's own, as counting all loops'
    // borrowers in the dataset would make them wait for each other. It holds one to the dataset.
    struct ref borrowed;
    uint64_t random_state;
    struct stats stats;
    struct timing timing; // settled by the caller of the sessions, at the end of a turn
    struct batch batch;
};

// An empty group. Fills in all but `stop`. `settings` and `dataset` must outlive the group.
void service_group_init(struct service_group *group, const struct service_settings *settings,
                        struct dataset *dataset);

// Adds a service to the group (SERVICES_MAX at most): one at a time, before any session runs. Both
// must stay where they are.
void service_init(struct service *service, struct service_group *group);

// Gives back the dataset. Nothing may be borrowed any more.
void service_release(struct service *service);

// A number below `limit`, which is at least 1, for RANDOMKEY. (Reduced by multiplication, as Lemire
// does.)
uint64_t service_random(struct service *service, uint64_t limit);

// The sum over all loops of the counter that stands at `offset` in struct stats.
uint64_t service_total(const struct service *service, size_t offset);

#endif
