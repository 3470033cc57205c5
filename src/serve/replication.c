// The memory of a copy is one block with room for one piece. The session waits for its task while a
// reader thread has it. When the piece is there, the loop copies it to the output and hands the
// block out again at once. The output has its own limit (SESSION_OUTPUT_LOW), so a replica that
// does not read holds no more than that, the two pieces, and the dataset.
//
// A replica that has the replication id of a dataset has all of its data, because the id is that of
// the content, and the stream after it holds only PINGs. So it may continue at any offset, also
// after a restart of the server, or at another server with the same data.
#include "serve/replication.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/random.h"
#include "data/dataset.h"
#include "rdb/dump.h"

_Static_assert((int)KEY_PREFIX_MAX <= (int)RDB_DUMP_PREFIX_MAX, "a dump takes each prefix");

enum {
    // Bytes of a piece: as many as one write sends. A thread makes it in about 0.1 ms.
    PIECE = 128 * 1024,
    // Bytes of a piece that the loop makes itself, in about 20 µs.
    OWN_PIECE = 16 * 1024,
    // Copies of a loop that are made at the same time if the data may have to be read from the
    // disk.
    COPIES_FROM_DISK = 8,
    // Bytes that the loop copies, or writes itself, in one unit of work.
    COPIED_PER_WORK = 2048,
    WRITTEN_PER_WORK = 192,
};

// As in Redis (repl-ping-replica-period and repl-timeout).
static const uint64_t PING_INTERVAL = 10 * CLOCK_SECOND;
static const uint64_t SILENCE_MAX = 60 * CLOCK_SECOND;

static const char ping[] = "*1\r\n$4\r\nPING\r\n";

// A file on its way to a replica.
struct replica_copy {
    struct loop_task task;   // brings the copy back to its loop
    struct link link;        // in the loop's list of copies that wait for their turn
    struct service *service; // of the loop
    struct reader_job job;
    struct dataset *dataset; // holds a reference
    struct rdb_dump dump;
    enum rdb_dump_status status; // after the present piece
    size_t room;                 // bytes of `piece`
    size_t len;                  // bytes of the present piece
    char piece[];
};

// ---- the replica --------------------------------------------------------------------------------

struct replica *replica_of(struct session *s)
{
    if (s->replica == NULL)
        s->replica = replica_new(s, s->service);
    s->oom |= s->replica == NULL;
    return s->replica;
}

// Makes the client a replica, for INFO and CLIENT LIST too.
static void enlist(struct session *s, enum replica_state state, int64_t offset)
{
    char address[CLIENT_ADDRESS_TEXT];
    session_address(s, address);
    s->replica->generation = session_snapshot(s)->generation;
    s->replica->next_ping_ns = clock_monotonic_ns() + PING_INTERVAL;
    s->replicates = true;
    replica_enlist(s->replica, s->service, address, state, offset);
}

static void report(const struct session *s, bool failed, const char *what)
{
    const struct service_group *group = s->service->group;
    if (group->replicated != NULL)
        group->replicated(s, failed, what);
}

bool replica_is_outdated(const struct session *s)
{
    return s->replica->generation != s->service->snapshot->generation;
}

void replica_continue(struct session *s, int64_t offset)
{
    enlist(s, REPLICA_ONLINE, offset);
    report(s, false, "replicates and has the dataset already");
}

void replica_acknowledge(struct session *s, int64_t offset)
{
    struct replica *r = s->replica;
    if (!s->replicates || atomic_load(&r->state) != REPLICA_ONLINE)
        return;
    uint64_t now = clock_monotonic_ns();
    atomic_store(&r->heard_ns, now);
    if (offset < 0)
        return;
    atomic_store(&r->received, offset);
    if (r->next_ping_ns == 0)
        r->next_ping_ns = now + PING_INTERVAL;
}

void replicas_tick(struct service *service, uint64_t now)
{
    struct link *next;
    for (struct link *link = service->replicas.next; link != &service->replicas; link = next) {
        struct replica *r = container_of(link, struct replica, in_loop);
        uint64_t heard = atomic_load(&r->heard_ns);
        next = link->next;
        if (atomic_load(&r->state) != REPLICA_ONLINE || r->session->killed)
            continue;
        if (!r->old && now > heard && now - heard > SILENCE_MAX) {
            session_kill(r->session);
        } else if (r->next_ping_ns != 0 && now >= r->next_ping_ns) {
            r->next_ping_ns = now + PING_INTERVAL;
            atomic_fetch_add(&r->sent, (int64_t)sizeof ping - 1);
            session_push(r->session, span_text(ping));
        }
    }
}

