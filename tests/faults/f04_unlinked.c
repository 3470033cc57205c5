// Fault F4 (docs/faults.md): the data file and its index file are unlinked while they are served.
// Nothing changes.
#include <unistd.h>

#include "data/dataset.h"
#include "faults/support/hammer.h"
#include "support/server.h"
#include "support/table.h"
#include "support/tap.h"
#include "support/watch.h"

static const struct table table = {4, 300};

static void check_server(void)
{
    struct held_file file;
    held_make(&file, 300, false);
    const char *path = test_file("served.data", buf_span(&file.text));
    struct hammer h;
    struct server_process s = server_start(path, WORDS("--threads", "2"));
    log_await(s.log_path, "wrote '");
    hammer_start(&h, s.port, &file);
    require(unlink(path) == 0 && unlink(test_path("served.data.idx")) == 0, "cannot unlink");
    hammer_await(&h);
    hammer_stop(&h);
    is_number((int64_t)(atomic_load(&h.wrong) + atomic_load(&h.refused) + atomic_load(&h.closed)),
              0, "every reply is exact");
    hammer_check(s.port, &file, file.text.len, "removed");
    ok(hammer_info(s.port, "dataset", "dataset_status:ok"), "INFO reports sound data");
    is_number(server_stop(&s), 0, "the server ends well");
    is_number(log_warnings(s.log_path), 1,
              "the only warning is about the last line, which has no newline");
    held_release(&file);
}

// The check of the files that the server makes every second.
static void check_look(void)
{
    struct opened o;
    const char *path = table_file(&table, "table.data");
    opened_init(&o, path, DATASET_INDEX_WRITE, NULL);
    dataset_finish(o.dataset, NULL);
    notices_clear(&o.notices);
    require(unlink(path) == 0 && unlink(test_path("table.data.idx")) == 0, "cannot unlink");
    dataset_check(o.dataset);
    is_text(dataset_status(o.dataset), "ok", "the check finds sound data");
    is_text(dataset_index_status(o.dataset), "mapped", "the check finds a sound index");
    is_number(o.notices.count, 0, "nothing is reported");
    ok(table_is_served(&table, o.dataset), "all keys are served");
    opened_close(&o);
}

int main(void)
{
    check_server();
    check_look();
    return done_testing();
}
