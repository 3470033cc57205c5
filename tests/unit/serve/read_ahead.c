// The requests of several sessions are read ahead into one batch, looked up together and then
// answered. Each session gets the replies that it would get if it were alone.
#include <stdlib.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/error.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/feed.h"
#include "support/guard.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

// Sizes of values: empty, small, copied, borrowed, and larger than the output may be.
static const size_t sizes[] = {0, 1, 10, 100, 4095, 4096, 16000, 17000, 100 * 1024, 300 * 1024};
enum { VALUES = sizeof sizes / sizeof *sizes, KEYS = 40, SMALL_KEYS = 4, SESSIONS = 20 };

static struct service_group group;
static struct service service;
static struct dataset *dataset;
static struct item {
    char key[UUID_TEXT_LEN + 1];
    struct span value;
} items[KEYS];

static void open_dataset(struct random *r)
{
    static struct buf text;
    struct error error = {""};
    size_t at[KEYS];
    for (unsigned i = 0; i < KEYS; i++) {
        uuid_format((struct uuid){random_next(r), random_next(r)}, items[i].key);
        buf_append_text(&text, items[i].key);
        buf_append_text(&text, " ");
        at[i] = text.len;
        append_bytes(&text, (char)('!' + i), sizes[i % VALUES]);
        buf_append_text(&text, "\n");
    }
    for (unsigned i = 0; i < KEYS; i++)
        items[i].value = span_of(text.ptr + at[i], sizes[i % VALUES]);
    dataset = dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
}

static void start_service(void)
{
    service_group_init(&group, &test_settings, dataset, command_groups);
    service_init(&service, &group);
}

// ---- a client: its requests, the right replies, and its progress --------------------------------

struct client {
    struct session session;
    struct output output;
    struct buf said;   // all bytes that it will send
    struct buf given;  // the bytes that the session has got, with what it has decoded in place
    struct buf wanted; // all replies that it must get
    struct buf heard;  // the replies that it has got
    size_t sent;       // bytes of `said` that the session may see
    size_t done;       // bytes of `said` that the session has consumed
    enum feed_status status;
    bool gone;
    struct guard guard; // the input of this turn
    struct bytes in;
    uint64_t lookups;  // number of lookups that its requests must count
    uint64_t commands; // number of commands that they must count
    bool resp3;
};

static void client_init(struct client *c, uint64_t id)
{
    *c = (struct client){.status = FEED_NEEDS_INPUT};
    session_init(&c->session, &service, id, true);
}

static void client_release(struct client *c)
{
    session_release(&c->session);
    output_release(&c->output);
    buf_release(&c->said);
    buf_release(&c->given);
    buf_release(&c->wanted);
    buf_release(&c->heard);
    guard_release(&c->guard);
}

// Reads at most `most` bytes of the output, one iovec at a time.
static void client_drain(struct client *c, size_t most)
{
    struct iovec vector;
    while (most > 0 && output_iovecs(&c->output, SIZE_MAX, &vector, 1) == 1) {
        size_t part = vector.iov_len < most ? vector.iov_len : most;
        buf_append(&c->heard, span_of(vector.iov_base, part));
        output_take(&c->output, part);
        most -= part;
    }
}

// Copies the client's input to memory that ends at a guard page.
static void client_begin(struct client *c)
{
    buf_append(&c->given, span_of(c->said.ptr + c->given.len, c->sent - c->given.len));
    c->in = guard_copy(&c->guard, span_of(c->given.ptr + c->done, c->sent - c->done));
}

static void client_feed(struct client *c)
{
    struct feed_result result = session_feed(&c->session, c->in, &c->output);
    require(result.consumed <= c->in.len, "consumed more than there is");
    require(!session_oom(&c->session, &c->output), "no memory");
    if (c->in.len > 0)
        memcpy(c->given.ptr + c->done, c->in.ptr, c->in.len);
    c->done += result.consumed;
    c->status = result.status;
    guard_release(&c->guard);
}

