// Initialises what sessions share, replaces a loop's snapshot, and sums the counters of all loops.
#include "serve/service.h"

#include <assert.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/random.h"
#include "base/version.h"
#include "data/dataset.h"

static void init_observation(struct observation *o)
{
    slow_log_init(&o->slow_log);
    latency_events_init(&o->latency);
    reload_history_init(&o->reloads);
    pthread_mutex_init(&o->lock, NULL);
    pthread_mutex_init(&o->replicas_lock, NULL);
    link_init(&o->replicas);
    o->percentiles = (struct percentiles){3, {50, 99, 99.9}};
}

void service_group_init(struct service_group *group, const struct settings *settings,
                        struct dataset *dataset, const struct command *const *commands)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[RUN_ID_LEN] = {0};
    memset(group, 0, sizeof *group);
    group->settings = settings;
    group->dataset = dataset;
    group->started_ns = clock_monotonic_ns();
    group->memory_allowed = process_memory_allowed();
    pthread_mutex_init(&group->password_lock, NULL);
    if (settings->requirepass != NULL)
        service_group_set_password(group, settings->requirepass);
    command_index_init(&group->commands, commands);
    key_rules_init(&group->keys, settings->key_prefix, settings->any_key_form);
    // Dashboards use the id to see a restart. It need not be secret, so a failure is ignored.
    ssize_t got = getrandom(random, sizeof random, GRND_NONBLOCK);
    (void)got;
    for (unsigned i = 0; i < RUN_ID_LEN; i++)
        group->run_id[i] = digits[random[i] % 16];
    group->runtime = settings->runtime;
    cluster_init(&group->cluster);
    init_observation(&group->observation);
}

void service_group_release(struct service_group *group)
{
    struct observation *o = &group->observation;
    slow_log_release(&o->slow_log);
    latency_events_release(&o->latency);
    reload_history_release(&o->reloads);
    cluster_release(&group->cluster);
    pthread_mutex_destroy(&o->lock);
    pthread_mutex_destroy(&o->replicas_lock);
    pthread_mutex_destroy(&group->password_lock);
}

bool service_group_set_password(struct service_group *group, const char *password)
{
    size_t len = strlen(password);
    assert(len <= PASSWORD_MAX);
    pthread_mutex_lock(&group->password_lock);
    bool differs = strcmp(group->password, password) != 0;
    memcpy(group->password, password, len + 1);
    pthread_mutex_unlock(&group->password_lock);
    return differs;
}

// Compares all bytes, wherever the first difference is. Otherwise a client could measure how many
// bytes of its guess were right.
bool service_group_is_password(struct service_group *group, struct span given)
{
    pthread_mutex_lock(&group->password_lock);
    const char *password = group->password;
    size_t len = strlen(password);
    unsigned difference = len != given.len;
    for (size_t i = 0; i < given.len; i++)
        difference |= (unsigned char)given.ptr[i] ^ (unsigned char)password[len > 0 ? i % len : 0];
    pthread_mutex_unlock(&group->password_lock);
    return difference == 0;
}

void service_init(struct service *service, struct service_group *group)
{
    assert(group->count < SERVICES_MAX);
    memset(service, 0, sizeof *service);
    service->group = group;
    service->number = group->count;
    link_init(&service->sessions);
    link_init(&service->replicas);
    link_init(&service->copies);
    service->settings = group->settings;
    service->dataset = group->dataset;
    link_init(&service->snapshots);
    snapshot_init(&service->first_snapshot, group->dataset);
    link_move_last(&service->snapshots, &service->first_snapshot.link);
    service->snapshot = &service->first_snapshot;
    service->commands = &group->commands;
    service->keys = &group->keys;
    service->batch.rules = &group->keys;
    service->cold = (struct cold){
        .readers = group->readers,
        .stats = &service->stats,
        .router = &group->router,
        .home = service,
        .number = service->number,
        .memory_allowed = group->memory_allowed,
    };
    cold_dataset(&service->cold, group->dataset);
    // If the system has no random bytes yet, the clock makes the numbers of each start differ.
    if (getrandom(&service->random_state, sizeof service->random_state, GRND_NONBLOCK) < 0)
        service->random_state = clock_monotonic_ns();
    service->histograms.enabled = &group->runtime.latency_tracking;
    service->histograms.resets = &group->observation.histogram_resets;
    service->timing.histograms = &service->histograms;
    group->services[group->count++] = service;
    group->router.count = group->count;
}

bool service_prepare(struct service *service, struct dataset *dataset)
{
    assert(service->next_snapshot == NULL);
    service->next_snapshot = snapshot_new(dataset);
    return service->next_snapshot != NULL;
}

