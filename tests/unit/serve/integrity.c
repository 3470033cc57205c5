// Damage that is found while a session reads (serve/integrity.h). If the session may have read
// wrong bytes, it is killed. A page that a reader thread could not read concerns only who needs it.
#include "serve/integrity.h"

#include <errno.h>
#include <string.h>

#include "base/mapping.h"
#include "faults/support/slow_disk.h"
#include "serve/snapshot.h"
#include "support/server.h"
#include "support/table.h"
#include "support/tap.h"

enum { PAGE = 4096, LINES = 3000 };

static const struct table table = {17, LINES};

// Reads keys as reader threads do, until a read has met the bytes from `from` to `to`, which cannot
// be read.
static void lose(const struct dataset *d, uint64_t from, uint64_t to)
{
    char room[1024];
    struct dataset_line line;
    unsigned before = dataset_damage(d);
    slow_disk_fail(from, to, EIO);
    for (unsigned i = 0; i < LINES && dataset_damage(d) == before; i++)
        (void)dataset_read_key(d, table_key(&table, i), true, (struct bytes){room, sizeof room},
                               &line);
    require(dataset_damage(d) != before, "no damage was found");
    slow_disk_reset();
}

static void begin(struct session *s)
{
    integrity_begin(s);
    s->integrity.reads = true;
    s->killed = false;
}

static unsigned calls;

// Waits for lines in its first call, and then finds that the index has changed. The second call
// goes on in the next turn, but waits for nothing.
static enum command_result wait_in_vain(struct session *s, const struct resp_request *r)
{
    (void)r;
    if (calls++ == 0) {
        s->parked = true;
        session_revoke_reply(s);
    }
    return COMMAND_AGAIN;
}

// If the session stayed parked, nothing would ever wake it.
static void check_second_call(struct session *s)
{
    static const struct command command = {
        .name = "wait", .flags = ORDERED, .handler = wait_in_vain};
    static const struct command_entry entry = {.command = &command};
    struct output out = {0};
    struct resp_request request = {0};
    s->request.running = &entry;
    s->reply.out = &out;
    ok(integrity_call(s, &request) == COMMAND_AGAIN && calls == 2,
       "a handler is called again after the index has changed");
    ok(!s->parked, "the session waits only if the last call does");
    s->request.running = NULL;
    output_release(&out);
}

int main(void)
{
    static struct opened o;
    struct buf text = {0};
    struct snapshot snapshot;
    struct session s = {.snapshot = &snapshot};
    table_append(&table, &text);
    mapping_catch_faults();
    opened_init(&o, test_file("data", buf_span(&text)), DATASET_INDEX_NONE, NULL);
    require(o.dataset != NULL, "%s", o.error.text);
    snapshot = (struct snapshot){.dataset = o.dataset};

    begin(&s);
    integrity_check(&s);
    ok(!s.killed && !s.integrity.careful, "no damage: the session goes on");
    unsigned stamp = s.reply.damage_stamp;
    lose(o.dataset, 0, PAGE);
    integrity_check(&s);
    ok(!s.killed, "the first page that cannot be read: the session goes on");
    ok(snapshot_is_intact(&snapshot.ref, stamp), "a value that is being sent is right");

    begin(&s);
    ok(s.integrity.careful, "from then on keys are checked");
    lose(o.dataset, 2 * PAGE, 3 * PAGE);
    integrity_check(&s);
    ok(!s.killed, "another page: the session goes on");
    ok(snapshot_is_intact(&snapshot.ref, s.reply.damage_stamp) &&
           snapshot_is_intact(&snapshot.ref, stamp),
       "values that are being sent are right");

    begin(&s);
    file_resize(test_path("data"), 5 * PAGE + 100);
    integrity_check(&s);
    ok(s.killed, "a file that was cut: the session is killed");
    ok(!snapshot_is_intact(&snapshot.ref, stamp), "a value that is being sent may be wrong");

    begin(&s);
    integrity_check(&s);
    ok(!s.killed, "with the same damage as before, the session goes on");
    check_second_call(&s);
    dataset_close(o.dataset);
    buf_release(&text);
    return done_testing();
}