// One turn for all clients: all are read ahead, as far as the batch has room, before the first is
// fed.
static void take_turn(struct client *const *clients, unsigned count)
{
    timing_begin(&service.timing, clock_monotonic_ns());
    for (unsigned i = 0; i < count; i++)
        client_begin(clients[i]);
    for (unsigned i = 0; i < count && !batch_is_full(&service.batch); i++)
        session_read_ahead(&clients[i]->session, clients[i]->in);
    batch_look_up(&service.batch, dataset);
    for (unsigned i = 0; i < count; i++)
        client_feed(clients[i]);
    timing_flush(&service.timing, &service.stats);
}

static bool batch_is_empty(void)
{
    return service.batch.holders == 0 && service.batch.requests == 0 && service.batch.keys == 0 &&
           service.batch.args == 0;
}

// Gives all clients turns, and reads their output after each, until none has more to do.
static void take_turns(struct client *clients, unsigned count)
{
    for (bool busy = true; busy;) {
        struct client *line[SESSIONS];
        unsigned len = 0;
        busy = false;
        for (unsigned i = 0; i < count; i++)
            if (clients[i].status != FEED_CLOSE)
                line[len++] = &clients[i];
        take_turn(line, len);
        for (unsigned i = 0; i < count; i++) {
            busy |= clients[i].status == FEED_OUTPUT_FULL || clients[i].status == FEED_TURN_OVER;
            client_drain(&clients[i], SIZE_MAX);
        }
    }
}

static bool heard_all(const struct client *c)
{
    return span_equal(buf_span(&c->heard), buf_span(&c->wanted)) && c->done == c->said.len;
}

// ---- requests and their replies -----------------------------------------------------------------

static const char absent[] = "00000000-0000-4000-8000-000000000000";

static void want_value(struct client *c, const struct item *item)
{
    if (item != NULL)
        append_bulk(&c->wanted, item->value);
    else
        buf_append_text(&c->wanted, c->resp3 ? "_\r\n" : "$-1\r\n");
}

static const char *key_of(const struct item *item)
{
    return item != NULL ? item->key : absent;
}

static void say_get(struct client *c, const struct item *item)
{
    append_bytes(&c->said, '*', 1);
    buf_append_text(&c->said, "2\r\n$3\r\nGET\r\n");
    append_bulk(&c->said, span_text(key_of(item)));
    want_value(c, item);
    c->lookups++;
    c->commands++;
}

static void say_ping(struct client *c)
{
    append_request(&c->said, "PING");
    buf_append_text(&c->wanted, "+PONG\r\n");
    c->commands++;
}

// An MGET of `keys` keys: the four small ones and an absent one, over and over.
static void say_mget(struct client *c, unsigned keys)
{
    buf_printf(&c->said, "*%u\r\n$4\r\nmget\r\n", keys + 1);
    buf_printf(&c->wanted, "*%u\r\n", keys);
    for (unsigned i = 0; i < keys; i++) {
        const struct item *item = i % 5 == SMALL_KEYS ? NULL : &items[i % 5];
        append_bulk(&c->said, span_text(key_of(item)));
        want_value(c, item);
    }
    c->lookups += keys;
    c->commands++;
}

// Returns a random item or NULL. Most items are small, so the output is full only now and then.
static const struct item *any_item(struct random *r)
{
    uint64_t which = random_below(r, 20);
    return which < 4    ? NULL
           : which < 17 ? &items[which % SMALL_KEYS]
                        : &items[random_below(r, KEYS)];
}

