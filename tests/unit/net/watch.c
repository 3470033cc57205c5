// Tests of net/watch.h: a new topology is not read while the data file is being replaced, because a
// reload would load half of the data. tests/faults/f37_stalled_copy.c tests the data file alone.
#include "net/watch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "data/dataset.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

#define LINE "00000000-0000-4000-8000-000000000001 one\n"

// Replaces a file.
static void put(const char *path, struct span text)
{
    require(rename(test_file("next", text), path) == 0, "cannot rename");
}

int main(void)
{
    struct error error = {""};
    struct dataset_settings settings = {.index = DATASET_INDEX_NONE};
    char *data = strdup(test_file("watched.data", SPAN(LINE)));
    char *topology = strdup(test_file("watched.conf", SPAN("epoch 1\n")));
    require(data != NULL && topology != NULL, "no memory");
    struct dataset *d = dataset_open(data, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    struct watch w = {.data = data, .topology = topology};
    watch_note_topology(&w);
    ok(!watch_data(&w, d) && !watch_topology(&w), "nothing has changed");

    put(topology, SPAN("epoch 2\n"));
    ok(!watch_data(&w, d) && watch_topology(&w), "a new topology");
    ok(!watch_topology(&w), "is read once");

    put(topology, SPAN("epoch 3\n"));
    put(data, SPAN(LINE LINE));
    ok(!watch_data(&w, d) && !watch_topology(&w), "new data that may be incomplete: both wait");
    unsigned polls = 0;
    bool early = false;
    for (; !watch_data(&w, d); polls++) {
        early |= watch_topology(&w);
        poll(NULL, 0, 20);
    }
    ok(polls > 0 && !early, "the topology waits as long as the data");
    ok(watch_topology(&w), "then both are read");

    put(topology, SPAN("epoch 4\n"));
    ok(!watch_data(&w, d) && watch_topology(&w),
       "the data cannot be loaded: nobody waits for them");
    put(topology, SPAN("epoch 5\n"));
    require(remove(data) == 0, "cannot remove");
    ok(!watch_data(&w, d) && watch_topology(&w), "no data: nobody waits for them");

    dataset_close(d);
    free(data);
    free(topology);
    return done_testing();
}
