// INFO: the state of the server, as sections of `field:value` lines with Redis's names.
//
// Each loop has its own counters; INFO adds them up while the loops run. A reply may take several
// turns, as two sections have a line for each command.
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/process.h"
#include "base/version.h"
#include "commands/groups.h"
#include "commands/info_cold.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/node_state.h"
#include "serve/own_state.h"
#include "serve/replication.h"
#include "serve/session.h"

typedef unsigned long long ull;

enum {
    // Costs in units of work:
    INFO_WORK = 4,           // cost of a usual section: some hundred bytes, perhaps a system call
    INFO_MEMORY_WORK = 128,  // cost of the memory section: the kernel writes a page of numbers
    INFO_LOOP_WORK = 1,      // cost of one loop in a usual section: cache lines of another core
    INFO_DURATIONS_WORK = 8, // cost of reading one loop's histogram of one command

    // Reading the counters of one command costs one unit for this number of loops.
    INFO_LOOPS_PER_WORK = 4,

    INFO_LINES = 16, // lines of commands that are written in one step
};

#define COUNTER(name) offsetof(struct stats, name)

// "1.50M", as Redis writes sizes for people.
static void human_size(char to[32], uint64_t bytes)
{
    static const char units[] = "BKMGTP";
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units - 1) {
        value /= 1024;
        unit++;
    }
    snprintf(to, 32, unit == 0 ? "%.0f%c" : "%.2f%c", value, units[unit]);
}

// Writes a field whose value came from outside. Escapes it, so that it cannot contain a line break.
static void text_field(struct buf *b, const char *name, const char *text)
{
    char line[4 * PATH_MAX + 1];
    escape_text(text, line, sizeof line);
    buf_printf(b, "%s:%s\r\n", name, line);
}

static void server_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    const struct settings *settings = service->settings;
    uint64_t uptime = (clock_monotonic_ns() - service->group->started_ns) / 1000000000u;
    struct utsname os = {0};
    uname(&os);
    buf_printf(b, "redis_version:%s\r\n", service_redis_version(service));
    buf_printf(b, "redis_git_sha1:00000000\r\nredis_git_dirty:0\r\nredis_build_id:0\r\n");
    buf_printf(b, "redis_mode:%s\r\n", settings->cluster_enabled ? "cluster" : "standalone");
    buf_printf(b, "server_name:stele\r\n");
    buf_printf(b, "stele_version:%s\r\n", STELE_VERSION);
    buf_printf(b, "os:%s %s %s\r\n", os.sysname, os.release, os.machine);
    buf_printf(b, "arch_bits:%zu\r\n", sizeof(void *) * 8);
    buf_printf(b, "monotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:epoll\r\n");
    buf_printf(b, "process_id:%d\r\n", (int)getpid());
    buf_printf(b, "run_id:%s\r\n", service->group->run_id);
    buf_printf(b, "tcp_port:%u\r\n", settings->port);
    buf_printf(b, "server_time_usec:%llu\r\n", (ull)clock_wall_us());
    buf_printf(b, "uptime_in_seconds:%llu\r\n", (ull)uptime);
    buf_printf(b, "uptime_in_days:%llu\r\n", (ull)(uptime / 86400));
    buf_printf(b, "hz:10\r\nconfigured_hz:10\r\n");
    buf_printf(b, "lru_clock:%llu\r\n", (ull)(clock_wall_us() / 1000000 & 0xffffff));
    text_field(b, "executable", settings->executable);
    buf_printf(b, "config_file:\r\n");
    buf_printf(b, "io_threads_active:%d\r\n", settings->threads > 1);
    buf_printf(b, "availability_zone:\r\n");
}

// Writes fields that never change. Each is a whole line without its end; NULL ends the list.
static void fixed_fields(struct buf *b, const char *const *fields)
{
    for (; *fields != NULL; fields++)
        buf_printf(b, "%s\r\n", *fields);
}