static void say_any(struct random *r, struct client *c)
{
    const struct item *item = any_item(r);
    unsigned keys = (unsigned)random_below(r, random_below(r, 30) == 0 ? 700 : 12) + 1;
    uint64_t exist = 0;
    switch (random_below(r, 14)) {
    case 0:
    case 1:
    case 2: say_get(c, item); break;
    case 3: say_ping(c); break;
    case 4: say_mget(c, keys); break;
    case 5:
        buf_printf(&c->said, "*%u\r\n$6\r\nExists\r\n", keys + 1);
        for (unsigned i = 0; i < keys; i++) {
            item = any_item(r);
            append_bulk(&c->said, span_text(key_of(item)));
            exist += item != NULL;
        }
        buf_printf(&c->wanted, ":%d\r\n", (int)exist);
        c->lookups += keys;
        c->commands++;
        break;
    case 6:
        buf_append_text(&c->said, "*2\r\n$6\r\nSTRLEN\r\n");
        append_bulk(&c->said, span_text(key_of(item)));
        buf_printf(&c->wanted, ":%zu\r\n", item != NULL ? item->value.len : 0);
        c->lookups++;
        c->commands++;
        break;
    case 7:
        append_request(&c->said, "GETT a");
        buf_append_text(&c->wanted,
                        "-ERR unknown command 'GETT', with args beginning with: 'a' \r\n");
        break;
    case 8:
        append_request(&c->said, random_below(r, 2) == 0 ? "get" : "get a b");
        buf_append_text(&c->wanted, "-ERR wrong number of arguments for 'get' command\r\n");
        break;
    case 9:
        buf_printf(&c->said, "get  \"%s\"\r\n", key_of(item));
        want_value(c, item);
        c->lookups++;
        c->commands++;
        break;
    case 10: buf_append_text(&c->said, random_below(r, 2) == 0 ? "*0\r\n" : "\r\n"); break;
    case 11:
        append_request(&c->said, "SET a b");
        buf_append_text(&c->wanted, "-READONLY You can't write against a read only replica.\r\n");
        break;
    case 12:
        append_request(&c->said, "CLIENT ID");
        buf_printf(&c->wanted, ":%llu\r\n", (unsigned long long)c->session.id);
        c->commands++;
        break;
    default:
        append_request(&c->said, "TYPE x");
        buf_append_text(&c->wanted, "+none\r\n");
        c->lookups++;
        c->commands++;
        break;
    }
}

// ---- random conversations -----------------------------------------------------------------------

// The same conversation, with all requests in one input and without other clients.
static void hold_alone(struct client *c, const struct client *other)
{
    client_init(c, other->session.id);
    buf_append(&c->said, buf_span(&other->said));
    buf_append(&c->wanted, buf_span(&other->wanted));
    c->sent = c->said.len;
    take_turns(c, 1);
}

// One turn for some of the clients. Some of them send more bytes, some are read ahead, and
// sometimes one leaves before it is fed.
static void take_random_turn(struct random *r, struct client *clients, unsigned count)
{
    bool chosen[SESSIONS] = {false};
    timing_begin(&service.timing, clock_monotonic_ns());
    for (unsigned i = 0; i < count; i++) {
        struct client *c = &clients[i];
        chosen[i] = !c->gone && random_below(r, 4) > 0;
        if (!chosen[i])
            continue;
        uint64_t most = random_below(r, 3) == 0 ? 20 : 5000;
        size_t more = random_below(r, most);
        // Like the loop, reads no more input while the session has work left.
        if (c->status == FEED_NEEDS_INPUT)
            c->sent += more < c->said.len - c->sent ? more : c->said.len - c->sent;
        client_begin(c);
        if (random_below(r, 5) > 0)
            session_read_ahead(&c->session, c->in);
    }
    batch_look_up(&service.batch, dataset);
    for (unsigned i = 0; i < count; i++) {
        struct client *c = &clients[i];
        if (!chosen[i])
            continue;
        if (random_below(r, 1000) == 0) {
            c->gone = true;
            session_release(&c->session);
            guard_release(&c->guard);
        } else {
            client_feed(c);
        }
        client_drain(c, random_below(r, 3) == 0 ? random_below(r, 100000) : SIZE_MAX);
    }
    timing_flush(&service.timing, &service.stats);
}