void service_publish(struct service *service)
{
    struct snapshot *old = service->snapshot;
    struct snapshot *snapshot = service->next_snapshot;
    snapshot->number = old->number + 1;
    snapshot->generation = old->generation + !dataset_is_rebuilt(snapshot->dataset);
    link_move_last(&service->snapshots, &snapshot->link);
    service->snapshot = snapshot;
    service->next_snapshot = NULL;
    service->dataset = snapshot->dataset;
    cold_dataset(&service->cold, snapshot->dataset);
    ref_drop(&old->ref);
    counter_set(&service->generation, snapshot->generation);
}

void service_take_view(struct service *service)
{
    // The version is read first. If the view is replaced in between, it is taken again.
    service->view_version = atomic_load(&service->group->cluster.version);
    struct cluster_view *before = service->view;
    service->view = cluster_take(&service->group->cluster);
    cluster_view_close(before);
}

uint64_t service_generation(const struct service *service, const struct snapshot *snapshot)
{
    uint64_t least = snapshot->generation;
    for (unsigned i = 0; i < service->group->count; i++) {
        uint64_t generation = counter_get(&service->group->services[i]->generation);
        if (generation < least)
            least = generation;
    }
    return least;
}

uint64_t service_oldest_snapshot(const struct service *service)
{
    const struct snapshot *oldest = container_of(service->snapshots.next, struct snapshot, link);
    uint64_t number = service->snapshot->number;
    return number > OLDER_SNAPSHOTS_MAX && oldest->number < number - OLDER_SNAPSHOTS_MAX
               ? number - OLDER_SNAPSHOTS_MAX
               : 0;
}

void service_discard_prepared(struct service *service)
{
    if (service->next_snapshot != NULL)
        ref_drop(&service->next_snapshot->ref);
    service->next_snapshot = NULL;
}

bool service_check_dataset(struct service *service)
{
    dataset_check(service->dataset);
    return dataset_may_be_spoiled(service->dataset) || dataset_may_be_overwritten(service->dataset);
}

uint64_t service_clients_memory_max(const struct service *service)
{
    int64_t limit = runtime_get(&service->group->runtime.maxmemory_clients);
    if (limit == 0)
        return UINT64_MAX;
    return limit > 0 ? (uint64_t)limit : service->group->memory_allowed / 100 * (uint64_t)-limit;
}

uint64_t service_clients_memory_left(const struct service *service)
{
    uint64_t most = service_clients_memory_max(service);
    uint64_t held = service_total(service, offsetof(struct stats, clients_memory));
    return most == UINT64_MAX || held > most ? 0 : most - held;
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
    service_discard_prepared(service);
    cluster_view_close(service->view);
    ref_drop(&service->snapshot->ref);
    session_table_release(&service->table);
    cold_release(&service->cold);
    histogram_table_release(&service->histograms);
}

static const struct counter *counter_at(const struct stats *stats, size_t offset)
{
    return (const struct counter *)(const void *)((const char *)stats + offset);
}

static uint64_t count_all(const struct service_group *group, size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < group->count; i++)
        total += counter_get(counter_at(&group->services[i]->stats, offset));
    return total;
}

uint64_t service_total(const struct service *service, size_t offset)
{
    uint64_t total = count_all(service->group, offset);
    uint64_t before = counter_get(counter_at(&service->group->observation.baseline, offset));
    return total > before ? total - before : 0;
}

void service_reset(struct service *service, size_t offset, size_t count)
{
    struct stats *baseline = &service->group->observation.baseline;
    for (size_t i = 0; i < count; i++, offset += sizeof(struct counter))
        atomic_store_explicit((_Atomic uint64_t *)(void *)((char *)baseline + offset),
                              count_all(service->group, offset), memory_order_relaxed);
}

void service_count_refused(struct service *service, const struct command *c)
{
    struct stats *stats = &service->stats;
    counter_add((c->flags & DELETES) != 0 ? &stats->deletes_refused : &stats->sets_refused, 1);
}

void service_flush_timing(struct service *service)
{
    struct timing *t = &service->timing;
    bool shared = t->count > 0;
    timing_flush(t, &service->stats);
    rate_note(&service->rate, t->since_ns, &service->stats);
    uint64_t ms = t->elapsed_ns / 1000000;
    if (!shared || ms == 0)
        return;
    int64_t threshold = runtime_get(&service->group->runtime.latency_monitor_threshold);
    if (threshold > 0 && ms >= (uint64_t)threshold)
        latency_events_add(&service->group->observation.latency, LATENCY_EVENT_LOOP,
                           clock_wall_us() / 1000000, ms);
}

unsigned service_histogram(const struct service *service, unsigned number,
                           struct histogram_sum *sum)
{
    unsigned tables = 0;
    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < service->group->count; i++)
        tables += histogram_sum_add(sum, &service->group->services[i]->histograms, number);
    return tables;
}

struct percentiles service_percentiles(const struct service *service)
{
    struct observation *o = &service->group->observation;
    pthread_mutex_lock(&o->lock);
    struct percentiles percentiles = o->percentiles;
    pthread_mutex_unlock(&o->lock);
    return percentiles;
}
