// Faults F8 and F9 (docs/faults.md) under load. The index file belongs to other data than the data
// file, although size and times say otherwise. Or it is damaged: before the start, just after it,
// or while it is in use. The server verifies it at once, or block by block. Clients send requests
// all the time. Each existing key must have its value, and listings must be in order and complete,
// or the reply is an error. In the end all requests are answered without an error.
//
// The argument is the total number of replies to compare.
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "data/uuid_text.h"
#include "faults/support/hammer.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum {
    KEYS = 60000, // their index has 330 KB: six blocks
    CLIENTS = 4,
    PIPELINE = 32, // GETs of a round; one request of each other kind follows
    GROUP = 40,    // keys of an MGET
    WINDOW = 60,   // keys of a STELE.RANGE
    STEP = 200,    // keys of a SCAN
    REPLIES = PIPELINE + 4,
};

static const struct table ours = {1, KEYS};
static const struct table other = {2, KEYS};
static const char *data;
static const char *path; // of the index file

// ---- what is served -----------------------------------------------------------------------------

struct entry {
    struct uuid id;
    char key[UUID_TEXT_LEN + 1];
    char value[TABLE_VALUE + 1];
};

static struct entry entries[KEYS]; // in key order

static int by_id(const void *a, const void *b)
{
    return uuid_compare(&((const struct entry *)a)->id, &((const struct entry *)b)->id);
}

// Writes the data file: the table `ours`, but every `every`-th record is that of `other`. If
// `every` is 0, all records are those of `ours`.
static void write_data(size_t every)
{
    struct buf text = {0};
    for (size_t i = 0; i < KEYS; i++) {
        const struct table *t = every > 0 && i % every == every / 2 ? &other : &ours;
        struct entry *e = &entries[i];
        e->id = table_key(t, i);
        uuid_format(e->id, e->key);
        table_value(t, i, e->value);
        buf_printf(&text, "%s %s\n", e->key, e->value);
    }
    qsort(entries, KEYS, sizeof *entries, by_id);
    unlink(data);
    test_file("table.data", buf_span(&text));
    buf_release(&text);
}

// ---- the clients --------------------------------------------------------------------------------

// One client. The counters are shared by all clients.
struct client {
    int port;
    uint64_t seed;
    atomic_bool *stop;
    atomic_ullong *replies;
    atomic_ullong *refused;
    atomic_ullong *closed;
    atomic_ullong *wrong;
};

static bool is_refused(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "ERR data unreadable", 19) == 0;
}

static bool is_value(const redisReply *reply, const struct entry *e)
{
    return reply->type == REDIS_REPLY_STRING && strcmp(reply->str, e->value) == 0;
}

// Whether the reply lists exactly the `count` keys from rank `from` on.
static bool are_keys(const redisReply *reply, size_t from, size_t count)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING ||
            strcmp(reply->element[i]->str, entries[from + i].key) != 0)
            return false;
    return true;
}