// Writes the sum over all loops of the counter at `offset` in struct stats.
static void total_field(const struct service *service, struct buf *b, const char *name,
                        size_t offset)
{
    buf_printf(b, "%s:%llu\r\n", name, (ull)service_total(service, offset));
}

static void clients_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    total_field(service, b, "connected_clients", COUNTER(connected_clients));
    buf_printf(b, "cluster_connections:0\r\n");
    buf_printf(b, "maxclients:%lld\r\n",
               (long long)runtime_get(&service->group->runtime.maxclients));
    buf_printf(b, "blocked_clients:0\r\n");
    total_field(service, b, "tracking_clients", COUNTER(tracking_clients));
    total_field(service, b, "pubsub_clients", COUNTER(pubsub_clients));
    total_field(service, b, "watching_clients", COUNTER(watching_clients));
    buf_printf(b, "clients_in_timeout_table:0\r\n");
}

static void size_field(struct buf *b, const char *name, uint64_t bytes)
{
    char human[32];
    human_size(human, bytes);
    buf_printf(b, "%s:%llu\r\n%s_human:%s\r\n", name, (ull)bytes, name, human);
}

// `used_memory` is the process's own memory. The resident pages of mapped files are not reported as
// fragmentation, because the system can reclaim them at any time.
static void memory_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    static const char *const fixed[] = {
        "used_memory_lua:0",          "used_memory_lua_human:0B",    "number_of_cached_scripts:0",
        "number_of_functions:0",      "number_of_libraries:0",       "maxmemory:0",
        "maxmemory_human:0B",         "maxmemory_policy:noeviction", "mem_fragmentation_ratio:1.00",
        "mem_fragmentation_bytes:0",  "mem_not_counted_for_evict:0", "mem_replication_backlog:0",
        "mem_aof_buffer:0",           "mem_allocator:libc",          "active_defrag_running:0",
        "lazyfree_pending_objects:0", "lazyfreed_objects:0",         NULL};
    struct process_memory memory = process_memory();
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
    size_field(b, "used_memory", memory.anonymous);
    size_field(b, "used_memory_rss", memory.resident);
    size_field(b, "used_memory_peak", memory.resident_peak);
    buf_printf(b, "used_memory_peak_perc:%.2f%%\r\n",
               memory.resident_peak > 0
                   ? 100 * (double)memory.resident / (double)memory.resident_peak
                   : 0.0);
    buf_printf(b, "used_memory_dataset:%llu\r\n",
               (ull)dataset_figures(session_dataset(s))->index_bytes);
    size_field(b, "total_system_memory", pages * (uint64_t)sysconf(_SC_PAGESIZE));
    buf_append_text(b, "mem_clients_slaves:0\r\n");
    total_field(service, b, "mem_clients_normal", COUNTER(clients_memory));
    fixed_fields(b, fixed);
}

// Returns true if there should be an index file, but it is damaged or could not be written.
static bool index_is_lost(const struct dataset *d)
{
    const char *status = dataset_index_status(d);
    return dataset_index_path(d)[0] != '\0' &&
           (strcmp(status, "memory") == 0 || strcmp(status, "damaged") == 0);
}

