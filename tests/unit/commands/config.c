// CONFIG, INFO and LATENCY HISTOGRAM. CONFIG SET changes all options of a command or none.
// CONFIG RESETSTAT resets the counters of all loops, though only the loop itself writes them.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "serve/feed.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define FAILED(name, why)                                                                          \
    "-ERR CONFIG SET failed (possibly related to argument '" name "') - " why "\r\n"

static struct settings settings;

static struct service_group group;
static struct service services[2];
static struct dataset *dataset;
static unsigned changes;

static void on_change(void *context)
{
    (void)context;
    changes++;
}

static void start(void)
{
    settings = test_settings;
    settings.runtime.maxclients = 100;
    settings.maxclients_most = 200;
    settings.runtime.timeout = 7;
    service_group_init(&group, &settings, dataset, command_groups);
    group.settings_changed = on_change;
    for (unsigned i = 0; i < 2; i++)
        service_init(&services[i], &group);
    changes = 0;
}

static void end(void)
{
    for (unsigned i = 0; i < 2; i++)
        service_release(&services[i]);
    service_group_release(&group);
}

// Returns the reply to one inline command in the loop of `service`, as a C string. It takes as many
// turns as needed. The reply is valid until the next call.
static const char *ask_in(struct service *service, const char *command)
{
    static struct buf reply;
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    struct feed_result result;
    buf_release(&reply);
    buf_append_text(&input, command);
    buf_append_text(&input, "\r\n");
    session_init(&s, service, 1, true);
    do {
        timing_begin(&service->timing, clock_monotonic_ns());
        result = session_feed(&s, (struct bytes){input.ptr, input.len}, &out);
        service_flush_timing(service);
    } while (result.consumed == 0);
    buf_append(&reply, buf_span(&out.owned));
    buf_append(&reply, span_of("", 1));
    output_release(&out);
    session_release(&s);
    buf_release(&input);
    return reply.ptr;
}

static const char *ask(const char *command)
{
    return ask_in(&services[0], command);
}

// Returns the number of a field of INFO, or -1 if INFO does not have the field.
static long long field(const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\n%s:", name);
    const char *at = strstr(ask("INFO everything"), key);
    return at != NULL ? atoll(at + strlen(key)) : -1;
}