// Sends the requests of one round and compares the replies. Returns false if the connection closed.
static bool run_round(struct client *a, redisContext *c, uint64_t *state)
{
    size_t gets[PIPELINE];
    size_t group = splitmix64(state) % (KEYS - GROUP);
    size_t window = splitmix64(state) % (KEYS - WINDOW);
    size_t scan = splitmix64(state) % (KEYS - STEP);
    size_t exists = splitmix64(state) % KEYS;
    const char *words[GROUP + 1] = {"MGET"};
    for (unsigned i = 0; i < PIPELINE; i++) {
        gets[i] = splitmix64(state) % KEYS;
        redisAppendCommand(c, "GET %s", entries[gets[i]].key);
    }
    for (unsigned i = 0; i < GROUP; i++)
        words[i + 1] = entries[group + i].key;
    redisAppendCommandArgv(c, GROUP + 1, words, NULL);
    redisAppendCommand(c, "STELE.RANGE %s %s", entries[window].key,
                       entries[window + WINDOW - 1].key);
    redisAppendCommand(c, "SCAN %llu COUNT %d", (unsigned long long)scan, (int)STEP);
    redisAppendCommand(c, "EXISTS %s %s", entries[exists].key, entries[group].key);
    for (unsigned i = 0; i < REPLIES; i++) {
        redisReply *reply;
        bool right = true;
        if (redisGetReply(c, (void **)&reply) != REDIS_OK)
            return false;
        if (is_refused(reply))
            atomic_fetch_add(a->refused, 1);
        else if (i < PIPELINE)
            right = is_value(reply, &entries[gets[i]]);
        else if (i == PIPELINE)
            for (unsigned j = 0; right && j < GROUP; j++)
                right = reply->type == REDIS_REPLY_ARRAY && reply->elements == GROUP &&
                        is_value(reply->element[j], &entries[group + j]);
        else if (i == PIPELINE + 1)
            right = are_keys(reply, window, WINDOW);
        else if (i == PIPELINE + 2)
            right = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                    are_keys(reply->element[1], scan, STEP);
        else
            right = reply->type == REDIS_REPLY_INTEGER && reply->integer == 2;
        atomic_fetch_add(a->replies, 1);
        if (!right && atomic_fetch_add(a->wrong, 1) == 0)
            diag("reply %u of a round is wrong: type %d, '%s', %zu elements", i, reply->type,
                 reply->str != NULL ? reply->str : "", reply->elements);
        freeReplyObject(reply);
    }
    return true;
}

static void *run_client(void *argument)
{
    struct client *a = argument;
    redisContext *c = hammer_connect(a->port);
    while (!atomic_load(a->stop)) {
        if (run_round(a, c, &a->seed))
            continue;
        atomic_fetch_add(a->closed, 1);
        redisFree(c);
        c = hammer_connect(a->port);
    }
    redisFree(c);
    return NULL;
}

// ---- the damage ---------------------------------------------------------------------------------

enum damage { BITS, PAGES, BLOCKS };

// Damages the image of the index file in place. `good` is the sound file.
static void damage(enum damage what, const struct buf *good, struct random *r)
{
    static char noise[INDEX_BLOCK];
    size_t image = INDEX_IMAGE_AT;
    size_t end = index_checksums_at(forge_header((struct buf *)(uintptr_t)good)->image_bytes);
    size_t len = what == BITS ? 1 : what == PAGES ? 4096 : INDEX_BLOCK;
    unsigned times = what == BITS ? 1 + (unsigned)random_below(r, 40) : 1;
    for (unsigned i = 0; i < times; i++) {
        size_t at = image + (what == BITS ? random_below(r, end - image)
                                          : random_below(r, (end - image) / len) * len);
        if (at + len > end)
            len = end - at;
        for (size_t j = 0; j < len; j++)
            noise[j] = (char)(what == BITS ? good->ptr[at + j] ^ (1 << random_below(r, 8))
                                           : (int)(random_next(r) & 0xff));
        file_patch(path, at, span_of(noise, len));
    }
}

// Changes the header as if the index had been built long after the data file got its present times.
// If `proven` is set, the times then prove the index. Otherwise the change time differs by 1 ns.
static void forge_times(bool proven)
{
    struct stat status;
    struct buf file = file_content(path);
    struct identity *id = &forge_header(&file)->facts.data;
    require(stat(data, &status) == 0, "no data");
    struct identity now = identity_of_file(&status);
    id->inode = now.inode;
    id->modified_ns = now.modified_ns;
    id->changed_ns = proven ? now.changed_ns : now.changed_ns - 1;
    id->read_ns = now.read_ns + INT64_C(3600) * 1000000000;
    forge_seal_header(&file);
    forge_write(path, &file);
    buf_release(&file);
}

// ---- a situation --------------------------------------------------------------------------------

enum when { BEFORE, AT_START, SERVED };

struct situation {
    const char *name;
    size_t every; // every `every`-th record differs from the indexed data; 0: none
    bool damaged; // the index file is damaged
    enum damage damage;
    enum when when;
};

