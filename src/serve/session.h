// One client's conversation: request bytes in, reply bytes out. A session knows no socket and no
// event loop, so tests give it bytes in memory and compare the bytes that it returns.
//
// Only the thread of the session's service may touch it. Functions marked "For handlers" are for
// the commands in commands/; the other functions are for serve/ and for the owner of the connection
// in net/.
#ifndef STELE_SERVE_SESSION_H
#define STELE_SERVE_SESSION_H

#include "base/bytes.h"
#include "base/link.h"
#include "base/output.h"
#include "data/uuid.h"
#include "resp/resp.h"
#include "serve/cluster.h"
#include "serve/command.h"
#include "serve/service.h"

enum {
    // A session writes no further reply while this many bytes of output are waiting. This bounds
    // the memory that a client which does not read can take. The owner feeds the session again when
    // at most SESSION_OUTPUT_LOW bytes are waiting.
    SESSION_OUTPUT_HIGH = 256 * 1024,
    SESSION_OUTPUT_LOW = 64 * 1024,
    // Units of work (commands and key lookups) in one call of session_feed. For pipelined GETs,
    // that is about 0.1 ms with the parsing and the replies. The limit lets other clients have
    // their turn. It is as many as a batch holds.
    SESSION_TURN_WORK = 256,
    // The largest number of bytes of an unfinished request that the owner keeps for a client. It is
    // also the limit for the requests of a transaction together. Redis calls this limit
    // client-query-buffer-limit.
    SESSION_INPUT_MAX = 64 * 1024 * 1024,
    // The same limit for a client that has not authenticated, as in Redis.
    SESSION_INPUT_UNAUTHENTICATED = 1024 * 1024,
    // The largest number of bytes of messages that may wait for a client. A client that exceeds the
    // limit is closed. (Redis's client-output-buffer-limit for subscribers is 32 MiB.)
    SESSION_PUSHES_MAX = 8 * 1024 * 1024,
    // Bytes of messages that one turn delivers: as many as one write sends.
    SESSION_PUSHES_TURN = 128 * 1024,
    // Bytes of a client's word that an error repeats, as in Redis.
    SESSION_ECHOED_MAX = 128,
};

struct loop_task;
struct replica;
struct subscriptions;
struct tracking;
struct transaction;
struct watch;

// The result of looking for a value.
enum lookup {
    LOOKUP_MISSED, // there is no such value, or it cannot be read
    LOOKUP_FOUND,
    // The value is long, and this turn has not reached its end. Or the line is not in memory, and
    // the command is parked until reader threads have read it. The handler must return
    // COMMAND_AGAIN before it writes anything that depends on the lookup, and look again when it is
    // called the next time.
    LOOKUP_GOES_ON,
};

// Which replies a client wants (CLIENT REPLY), as bits.
enum reply_mode {
    REPLY_ON = 0,
    REPLY_OFF = 1,
    REPLY_SKIP_NEXT = 2, // the running command is CLIENT REPLY SKIP
    REPLY_SKIP = 4,      // the running command gets no reply
};

// The memory of the struct belongs to the owner of the connection, which may read all fields and
// sets `created_ns`. For a client of a proxy it also sets `proxied_address` and `local`, before the
// first request.
struct session {
    // The client, from its beginning to its end.
    struct service *service;
    struct link link;           // in the service's list, which is sorted by id
    struct session_entry entry; // in the service's table
    uint64_t id;                // as in CLIENT ID
    uint64_t created_ns;        // monotonic time; set by the owner of the connection
    char *name;                 // from CLIENT SETNAME, owned; NULL: none
    char *lib_name;             // from CLIENT SETINFO, owned; NULL: none
    char *lib_ver;              // from CLIENT SETINFO, owned; NULL: none
    // The client's address, named by the proxy that forwards its connection. It is owned, and set
    // by the owner of the connection. NULL: the address is that of the connection.
    char *proxied_address;
    size_t texts_memory; // bytes of these four texts
    bool local;          // the client is on this machine: loopback or a unix socket
    bool authenticated;
    bool no_evict;   // CLIENT NO-EVICT: closed after all others when clients hold too much memory
    bool no_touch;   // CLIENT NO-TOUCH, which has no effect in Stele
    bool replicates; // the client is a replica: it copies the dataset, or has copied it

