// Setting up what sessions share, and summing what their loops have counted.
#include "serve/service.h"

#include <assert.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/version.h"
#include "data/dataset.h"

void service_group_init(struct service_group *group, const struct service_settings *settings,
                        struct dataset *dataset)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[RUN_ID_LEN] = {0};
    memset(group, 0, sizeof *group);
    group->settings = settings;
    group->dataset = dataset;
    group->started_ns = clock_monotonic_ns();
    command_index_init(&group->commands);
    // The id tells one run from the next in dashboards; nothing secret hangs on it.
    ssize_t got = getrandom(random, sizeof random, GRND_NONBLOCK);
    (void)got;
    for (unsigned i = 0; i < RUN_ID_LEN; i++)
        group->run_id[i] = digits[random[i] % 16];
}

static void drop_dataset(struct ref *ref)
{
    struct service *service = (struct service *)((char *)ref - offsetof(struct service, borrowed));
    ref_drop(dataset_ref(service->dataset));
}

void service_init(struct service *service, struct service_group *group)
{
    assert(group->count < SERVICES_MAX);
    memset(service, 0, sizeof *service);
    service->group = group;
    service->number = group->count;
    link_init(&service->sessions);
    service->settings = group->settings;
    service->dataset = group->dataset;
    service->commands = &group->commands;
    // Where the system has none to give, each start has its own numbers still.
    if (getrandom(&service->random_state, sizeof service->random_state, GRND_NONBLOCK) < 0)
        service->random_state = clock_monotonic_ns();
    ref_take(dataset_ref(group->dataset));
    ref_init(&service->borrowed, drop_dataset);
    group->services[group->count++] = service;
}

const char *service_redis_version(const struct service *service)
{
    const char *version = service->settings->redis_version;
    return version != NULL ? version : STELE_REDIS_VERSION;
}

uint64_t service_random(struct service *service, uint64_t limit)
{
    assert(limit > 0);
    return (uint64_t)((unsigned __int128)splitmix64(&service->random_state) * limit >> 64);
}

void service_release(struct service *service)
{
    assert(atomic_load(&service->borrowed.count) == 1);
    ref_drop(&service->borrowed);
}

uint64_t service_total(const struct service *service, size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < service->group->count; i++) {
        const char *stats = (const char *)&service->group->services[i]->stats;
        total += counter_get((const struct counter *)(const void *)(stats + offset));
    }
    return total;
}