static void check_set(void)
{
    start();
    is_text(ask("CONFIG SET timeout 5 maxclients 50 slowlog-log-slower-than -1"), "+OK\r\n",
            "CONFIG SET of several options");
    ok(group.runtime.timeout == 5 && group.runtime.maxclients == 50 &&
           group.runtime.slowlog_log_slower_than == -1,
       "CONFIG SET sets all of several options");
    is_number(changes, 1, "CONFIG SET notifies the loops once");
    is_text(ask_in(&services[1], "CONFIG GET timeout"), "*2\r\n$7\r\ntimeout\r\n$1\r\n5\r\n",
            "another loop has the new value");
    static const char *const refused[][2] = {
        {"CONFIG SET timeout 6 maxclients", "-ERR syntax error\r\n"},
        {"CONFIG SET timeout 6 maxclients 0",
         FAILED("maxclients", "argument must be between 1 and 4294967295 inclusive")},
        {"CONFIG SET timeout 6 maxclients 201",
         FAILED("maxclients", "The operating system is not able to handle the specified number of "
                              "clients, try with 200")},
        {"CONFIG SET timeout 6 loglevel loud",
         FAILED("loglevel", "argument(s) must be one of the following: debug, verbose, notice, "
                            "warning")},
        {"CONFIG SET timeout 6 latency-tracking maybe",
         FAILED("latency-tracking", "argument must be 'yes' or 'no'")},
        {"CONFIG SET timeout 6 latency-tracking-info-percentiles 101",
         FAILED("latency-tracking-info-percentiles",
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")},
        {"CONFIG SET timeout 6 write-timeout -1",
         FAILED("write-timeout", "argument must be between 0 and 2147483647 inclusive")},
        {"CONFIG SET timeout 6 maxmemory-clients 101%",
         FAILED("maxmemory-clients", "percentage argument must be less or equal to 100")},
        {"CONFIG SET timeout 6 TIMEOUT 7", FAILED("timeout", "duplicate parameter")},
        {"CONFIG SET timeout six databases 1", FAILED("databases", "can't set immutable config")},
        {"CONFIG SET databases 2 nonsense 1", FAILED("databases", "can't set immutable config")},
        {"CONFIG SET timeout six maxclients many",
         FAILED("timeout", "argument couldn't be parsed into an integer")},
        {"CONFIG SET timeout 6 save 60", FAILED("save", "can't set immutable config")},
        {"CONFIG SET timeout 6 NonSense 1",
         "-ERR Unknown option or number of arguments for CONFIG SET - 'NonSense'\r\n"},
    };
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++)
        is_text(ask(refused[i][0]), refused[i][1], "%s", refused[i][0]);
    is_number(group.runtime.timeout, 5, "a refused CONFIG SET sets nothing");
    is_number(changes, 1, "a refused CONFIG SET does not notify the loops");
    is_text(ask("CONFIG SET request-timeout 8 write-timeout 9 maxmemory-clients 50%"), "+OK\r\n",
            "CONFIG SET of the limits of clients");
    ok(group.runtime.request_timeout == 8 && group.runtime.write_timeout == 9 &&
           service_clients_memory_max(&services[1]) == group.memory_allowed / 100 * 50,
       "CONFIG SET sets the limits of clients");
    ask("CONFIG SET maxmemory-clients 3mb");
    is_number((int64_t)service_clients_memory_max(&services[1]), 3 * 1024 * 1024,
              "maxmemory-clients as a size");
    ask("CONFIG SET maxmemory-clients 0");
    ok(service_clients_memory_max(&services[1]) == UINT64_MAX, "maxmemory-clients 0: no limit");
    is_text(ask("CONFIG SET maxclients 200 save \"\" appendonly NO"), "+OK\r\n",
            "a fixed option accepts its present value");
    ask("CONFIG SET loglevel WARNING");
    is_text(ask("CONFIG GET loglevel"), "*2\r\n$8\r\nloglevel\r\n$7\r\nwarning\r\n", "loglevel");
    ask("CONFIG SET loglevel notice");
    ask("CONFIG SET latency-tracking-info-percentiles \"1 99.99\"");
    is_text(ask("CONFIG GET *percentiles"),
            "*2\r\n$33\r\nlatency-tracking-info-percentiles\r\n$7\r\n1 99.99\r\n", "percentiles");
    ok(strstr(ask("INFO latencystats"), "config|set:p1=") != NULL,
       "INFO latencystats reports these percentiles");
    end();
    start();
    is_text(ask("CONFIG GET timeout"), "*2\r\n$7\r\ntimeout\r\n$1\r\n7\r\n",
            "without CONFIG SET, an option has the value of the start");
    end();
}

// CONFIG GET lists the options in the order of their names, each once, so that people find them.
static void check_names(void)
{
    char before[128] = "";
    unsigned count = 0, wrong = 0;
    start();
    for (const char *at = strchr(ask("CONFIG GET *"), '$'); at != NULL; count++) {
        char name[128] = "";
        unsigned name_len, value_len;
        int skip = 0;
        require(sscanf(at, "$%u\r\n%127[^\r]\r\n%n", &name_len, name, &skip) == 2, "%s", at);
        wrong += strcmp(before, name) >= 0;
        strcpy(before, name);
        at += skip;
        require(sscanf(at, "$%u\r\n%n", &value_len, &skip) == 1, "%s", at);
        at = strchr(at + skip + value_len, '$');
    }
    ok(count > 30 && wrong == 0, "CONFIG GET lists %u options in order", count);
    end();
}

// CONFIG GET knows each option of the command line, except the password.
static void check_every_option(void)
{
    unsigned known = 0;
    unsigned options = 0;
    char command[128];
    start();
    for (unsigned i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (row->option == NULL || row->secret)
            continue;
        snprintf(command, sizeof command, "CONFIG GET %s", row->name);
        bool found = strncmp(ask(command), "*2\r\n", 4) == 0;
        known += found;
        options++;
        if (!found)
            diag("%s is unknown", row->name);
    }
    ok(options > 30 && known == options, "CONFIG GET knows %u of %u options", known, options);
    is_text(ask("CONFIG GET requirepass"), "*0\r\n", "CONFIG GET does not reveal the password");
    end();
}

// CONFIG GET once replied "no" on every server.
static void check_cluster_enabled_always_said_no(void)
{
    start();
    is_text(ask("CONFIG GET cluster-enabled"), "*2\r\n$15\r\ncluster-enabled\r\n$2\r\nno\r\n",
            "CONFIG GET cluster-enabled of a server that is no cluster");
    settings.cluster_enabled = true;
    is_text(ask("CONFIG GET cluster-enabled"), "*2\r\n$15\r\ncluster-enabled\r\n$3\r\nyes\r\n",
            "CONFIG GET cluster-enabled of a cluster");
    end();
}

// CONFIG GET shows values of each type. They differ from the defaults.
static void check_shown(void)
{
    static const char *const shown[][2] = {
        {"watch", "yes"},
        {"swap-tracking", "push+close"},
        {"redis-version", "8.0.1"},
        {"write-error", "noperm"},
        {"cluster-announce-ip", "10.0.0.7"},
        {"cluster-announce-port", "7000"},
        {"index-trust", "sampled"},
        {"index-verify", "1048576"},
        {"index-pages", "huge"},
        {"build-memory", "512"},
        {"requirepass-file", "/run/password"},
        {"unixsocketperm", "770"},
        {"admin-commands", "local"},
        {"bind", "::1 *"},
        {"threads", "3"},
        {"io-threads", "3"},
    };
    start();
    settings.watch = true;
    settings.close_tracking = true;
    settings.redis_version = "8.0.1";
    settings.write_error = WRITE_ERROR_NOPERM;
    settings.cluster_announce_ip = "10.0.0.7";
    settings.cluster_announce_port = 7000;
    settings.sampled_trust = true;
    settings.index_verify = 1 << 20;
    settings.huge_pages = true;
    settings.build_memory = 512;
    settings.requirepass_file = "/run/password";
    settings.unixsocketperm = 0770;
    settings.bind = (struct setting_list){2, {"::1", "*"}};
    settings.threads = 3;
    for (unsigned i = 0; i < sizeof shown / sizeof *shown; i++) {
        const char *name = shown[i][0];
        const char *value = shown[i][1];
        char command[128];
        char wanted[256];
        snprintf(command, sizeof command, "CONFIG GET %s", name);
        snprintf(wanted, sizeof wanted, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(name), name,
                 strlen(value), value);
        is_text(ask(command), wanted, "%s", name);
    }
    end();
}

static void check_reset(void)
{
    start();
    counter_add(&services[1].stats.connected_clients, 3);
    counter_add(&services[1].stats.keyspace_hits, 1000);
    ask("GET " A);
    ask_in(&services[1], "GET " A);
    ask_in(&services[1], "GET nothing");
    ask("SET a b");
    ask("DEL a");
    ask("UNLINK a");
    ask("NONSENSE");
    ok(field("keyspace_hits") == 1002 && field("keyspace_misses") == 1,
       "INFO counts hits and misses");
    ok(field("get_operations") == 1003 && field("set_operations") == 1 &&
           field("delete_operations") == 2,
       "INFO counts operations");
    ok(field("total_error_replies") == 4, "INFO counts error replies");
    ok(strstr(ask("INFO errorstats"), "errorstat_ERR:count=1\r\nerrorstat_READONLY:count=3\r\n") !=
           NULL,
       "INFO counts error replies by their codes");
    ok(strstr(ask("INFO commandstats"), "cmdstat_get:calls=3,") != NULL, "INFO counts calls");
    ok(strstr(ask("LATENCY HISTOGRAM get"), "$5\r\ncalls\r\n:3\r\n") != NULL,
       "LATENCY HISTOGRAM counts durations");
    is_text(ask("CONFIG RESETSTAT"), "+OK\r\n", "CONFIG RESETSTAT");
    is_number((int64_t)counter_get(&services[1].stats.keyspace_hits), 1001,
              "CONFIG RESETSTAT does not write the counters of another loop");
    ok(field("keyspace_hits") == 0 && field("get_operations") == 0 && field("set_operations") == 0,
       "CONFIG RESETSTAT resets hits and operations");
    ok(field("total_error_replies") == 0, "CONFIG RESETSTAT resets error replies");
    is_text(ask("INFO errorstats"), "$14\r\n# Errorstats\r\n\r\n",
            "CONFIG RESETSTAT resets errors of every code");
    ok(strstr(ask("INFO commandstats"), "cmdstat_get:") == NULL, "CONFIG RESETSTAT resets calls");
    is_text(ask("LATENCY HISTOGRAM get"), "*0\r\n", "CONFIG RESETSTAT resets durations");
    is_number(field("connected_clients"), 3,
              "CONFIG RESETSTAT does not reset the number of clients");
    ask_in(&services[1], "GET " A);
    ok(field("keyspace_hits") == 1 && strstr(ask("INFO commandstats"), "cmdstat_get:calls=1,"),
       "hits and calls are counted from 0 again");
    ok(strstr(ask("LATENCY HISTOGRAM get"), "$5\r\ncalls\r\n:1\r\n") != NULL,
       "durations are counted from 0 again");
    end();
}

static void check_tracking(void)
{
    start();
    ask("CONFIG SET latency-tracking no");
    ask("GET " A);
    is_text(ask("LATENCY HISTOGRAM get"), "*0\r\n",
            "without latency-tracking, no durations are recorded");
    ask("CONFIG SET latency-tracking yes");
    is_text(ask("LATENCY HISTOGRAM get"), "*0\r\n", "earlier durations are not recorded later");
    ask("GET " A);
    ok(strstr(ask("LATENCY HISTOGRAM get"), "$5\r\ncalls\r\n:1\r\n") != NULL,
       "with latency-tracking, durations are recorded");
    const char *reply = ask("LATENCY HISTOGRAM config nonsense get CONFIG|GET get");
    ok(strncmp(reply, "*6\r\n$10\r\nconfig|set\r\n", 21) == 0,
       "a container stands for those of its subcommands that were called");
    ok(occurrences(span_text(reply), "\r\nget\r\n") == 2,
       "a command that is named twice is listed twice");
    reply = ask("LATENCY HISTOGRAM");
    ok(strstr(reply, "\r\nconfig|set\r\n") && strstr(reply, "\r\nget\r\n"),
       "without a name, all commands that were called are listed");
    end();
}

// Fields of INFO that tools read, under Redis's names. Each occurs once.
static const char *const fields[] = {
    "redis_version",
    "server_name",
    "redis_git_sha1",
    "redis_git_dirty",
    "redis_build_id",
    "redis_mode",
    "os",
    "arch_bits",
    "multiplexing_api",
    "process_id",
    "run_id",
    "tcp_port",
    "server_time_usec",
    "uptime_in_seconds",
    "uptime_in_days",
    "hz",
    "configured_hz",
    "lru_clock",
    "executable",
    "config_file",
    "io_threads_active",
    "availability_zone",
    "connected_clients",
    "cluster_connections",
    "maxclients",
    "blocked_clients",
    "tracking_clients",
    "pubsub_clients",
    "watching_clients",
    "clients_in_timeout_table",
    "used_memory",
    "used_memory_human",
    "used_memory_rss",
    "used_memory_peak",
    "used_memory_dataset",
    "maxmemory",
    "maxmemory_human",
    "maxmemory_policy",
    "mem_fragmentation_ratio",
    "mem_allocator",
    "number_of_cached_scripts",
    "loading",
    "async_loading",
    "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress",
    "rdb_last_save_time",
    "rdb_last_bgsave_status",
    "aof_enabled",
    "aof_rewrite_in_progress",
    "total_connections_received",
    "total_commands_processed",
    "instantaneous_ops_per_sec",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "instantaneous_input_kbps",
    "instantaneous_output_kbps",
    "rejected_connections",
    "expired_keys",
    "evicted_keys",
    "keyspace_hits",
    "keyspace_misses",
    "pubsub_channels",
    "tracking_total_keys",
    "total_error_replies",
    "acl_access_denied_auth",
    "acl_access_denied_cmd",
    "role",
    "connected_slaves",
    "master_failover_state",
    "master_replid",
    "master_repl_offset",
    "repl_backlog_active",
    "repl_backlog_size",
    "used_cpu_sys",
    "used_cpu_user",
    "used_cpu_sys_children",
    "used_cpu_user_children",
    "cluster_enabled",
    "db0",
    "stored_keys",
    "stored_value_bytes",
    "get_operations",
    "set_operations",
    "delete_operations",
    "get_hits",
    "get_misses",
};

static void check_fields(void)
{
    start();
    const char *all = ask("INFO everything");
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++) {
        char key[64];
        snprintf(key, sizeof key, "\n%s:", fields[i]);
        is_number(occurrences(span_text(all), key), 1, "INFO has %s", fields[i]);
    }
    // Clients identify other servers by these words.
    ok(strstr(all, "valkey") == NULL && strstr(all, "garnet") == NULL,
       "INFO does not contain the names of other servers");
    ask("AUTH nobody x");
    is_number(field("acl_access_denied_auth"), 1, "INFO counts failed authentications");
    end();
}