    // The conversation.
    struct resp_writer reply;         // writes to `turn.out`, or to an output that is discarded
    const struct command_entry *last; // command of the last request; NULL: none, or unknown
    unsigned reply_mode;              // bits of enum reply_mode
    bool routing; // the next request is complete, and not all of its keys were looked at
    bool paused;  // the next request is complete and waits for the end of CLIENT PAUSE
    bool parked;  // the running handler waits for lines that are not in memory
    bool waiting; // the session waits: `paused`, `parked`, or COMMAND_WAIT was returned
    bool killed;  // the owner must close the connection at once
    bool closing; // the owner must close the connection once all replies are sent
    bool oom;     // memory ran short, so the connection must be closed
    const char *close_reason; // protocol of a client that speaks no RESP; otherwise NULL

    // The request at the front of the input, complete or not, and the command that answers it. A
    // handler may write `cursor`, `sum` and `collected`, which are 0 and empty at its first call.
    struct {
        struct resp_progress progress;
        struct resp_arg *args;
        size_t args_capacity;
        const struct command_entry *running; // command whose reply is not finished; NULL: none
        uint64_t cursor;      // where the handler continues a long reply; each handler defines it
        uint64_t sum;         // an intermediate result of the handler
        struct buf collected; // bytes that the handler keeps until its reply is finished
        struct cluster_view *view; // view that session_keep_view has kept; NULL: none
        uint64_t spent_ns;  // time the command took in earlier turns; 0: this is its first turn
        uint64_t waited_ns; // time the command has waited for data that was not in memory
        // The keys of the request that have been looked up. Their distance is the `keys.step` of
        // the command's row.
        struct {
            uint32_t first;       // argument that is the first of these keys
            uint32_t count;       // number of these keys
            uint32_t batch_index; // index of the first of these keys in the batch
        } keys;
        uint32_t checked;       // number of keys that integrity_check_keys has checked
        struct route route;     // of a request for the cluster, as far as its keys were looked at
        unsigned route_version; // version of the view of the cluster that `route` is about
        bool replied;           // a part of the reply may have been written in an earlier turn
    } request;

    // One call of session_feed. session_read_ahead sets `ahead` before it.
    struct {
        struct output *out; // NULL outside session_feed
        unsigned work_left; // units of work that this turn may still do
        size_t pushes_left; // bytes of messages that this turn may still deliver
        struct {
            unsigned next; // index of the first request not yet answered
            unsigned end;  // index after the last request; 0: nothing was read ahead
        } ahead;           // the session's requests in the loop's batch
    } turn;
    unsigned ahead_limit; // requests to read ahead at most; lowered when the last were wasted

    // What the session knows about damage to the files of its dataset (integrity.h).
    struct {
        unsigned damage;       // what dataset_damage returned at integrity_begin
        unsigned replacements; // what dataset_replacements returned then
        bool reads;            // the session may have read the dataset since then
        bool careful;          // `damage` is not 0, so keys are checked before a command runs
        bool revocable;        // the reply of the running handler can be removed from the output
        bool revoked;          // the reply of the running handler must be removed from the output
    } integrity;

    // Parts that only some sessions have. The session owns them.
    struct snapshot *snapshot;           // kept for an unfinished command or EXEC; NULL: none
    struct loop_task *task;              // task that the session waits for; NULL: none
    struct cold_set *cold;               // lines that may not have been in memory; NULL: none
    struct cold_set *cold_before;        // the set before that, if this turn uses it; NULL: none
    struct transaction *transaction;     // from MULTI to the end of EXEC; otherwise NULL
    struct subscriptions *subscriptions; // NULL: none
    struct tracking *tracking;           // NULL: off
    struct replica *replica;             // from REPLCONF or PSYNC on (serve/replica.h)
    struct watch *watch;                 // state of the watched keys; NULL: none
    uint64_t watched;                    // number of keys in WATCH commands, repeated ones counted

