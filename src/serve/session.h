// One client's conversation: bytes in, bytes out. It knows no socket and no event loop, so
// everything a client can say is tested as a function on memory.
//
// A session belongs to the thread of its service.
#ifndef STELE_SERVE_SESSION_H
#define STELE_SERVE_SESSION_H

#include "base/bytes.h"
#include "base/link.h"
#include "base/output.h"
#include "data/uuid.h"
#include "resp/resp.h"
#include "serve/command.h"
#include "serve/service.h"

enum {
    // A session stops producing replies while more than this many bytes wait to leave: it bounds
    // what a client that does not read can cost. Reading goes on below the low mark.
    SESSION_OUTPUT_HIGH = 256 * 1024,
    SESSION_OUTPUT_LOW = 64 * 1024,
    // Commands and key lookups one call of session_feed may do, so that no client holds the loop:
    // some 0.1 ms. What fits in a batch.
    SESSION_TURN_WORK = 256,
    // Bytes of an unfinished request that the caller keeps for a client (Redis's
    // client-query-buffer-limit).
    SESSION_INPUT_MAX = 64 * 1024 * 1024,
    // The same of one who has not authenticated, as in Redis.
    SESSION_INPUT_UNAUTHENTICATED = 1024 * 1024,
    // Out-of-band messages that may wait for a client that does not read: then it is closed. (It is
    // 32 MiB in Redis's client-output-buffer-limit for subscribers.)
    SESSION_PUSHES_MAX = 8 * 1024 * 1024,
    // As much of them is handed out in a turn: what one write takes.
    SESSION_PUSHES_TURN = 128 * 1024,
    // Bytes of a client's own word that an error repeats, as in Redis.
    SESSION_ECHOED_MAX = 128,
};

struct loop_task;
struct subscriptions;
struct tracking;
struct transaction;
struct watch;

// What has become of looking for a value.
enum lookup {
    LOOKUP_MISSED,
    LOOKUP_FOUND,
    // The value is long, and its end has not been found in this turn. The handler returns
    // COMMAND_AGAIN before it writes anything that depends on the value, and asks again.
    LOOKUP_GOES_ON,
};

// What a client has said of replies (CLIENT REPLY): bits.
enum reply_mode {
    REPLY_ON = 0,
    REPLY_OFF = 1,
    REPLY_SKIP_NEXT = 2, // said so with the command at work
    REPLY_SKIP = 4,      // not to the command at work
};

// The caller places it. The fields are for the handlers in serve/; the caller may read `id`,
// `killed`, `close_reason` and whether `pushes` wait.
struct session {
    // The client, from its beginning to its end.
    struct service *service;
    struct link link;           // in the service's list, in the order of ids
    struct session_entry entry; // in the service's table
    uint64_t id;
    uint64_t created_ns; // monotonic; set by the caller
    char *name;          // NULL: none; these three are owned
    char *lib_name;
    char *lib_ver;
    size_t texts_memory; // bytes that these three take
    bool local;          // the client is on this machine: loopback or a unix socket
    bool authenticated;
    bool no_evict; // closed after others when clients hold too much
    bool no_touch; // CLIENT NO-TOUCH, which has no effect here

    // The conversation.
    struct resp_writer reply;         // writes to `turn.out`, or to nowhere
    const struct command_entry *last; // the command named last, or NULL
    unsigned reply_mode;
    bool paused;              // the next request is read, and waits for the end of CLIENT PAUSE
    bool waiting;             // the running handler has returned COMMAND_WAIT
    bool killed;              // to be closed at once
    bool closing;             // to be closed once the replies have left
    bool oom;                 // memory was short
    const char *close_reason; // why the session closed of its own accord, or NULL

    // The request at the front of the input, complete or not, and the command that answers it. A
    // handler may write `cursor`, `sum` and `collected`, which are 0 and empty at its first call.
    struct {
        struct resp_progress progress;
        struct resp_arg *args;
        size_t args_capacity;
        const struct command_entry *running; // its reply is not finished; NULL: none
        uint64_t cursor;                     // the handler's place in a long reply
        uint64_t sum;                        // the handler's running result
        struct buf collected;                // the handler's, until its reply is finished
        uint64_t spent_ns; // by the command in earlier turns; 0: this is its first
        struct {
            uint32_t first;       // argument
            uint32_t count;       // of arguments, in the steps of the command's row
            uint32_t batch_index; // index in the batch of the first of them
        } keys;                   // of the command that have been looked up
        uint32_t checked;         // number of keys that integrity_check_keys has looked at
        bool replied;             // a part of the reply may have been written in an earlier turn
    } request;

