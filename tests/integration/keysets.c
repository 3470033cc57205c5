// For every key set, ordinary and hostile, a server returns for each key the value of its last
// line. A key with one bit flipped is a miss, unless the set has that key too. In an empty file no
// key is found.
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/uuid_text.h"
#include "support/keysets.h"
#include "support/server.h"
#include "support/tap.h"

enum {
    KEYS = 100000,
    SAMPLED = 1000, // keys whose near misses are requested
    UUID_BITS = 128,
    MGET_KEYS = 100,
    IN_FLIGHT = 10, // MGETs sent before their replies are read
    VALUE_MAX = 40,
    ASKED_OF_EMPTY = 10000,
};

struct record {
    struct uuid id;
    struct span value;
};

static int compare_records(const void *a, const void *b)
{
    const struct record *x = a;
    const struct record *y = b;
    if (!uuid_equal(x->id, y->id))
        return uuid_less(x->id, y->id) ? -1 : 1;
    // Records of the same key are in the order of their lines.
    return x->value.ptr < y->value.ptr ? -1 : x->value.ptr > y->value.ptr;
}

// Sets `records` to the last record of each key in `data`, sorted by key. Returns their number.
static size_t read_records(const struct buf *data, const struct uuid *keys, size_t count,
                           struct record *records)
{
    const char *at = data->ptr;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = at + UUID_TEXT_LEN + 1;
        const char *end = memchr(value, '\n', (size_t)(data->ptr + data->len - value));
        require(end != NULL, "the file ends within a line");
        records[i] = (struct record){keys[i], {value, (size_t)(end - value)}};
        at = end + 1;
    }
    qsort(records, count, sizeof *records, compare_records);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && uuid_equal(records[kept - 1].id, records[i].id))
            kept--;
        records[kept++] = records[i];
    }
    return kept;
}

static const struct record *find(const struct record *records, size_t count, struct uuid id)
{
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        if (uuid_less(records[low + half].id, id)) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return &records[low];
}

// Returns what is wrong with the reply for `id`; NULL if it is right.
static const char *judge(const redisReply *answer, const struct record *records, size_t count,
                         struct uuid id)
{
    const struct record *record = find(records, count, id);
    if (record == records + count || !uuid_equal(record->id, id))
        return answer->type == REDIS_REPLY_NIL ? NULL : "is absent but answered";
    if (answer->type != REDIS_REPLY_STRING)
        return "is not found";
    return span_equal(span_of(answer->str, answer->len), record->value) ? NULL
                                                                        : "has another value";
}

// Requests the keys `asked` and compares the replies with the records. Returns the number of wrong
// replies and shows the first one.
static int64_t count_wrong(redisContext *client, const struct record *records, size_t count,
                           const struct uuid *asked, size_t asked_count)
{
    struct buf commands = {0};
    int64_t wrong = 0;
    char text[UUID_TEXT_LEN];
    for (size_t sent = 0, judged = 0; sent < asked_count;) {
        unsigned in_flight = 0;
        commands.len = 0;
        for (; in_flight < IN_FLIGHT && sent < asked_count; in_flight++) {
            size_t keys = asked_count - sent < MGET_KEYS ? asked_count - sent : MGET_KEYS;
            buf_printf(&commands, "*%zu\r\n$4\r\nMGET\r\n", keys + 1);
            for (; keys > 0; keys--) {
                uuid_format(asked[sent++], text);
                buf_append_text(&commands, "$36\r\n");
                buf_append(&commands, span_of(text, UUID_TEXT_LEN));
                buf_append_text(&commands, "\r\n");
            }
        }
        require(redisAppendFormattedCommand(client, commands.ptr, commands.len) == REDIS_OK,
                "no memory");
        for (; in_flight > 0; in_flight--) {
            void *gotten = NULL;
            require(redisGetReply(client, &gotten) == REDIS_OK, "no reply: %s", client->errstr);
            redisReply *reply = gotten;
            require(reply->type == REDIS_REPLY_ARRAY && reply->elements <= sent - judged,
                    "MGET answers with type %d", reply->type);
            for (size_t i = 0; i < reply->elements; i++, judged++) {
                const char *fault = judge(reply->element[i], records, count, asked[judged]);
                if (fault == NULL)
                    continue;
                uuid_format(asked[judged], text);
                if (wrong++ == 0)
                    diag("%.*s %s", UUID_TEXT_LEN, text, fault);
            }
            freeReplyObject(reply);
        }
        require(judged == sent, "MGET answers for fewer keys than asked");
    }
    buf_release(&commands);
    return wrong;
}