static void check_random(struct random *r)
{
    enum { ROUNDS = 150, REQUESTS = 60 };
    static struct client clients[SESSIONS];
    unsigned wrong = 0, wrong_alone = 0, wrong_counts = 0, gone = 0, talked = 0, kept = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = 1 + (unsigned)random_below(r, SESSIONS);
        uint64_t lookups = 0, commands = 0;
        start_service();
        for (unsigned i = 0; i < count; i++) {
            client_init(&clients[i], i + 1);
            for (unsigned j = (unsigned)random_below(r, REQUESTS); j > 0; j--)
                say_any(r, &clients[i]);
        }
        bool busy = true;
        bool left = false;
        while (busy) {
            take_random_turn(r, clients, count);
            kept += !batch_is_empty();
            busy = false;
            for (unsigned i = 0; i < count; i++)
                busy |= !clients[i].gone && (clients[i].done < clients[i].said.len ||
                                             output_pending(&clients[i].output) > 0);
        }
        for (unsigned i = 0; i < count; i++) {
            struct client *c = &clients[i];
            if (c->gone) {
                wrong += c->heard.len > c->wanted.len ||
                         !span_equal(buf_span(&c->heard), span_of(c->wanted.ptr, c->heard.len));
                gone++;
                left = true;
            } else {
                wrong += !heard_all(c);
            }
            lookups += c->lookups;
            commands += c->commands;
            talked++;
        }
        const struct stats *s = &service.stats;
        wrong_counts +=
            !left &&
            (counter_get(&s->keyspace_hits) + counter_get(&s->keyspace_misses) != lookups ||
             counter_get(&s->commands_processed) != commands);
        for (unsigned i = 0; i < count; i++) {
            struct client alone;
            if (!clients[i].gone) {
                hold_alone(&alone, &clients[i]);
                wrong_alone += !span_equal(buf_span(&alone.heard), buf_span(&clients[i].heard));
                client_release(&alone);
            }
            client_release(&clients[i]);
        }
        service_release(&service);
    }
    is_number(wrong, 0, "%u random conversations, up to %d at once: each gets the right replies",
              talked, SESSIONS);
    is_number(wrong_alone, 0, "each gets the same replies when it is alone");
    is_number(wrong_counts, 0, "commands and lookups are counted correctly");
    is_number(kept, 0, "the batch is empty after each turn");
    diag("%u clients left in the middle", gone);
}

// ---- cases --------------------------------------------------------------------------------------

static struct client clients[SESSIONS];

static void start_clients(unsigned count)
{
    start_service();
    for (unsigned i = 0; i < count; i++)
        client_init(&clients[i], i + 1);
}

static void send_everything(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        clients[i].sent = clients[i].said.len;
}

// Compares the replies of all clients, and ends them. Nothing may be left in the batch.
static void check_replies(unsigned count, const char *what)
{
    for (unsigned i = 0; i < count; i++) {
        is_bytes(buf_span(&clients[i].heard), buf_span(&clients[i].wanted), "%s: client %u", what,
                 i);
        client_release(&clients[i]);
    }
    ok(batch_is_empty(), "%s: the batch is empty", what);
    service_release(&service);
}

// All keys are looked up before the first client is answered, and not again after that.
static void check_together(void)
{
    start_clients(3);
    struct batch *batch = &service.batch;
    for (unsigned i = 0; i < 3; i++) {
        say_get(&clients[i], &items[i]);
        say_mget(&clients[i], 5);
        say_ping(&clients[i]);
    }
    send_everything(3);
    timing_begin(&service.timing, clock_monotonic_ns());
    for (unsigned i = 0; i < 3; i++) {
        client_begin(&clients[i]);
        session_read_ahead(&clients[i].session, clients[i].in);
    }
    ok(batch->holders == 3 && batch->requests == 9 && batch->keys == 18,
       "one batch has the requests of three clients");
    batch_look_up(batch, dataset);
    is_number(batch->looked_up, 18, "their keys are looked up together");
    // The batch gets another offset for one key. A client that looked the key up again would get
    // the right value.
    uint64_t second = batch->offset[6];
    batch->offset[6] = batch->offset[12];
    clients[1].wanted.len = 0;
    want_value(&clients[1], &items[2]);
    buf_append_text(&clients[1].wanted, "*5\r\n");
    for (unsigned i = 0; i < 5; i++)
        want_value(&clients[1], i == SMALL_KEYS ? NULL : &items[i]);
    buf_append_text(&clients[1].wanted, "+PONG\r\n");
    ok(second != batch->offset[6], "(one key of the second client has the offset of another)");
    for (unsigned i = 0; i < 3; i++) {
        is_number(batch->holders, 3 - i, "clients with requests in the batch");
        client_feed(&clients[i]);
        client_drain(&clients[i], SIZE_MAX);
    }
    timing_flush(&service.timing, &service.stats);
    check_replies(3, "read ahead together");
}