// Reports the dataset as Redis reports its last save, and a reload as a save in progress. Exporters
// of metrics know these fields of Redis, but not those of the dataset section.
static void persistence_section(const struct session *s, struct buf *b)
{
    static const char *const fixed[] = {
        "rdb_last_cow_size:0",          "aof_enabled:0",
        "aof_rewrite_in_progress:0",    "aof_rewrite_scheduled:0",
        "aof_last_rewrite_time_sec:-1", "aof_current_rewrite_time_sec:-1",
        "aof_last_bgrewrite_status:ok", "aof_last_write_status:ok",
        "aof_last_cow_size:0",          NULL};
    const struct dataset *d = session_dataset(s);
    struct reload_figures f = reload_history_read(&s->service->group->observation.reloads);
    bool sound = strcmp(dataset_status(d), "ok") == 0;
    uint64_t running = f.running ? clock_monotonic_ns() - f.begun_ns : 0;
    buf_printf(b, "loading:0\r\n");
    buf_printf(b, "async_loading:%d\r\n", f.running);
    buf_printf(b, "rdb_changes_since_last_save:%d\r\n", !sound);
    buf_printf(b, "rdb_bgsave_in_progress:%d\r\n", f.running);
    buf_printf(b, "rdb_last_save_time:%llu\r\n", (ull)(dataset_figures(d)->built_at_us / 1000000));
    buf_printf(b, "rdb_last_bgsave_status:%s\r\n",
               f.failed || !sound || index_is_lost(d) ? "err" : "ok");
    buf_printf(b, "rdb_last_bgsave_time_sec:%lld\r\n",
               f.ended_us > 0 ? (long long)(f.took_ns / CLOCK_SECOND) : -1);
    buf_printf(b, "rdb_current_bgsave_time_sec:%lld\r\n",
               f.running ? (long long)(running / CLOCK_SECOND) : -1);
    buf_printf(b, "rdb_saves:%llu\r\n", (ull)f.done);
    fixed_fields(b, fixed);
}

static void threads_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    for (unsigned i = 0; i < service->group->count; i++) {
        const struct stats *stats = &service->group->services[i]->stats;
        buf_printf(b, "io_thread_%u:clients=%llu,reads=%llu,writes=%llu\r\n", i,
                   (ull)counter_get(&stats->connected_clients), (ull)counter_get(&stats->reads),
                   (ull)counter_get(&stats->writes));
    }
}

// Writes how much all loops together have done per second. It is the average over the last
// RATE_WINDOW, or over the time since the start if that is shorter.
static void rate_fields(const struct service *service, struct buf *b)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t window = now - service->group->started_ns;
    struct rate_totals sum = {0};
    if (window > RATE_WINDOW)
        window = RATE_WINDOW;
    double window_seconds = (double)(window > 0 ? window : 1) / 1e9;
    for (unsigned i = 0; i < service->group->count; i++) {
        const struct service *one = service->group->services[i];
        struct rate_totals totals = rate_since(&one->rate, now - window, &one->stats);
        sum.commands += totals.commands;
        sum.input_bytes += totals.input_bytes;
        sum.output_bytes += totals.output_bytes;
    }
    buf_printf(b, "instantaneous_ops_per_sec:%llu\r\n",
               (ull)((double)sum.commands / window_seconds + 0.5));
    buf_printf(b, "instantaneous_input_kbps:%.2f\r\n",
               (double)sum.input_bytes / 1024 / window_seconds);
    buf_printf(b, "instantaneous_output_kbps:%.2f\r\n",
               (double)sum.output_bytes / 1024 / window_seconds);
}

// Writes how many error replies had the code `code`.
static void error_field(const struct service *service, struct buf *b, const char *name,
                        const char *code)
{
    unsigned i = 0;
    while (strcmp(resp_error_codes[i], code) != 0)
        i++;
    total_field(service, b, name, COUNTER(errors[i]));
}

