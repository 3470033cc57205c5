// Fault F10 (docs/faults.md): SIGTERM at random moments while the index is built, written and
// verified. The server ends with exit code 0, and leaves a complete index file or none.
// f10_index_broken_off.t sends SIGKILL at each system call.
#include <stdlib.h>
#include <unistd.h>

#include "support/server.h"
#include "support/table.h"

static void check_stopping(struct random *r)
{
    const struct table large = {6, 100000};
    const char *file = table_file(&large, "stopped.data");
    const char *index = test_path("stopped.data.idx");
    unsigned wrong = 0;
    unsigned written = 0;
    for (unsigned i = 0; i < 16; i++) {
        if (i % 2 == 0)
            unlink(index); // if this server completes the index file, the next one verifies it
        struct server_process s = server_start(file, NULL);
        usleep((useconds_t)random_below(r, 4000)); // until a random moment
        wrong += server_stop(&s) != 0;
        wrong += files_beside(index);
        struct opened o;
        opened_init(&o, file, DATASET_INDEX_ONLY, index);
        written += o.dataset != NULL;
        wrong += o.dataset == NULL ? file_exists(index) : !dataset_verify(o.dataset, &o.error);
        opened_close(&o);
    }
    diag("written in %u of 16", written);
    is_number((int64_t)wrong, 0, "SIGTERM at any moment: exit code 0, a complete file or none");
}

int main(void)
{
    struct random r = random_seeded();
    check_stopping(&r);
    return done_testing();
}