static void check_released(void)
{
    for (unsigned who = 0; who < 3; who++) {
        start_clients(3);
        for (unsigned i = 0; i < 3; i++)
            for (unsigned j = 0; j < 10; j++)
                say_get(&clients[i], &items[(i + j) % SMALL_KEYS]);
        send_everything(3);
        timing_begin(&service.timing, clock_monotonic_ns());
        for (unsigned i = 0; i < 3; i++) {
            client_begin(&clients[i]);
            session_read_ahead(&clients[i].session, clients[i].in);
        }
        batch_look_up(&service.batch, dataset);
        for (unsigned i = 0; i < 3; i++) {
            if (i == who) {
                session_release(&clients[i].session);
                guard_release(&clients[i].guard);
                clients[i].wanted.len = 0;
            } else {
                client_feed(&clients[i]);
                client_drain(&clients[i], SIZE_MAX);
            }
        }
        timing_flush(&service.timing, &service.stats);
        check_replies(3, "one client is gone before it is answered");
    }
    start_clients(2);
    say_get(&clients[0], &items[0]);
    say_get(&clients[1], &items[1]);
    send_everything(2);
    for (unsigned i = 0; i < 2; i++) {
        client_begin(&clients[i]);
        session_read_ahead(&clients[i].session, clients[i].in);
        clients[i].wanted.len = 0;
    }
    session_release(&clients[1].session);
    is_number(service.batch.holders, 1, "a released session has no requests in the batch any more");
    session_release(&clients[0].session);
    check_replies(2, "all clients have left");
}

// The batch is full in the middle of a client's requests. The others are answered without it.
static void check_full(void)
{
    static const unsigned lengths[][3] = {
        {100, 100, 100}, {BATCH_REQUESTS - 1, 2, 1}, {BATCH_REQUESTS, 1, 1}, {600, 600, 1}};
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (unsigned kind = 0; kind < 3; kind++) {
            start_clients(3);
            for (unsigned j = 0; j < 3; j++) {
                for (unsigned k = 0; k < lengths[i][j]; k++) {
                    if (kind == 0)
                        say_get(&clients[j], &items[k % SMALL_KEYS]);
                    else if (kind == 1)
                        say_ping(&clients[j]);
                    else
                        say_mget(&clients[j], 1 + k % 9);
                }
            }
            send_everything(3);
            take_turns(clients, 3);
            check_replies(3, "the batch is full in the middle");
        }
    }
}

// Requests that were read ahead after the one that filled the output are read again later.
static void check_output_full(void)
{
    enum { LARGE = VALUES - 1 }; // more than the output may hold
    start_clients(3);
    for (unsigned i = 0; i < 3; i++) {
        say_get(&clients[i], &items[1]);
        if (i == 1)
            say_get(&clients[i], &items[LARGE]);
        for (unsigned j = 0; j < 20; j++)
            say_get(&clients[i], &items[j % SMALL_KEYS]);
    }
    send_everything(3);
    struct client *line[] = {&clients[0], &clients[1], &clients[2]};
    take_turn(line, 3);
    is_number(clients[1].status, FEED_OUTPUT_FULL, "the output is full in the middle");
    is_number((int64_t)clients[1].done, 2 * (int64_t)(clients[0].said.len / 21),
              "two requests are consumed");
    ok(clients[0].done == clients[0].said.len && clients[2].done == clients[2].said.len,
       "all requests of the other clients are answered");
    ok(batch_is_empty(), "the batch is empty after the turn");
    for (unsigned i = 0; i < 3; i++) {
        take_turn(&line[1], 1);
        is_number(clients[1].status, FEED_OUTPUT_FULL,
                  "it stays full while the client does not read");
    }
    ok(clients[1].done == 2 * (clients[0].said.len / 21),
       "no more requests of this client are consumed");
    take_turns(clients, 3);
    is_number((int64_t)counter_get(&service.stats.commands_processed), 3 * 21 + 1,
              "each command is counted once");
    check_replies(3, "output full");

    // The output is full in the middle of an MGET, whose keys were all in the batch. It continues
    // in the next turn, without that batch.
    start_clients(2);
    for (unsigned i = 0; i < 2; i++) {
        struct client *c = &clients[i];
        say_ping(c);
        buf_append_text(&c->said, "*21\r\n$4\r\nMGET\r\n");
        buf_append_text(&c->wanted, "*20\r\n");
        for (unsigned j = 0; j < 20; j++) {
            const struct item *item = &items[(j + i) % 4 == 0 ? LARGE : j];
            append_bulk(&c->said, span_text(item->key));
            want_value(c, item);
        }
        say_get(c, &items[3]);
        say_ping(c);
    }
    send_everything(2);
    take_turns(clients, 2);
    is_number((int64_t)counter_get(&service.stats.keyspace_hits), 2 * 21,
              "each key is looked up once");
    check_replies(2, "output full in an MGET");
}