static void stats_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    static const char *const fixed[] = {"expired_keys:0",
                                        "expired_stale_perc:0.00",
                                        "expired_time_cap_reached_count:0",
                                        "evicted_keys:0",
                                        "pubsub_channels:0",
                                        "pubsub_patterns:0",
                                        "pubsubshard_channels:0",
                                        "latest_fork_usec:0",
                                        "total_forks:0",
                                        "migrate_cached_sockets:0",
                                        "slave_expires_tracked_keys:0",
                                        "active_defrag_hits:0",
                                        "active_defrag_misses:0",
                                        "active_defrag_key_hits:0",
                                        "active_defrag_key_misses:0",
                                        "tracking_total_keys:0",
                                        "tracking_total_items:0",
                                        "tracking_total_prefixes:0",
                                        "unexpected_error_replies:0",
                                        "acl_access_denied_key:0",
                                        "acl_access_denied_channel:0",
                                        NULL};
    total_field(service, b, "total_connections_received", COUNTER(connections_received));
    total_field(service, b, "total_commands_processed", COUNTER(commands_processed));
    rate_fields(service, b);
    total_field(service, b, "total_net_input_bytes", COUNTER(net_input_bytes));
    total_field(service, b, "total_net_output_bytes", COUNTER(net_output_bytes));
    total_field(service, b, "rejected_connections", COUNTER(connections_rejected));
    total_field(service, b, "sync_full", COUNTER(syncs_full));
    total_field(service, b, "sync_partial_ok", COUNTER(syncs_partial));
    total_field(service, b, "sync_partial_err", COUNTER(syncs_refused));
    total_field(service, b, "accept_errors", COUNTER(accept_errors));
    total_field(service, b, "proxy_header_errors", COUNTER(proxy_header_errors));
    total_field(service, b, "evicted_clients", COUNTER(evicted_clients));
    total_field(service, b, "client_query_buffer_limit_disconnections", COUNTER(input_limit_hits));
    total_field(service, b, "client_output_buffer_limit_disconnections",
                COUNTER(pushes_limit_hits));
    total_field(service, b, "request_timeout_disconnections", COUNTER(request_timeouts));
    total_field(service, b, "outdated_read_disconnections", COUNTER(outdated_clients));
    total_field(service, b, "write_timeout_disconnections", COUNTER(write_timeouts));
    total_field(service, b, "keyspace_hits", COUNTER(keyspace_hits));
    total_field(service, b, "keyspace_misses", COUNTER(keyspace_misses));
    total_field(service, b, "total_error_replies", COUNTER(error_replies));
    error_field(service, b, "acl_access_denied_auth", "WRONGPASS");
    error_field(service, b, "acl_access_denied_cmd", "NOPERM");
    total_field(service, b, "total_reads_processed", COUNTER(reads));
    total_field(service, b, "total_writes_processed", COUNTER(writes));
    fixed_fields(b, fixed);
}

// Writes the fields of a replica.
static void replica_fields(struct buf *b, const char *host, unsigned port, ull offset)
{
    static const char *const fixed[] = {"master_link_status:up", "master_last_io_seconds_ago:0",
                                        "master_sync_in_progress:0", NULL};
    static const char *const more[] = {"slave_priority:100", "slave_read_only:1",
                                       "replica_announced:1", NULL};
    buf_printf(b, "role:slave\r\nmaster_host:%s\r\nmaster_port:%u\r\n", host, port);
    fixed_fields(b, fixed);
    buf_printf(b, "slave_read_repl_offset:%llu\r\nslave_repl_offset:%llu\r\n", offset, offset);
    fixed_fields(b, more);
}

// Writes a line for each client that copies the dataset, and their number. Returns the highest
// offset that was sent to one.
static ull connected_replicas(const struct session *s, struct buf *b)
{
    struct replica_facts facts[REPLICAS_SHOWN];
    unsigned count;
    int64_t offset;
    unsigned described =
        replicas_describe(s->service->group, facts, REPLICAS_SHOWN, &count, &offset);
    buf_printf(b, "connected_slaves:%u\r\n", count);
    for (unsigned i = 0; i < described; i++)
        buf_printf(b, "slave%u:ip=%s,port=%lld,state=%s,offset=%lld,lag=%llu\r\n", i, facts[i].ip,
                   (long long)facts[i].port,
                   facts[i].state == REPLICA_ONLINE ? "online" : "send_bulk",
                   (long long)facts[i].received, (ull)facts[i].lag);
    return (ull)offset;
}