    // The long value whose end (a newline) was searched last. If the end was not found, a later
    // turn continues the search.
    struct {
        const char *ptr;   // start of the value; NULL: none
        size_t len;        // number of bytes from `ptr` on that have no newline
        uint64_t snapshot; // number of the snapshot that holds the value
    } long_value;
    // Where the next SCAN continues if the dataset has been replaced since the last one.
    struct {
        uint64_t cursor;   // cursor that the last SCAN returned; 0: none
        uint64_t snapshot; // number of the snapshot that the last SCAN read
        struct uuid key;   // first key that the last SCAN did not return
    } scanned;

    // Messages that wait until they may stand between two replies.
    struct buf pushes;
    size_t pushes_delivered; // bytes of `pushes` already in the output; may end inside a message
};

// Starts a conversation with a new client. `id` must be higher than the ids of all sessions of the
// service. `local` says that the client is on this machine.
void session_init(struct session *s, struct service *service, uint64_t id, bool local);

// Ends the session's task and transaction, and frees the memory for requests and messages. For a
// session that will be closed and is not inside session_feed. Other clients still find the session,
// as in CLIENT LIST.
void session_drop_work(struct session *s);

// Does the same, and removes the session from all lists, so that no other client finds it or sends
// it a message. After this, only session_release may be called.
void session_leave(struct session *s);

// Frees everything that the session holds. A zeroed session is allowed.
void session_release(struct session *s);

// Returns whether memory ran short for this client. Replies are then missing from `out`.
bool session_oom(const struct session *s, const struct output *out);

// Adds a message (pub/sub, invalidation), which must be in the client's protocol, and wakes the
// session. The next session_feed delivers it between two replies, never inside a reply or among
// those of an EXEC. A long message leaves in several turns, with no reply in between. Kills the
// session instead when more than SESSION_PUSHES_MAX bytes would be waiting.
void session_push(struct session *s, struct span message);

// The same for a message that consists of `count` parts.
void session_push_parts(struct session *s, const struct span *parts, unsigned count);

// The same for a message in an output of its own, without borrowed segments. Releases the output.
void session_push_output(struct session *s, struct output *message);

// Sets `facts` to what the owner of the connection knows about it.
void session_describe(const struct session *s, struct client_facts *facts);

// Writes the client's address, as CLIENT LIST shows it.
void session_address(const struct session *s, char to[CLIENT_ADDRESS_TEXT]);

// Writes the address of the server that the client has connected to.
void session_local_address(const struct session *s, char to[CLIENT_ADDRESS_TEXT]);

// Returns the first session of the loop whose id is higher than `id`. NULL: there is none.
struct session *session_after(const struct service *service, uint64_t id);

// Returns the session after `s` in the order of ids. NULL: there is none.
struct session *session_next(const struct session *s);

// Returns the session of the loop with this id, or NULL.
struct session *session_find(const struct service *service, uint64_t id);

// Wakes each client that holds values of the dataset: those with CLIENT TRACKING, and replicas. The
// dataset of the service has been replaced. The next session_feed reports that, or closes the
// replica's connection.
void session_wake_holders(const struct service *service);

// Ends CLIENT PAUSE, whether or not its time is over, and wakes the clients that wait for its end.
void session_end_pause(struct service *service);

// Asks the owner to feed the session soon, with empty input if there is none.
void session_wake(struct session *s);

// Asks the owner to close the connection at once, without sending the output that still waits.
void session_kill(struct session *s);

// Returns the largest number of bytes of an unfinished request that the owner keeps for this
// client.
static inline size_t session_input_max(const struct session *s)
{
    return s->authenticated ? SESSION_INPUT_MAX : SESSION_INPUT_UNAUTHENTICATED;
}

// Returns whether the client may be closed for being idle. A client that waits for messages or for
// the server is not idle, nor is a replica.
static inline bool session_may_idle_out(const struct session *s)
{
    return s->closing || (s->subscriptions == NULL && !s->waiting && !s->paused && !s->replicates);
}