static void check_turn_over(void)
{
    enum { LONG = 3 * SESSION_TURN_WORK };
    start_clients(3);
    for (unsigned i = 0; i < LONG; i++)
        say_ping(&clients[0]);
    for (unsigned i = 0; i < 40; i++)
        say_mget(&clients[1], 100);
    for (unsigned i = 0; i < 10; i++)
        say_get(&clients[2], &items[i % SMALL_KEYS]);
    send_everything(3);
    struct client *line[] = {&clients[2], &clients[1], &clients[0]};
    take_turn(line, 3);
    ok(clients[0].status == FEED_TURN_OVER && clients[1].status == FEED_TURN_OVER &&
           clients[2].status == FEED_NEEDS_INPUT,
       "the turn ends for clients that send much work");
    is_number((int64_t)clients[0].done, SESSION_TURN_WORK * (int64_t)(clients[0].said.len / LONG),
              "after SESSION_TURN_WORK commands");
    is_number((int64_t)clients[1].done,
              SESSION_TURN_WORK / 101 * (int64_t)(clients[1].said.len / 40),
              "after as many keys; an unfinished MGET is not consumed");
    take_turns(clients, 3);
    is_number((int64_t)counter_get(&service.stats.commands_processed), LONG + 40 + 10,
              "all commands are counted once");
    is_number((int64_t)(counter_get(&service.stats.keyspace_hits) +
                        counter_get(&service.stats.keyspace_misses)),
              40 * 100 + 10, "all lookups are counted once");
    check_replies(3, "the turn is over");
}

static void check_large_mgets(void)
{
    static const unsigned keys[] = {
        BATCH_CHUNK - 1, BATCH_CHUNK,    BATCH_CHUNK + 1, BATCH_KEYS - 1, BATCH_KEYS,
        BATCH_KEYS + 1,  BATCH_ARGS - 2, BATCH_ARGS - 1,  BATCH_ARGS,     5000};
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        start_clients(3);
        for (unsigned j = 0; j < 3; j++) {
            say_get(&clients[j], &items[j]);
            if (j > 0)
                say_mget(&clients[j], keys[i]);
            say_get(&clients[j], &items[3 - j]);
        }
        send_everything(3);
        take_turns(clients, 3);
        is_number((int64_t)(counter_get(&service.stats.keyspace_hits) +
                            counter_get(&service.stats.keyspace_misses)),
                  2 * (int64_t)keys[i] + 6, "MGET of %u keys: each lookup is counted once",
                  keys[i]);
        check_replies(3, "MGETs");
    }
}