// The sections come in the order of the table, whatever the order of the words.
static void check_info(void)
{
    start();
    const char *all = ask("INFO everything");
    const char *at = all;
    static const char *const titles[] = {"Server",  "Clients",      "Memory",      "Persistence",
                                         "Threads", "Stats",        "Replication", "CPU",
                                         "Modules", "Commandstats", "Errorstats",  "Latencystats",
                                         "Cluster", "Keyspace",     "Dataset",     "Operations"};
    for (unsigned i = 0; i < sizeof titles / sizeof *titles && at != NULL; i++) {
        char title[32];
        snprintf(title, sizeof title, "# %s\r\n", titles[i]);
        at = strstr(at, title);
    }
    ok(at != NULL, "INFO everything has all sections, in Redis's order");
    ok(strstr(ask("INFO"), "stats\r\n") != NULL && strstr(ask("INFO"), "# Commandstats") == NULL,
       "INFO without words omits the statistics of commands");
    is_text(ask("INFO nothing Modules nothing cluster MODULES"),
            "$43\r\n# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n",
            "words select sections; unknown words are ignored");
    is_text(ask("INFO nothing"), "$0\r\n\r\n", "an unknown word alone selects nothing");
    char id[41];
    const char *replid = strstr(ask("INFO replication"), "master_replid:");
    ok(replid != NULL && sscanf(replid, "master_replid:%40[0-9a-f]\r", id) == 1 && strlen(id) == 40,
       "the id of the dataset has 40 digits");
    end();
}

