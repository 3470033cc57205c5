// Each process runs an endless loop.
#include "support/busy.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/tap.h"

enum { BUSY_MAX = 64 };

static pid_t busy[BUSY_MAX];
static unsigned busy_count;

void busy_start(unsigned count)
{
    for (busy_count = 0; busy_count < count && busy_count < BUSY_MAX; busy_count++) {
        busy[busy_count] = fork();
        require(busy[busy_count] >= 0, "cannot fork");
        if (busy[busy_count] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                ;
        }
    }
}

void busy_end(void)
{
    for (unsigned i = 0; i < busy_count; i++) {
        kill(busy[i], SIGKILL);
        waitpid(busy[i], NULL, 0);
    }
    busy_count = 0;
}
