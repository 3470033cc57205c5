// What sessions share: with those of their own loop a service, which holds what that loop's thread
// writes (counters, references); with those of all loops a group, which is constant once they run.
#ifndef STELE_SERVE_SERVICE_H
#define STELE_SERVE_SERVICE_H

#include "base/bytes.h"
#include "base/link.h"
#include "base/ref.h"
#include "serve/batch.h"
#include "serve/command.h"
#include "serve/stats.h"
#include "serve/timing.h"

struct dataset;
struct errand;
struct session;

enum enable_command { ENABLE_NO, ENABLE_LOCAL, ENABLE_YES };

// What a write command is answered with (--write-error).
enum write_error { WRITE_ERROR_READONLY, WRITE_ERROR_NOPERM, WRITE_ERROR_ERR };

// The options as CONFIG GET and INFO report them. Strings are the program's and outlive the
// service; none is NULL but where it is said.
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
    const char *requirepass;   // NULL: none
    const char *redis_version; // that we announce
    enum write_error write_error;
    bool cluster_enabled;            // as a cluster of one node
    const char *cluster_announce_ip; // NULL: where the client has reached us
    unsigned cluster_announce_port;  // 0: the same
    enum enable_command enable_debug_command;
    bool enable_shutdown_command;
};

enum { RUN_ID_LEN = 40, SERVICES_MAX = 128, CLIENT_ADDRESS_TEXT = 144 };

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
    // Brings an errand to the loop of that number, whose thread then calls errand_arrive. Any
    // loop's thread may call it. NULL is allowed when there is one loop.
    void (*post)(void *context, unsigned number, struct errand *e);
    void *post_context;
};

// What the owner of the connections knows of one.
struct client_facts {
    char address[CLIENT_ADDRESS_TEXT]; // "127.0.0.1:41234", or "/path:0" of a unix socket
    char local_address[CLIENT_ADDRESS_TEXT];
    int fd;
    uint64_t active_ns;  // of the last byte read or written, monotonic
    size_t input;        // bytes that wait to be answered
    size_t input_memory; // what they take
    size_t output;       // bytes that wait to be sent
    size_t output_memory;
    size_t memory; // of the connection itself
    bool reading;  // what it waits for
    bool writing;
};

// How sessions reach the owner of their connections; NULL: not at all.
struct client_owner {
    void (*wake)(struct session *s); // to feed it, or close it when it is killed
    void (*describe)(const struct session *s, struct client_facts *facts);
};

// One loop's. Only its thread touches it, but for reading the counters.
struct service {
    const struct service_group *group;
    unsigned number; // in the group
    struct link sessions;
    struct client_owner owner;
    uint64_t generation;                     // of the dataset: how often it has been replaced
    uint64_t paused_until;                   // by CLIENT PAUSE: monotonic ns; 0: not paused
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

// Ends a pause, also one whose time is over: clients that wait for its end are woken. In the loop's
// thread.
void service_unpause(struct service *service);

// The version of Redis that we announce.
const char *service_redis_version(const struct service *service);

// A number below `limit`, which is at least 1, for RANDOMKEY. (Reduced by multiplication, as Lemire
// does.)
uint64_t service_random(struct service *service, uint64_t limit);

// The sum over all loops of the counter that stands at `offset` in struct stats.
uint64_t service_total(const struct service *service, size_t offset);

#endif
