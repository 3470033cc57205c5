// Fault F40 (docs/faults.md): other programs keep all processors busy. A reload that builds an
// index, and the rebuild of a damaged one, yield to them for a bounded time. Neither waits until
// these programs end.
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "data/uuid_text.h"
#include "support/busy.h"
#include "support/control.h"
#include "support/forge.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

enum {
    KEYS = CHECKED_BUILD ? 200000 : 1000000,
    PATIENCE = 60, // seconds; on an idle machine a reload takes less than one
};

static int patient_control(int port)
{
    int control = control_open(port);
    struct timeval patience = {PATIENCE, 0};
    require(setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
            "no timeout");
    return control;
}

// Sends GET for the first key of the table. Returns the first line of the reply, and the expected
// value in `value`.
static const char *get_first(int control, const struct table *t, char value[TABLE_VALUE + 1])
{
    char request[64] = "GET ";
    uuid_format(table_key(t, 0), request + strlen(request));
    table_value(t, 0, value);
    return control_line(control, request);
}

static void check_reload(const struct table *old, const struct table *new)
{
    const char *path = table_file(old, "data");
    const char *fresh = table_file(new, "fresh");
    struct server_process s =
        server_start(path, WORDS("--requirepass", CONTROL_PASSWORD, "--index", "none"));
    int control = patient_control(s.port);
    busy_start(2 * parallel_threads());
    require(rename(fresh, path) == 0, "cannot rename");
    is_text(control_line(control, "STELE.RELOAD"), "+OK",
            "beside busy programs, a reload succeeds");
    busy_end();
    char value[TABLE_VALUE + 1];
    get_first(control, new, value);
    is_text(control_line(control, NULL), value, "the new data is served");
    close(control);
    is_number(server_stop(&s), 0, "a reload: exit code");
}

// A damaged index is rebuilt within the same bound. Until then each GET answers an error.
static void check_rebuild(const struct table *t)
{
    const char *path = table_file(t, "damaged");
    index_written(path, NULL);
    struct server_process s = server_start(path, WORDS("--requirepass", CONTROL_PASSWORD));
    int control = patient_control(s.port);
    char value[TABLE_VALUE + 1];
    require(get_first(control, t, value)[0] == '$', "not found");
    is_text(control_line(control, NULL), value, "the key is found before the damage");
    struct buf index = file_content(test_path("damaged.idx"));
    memset(index.ptr + INDEX_IMAGE_AT, 0, forge_header(&index)->image_bytes);
    busy_start(2 * parallel_threads());
    file_patch(test_path("damaged.idx"), 0, buf_span(&index));
    uint64_t begin = clock_monotonic_ns();
    unsigned errors = 0;
    const char *reply;
    while ((reply = get_first(control, t, value))[0] == '-') {
        errors++;
        require(clock_monotonic_ns() - begin < PATIENCE * CLOCK_SECOND,
                "beside busy programs, the index is not rebuilt");
    }
    ok(reply[0] == '$', "beside busy programs, a damaged index is rebuilt");
    is_text(control_line(control, NULL), value, "the key is found again");
    ok(errors > 0, "until then GET answered an error");
    busy_end();
    buf_release(&index);
    close(control);
    is_number(server_stop(&s), 0, "a rebuild: exit code");
}

int main(void)
{
    const struct table old = {1, KEYS};
    const struct table new = {2, KEYS};
    check_reload(&old, &new);
    check_rebuild(&old);
    return done_testing();
}