// In a cluster, and for a replica, the offsets are at least the generation of the dataset, because
// 0 would mean that a replica has nothing yet.
static void replication_section(const struct session *s, struct buf *b)
{
    static const char *const fixed[] = {
        "second_repl_offset:-1",     "repl_backlog_active:0",
        "repl_backlog_size:1048576", "repl_backlog_first_byte_offset:0",
        "repl_backlog_histlen:0",    NULL};
    char id[REPLICATION_ID_LEN + 1];
    replication_id(s, id);
    const struct cluster_view *view = s->service->view;
    bool announced = s->service->settings->announce_replica;
    ull offset = view != NULL || announced ? session_snapshot(s)->generation + 1 : 0;
    unsigned primary = cluster_own_primary(view); // it may change at any time, so it is read once
    if (view != NULL && primary != view->self)
        replica_fields(b, view->topology->nodes[primary].host, view->topology->nodes[primary].port,
                       offset);
    else if (announced)
        replica_fields(b, REPLICA_NO_PRIMARY, 0, offset);
    else
        buf_printf(b, "role:master\r\n");
    ull sent = connected_replicas(s, b);
    offset = sent > offset ? sent : offset;
    buf_printf(b, "master_failover_state:no-failover\r\n");
    buf_printf(b, "master_replid:%s\r\n", id);
    buf_printf(b, "master_replid2:0000000000000000000000000000000000000000\r\n");
    buf_printf(b, "master_repl_offset:%llu\r\n", offset);
    fixed_fields(b, fixed);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void cpu_section(const struct session *s, struct buf *b)
{
    (void)s;
    struct rusage self = {0};
    struct rusage children = {0};
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    buf_printf(b, "used_cpu_sys:%.6f\r\n", seconds(self.ru_stime));
    buf_printf(b, "used_cpu_user:%.6f\r\n", seconds(self.ru_utime));
    buf_printf(b, "used_cpu_sys_children:%.6f\r\n", seconds(children.ru_stime));
    buf_printf(b, "used_cpu_user_children:%.6f\r\n", seconds(children.ru_utime));
}

static void modules_section(const struct session *s, struct buf *b)
{
    (void)s;
    (void)b;
}

// Writes the counters of command `number` if any is above 0. Returns the cost in units of work,
// rounded down.
static unsigned commandstats_line(const struct service *service, unsigned number, struct buf *b)
{
    uint64_t calls = service_total(service, COUNTER(commands[number].calls));
    uint64_t ns = service_total(service, COUNTER(commands[number].ns));
    uint64_t rejected = service_total(service, COUNTER(commands[number].rejected));
    uint64_t failed = service_total(service, COUNTER(commands[number].failed));
    if (calls > 0 || rejected > 0 || failed > 0)
        buf_printf(b,
                   "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                   "failed_calls=%llu\r\n",
                   service->commands->entries[number].command->name, (ull)calls, (ull)(ns / 1000),
                   calls > 0 ? (double)ns / 1000 / (double)calls : 0.0, (ull)rejected, (ull)failed);
    return service->group->count / INFO_LOOPS_PER_WORK;
}

static void errorstats_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    for (unsigned i = 0; i < RESP_ERROR_CODES; i++) {
        uint64_t count = service_total(service, COUNTER(errors[i]));
        if (count > 0)
            buf_printf(b, "errorstat_%s:count=%llu\r\n", resp_error_codes[i], (ull)count);
    }
}

// Writes the percentiles of the histogram `number`, called `name`, if it has calls. Returns the
// cost in units of work; 0 if it has no calls.
static unsigned durations_line(const struct service *service, unsigned number, const char *name,
                               struct buf *b)
{
    struct histogram_sum sum;
    struct percentiles percentiles = service_percentiles(service);
    unsigned loops = service_histogram(service, number, &sum);
    if (sum.total == 0)
        return 0;
    buf_printf(b, "latency_percentiles_usec_%s:", name);
    percentiles_append(&percentiles, &sum, b);
    buf_append_text(b, "\r\n");
    return INFO_DURATIONS_WORK * loops;
}

// Writes the time that requests have waited for data. Before the commands' lines.
static void latencystats_section(const struct session *s, struct buf *b)
{
    durations_line(s->service, HISTOGRAM_COLD_READ, HISTOGRAM_COLD_READ_NAME, b);
}