// A request closes the client in the middle. It stands between good requests of that client and
// those of others.
static void check_closing(void)
{
    static const struct {
        const char *said;
        const char *wanted;
    } cases[] = {
        {"*1\r\n$4\r\nQUIT\r\n", "+OK\r\n"},
        {"QUIT\r\n", "+OK\r\n"},
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
        {"*1\r\n+\r\n", "-ERR Protocol error: expected '$', got '+'\r\n"},
        {"*2\r\n$3\r\nGET\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
        {"PING \"\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
        {"*1\r\n$5\r\nhost:\r\n", ""},
        {"*1\r\n$4\r\nPOST\r\n", ""},
        {"GET / HTTP/1.1\r\n", ""},
        {"\x16\x03\x01", ""},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        start_clients(3);
        for (unsigned j = 0; j < 3; j++) {
            for (unsigned k = 0; k < 5; k++)
                say_get(&clients[j], &items[k % SMALL_KEYS]);
            if (j != 1)
                continue;
            size_t wanted = clients[j].wanted.len;
            buf_append_text(&clients[j].said, cases[i].said);
            say_get(&clients[j], &items[0]);
            clients[j].wanted.len = wanted;
            buf_append_text(&clients[j].wanted, cases[i].wanted);
        }
        send_everything(3);
        struct client *line[] = {&clients[0], &clients[1], &clients[2]};
        take_turn(line, 3);
        is_number(clients[1].status, FEED_CLOSE, "case %u closes the client", i);
        is_number((int64_t)counter_get(&service.stats.keyspace_hits), 15,
                  "requests after it are not answered");
        for (unsigned j = 0; j < 3; j++)
            client_drain(&clients[j], SIZE_MAX);
        check_replies(3, "one client is closed");
    }
}

static void check_hello(void)
{
    struct buf greeting = {0};
    start_clients(3);
    say_get(&clients[0], NULL);
    append_request(&clients[1].said, "HELLO 3");
    send_everything(2);
    take_turns(clients, 2);
    buf_append(&greeting, buf_span(&clients[1].heard));
    ok(greeting.len > 4 && memcmp(greeting.ptr, "%7\r\n", 4) == 0, "HELLO 3 is answered in RESP3");
    for (unsigned i = 0; i < 3; i++)
        client_release(&clients[i]);
    service_release(&service);

    start_clients(3);
    for (unsigned i = 0; i < 3; i++) {
        struct client *c = &clients[i];
        say_get(c, NULL);
        say_mget(c, 6);
        if (i == 1) {
            append_request(&c->said, "HELLO 3");
            buf_append(&c->wanted, buf_span(&greeting));
            c->resp3 = true;
        }
        say_get(c, NULL);
        say_mget(c, 6);
        say_mget(c, BATCH_KEYS + 44);
        if (i == 1) {
            append_request(&c->said, "RESET");
            buf_append_text(&c->wanted, "+RESET\r\n");
            c->resp3 = false;
        }
        say_get(c, NULL);
    }
    send_everything(3);
    take_turns(clients, 3);
    check_replies(3, "HELLO 3 changes the replies after it");
    buf_release(&greeting);
}

// A message is delivered between two replies, also between two requests that were read ahead.
static void check_push(void)
{
    static const char push[] = ">1\r\n$4\r\npush\r\n";
    start_clients(2);
    say_get(&clients[0], &items[1]);
    buf_append_text(&clients[1].wanted, push);
    say_get(&clients[1], &items[2]);
    send_everything(2);
    session_push(&clients[1].session, span_text(push));
    take_turns(clients, 2);
    check_replies(2, "a message");
}

// An incomplete request is not read ahead, however often its bytes are fed.
static void check_partial(void)
{
    start_clients(2);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < 4; j++)
            say_mget(&clients[i], 3);
    size_t total = clients[0].said.len;
    for (size_t sent = 0; sent <= total; sent++) {
        clients[0].sent = sent;
        clients[1].sent = total;
        clients[1].done = sent == total ? 0 : total;
        struct client *line[] = {&clients[0], &clients[1]};
        take_turn(line, 2);
        require(clients[0].status == FEED_NEEDS_INPUT,
                "the session waits for something else than input");
        client_drain(&clients[0], SIZE_MAX);
        client_drain(&clients[1], SIZE_MAX);
    }
    check_replies(2, "one client byte by byte, beside another");

    // The session continues to parse an incomplete request where it has stopped. Reading ahead
    // would parse it from its start again.
    start_clients(1);
    say_mget(&clients[0], 100);
    struct client *line[] = {&clients[0]};
    clients[0].sent = clients[0].said.len / 2;
    take_turn(line, 1);
    clients[0].sent = clients[0].said.len;
    client_begin(&clients[0]);
    session_read_ahead(&clients[0].session, clients[0].in);
    ok(clients[0].session.request.progress.at > clients[0].said.len / 4 && batch_is_empty(),
       "a partly parsed request is not read ahead");
    guard_release(&clients[0].guard);
    take_turns(clients, 1);
    check_replies(1, "a partly parsed request is answered");
}

int main(void)
{
    struct random r = random_seeded();
    open_dataset(&r);
    check_together();
    check_released();
    check_full();
    check_output_full();
    check_turn_over();
    check_large_mgets();
    check_closing();
    check_hello();
    check_push();
    check_partial();
    check_random(&r);
    dataset_close(dataset);
    return done_testing();
}