static redisContext *connect_to(const struct server_process *server)
{
    redisContext *client = redisConnect("127.0.0.1", server->port);
    require(client != NULL && client->err == 0, "cannot connect");
    redisSetTimeout(client, (struct timeval){.tv_sec = 20});
    return client;
}

static int64_t ask_dbsize(redisContext *client)
{
    redisReply *reply = redisCommand(client, "DBSIZE");
    int64_t size = reply != NULL && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    freeReplyObject(reply);
    return size;
}

// Sets `ids` to all keys that differ in one bit from a sampled key of the records. Returns their
// number.
static size_t fill_near_misses(struct random *r, const struct record *records, size_t count,
                               struct uuid *ids)
{
    size_t sampled = count < SAMPLED ? count : SAMPLED;
    size_t filled = 0;
    for (size_t i = 0; i < sampled; i++) {
        struct uuid id = records[sampled == count ? i : random_below(r, count)].id;
        for (unsigned bit = 0; bit < UUID_BITS; bit++) {
            struct uuid near = id;
            if (bit < 64)
                near.lo ^= UINT64_C(1) << bit;
            else
                near.hi ^= UINT64_C(1) << (bit - 64);
            ids[filled++] = near;
        }
    }
    return filled;
}

static void test_set(const struct keyset *set, struct random *r)
{
    static struct uuid keys[KEYS];
    static struct record records[KEYS];
    static struct uuid near[SAMPLED * UUID_BITS];
    struct buf data = {0};
    size_t lines = keyset_fill(set, r, keys, KEYS);
    keys_write_lines(r, keys, lines, VALUE_MAX, &data);
    size_t count = read_records(&data, keys, lines, records);
    for (size_t i = 0; i < count; i++)
        keys[i] = records[i].id;
    keys_shuffle(r, keys, count);

    struct server_process server = server_start(test_file("data", buf_span(&data)), NULL);
    redisContext *client = connect_to(&server);
    is_number(ask_dbsize(client), (int64_t)count, "%s: number of keys in %zu lines", set->name,
              lines);
    is_number(count_wrong(client, records, count, keys, count), 0,
              "%s: number of wrong replies for its keys", set->name);
    size_t near_count = fill_near_misses(r, records, count, near);
    is_number(count_wrong(client, records, count, near, near_count), 0,
              "%s: number of wrong replies for keys one bit away", set->name);
    redisFree(client);
    is_number(server_stop(&server), 0, "%s: the server's exit code", set->name);
    buf_release(&data);
}

static void test_empty_file(struct random *r)
{
    static struct uuid asked[ASKED_OF_EMPTY];
    for (size_t i = 2; i < ASKED_OF_EMPTY; i++)
        asked[i] = (struct uuid){random_next(r), random_next(r)};
    asked[1] = (struct uuid){UINT64_MAX, UINT64_MAX}; // asked[0] is the nil UUID
    struct server_process server = server_start(test_file("empty", span_of("", 0)), NULL);
    redisContext *client = connect_to(&server);
    is_number(ask_dbsize(client), 0, "the empty file has no keys");
    is_number(count_wrong(client, NULL, 0, asked, ASKED_OF_EMPTY), 0,
              "the empty file: no key is found");
    redisFree(client);
    is_number(server_stop(&server), 0, "the empty file: the server's exit code");
}

int main(void)
{
    struct random r = random_seeded();
    for (unsigned i = 0; i < keyset_count; i++)
        test_set(&keysets[i], &r);
    test_empty_file(&r);
    return done_testing();
}