static const struct situation situations[] = {
    {"a few keys changed", 20000, false, BITS, BEFORE},
    {"many keys changed", 7, false, BITS, BEFORE},
    {"all keys changed", 1, false, BITS, BEFORE},
    {"bits damaged before the start", 0, true, BITS, BEFORE},
    {"a page damaged before the start", 0, true, PAGES, BEFORE},
    {"a block damaged before the start", 0, true, BLOCKS, BEFORE},
    {"bits damaged at the start", 0, true, BITS, AT_START},
    {"a page damaged at the start", 0, true, PAGES, AT_START},
    {"a block damaged at the start", 0, true, BLOCKS, AT_START},
    {"bits damaged while it is served", 0, true, BITS, SERVED},
    {"a page damaged while it is served", 0, true, PAGES, SERVED},
    {"a block damaged while it is served", 0, true, BLOCKS, SERVED},
};

static atomic_ullong replies_all;
static atomic_ullong refused_all;
static atomic_ullong closed_all;

// Whether two rounds are answered without an error and without a closed connection.
static bool all_is_well(struct client *a)
{
    uint64_t state = 1;
    redisContext *c = hammer_connect(a->port);
    uint64_t refused = atomic_load(a->refused);
    bool well =
        run_round(a, c, &state) && run_round(a, c, &state) && atomic_load(a->refused) == refused;
    redisFree(c);
    return well;
}

static void run(const struct situation *s, bool at_once, uint64_t replies, struct random *r)
{
    atomic_bool stop = false;
    atomic_ullong wrong = 0;
    struct client client[CLIENTS];
    pthread_t threads[CLIENTS];
    write_data(0);
    unlink(path);
    index_written(data, NULL);
    if (s->every > 0) {
        // The new file gets the same size and times, as far as a program can set them.
        struct stat status;
        require(stat(data, &status) == 0, "no data");
        write_data(s->every);
        const struct timespec times[] = {status.st_atim, status.st_mtim};
        require(utimensat(AT_FDCWD, data, times, 0) == 0, "cannot set times");
    }
    forge_times(s->every == 0);
    struct buf good = file_content(path);
    if (s->damaged && s->when == BEFORE)
        damage(s->damage, &good, r);
    struct server_process server = server_start(
        data, at_once ? WORDS("--threads", "2") : WORDS("--threads", "2", "--index-verify", "1"));
    if (s->damaged && s->when == AT_START)
        damage(s->damage, &good, r);
    uint64_t target = atomic_load(&replies_all) + replies;
    for (unsigned i = 0; i < CLIENTS; i++) {
        client[i] = (struct client){server.port,  random_next(r), &stop, &replies_all,
                                    &refused_all, &closed_all,    &wrong};
        require(pthread_create(&threads[i], NULL, run_client, &client[i]) == 0, "no thread");
    }
    uint64_t part = s->when == SERVED ? replies / 4 : replies;
    while (atomic_load(&replies_all) < target - replies + part)
        usleep(200);
    if (s->damaged && s->when == SERVED)
        damage(s->damage, &good, r);
    while (atomic_load(&replies_all) < target)
        usleep(200);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    // The server also finds damage that no client has met, and rebuilds the index.
    uint64_t until = clock_monotonic_ns() + 60 * CLOCK_SECOND;
    bool mended = !s->damaged;
    while (!mended && clock_monotonic_ns() < until) {
        mended = log_has(server.log_path, "built the index of ") ||
                 log_has(server.log_path, ": building\n"); // before the start
        usleep(10000);
    }
    ok(mended && all_is_well(&client[0]), "%s, %s: in the end there are no errors", s->name,
       at_once ? "verified at once" : "block by block");
    is_number((int64_t)atomic_load(&wrong), 0, "%s, %s: no reply is wrong", s->name,
              at_once ? "verified at once" : "block by block");
    is_number(server_stop(&server), 0, "the server ends well");
    buf_release(&good);
}

int main(int argc, char *argv[])
{
    struct random r = random_seeded();
    size_t count = sizeof situations / sizeof *situations;
    uint64_t replies = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    data = test_path("table.data");
    path = test_path("table.data.idx");
    for (size_t i = 0; i < 2 * count; i++)
        run(&situations[i / 2], i % 2 == 0, replies / (2 * count), &r);
    diag("%llu replies compared, %llu refused, %llu connections closed",
         (unsigned long long)replies_all, (unsigned long long)refused_all,
         (unsigned long long)closed_all);
    return done_testing();
}