// ---- the replication id -------------------------------------------------------------------------

typedef unsigned long long ull;

static void format_id(uint64_t seed[], size_t size, char id[REPLICATION_ID_LEN + 1])
{
    uint64_t part[3];
    for (seed[0] = 0; seed[0] < 3; seed[0]++)
        part[seed[0]] = checksum(span_of((const char *)seed, size));
    snprintf(id, REPLICATION_ID_LEN + 1, "%016llx%016llx%08llx", (ull)part[0], (ull)part[1],
             (ull)(part[2] & UINT32_MAX));
}

// Returns a checksum of the prefix of keys; 0 if there is none.
static uint64_t prefix_sum(const struct session *s)
{
    struct span prefix = s->service->keys->prefix;
    return prefix.len > 0 ? checksum(prefix) : 0;
}

// The id from the checksum of the content. Returns false when that is not known.
static bool id_of_content(const struct dataset *d, uint64_t prefix, char id[REPLICATION_ID_LEN + 1])
{
    const struct dataset_figures *f = dataset_figures(d);
    uint64_t content;
    if (!dataset_checksum_at_opening(d, &content) && !dataset_checksum(d, &content))
        return false;
    uint64_t seed[] = {0, f->data_bytes, f->lines, f->keys, f->value_bytes, content ^ prefix, 1};
    format_id(seed, sizeof seed, id);
    return true;
}

// The id from the time when the index was built.
static void id_of_index(const struct dataset *d, uint64_t prefix, char id[REPLICATION_ID_LEN + 1])
{
    const struct dataset_figures *f = dataset_figures(d);
    uint64_t seed[] = {0,       f->data_bytes,  f->lines,
                       f->keys, f->value_bytes, f->built_at_us ^ prefix};
    format_id(seed, sizeof seed, id);
}

void replication_id(const struct session *s, char id[REPLICATION_ID_LEN + 1])
{
    uint64_t prefix = prefix_sum(s);
    if (!id_of_content(session_dataset(s), prefix, id))
        id_of_index(session_dataset(s), prefix, id);
}

bool replication_id_is_ours(const struct session *s, struct span id)
{
    const struct dataset *d = session_dataset(s);
    uint64_t prefix = prefix_sum(s);
    char own[REPLICATION_ID_LEN + 1];
    if (id_of_content(d, prefix, own) && span_is(id, own))
        return true;
    id_of_index(d, prefix, own);
    return span_is(id, own);
}

// ---- the file -----------------------------------------------------------------------------------

static void release_copy(struct loop_task *task)
{
    struct replica_copy *copy = container_of(task, struct replica_copy, task);
    ref_drop(dataset_ref(copy->dataset));
    free(copy);
}

// Makes the next piece. It is empty only if the session is gone.
static void make_piece(struct replica_copy *copy)
{
    struct bytes room = {copy->piece, copy->room};
    do
        copy->status = rdb_dump_next(&copy->dump, room, &copy->len);
    while (copy->len == 0 && copy->status == RDB_DUMP_MORE &&
           !atomic_load_explicit(&copy->task.abandoned, memory_order_relaxed));
}

// Runs on a reader thread.
static void run_job(struct reader_job *job, unsigned first, unsigned count)
{
    struct replica_copy *copy = container_of(job, struct replica_copy, job);
    (void)first;
    (void)count;
    if (!atomic_load_explicit(&copy->task.abandoned, memory_order_relaxed))
        make_piece(copy);
}

static void finish_job(struct reader_job *job)
{
    struct replica_copy *copy = container_of(job, struct replica_copy, job);
    const struct loop_router *router = copy->task.router;
    router->post(router->context, copy->task.home_number, &copy->task);
}

// Hands the copies that have waited longest to reader threads, as many as may have one of this
// loop.
static void begin_turn(struct service *service)
{
    unsigned most = service->cold.active ? COPIES_FROM_DISK : 1;
    while (service->copying < most && !link_is_empty(&service->copies)) {
        struct replica_copy *copy = container_of(service->copies.next, struct replica_copy, link);
        link_remove(&copy->link);
        service->copying++;
        readers_submit(service->cold.readers, &copy->job);
    }
}

// A piece is back in its loop. Called before it is sent, so that the next one is made meanwhile.
static void end_turn(struct loop_task *task)
{
    struct service *service = container_of(task, struct replica_copy, task)->service;
    service->copying--;
    begin_turn(service);
}