// For handlers: discards the requests that were read ahead after this one. They must be parsed
// again, because other bytes come first (EXEC) or other limits hold (RESET).
static inline void session_reread_rest(struct session *s)
{
    s->turn.ahead.end = s->turn.ahead.next;
}

// For handlers: sends a task through all loops and makes the session wait for it. A session has one
// task at a time. The task may be done when this returns: session_task says so.
void session_await(struct session *s, struct loop_task *t);

// For handlers: the same for a task that visits no loop (loop_task_begin_external).
void session_await_external(struct session *s, struct loop_task *t);

// For handlers: returns the session's task when it is done. Returns NULL while it is not; the
// handler must then return COMMAND_WAIT.
struct loop_task *session_task(const struct session *s);

// For handlers: ends the session's interest in its task, wherever the task is. Called when the
// result has been used, or is not needed any more. Does nothing without a task.
void session_end_task(struct session *s);

// Returns the bytes of memory that the session owns, without the struct itself.
size_t session_memory(const struct session *s);

// For handlers: takes one of the units of work that this turn may do. Returns false when none is
// left or the output is full; the handler must then return COMMAND_AGAIN.
bool session_may_go_on(struct session *s);

// For handlers: returns whether the output has room for another reply.
static inline bool session_has_room(const struct session *s)
{
    return output_pending(s->reply.out) < SESSION_OUTPUT_HIGH;
}

// For handlers: takes `units` of the work that this turn may do, or all that is left. For work
// whose amount is known only when it is done. A unit is about the time of one lookup, 0.2 µs,
// without the time for parsing and for the reply.
void session_charge(struct session *s, uint64_t units);

// For handlers: returns the snapshot that the running command reads. It stays the same until the
// command, or the whole transaction, has ended.
static inline struct snapshot *session_snapshot(const struct session *s)
{
    return s->snapshot != NULL ? s->snapshot : s->service->snapshot;
}

// For handlers: returns the dataset of session_snapshot.
static inline struct dataset *session_dataset(const struct session *s)
{
    return session_snapshot(s)->dataset;
}

// For handlers: returns the view of the cluster that the running command reads: the kept one, or
// else the present one. NULL: this server has no topology.
static inline struct cluster_view *session_view(const struct session *s)
{
    return s->request.view != NULL ? s->request.view : s->service->view;
}

// For handlers whose replies take several turns: keeps the present view, so that session_view
// returns the same one in each turn. Does nothing if a view is kept already. The handler must call
// session_drop_view when its reply is finished.
void session_keep_view(struct session *s);

// For handlers: drops the view that session_keep_view has kept, if any.
void session_drop_view(struct session *s);

// For handlers: looks up the key in argument `i` and counts a hit or a miss. Sets `value` when it
// returns LOOKUP_FOUND. A word that is no key is a miss. A value that can no longer be read is a
// miss too, and the session is killed, because the miss would be a wrong reply. If the batch does
// not hold the key, up to BATCH_CHUNK keys of the request are looked up together, from `i` on. The
// value is valid until the end of the turn, and may be outside the text of the dataset.
enum lookup session_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                            struct span *value);

// For handlers: takes back the count of a lookup that will be made again, because a later lookup of
// the same request is parked.
void session_uncount_lookup(struct session *s, enum lookup lookup);

// For handlers: reads the value of the line at `offset` in the session's dataset
// (dataset_offset_at). Counts neither hit nor miss. Returns LOOKUP_MISSED when the value cannot be
// read; the session is not killed.
enum lookup session_value(struct session *s, uint64_t offset, struct span *value);

// For handlers: finds the key with this rank, and sets `*id` and, unless `value` is NULL, `*value`.
// Returns LOOKUP_MISSED when there is no such rank, or its slot or its line is damaged. `last` is
// the last rank that the handler is going to read after this one; it may be less than `rank`. If
// the lines may not be in memory, some of those up to `last` are read together with the first.
enum lookup session_at(struct session *s, uint64_t rank, uint64_t last, struct uuid *id,
                       struct span *value);