static unsigned latencystats_line(const struct service *service, unsigned number, struct buf *b)
{
    return durations_line(service, number, service->commands->entries[number].command->name, b);
}

static void cluster_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    const struct cluster_view *view = service->view;
    buf_printf(b, "cluster_enabled:%d\r\n", service->settings->cluster_enabled);
    if (view == NULL)
        return;
    unsigned up = 0;
    for (unsigned i = 0; i < view->topology->node_count; i++)
        up += cluster_is_up(view, i);
    buf_printf(b, "cluster_node:%s\r\n", view->topology->nodes[view->self].name);
    buf_printf(b, "cluster_shard:%u\r\n", cluster_own_shard(view));
    buf_printf(b, "cluster_nodes_up:%u\r\n", up);
    buf_printf(b, "cluster_nodes_down:%u\r\n", view->topology->node_count - up);
    buf_printf(b, "cluster_epoch:%llu\r\n", (ull)view->topology->epoch);
    total_field(service, b, "cluster_redirects_moved", COUNTER(redirects_moved));
    total_field(service, b, "cluster_redirects_ask", COUNTER(redirects_ask));
    total_field(service, b, "cluster_redirects_crossslot", COUNTER(redirects_crossslot));
}

static void keyspace_section(const struct session *s, struct buf *b)
{
    uint64_t keys = dataset_figures(session_dataset(s))->keys;
    if (keys > 0)
        buf_printf(b, "db0:keys=%llu,expires=0,avg_ttl=0\r\n", (ull)keys);
}

// Writes the generation of the dataset, and the outcome of the last reload. The generation is 1 at
// the start, and each replacement of the data adds 1. The outcome is "ok" if there was no reload.
static void reload_fields(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    struct reload_figures f = reload_history_read(&service->group->observation.reloads);
    uint64_t age = clock_monotonic_ns() - f.published_ns;
    buf_printf(b, "dataset_generation:%llu\r\n",
               (ull)service_generation(service, session_snapshot(s)) + 1);
    buf_printf(b, "dataset_served_seconds:%llu\r\n", (ull)(age / CLOCK_SECOND));
    buf_printf(b, "dataset_reload_in_progress:%d\r\n", f.running);
    buf_printf(b, "dataset_reloads:%llu\r\n", (ull)f.done);
    buf_printf(b, "dataset_failed_reloads:%llu\r\n", (ull)f.failures);
    buf_printf(b, "dataset_last_reload_status:%s\r\n", f.failed ? "err" : "ok");
    buf_printf(b, "dataset_last_reload_time:%llu\r\n", (ull)(f.ended_us / 1000000));
    buf_printf(b, "dataset_last_reload_usec:%llu\r\n", (ull)(f.took_ns / 1000));
    text_field(b, "dataset_last_reload_error", f.why.text);
}

// Writes when the data was made, and how old it is. The age is 0 when the clock is behind that
// time.
static void version_age_fields(const struct dataset *d, struct buf *b)
{
    int64_t made_at = dataset_made_at(d);
    int64_t now = (int64_t)(clock_wall_us() / 1000000);
    buf_printf(b, "dataset_made_at:%lld\r\n", (long long)made_at);
    buf_printf(b, "dataset_age_seconds:%lld\r\n", (long long)(now > made_at ? now - made_at : 0));
}