void replicas_release(struct service *service)
{
    while (!link_is_empty(&service->copies)) {
        struct replica_copy *copy = container_of(service->copies.next, struct replica_copy, link);
        link_remove(&copy->link);
        release_copy(&copy->task);
    }
}

// Has the next piece made: by a reader thread, or at once if there is none.
static void next_piece(struct session *s, struct replica_copy *copy)
{
    struct readers *readers = s->service->cold.readers;
    s->task = NULL;
    copy->task.done = false;
    if (readers != NULL) {
        session_await_external(s, &copy->task);
        link_move_last(&s->service->copies, &copy->link);
        begin_turn(s->service);
        return;
    }
    copy->status = rdb_dump_next(&copy->dump, (struct bytes){copy->piece, copy->room}, &copy->len);
    copy->task.waiter = s;
    copy->task.done = true;
    s->task = &copy->task;
    session_charge(s, (copy->len > 0 ? copy->len : RDB_DUMP_SEARCH_MAX / 16) / WRITTEN_PER_WORK);
}

static struct replica_copy *copy_new(struct session *s)
{
    struct dataset *d = session_dataset(s);
    size_t room = s->service->cold.readers != NULL ? PIECE : OWN_PIECE;
    struct replica_copy *copy = malloc(sizeof *copy + room);
    s->oom |= copy == NULL;
    if (copy == NULL)
        return NULL;
    *copy = (struct replica_copy){
        .task = {.back = end_turn,
                 .release = release_copy,
                 .for_waiter = true,
                 .memory = sizeof *copy + room},
        .service = s->service,
        .job = {.count = 1, .run = run_job, .done = finish_job},
        .dataset = d,
        .room = room,
    };
    link_init(&copy->link);
    ref_take(dataset_ref(d));
    rdb_dump_init(&copy->dump, d, service_redis_version(s->service),
                  s->replica->reads_marked ? RDB_LENGTHS_SHORT : RDB_LENGTHS_EQUAL,
                  !s->replica->without_keys, s->service->keys->prefix);
    return copy;
}

bool replica_begin(struct session *s, int64_t offset)
{
    struct replica *r = s->replica;
    struct replica_copy *copy = copy_new(s);
    char line[64];
    if (copy == NULL)
        return false;
    assert(s->task == NULL);
    enlist(s, REPLICA_COPYING, offset);
    report(s, false, "copies the dataset");
    r->mark[0] = '\0';
    if (r->reads_marked)
        snprintf(r->mark, sizeof r->mark, "%016llx%016llx%08llx", (ull)random_number(),
                 (ull)random_number(), (ull)(random_number() & UINT32_MAX));
    int len = r->reads_marked
                  ? snprintf(line, sizeof line, "$EOF:%s\r\n", r->mark)
                  : snprintf(line, sizeof line, "$%llu\r\n", (ull)rdb_dump_size(&copy->dump));
    output_append(s->reply.out, span_of(line, (size_t)len));
    next_piece(s, copy);
    return true;
}

// Ends the copy: all of the file is in the output.
static enum command_result end_copy(struct session *s)
{
    struct replica *r = s->replica;
    uint64_t now = clock_monotonic_ns();
    output_append(s->reply.out, span_text(r->mark));
    session_end_task(s);
    // A replica that waits for the mark must find it at the end of what it reads. So nothing may
    // follow before it has acknowledged that it has read the mark.
    r->next_ping_ns = *r->mark != '\0' ? 0 : now + PING_INTERVAL;
    atomic_store(&r->heard_ns, now);
    atomic_store(&r->state, REPLICA_ONLINE);
    report(s, false, "has been sent a copy of the dataset");
    return r->only_file ? COMMAND_CLOSE : COMMAND_DONE;
}

enum command_result replica_send(struct session *s)
{
    for (;;) {
        struct loop_task *task = session_task(s);
        if (task == NULL)
            return COMMAND_WAIT;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        struct replica_copy *copy = container_of(task, struct replica_copy, task);
        if (copy->status == RDB_DUMP_FAILED) {
            report(
                s, true,
                "did not get a whole copy of the dataset: a file is damaged, or a value has 4 GiB "
                "or more");
            session_end_task(s);
            session_kill(s);
            return COMMAND_DONE;
        }
        output_append(s->reply.out, span_of(copy->piece, copy->len));
        session_charge(s, copy->len / COPIED_PER_WORK);
        if (copy->status == RDB_DUMP_END)
            return end_copy(s);
        next_piece(s, copy);
    }
}