    // One call of session_feed. `ahead` is set before it, by session_read_ahead.
    struct {
        struct output *out; // NULL outside a feed
        unsigned work_left;
        size_t pushes_left; // bytes of messages that may still be handed out
        struct {
            unsigned next;
            unsigned end;
        } ahead; // the session's requests in the service's batch
    } turn;
    unsigned ahead_limit; // of requests read ahead; lowered when the last read-ahead was wasted

    // The state of the data, compared when reading has ended (integrity.h).
    struct {
        unsigned damage; // of the dataset when the command, or the turn, began
        bool reads;      // the dataset may have been read since
        bool careful;    // there was damage, so keys are checked before a command
        bool revocable;  // the reply of the running handler can be taken back
        bool revoked;    // the reply of the running handler is to be taken back
    } integrity;

    // Parts that only some sessions have, owned.
    struct snapshot *snapshot;           // of an unfinished command or EXEC; NULL: the loop's
    struct loop_task *task;              // that the session waits for, or NULL
    struct transaction *transaction;     // between MULTI and the end of EXEC; otherwise NULL
    struct subscriptions *subscriptions; // NULL: none
    struct tracking *tracking;           // NULL: off
    struct watch *watch;                 // the keys that WATCH has noted; NULL: none
    uint64_t watched;                    // number of words given to WATCH

    // The long value looked at last: the search for its end goes on in another turn.
    struct {
        const char *ptr;   // of the value; NULL: none
        size_t len;        // bytes from there on without a newline
        uint64_t snapshot; // number of the snapshot that holds it
    } long_value;
    // The place where the last SCAN is to go on, should the dataset be another by then.
    struct {
        uint64_t cursor;   // the one returned to the client; 0: none
        uint64_t snapshot; // number of the snapshot it was answered from
        struct uuid key;   // the next one
    } scanned;

    // Messages that wait for the next command boundary.
    struct buf pushes;
    size_t pushes_delivered; // bytes of `pushes` that have been handed out, perhaps half a message
};

// Starts a conversation with the client that CLIENT ID calls `id`.
void session_init(struct session *s, struct service *service, uint64_t id, bool local);

// The session is over, or killed, and not at work: it gives back what it holds of requests, replies
// and messages. What is left is found by others as before.
void session_shed(struct session *s);

// Nobody finds the session any more, to tell of it or to send it something, and it has shed what
// it holds: all that is left is to release it.
void session_leave(struct session *s);

// Frees what the session holds.
void session_release(struct session *s);

// Memory ran short for this client: replies are missing from `out`.
bool session_oom(const struct session *s, const struct output *out);

// Adds an out-of-band message, already in the client's protocol: the next session_feed delivers it,
// between two replies, never within one nor within those of an EXEC. What is long leaves in several
// turns, with no reply in between. The session is woken for that. One that does not read is killed
// when it would be more than SESSION_PUSHES_MAX bytes that wait.
void session_push(struct session *s, struct span message);

// The same of a message that stands in `count` parts.
void session_push_parts(struct session *s, const struct span *parts, unsigned count);

// What the owner of the connection knows of the client.
void session_describe(const struct session *s, struct client_facts *facts);

// Where the client is, as CLIENT LIST has it.
void session_address(const struct session *s, char to[CLIENT_ADDRESS_TEXT]);

// Where it has reached us.
void session_local_address(const struct session *s, char to[CLIENT_ADDRESS_TEXT]);

// The same of a message that was written to an output of its own, which is released.
void session_push_output(struct session *s, struct output *message);

// The sessions of a loop in the order of their ids: the first whose id is higher than `id`, and the
// one behind `s`. NULL: none.
struct session *session_after(const struct service *service, uint64_t id);
struct session *session_next(const struct session *s);

// The one of that id, or NULL.
struct session *session_find(const struct service *service, uint64_t id);

// The dataset of the service has been replaced: wakes each client that tracks, so that its next
// session_feed tells it. In the loop's thread.
void session_wake_trackers(const struct service *service);

// Ends CLIENT PAUSE, also a pause whose time is over: wakes the clients that wait for its end. In
// the loop's thread.
void session_end_pause(struct service *service);

// Has the owner feed the session soon, with empty input if there is none.
void session_wake(struct session *s);

// Has the owner close the connection, without what it was still to be sent.
void session_kill(struct session *s);

// Bytes of an unfinished request that the caller keeps for this client.
static inline size_t session_input_max(const struct session *s)
{
    return s->authenticated ? SESSION_INPUT_MAX : SESSION_INPUT_UNAUTHENTICATED;
}

// Whether the client may be closed for being silent: not one who waits for messages, or for us.
static inline bool session_may_idle_out(const struct session *s)
{
    return s->closing || (s->subscriptions == NULL && !s->waiting && !s->paused);
}