static void dataset_section(const struct session *s, struct buf *b)
{
    const struct dataset_figures *f = dataset_figures(session_dataset(s));
    text_field(b, "dataset_file", dataset_path(session_dataset(s)));
    buf_printf(b, "dataset_status:%s\r\n", dataset_status(session_dataset(s)));
    buf_printf(b, "dataset_bytes:%llu\r\n", (ull)f->data_bytes);
    buf_printf(b, "dataset_lines:%llu\r\n", (ull)f->lines);
    buf_printf(b, "dataset_malformed_lines:%llu\r\n", (ull)f->malformed);
    buf_printf(b, "dataset_last_line_unterminated:%d\r\n",
               dataset_last_line_is_unterminated(session_dataset(s)));
    buf_printf(b, "dataset_keys:%llu\r\n", (ull)f->keys);
    buf_printf(b, "dataset_duplicate_keys:%llu\r\n", (ull)f->duplicates);
    buf_printf(b, "dataset_value_bytes:%llu\r\n", (ull)f->value_bytes);
    buf_printf(b, "dataset_index_bytes:%llu\r\n", (ull)f->index_bytes);
    text_field(b, "dataset_index_file", dataset_index_path(session_dataset(s)));
    buf_printf(b, "dataset_index_status:%s\r\n", dataset_index_status(session_dataset(s)));
    buf_printf(b, "dataset_build_usec:%llu\r\n", (ull)(f->build_ns / 1000));
    buf_printf(b, "dataset_built_at:%llu\r\n", (ull)(f->built_at_us / 1000000));
    struct node_state state;
    own_state(&state, s);
    text_field(b, "dataset_version", state.version);
    text_field(b, "dataset_hash", state.hash);
    if (s->service->view != NULL)
        buf_printf(b, "dataset_foreign_keys:%lld\r\n", (long long)state.foreign_keys);
    version_age_fields(session_dataset(s), b);
    reload_fields(s, b);
}

// Writes in one place what users of key-value stores usually look for. Each key looked up counts as
// a get. A refused write counts as a set or a delete.
static void operations_section(const struct session *s, struct buf *b)
{
    const struct service *service = s->service;
    const struct dataset_figures *f = dataset_figures(session_dataset(s));
    uint64_t hits = service_total(service, COUNTER(keyspace_hits));
    uint64_t misses = service_total(service, COUNTER(keyspace_misses));
    buf_printf(b, "stored_keys:%llu\r\n", (ull)f->keys);
    buf_printf(b, "stored_value_bytes:%llu\r\n", (ull)f->value_bytes);
    buf_printf(b, "get_operations:%llu\r\n", (ull)(hits + misses));
    buf_printf(b, "get_hits:%llu\r\n", (ull)hits);
    buf_printf(b, "get_misses:%llu\r\n", (ull)misses);
    total_field(service, b, "set_operations", COUNTER(sets_refused));
    total_field(service, b, "delete_operations", COUNTER(deletes_refused));
}