// For handlers: sets `*rank` to that of the first key that is not less than `id` (dataset_seek).
// Returns LOOKUP_FOUND or LOOKUP_GOES_ON.
enum lookup session_seek(struct session *s, struct uuid id, uint64_t *rank);

// Completes a value that dataset_value_part has returned: finds its end when it is longer than that
// part. Returns LOOKUP_MISSED when the value cannot be read, and LOOKUP_GOES_ON when the next turn
// must continue.
enum lookup session_find_end(struct session *s, struct span *value);

// Looks whether the line of the key in argument `i` can be read, where data may not be in memory.
// Returns LOOKUP_GOES_ON when the request is parked. Otherwise sets `*readable`; it is true for a
// key that does not exist. Counts nothing.
enum lookup session_check(struct session *s, const struct resp_request *r, uint32_t i,
                          bool *readable);

// Frees the lines that this turn has used (serve/cold.h); with `all`, also those that a later turn
// could use.
void session_drop_lines(struct session *s, bool all);

// For handlers: brings the line of the key `id` into memory, if it may not be there, so that the
// handler can read it from the dataset. `i` is the argument that has the key; its number does not
// matter if the command's row says that no argument is a key. Counts nothing. Returns
// LOOKUP_GOES_ON when the command is parked, otherwise LOOKUP_FOUND or LOOKUP_MISSED.
enum lookup session_bring(struct session *s, const struct resp_request *r, uint32_t i,
                          struct uuid id);

// For handlers: reports that a key which was not found may exist, because the index is damaged. The
// running command's reply is then replaced by an error (integrity.h).
void session_revoke_reply(struct session *s);

// Forgets the requests that were read ahead. The last session to do so empties the batch.
static inline void session_forget_ahead(struct session *s)
{
    if (s->turn.ahead.end == 0)
        return;
    struct batch *batch = &s->service->batch;
    s->turn.ahead.next = 0;
    s->turn.ahead.end = 0;
    if (--batch->holders == 0)
        batch_clear(batch);
}

// Drops the session's reference to the snapshot that it has kept, if any.
void session_drop_snapshot(struct session *s);

// For handlers: looks whether the key in argument `i` exists. Counts a hit or a miss.
enum lookup session_has(struct session *s, const struct resp_request *r, uint32_t i);

// The same for an argument that the command's row does not call a key.
enum lookup session_has_word(struct session *s, const struct resp_request *r, uint32_t i);

// Returns whether an option with the values no, local and yes allows this client something.
bool session_is_allowed(const struct session *s, enum enable_command allowed);

// For handlers of commands of which some forms are administrative: returns whether this client may
// use those forms.
bool session_may_administer(const struct session *s);

// For handlers: answers a client that may not use such a form, and reports the refusal.
void session_refuse_administering(struct session *s);

// Reports a refused administrative command to the group's `refused`, if it is set. Does not answer
// the client.
void session_report_refusal(const struct session *s, const struct command_entry *entry);

// Redis's error for a command that the user's ACL does not allow.
#define NO_PERMISSION "NOPERM User default has no permissions to run the '%s' command"

// For handlers: returns how many bytes of a client's word an error repeats, for printf's "%.*s".
static inline int session_echoed(struct span word)
{
    return (int)(word.len < SESSION_ECHOED_MAX ? word.len : SESSION_ECHOED_MAX);
}

// Ends the transaction, if there is one, and WATCH.
void session_end_transaction(struct session *s);

// Forgets the watched keys, if there are any.
void session_unwatch(struct session *s);

// Turns CLIENT TRACKING off, if it is on.
void session_stop_tracking(struct session *s);

// Ends all subscriptions without a message to the client.
void session_unsubscribe(struct session *s);

// For handlers: sets `*field`, one of the session's texts, to a copy of `value`, or to NULL when
// `value` is empty. Sets `oom` when memory is short.
void session_set_text(struct session *s, char **field, struct span value);

#endif
