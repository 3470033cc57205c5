// F40: programs that are no clients keep all processors busy: a reload that has to build an index
// gives way to them for half a second and is then done, rather than waiting for them to end.
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parallel.h"
#include "support/busy.h"
#include "support/control.h"
#include "support/memory.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

enum {
    KEYS = CHECKED_BUILD ? 200000 : 1000000,
    PATIENCE = 60, // seconds; alone, it takes less than one
};

int main(void)
{
    const struct table old = {1, KEYS};
    const struct table new = {2, KEYS};
    const char *path = table_file(&old, "data");
    const char *fresh = table_file(&new, "fresh");
    struct server_process s =
        server_start(path, WORDS("--requirepass", CONTROL_PASSWORD, "--index", "none"));
    int control = control_open(s.port);
    struct timeval patience = {PATIENCE, 0};
    require(setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0,
            "no timeout");
    busy_start(2 * parallel_threads());
    require(rename(fresh, path) == 0, "cannot rename");
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "beside busy programs, a reload is done");
    busy_end();
    char request[64] = "GET ";
    char value[TABLE_VALUE + 1];
    uuid_format(table_key(&new, 0), request + strlen(request));
    table_value(&new, 0, value);
    control_line(control, request);
    is_text(control_line(control, NULL), value, "the new data is served");
    close(control);
    is_number(server_stop(&s), 0, "exit code");
    return done_testing();
}
