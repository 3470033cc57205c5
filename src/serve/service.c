// Setting up what sessions share.
#include "serve/service.h"

#include <sys/random.h>

#include "base/clock.h"

void service_init(struct service *service, const struct service_settings *settings,
                  struct dataset *dataset)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[RUN_ID_LEN] = {0};
    memset(service, 0, sizeof *service);
    service->settings = settings;
    service->dataset = dataset;
    service->started_ns = clock_monotonic_ns();
    command_index_init(&service->commands);
    // The id tells one run from the next in dashboards; nothing secret hangs on it.
    ssize_t got = getrandom(random, sizeof random, GRND_NONBLOCK);
    (void)got;
    for (unsigned i = 0; i < RUN_ID_LEN; i++)
        service->run_id[i] = digits[random[i] % 16];
}
