// INFO: the state of the server as sections of `field:value` lines, with Redis's names. Counters
// are those of all loops, summed as they stand.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/version.h"
#include "data/dataset.h"
#include "serve/handlers.h"
#include "serve/session.h"

typedef unsigned long long ull;

// In lookups.
enum {
    INFO_WORK = 64, // a call into the kernel and some KiB of text
    // The counters of one more loop: some hundred lines of another core's cache.
    INFO_LOOP_WORK = 16,
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

// A text that came from outside must not forge a line.
static void text_field(struct buf *b, const char *name, const char *text)
{
    buf_printf(b, "%s:", name);
    for (; *text != '\0'; text++)
        buf_append(b, *text == '\r' || *text == '\n' ? span_of(" ", 1) : span_of(text, 1));
    buf_append_text(b, "\r\n");
}

static void server_section(const struct service *service, struct buf *b)
{
    const struct service_settings *settings = service->settings;
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
    buf_printf(b, "process_id:%d\r\n", (int)getpid());
    buf_printf(b, "run_id:%s\r\n", service->group->run_id);
    buf_printf(b, "tcp_port:%u\r\n", settings->port);
    buf_printf(b, "server_time_usec:%llu\r\n", (ull)clock_wall_us());
    buf_printf(b, "uptime_in_seconds:%llu\r\n", (ull)uptime);
    buf_printf(b, "uptime_in_days:%llu\r\n", (ull)(uptime / 86400));
    text_field(b, "executable", settings->executable);
    buf_printf(b, "config_file:\r\n");
    buf_printf(b, "io_threads_active:%d\r\n", settings->threads > 1);
}

static void clients_section(const struct service *service, struct buf *b)
{
    buf_printf(b, "connected_clients:%llu\r\n",
               (ull)service_total(service, COUNTER(connected_clients)));
    buf_printf(b, "maxclients:%u\r\n", service->settings->maxclients);
    buf_printf(b, "blocked_clients:0\r\n");
}

static void memory_section(const struct service *service, struct buf *b)
{
    struct process_memory memory = process_memory();
    const struct dataset_figures *f = dataset_figures(service->dataset);
    char human[32];
    human_size(human, memory.anonymous);
    buf_printf(b, "used_memory:%llu\r\nused_memory_human:%s\r\n", (ull)memory.anonymous, human);
    human_size(human, memory.resident);
    buf_printf(b, "used_memory_rss:%llu\r\nused_memory_rss_human:%s\r\n", (ull)memory.resident,
               human);
    human_size(human, memory.resident_peak);
    buf_printf(b, "used_memory_peak:%llu\r\nused_memory_peak_human:%s\r\n",
               (ull)memory.resident_peak, human);
    buf_printf(b, "used_memory_dataset:%llu\r\n", (ull)f->index_bytes);
    buf_printf(b, "maxmemory:0\r\nmaxmemory_human:0B\r\nmaxmemory_policy:noeviction\r\n");
}

static void persistence_section(const struct service *service, struct buf *b)
{
    (void)service;
    buf_printf(b, "loading:0\r\n");
}

static void threads_section(const struct service *service, struct buf *b)
{
    for (unsigned i = 0; i < service->group->count; i++) {
        const struct stats *stats = &service->group->services[i]->stats;
        buf_printf(b, "io_thread_%u:clients=%llu,reads=%llu,writes=%llu\r\n", i,
                   (ull)counter_get(&stats->connected_clients), (ull)counter_get(&stats->reads),
                   (ull)counter_get(&stats->writes));
    }
}

static void total_field(const struct service *service, struct buf *b, const char *name,
                        size_t offset)
{
    buf_printf(b, "%s:%llu\r\n", name, (ull)service_total(service, offset));
}

static void stats_section(const struct service *service, struct buf *b)
{
    total_field(service, b, "total_connections_received", COUNTER(connections_received));
    total_field(service, b, "total_commands_processed", COUNTER(commands_processed));
    total_field(service, b, "total_net_input_bytes", COUNTER(net_input_bytes));
    total_field(service, b, "total_net_output_bytes", COUNTER(net_output_bytes));
    total_field(service, b, "rejected_connections", COUNTER(connections_rejected));
    buf_printf(b, "expired_keys:0\r\nevicted_keys:0\r\n");
    total_field(service, b, "keyspace_hits", COUNTER(keyspace_hits));
    total_field(service, b, "keyspace_misses", COUNTER(keyspace_misses));
    total_field(service, b, "total_error_replies", COUNTER(error_replies));
}

static void replication_section(const struct service *service, struct buf *b)
{
    (void)service;
    buf_printf(b, "role:master\r\nconnected_slaves:0\r\n");
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void cpu_section(const struct service *service, struct buf *b)
{
    (void)service;
    struct rusage self = {0};
    struct rusage children = {0};
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    buf_printf(b, "used_cpu_sys:%.6f\r\n", seconds(self.ru_stime));
    buf_printf(b, "used_cpu_user:%.6f\r\n", seconds(self.ru_utime));
    buf_printf(b, "used_cpu_sys_children:%.6f\r\n", seconds(children.ru_stime));
    buf_printf(b, "used_cpu_user_children:%.6f\r\n", seconds(children.ru_utime));
}

static void commandstats_section(const struct service *service, struct buf *b)
{
    for (unsigned i = 0; i < service->commands->count; i++) {
        uint64_t calls = service_total(service, COUNTER(commands[i].calls));
        uint64_t ns = service_total(service, COUNTER(commands[i].ns));
        uint64_t rejected = service_total(service, COUNTER(commands[i].rejected));
        uint64_t failed = service_total(service, COUNTER(commands[i].failed));
        char name[COMMAND_FULL_NAME_MAX];
        if (calls == 0 && rejected == 0 && failed == 0)
            continue;
        buf_printf(b,
                   "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
                   "failed_calls=%llu\r\n",
                   command_full_name(&service->commands->entries[i], name), (ull)calls,
                   (ull)(ns / 1000), calls > 0 ? (double)ns / 1000 / (double)calls : 0.0,
                   (ull)rejected, (ull)failed);
    }
}

static void cluster_section(const struct service *service, struct buf *b)
{
    buf_printf(b, "cluster_enabled:%d\r\n", service->settings->cluster_enabled);
}

static void keyspace_section(const struct service *service, struct buf *b)
{
    uint64_t keys = dataset_figures(service->dataset)->keys;
    if (keys > 0)
        buf_printf(b, "db0:keys=%llu,expires=0,avg_ttl=0\r\n", (ull)keys);
}

static void dataset_section(const struct service *service, struct buf *b)
{
    const struct dataset_figures *f = dataset_figures(service->dataset);
    text_field(b, "dataset_file", dataset_path(service->dataset));
    buf_printf(b, "dataset_bytes:%llu\r\n", (ull)f->data_bytes);
    buf_printf(b, "dataset_lines:%llu\r\n", (ull)f->lines);
    buf_printf(b, "dataset_malformed_lines:%llu\r\n", (ull)f->malformed);
    buf_printf(b, "dataset_keys:%llu\r\n", (ull)f->keys);
    buf_printf(b, "dataset_duplicate_keys:%llu\r\n", (ull)f->duplicates);
    buf_printf(b, "dataset_value_bytes:%llu\r\n", (ull)f->value_bytes);
    buf_printf(b, "dataset_index_bytes:%llu\r\n", (ull)f->index_bytes);
    text_field(b, "dataset_index_file", dataset_index_path(service->dataset));
    buf_printf(b, "dataset_index_status:%s\r\n", dataset_index_status(service->dataset));
    buf_printf(b, "dataset_build_usec:%llu\r\n", (ull)(f->build_ns / 1000));
    buf_printf(b, "dataset_built_at:%llu\r\n", (ull)(f->built_at_us / 1000000));
}

static const struct {
    const char *name;
    const char *title;
    bool by_default; // shown by a plain INFO
    void (*write)(const struct service *service, struct buf *b);
} sections[] = {
    {"server", "Server", true, server_section},
    {"clients", "Clients", true, clients_section},
    {"memory", "Memory", true, memory_section},
    {"persistence", "Persistence", true, persistence_section},
    {"threads", "Threads", true, threads_section},
    {"stats", "Stats", true, stats_section},
    {"replication", "Replication", true, replication_section},
    {"cpu", "CPU", true, cpu_section},
    {"commandstats", "Commandstats", false, commandstats_section},
    {"cluster", "Cluster", true, cluster_section},
    {"keyspace", "Keyspace", true, keyspace_section},
    {"dataset", "Dataset", true, dataset_section},
};
enum { SECTIONS = sizeof sections / sizeof *sections };

// The sections that a word means, as bits.
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

enum command_result info_command(struct session *s, const struct resp_request *r)
{
    struct buf text = {0};
    if (r->argc == 1)
        s->sum = choose_sections(span_text("default"));
    for (; s->cursor + 1 < r->argc; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        s->sum |= choose_sections(resp_arg(r, (uint32_t)s->cursor + 1));
    }
    session_charge(s, INFO_WORK + INFO_LOOP_WORK * (uint64_t)s->service->group->count);
    for (unsigned i = 0; i < SECTIONS; i++) {
        if ((s->sum >> i & 1) == 0)
            continue;
        buf_printf(&text, "%s# %s\r\n", text.len > 0 ? "\r\n" : "", sections[i].title);
        sections[i].write(s->service, &text);
    }
    s->oom |= text.oom;
    resp_verbatim(&s->reply, buf_span(&text));
    buf_release(&text);
    return COMMAND_DONE;
}