static const struct {
    const char *name;
    const char *title;
    bool by_default; // shown by INFO without arguments
    unsigned work;   // cost of `write` in units of work, without that of adding up counters
    // Writes the section, or the part before the lines of the commands. NULL: there is no such
    // part.
    void (*write)(const struct session *s, struct buf *b);
    // Writes the line of one command, or nothing if all its figures are 0. Returns the cost of
    // the line in units of work. NULL if the section has no lines of commands.
    unsigned (*write_line)(const struct service *service, unsigned number, struct buf *b);
} sections[] = {
    {"server", "Server", true, INFO_WORK, server_section, NULL},
    {"clients", "Clients", true, INFO_WORK, clients_section, NULL},
    {"memory", "Memory", true, INFO_MEMORY_WORK, memory_section, NULL},
    {"persistence", "Persistence", true, INFO_WORK, persistence_section, NULL},
    {"threads", "Threads", true, INFO_WORK, threads_section, NULL},
    {"stats", "Stats", true, INFO_WORK, stats_section, NULL},
    {"replication", "Replication", true, INFO_WORK, replication_section, NULL},
    {"cpu", "CPU", true, INFO_WORK, cpu_section, NULL},
    {"modules", "Modules", true, INFO_WORK, modules_section, NULL},
    {"commandstats", "Commandstats", false, 0, NULL, commandstats_line},
    {"errorstats", "Errorstats", true, INFO_WORK, errorstats_section, NULL},
    {"latencystats", "Latencystats", false, INFO_DURATIONS_WORK, latencystats_section,
     latencystats_line},
    {"cluster", "Cluster", true, INFO_WORK, cluster_section, NULL},
    {"keyspace", "Keyspace", true, INFO_WORK, keyspace_section, NULL},
    {"dataset", "Dataset", true, INFO_WORK, dataset_section, NULL},
    {"cold", "Cold", true, INFO_COLD_WORK, info_cold, NULL},
    {"operations", "Operations", true, INFO_WORK, operations_section, NULL},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

// Returns the sections that a word selects, as bits: section i is bit i.
static uint64_t choose_sections(struct span word)
{
    uint64_t chosen = 0;
    bool all = span_is(word, "all") || span_is(word, "everything");
    bool by_default = span_is(word, "default");
    for (unsigned i = 0; i < SECTIONS; i++)
        if (all || (by_default && sections[i].by_default) || span_is(word, sections[i].name))
            chosen |= UINT64_C(1) << i;
    return chosen;
}

// Writes a section or, if it has a line for each command, some of its lines from `line` on. Returns
// the next line, or 0 if the section is finished.
static unsigned write_section(struct session *s, unsigned section, unsigned line)
{
    const struct service *service = s->service;
    struct buf *text = &s->request.collected;
    if (line == 0)
        buf_printf(text, "%s# %s\r\n", text->len > 0 ? "\r\n" : "", sections[section].title);
    if (line == 0 && sections[section].write != NULL) {
        session_charge(s,
                       sections[section].work + INFO_LOOP_WORK * (uint64_t)service->group->count);
        sections[section].write(s, text);
    }
    if (sections[section].write_line == NULL)
        return 0;
    unsigned count = service->commands->count;
    unsigned end = line + INFO_LINES < count ? line + INFO_LINES : count;
    do
        session_charge(s, sections[section].write_line(service, line++, text));
    while (line < end && s->turn.work_left > 0);
    return line < count ? line : 0;
}

// Reads the words and keeps the selected sections in `s->request.sum`, as bits. Then writes these
// sections to `s->request.collected`, because the length of the reply precedes its text.
//
// While words are read, `s->request.cursor` is the number of words already read. Afterwards it is
// words + COMMANDS_MAX * section + line: `words` is the number of all words, `section` the section
// being written, and `line` its next line.
static enum command_result info_command(struct session *s, const struct resp_request *r)
{
    if (r->argc == 1)
        s->request.sum = choose_sections(span_text("default"));
    for (; s->request.cursor + 1 < r->argc; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        s->request.sum |= choose_sections(resp_arg(r, (uint32_t)s->request.cursor + 1));
    }
    uint64_t words = r->argc - 1;
    while (s->request.cursor - words < SECTIONS * (uint64_t)COMMANDS_MAX) {
        unsigned section = (unsigned)((s->request.cursor - words) / COMMANDS_MAX);
        unsigned line = (unsigned)((s->request.cursor - words) % COMMANDS_MAX);
        if ((s->request.sum >> section & 1) != 0) {
            if (!session_may_go_on(s))
                return COMMAND_AGAIN;
            line = write_section(s, section, line);
        }
        s->request.cursor =
            words + (line > 0 ? section : section + 1) * (uint64_t)COMMANDS_MAX + line;
    }
    s->oom |= s->request.collected.oom;
    resp_verbatim(&s->reply, buf_span(&s->request.collected));
    buf_release(&s->request.collected);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument info_sections[] = {
    {"section", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_change info_history[] = {{"7.0.0", "Accepts several sections"}, {0}};

const struct command info_commands[] = {
    {"info", -1, LOADING | STALE, NO_KEYS, GROUP_SERVER, "1.0.0", IN_DANGEROUS, info_command,
     "Returns information about the server and its counters", "O(1)",
     "nondeterministic_output request_policy:all_shards response_policy:special", info_sections,
     .history = info_history,
     .deviation = "The role is as in `HELLO`. Some fields are Stele's own. Redis also has "
                  "fields about features that Stele lacks. Some of these are left out; the others "
                  "always have the same value."},
    {0},
};