// For handlers: what stands behind this request is not what comes next, or is to be read in another
// way than it has been.
static inline void session_reread_rest(struct session *s)
{
    s->turn.ahead.end = s->turn.ahead.next;
}

// For handlers: sends the task through all loops; the session waits for it. A session has one task
// at a time. session_task returns it when it is back, perhaps at once.
void session_await(struct session *s, struct loop_task *t);

// For handlers: the same for a task that visits no loop (loop_task_begin_external).
void session_await_external(struct session *s, struct loop_task *t);

// For handlers: the session's task when it is done. NULL: it is still on its way, and the handler
// must return COMMAND_WAIT.
struct loop_task *session_task(const struct session *s);

// For handlers: the answer has been used. Also when the session ends, wherever its task is.
void session_end_task(struct session *s);

// Bytes that the session holds of its own, besides the struct: what it keeps of a request, and for
// the client.
size_t session_memory(const struct session *s);

// For handlers: takes one unit of this turn's work. False when the handler must return
// COMMAND_AGAIN instead, because the turn's work is done or the output is full.
bool session_may_go_on(struct session *s);

// For handlers: whether the output has room for another reply.
static inline bool session_has_room(const struct session *s)
{
    return output_pending(s->reply.out) < SESSION_OUTPUT_HIGH;
}

// For handlers: takes as many units more (or all that are left), for work that is not bounded
// otherwise. A unit is about the time of a lookup, 0.2 µs.
void session_charge(struct session *s, uint64_t units);

// For handlers: the snapshot that the command at work has from its beginning to its end, and those
// of a transaction all; and its dataset.
static inline struct snapshot *session_snapshot(const struct session *s)
{
    return s->snapshot != NULL ? s->snapshot : s->service->snapshot;
}

static inline struct dataset *session_dataset(const struct session *s)
{
    return session_snapshot(s)->dataset;
}

// For handlers: looks for the value stored under argument `i`, a key, which is counted as a hit or
// a miss. A key that is no UUID is missed. One that can suddenly not be read is missed too, and the
// session is then killed rather than answered. When the keys of the request have not been looked up
// ahead, those from `i` on are, some at a time, as the command's row says which arguments are keys.
// `value` is set when LOOKUP_FOUND is returned.
enum lookup session_look_up(struct session *s, const struct resp_request *r, uint32_t i,
                            struct span *value);

// For handlers: the value at that place of the session's dataset (dataset_offset_at). Nothing is
// counted, and one that cannot be read is merely missed.
enum lookup session_value(struct session *s, uint64_t offset, struct span *value);

// Finds the end of a value of which only the first part is known to have none: it is long, or
// cannot be read. The results are those of session_value.
enum lookup session_find_end(struct session *s, struct span *value);

// For handlers that look up a key: a key that was not found may exist, as the index is damaged. The
// command's reply is then taken back (integrity.h).
void session_revoke_reply(struct session *s);

// Forgets the requests that were read ahead, which ends the session's part of the batch.
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

// Gives back the snapshot that the session has kept, if any.
void session_drop_snapshot(struct session *s);

// For handlers: whether there is a value under argument `i`, counted in the same way.
bool session_has(struct session *s, const struct resp_request *r, uint32_t i);

// Whether an option that allows commands to nobody, local clients or all allows them to this one.
bool session_is_allowed(const struct session *s, enum enable_command allowed);

// For handlers of commands that are administrative in part: whether this client may do that part,
// and the answer to one that may not.
bool session_may_administer(const struct session *s);
void session_refuse_administering(struct session *s);

// Reports a refused administrative command to the owner, if it wants to know. The client is still
// to be answered.
void session_report_refusal(const struct session *s, const struct command_entry *entry);

// Redis's error for a command that the rules for a user do not allow.
#define NO_PERMISSION "NOPERM User default has no permissions to run the '%s' command"

// For handlers: how many bytes of a client's word an error repeats; for printf's "%.*s".
static inline int session_echoed(struct span word)
{
    return (int)(word.len < SESSION_ECHOED_MAX ? word.len : SESSION_ECHOED_MAX);
}

// Ends MULTI, if there was one, and WATCH.
void session_end_transaction(struct session *s);

// Ends WATCH, if there was one.
void session_unwatch(struct session *s);

// Turns tracking off.
void session_stop_tracking(struct session *s);

// Ends all subscriptions, without a message.
void session_unsubscribe(struct session *s);

// For handlers: makes `*field` a copy of `value`, or NULL when it is empty.
void session_set_text(struct session *s, char **field, struct span value);

#endif
