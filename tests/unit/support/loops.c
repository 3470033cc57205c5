// One queue for the tasks of all loops, and turns for all parties that have work.
#include "unit/support/loops.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "serve/loop_task.h"
#include "support/guard.h"
#include "support/talk.h"
#include "support/tap.h"

struct dataset *loops_dataset(const char *lines)
{
    struct error error = {""};
    struct dataset *dataset =
        dataset_open_memory(span_text(lines), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    return dataset;
}

void loops_publish(struct loops *l, unsigned number, struct dataset *dataset)
{
    require(service_prepare(&l->service[number], dataset), "no memory");
    service_publish(&l->service[number]);
    session_wake_holders(&l->service[number]);
}

static void post(void *context, unsigned number, struct loop_task *task)
{
    struct loops *l = context;
    require(l->post_count < POSTS_MAX, "too many tasks");
    l->posts[l->post_count].task = task;
    l->posts[l->post_count++].number = number;
    l->post_total++;
}

static void wake(struct session *s)
{
    ((struct party *)s)->woken = true;
}

static void describe(const struct session *s, struct client_facts *facts)
{
    const struct party *p = (const struct party *)s;
    *facts = (struct client_facts){.fd = 9, .active_ns = clock_monotonic_ns(), .reading = true};
    memcpy(facts->address, p->address, sizeof p->address);
    memcpy(facts->local_address, "10.9.9.9:2", sizeof "10.9.9.9:2");
}

void loops_init(struct loops *l, unsigned count, const struct settings *settings,
                struct dataset *dataset)
{
    memset(l, 0, sizeof *l);
    service_group_init(&l->group, settings, dataset, command_groups);
    l->group.router.post = post;
    l->group.router.context = l;
    for (unsigned i = 0; i < count; i++) {
        service_init(&l->service[i], &l->group);
        l->service[i].owner = (struct client_owner){wake, describe};
    }
}

void loops_release(struct loops *l)
{
    while (l->party_count > 0)
        party_end(l->parties[l->party_count - 1]);
    for (unsigned i = 0; i < l->post_count; i++)
        l->posts[i].task->release(l->posts[i].task);
    for (unsigned i = 0; i < l->group.count; i++)
        service_release(&l->service[i]);
}

struct party *party_new(struct loops *l, unsigned number)
{
    struct party *p = calloc(1, sizeof *p);
    require(p != NULL && l->party_count < PARTIES_MAX, "too many parties");
    p->loops = l;
    p->status = FEED_NEEDS_INPUT;
    session_init(&p->session, &l->service[number], ++l->last_id, true);
    p->session.created_ns = clock_monotonic_ns();
    snprintf(p->address, sizeof p->address, "10.0.0.%llu:1", (unsigned long long)l->last_id);
    l->parties[l->party_count++] = p;
    return p;
}

// Ends the conversation. The test may still take the replies.
static void close_party(struct party *p)
{
    session_release(&p->session);
    output_release(&p->output);
    p->closed = true;
}

void party_end(struct party *p)
{
    struct loops *l = p->loops;
    unsigned i = 0;
    while (l->parties[i] != p)
        i++;
    l->parties[i] = l->parties[--l->party_count];
    if (!p->closed)
        close_party(p);
    buf_release(&p->requests);
    buf_release(&p->received);
    free(p);
}

void party_send_bytes(struct party *p, struct span bytes)
{
    buf_append(&p->requests, bytes);
    p->sent = p->requests.len;
}

void party_send(struct party *p, const char *requests)
{
    while (*requests != '\0') {
        char line[4096];
        size_t len = strcspn(requests, "\n");
        require(len < sizeof line, "a long request");
        memcpy(line, requests, len);
        line[len] = '\0';
        append_request(&p->requests, line);
        requests += len + (requests[len] == '\n');
    }
    p->sent = p->requests.len;
}

static void read_all(struct party *p)
{
    struct iovec vector;
    while (output_iovecs(&p->output, SIZE_MAX, &vector, 1) == 1) {
        buf_append(&p->received, span_of(vector.iov_base, vector.iov_len));
        output_take(&p->output, vector.iov_len);
    }
}

static void call_inside(const struct loops *l, bool begins)
{
    if (l->inside != NULL)
        l->inside(begins);
}

void party_turn(struct party *p)
{
    struct service *service = p->session.service;
    struct guard guard = {0};
    require(!p->closed, "a turn for a client that is gone");
    struct bytes in = guard_copy(&guard, span_of(p->requests.ptr + p->done, p->sent - p->done));
    p->woken = false;
    timing_begin(&service->timing, clock_monotonic_ns());
    call_inside(p->loops, true);
    struct feed_result result = session_feed(&p->session, in, &p->output);
    timing_flush(&service->timing, &service->stats);
    call_inside(p->loops, false);
    require(result.consumed <= in.len, "consumed more than there is");
    bool dropped = session_oom(&p->session, &p->output);
    require(!dropped || p->loops->inside != NULL, "no memory");
    if (in.len > 0) // the session may have decoded bytes in place
        memcpy(p->requests.ptr + p->done, in.ptr, in.len);
    p->done += result.consumed;
    p->status = result.status;
    guard_release(&guard);
    bool killed = p->session.killed || dropped;
    if (!p->slow && !killed)
        read_all(p);
    if (killed || (p->status == FEED_CLOSE && output_pending(&p->output) == 0))
        close_party(p);
}

bool loops_deliver(struct loops *l)
{
    if (l->post_count == 0)
        return false;
    struct loop_task *task = l->posts[0].task;
    unsigned number = l->posts[0].number;
    memmove(l->posts, l->posts + 1, --l->post_count * sizeof *l->posts);
    call_inside(l, true);
    loop_task_arrive(task, &l->service[number], number);
    call_inside(l, false);
    return true;
}

static bool has_turn(const struct party *p)
{
    if (p->closed)
        return false;
    if (p->woken || p->session.killed)
        return true;
    return p->status == FEED_TURN_OVER || (p->status == FEED_OUTPUT_FULL && !p->slow) ||
           (p->status == FEED_NEEDS_INPUT && p->sent > p->done);
}

void loops_run(struct loops *l)
{
    for (bool busy = true; busy;) {
        busy = false;
        for (unsigned i = 0; i < l->party_count; i++) {
            struct party *p = l->parties[i];
            if (!has_turn(p))
                continue;
            size_t before = p->done;
            busy |= p->woken; // its turn may wake others
            party_turn(p);
            // A party with an incomplete request has no more work.
            busy |= p->closed || p->done > before || p->status != FEED_NEEDS_INPUT;
        }
        busy |= loops_deliver(l);
    }
}

struct span party_receive(struct party *p)
{
    static struct buf received;
    if (!p->closed)
        read_all(p);
    received.len = 0;
    buf_append(&received, buf_span(&p->received));
    p->received.len = 0;
    return buf_span(&received);
}

const char *one_line(const char *requests)
{
    static char name[160];
    size_t len = 0;
    for (; requests[len] != '\0' && len + 1 < sizeof name; len++)
        name[len] = requests[len] == '\n' ? ';' : requests[len];
    name[len] = '\0';
    return name;
}

bool replies(struct party *p, const char *requests, const char *wanted)
{
    party_send(p, requests);
    loops_run(p->loops);
    return is_bytes(party_receive(p), span_text(wanted), "%s", one_line(requests));
}