// INFO adds up the counters of all loops. With many loops it takes several turns, and the reply is
// still complete.
static void check_turns(void)
{
    struct session s;
    struct output out = {0};
    char input[] = "INFO everything\r\n";
    unsigned turns = 0;
    size_t consumed;
    start();
    for (unsigned i = 0; i < group.commands.count; i++) // so that each command has a line
        counter_add(&services[1].stats.commands[i].calls, 1);
    // The largest number of loops.
    while (group.count < SERVICES_MAX)
        group.services[group.count++] = &services[1];
    session_init(&s, &services[0], 1, true);
    do {
        timing_begin(&services[0].timing, clock_monotonic_ns());
        consumed = session_feed(&s, (struct bytes){input, sizeof input - 1}, &out).consumed;
        service_flush_timing(&services[0]);
        turns++;
    } while (consumed == 0 && turns < 10000);
    buf_append(&out.owned, span_of("", 1));
    ok(turns > 10 && turns < 1000, "with 128 loops, INFO everything takes %u turns", turns);
    is_number(occurrences(buf_span(&out.owned), "\r\ncmdstat_"), group.commands.count,
              "INFO commandstats has a line for each command");
    ok(strstr(out.owned.ptr, ":calls=127,") != NULL, "INFO commandstats adds up all loops");
    output_release(&out);
    // LATENCY HISTOGRAM writes as many pairs as it has announced, even if the durations are reset
    // before it has written all of them.
    char histogram[] = "LATENCY HISTOGRAM\r\n";
    static const char *const called[] = {"PING", "GET x", "ECHO a", "TIME", "DBSIZE"};
    for (unsigned i = 0; i < sizeof called / sizeof *called; i++)
        ask_in(&services[1], called[i]);
    turns = 0;
    do {
        timing_begin(&services[0].timing, clock_monotonic_ns());
        consumed = session_feed(&s, (struct bytes){histogram, sizeof histogram - 1}, &out).consumed;
        timing_flush(&services[0].timing, &services[0].stats);
        turns++;
        if (output_pending(&out) > 0 && consumed == 0)
            group.observation.histogram_resets++;
    } while (consumed == 0 && turns < 10000);
    buf_append(&out.owned, span_of("", 1));
    unsigned pairs = (unsigned)atoi(out.owned.ptr + 1) / 2;
    unsigned emptied = occurrences(buf_span(&out.owned), "\r\ncalls\r\n:0\r\n");
    ok(pairs == sizeof called / sizeof *called + 1 && emptied > 0,
       "LATENCY HISTOGRAM has %u commands, %u of them reset meanwhile", pairs, emptied);
    is_number(occurrences(buf_span(&out.owned), "\r\ncalls\r\n"), pairs,
              "LATENCY HISTOGRAM writes as many commands as it has announced");
    output_release(&out);
    session_release(&s);
    group.count = 2;
    end();
}

int main(void)
{
    static struct buf text;
    struct error error = {""};
    buf_append_text(&text, A " value\n");
    dataset = dataset_open_memory(buf_span(&text), "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(dataset != NULL, "%s", error.text);
    check_set();
    check_names();
    check_every_option();
    check_cluster_enabled_always_said_no();
    check_shown();
    check_reset();
    check_tracking();
    check_fields();
    check_info();
    check_turns();
    dataset_close(dataset);
    return done_testing();
}
