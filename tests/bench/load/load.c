// load: the load generator. It requests random keys of a data file from a server, over many
// connections at once. It compares every reply with the file, and prints latencies and the
// processor time of the server.
//
// This file reads the command line and prints the results. The other parts are in this folder.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/load/clients.h"
#include "bench/load/figures.h"
#include "bench/load/fill.h"
#include "bench/load/flood.h"
#include "support/count.h"

enum {
    CONNECTIONS_MAX = 10000,
    IN_FLIGHT_MAX = 1000000, // most keys in flight on a connection
    SECONDS_MAX = 86400,
    LOOKUPS = 1000000,
};

static const char help[] =
    "usage: load DATAFILE ADDRESS [OPTION...]\n"
    "\n"
    "Requests random keys of DATAFILE from the server at ADDRESS and compares every reply with "
    "the\n"
    "file. ADDRESS is HOST:PORT, or the path of a unix socket, with a slash. Each key must occur\n"
    "only once in DATAFILE.\n"
    "\n"
    "  --load NAME        use the connections, pipeline and requests of one of these:\n"
    "                       P1    50 connections, one GET in flight (the default)\n"
    "                       P16   50 connections, 16 GETs in flight\n"
    "                       P128  8 connections, 128 GETs in flight\n"
    "                       M100  20 connections, one MGET of 100 keys in flight\n"
    "                       PING  50 connections, one PING in flight\n"
    "  --connections N    number of connections\n"
    "  --pipeline N       requests that a connection sends together; it sends the next ones when\n"
    "                     all are answered\n"
    "  --mget N           each request is an MGET of N keys\n"
    "  --ping             each request is a PING\n"
    "  --misses PERCENT   percentage of missing keys (default 0)\n"
    "  --protocol NAME    resp or memcached (default resp)\n"
    "  --lookups N        lookups to measure, after a tenth as many unmeasured ones (default 1M)\n"
    "  --seconds N        measure for this time instead\n"
    "  --pid PID          process of the server, whose processor time is measured\n"
    "  --flood N          use N more connections that send pipelined GETs without end\n"
    "  --seed S           seed of the random keys (default 1)\n"
    "  --fill             only store the file in the memcached at ADDRESS\n"
    "  --tsv              print name, unit and value of each figure on a line, separated by tabs\n"
    "  --help             show this help and exit\n"
    "\n"
    "Numbers may end in k or M. The exit status is 1 when a reply was wrong or did not come.\n";

static const struct preset {
    const char *name;
    size_t connections;
    size_t pipeline;
    enum request_kind kind;
    size_t keys;
} presets[] = {
    {"P1", 50, 1, REQUEST_GET, 1},    {"P16", 50, 16, REQUEST_GET, 1},
    {"P128", 8, 128, REQUEST_GET, 1}, {"M100", 20, 1, REQUEST_MGET, 100},
    {"PING", 50, 1, REQUEST_PING, 0},
};

struct job {
    const char *path;
    struct clients_settings settings;
    size_t flood; // number of connections of the flood
    bool fill;
    bool tsv;
};

// ---- the command line ---------------------------------------------------------------------------

static _Noreturn void refuse(const char *what, const char *text)
{
    fprintf(stderr, "load: %s: '%s' (--help tells more)\n", what, text);
    exit(2);
}

static uint64_t parse_number(const char *text, uint64_t min, uint64_t max)
{
    return count_or_exit("load", text, min, max);
}

static void apply_preset(struct clients_settings *s, const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const struct preset *p = &presets[i];
        if (strcmp(p->name, name) != 0)
            continue;
        s->connections = p->connections;
        s->load.pipeline = p->pipeline;
        s->load.kind = p->kind;
        s->load.keys = p->keys;
        return;
    }
    refuse("no such load", name);
}

static enum protocol parse_protocol(const char *name)
{
    if (strcmp(name, "memcached") == 0)
        return PROTOCOL_MEMCACHED;
    if (strcmp(name, "resp") != 0)
        refuse("neither resp nor memcached", name);
    return PROTOCOL_RESP;
}

static void set_request(struct load *load, enum request_kind kind, size_t keys)
{
    load->kind = kind;
    load->keys = keys;
}

static void set_option(struct job *job, int option, const char *text)
{
    struct clients_settings *s = &job->settings;
    switch (option) {
    case 'l': apply_preset(s, text); break;
    case 'c': s->connections = parse_number(text, 1, CONNECTIONS_MAX); break;
    case 'p': s->load.pipeline = parse_number(text, 1, IN_FLIGHT_MAX); break;
    case 'm': set_request(&s->load, REQUEST_MGET, parse_number(text, 1, IN_FLIGHT_MAX)); break;
    case 'i': set_request(&s->load, REQUEST_PING, 0); break;
    case 'x': s->load.misses = (unsigned)parse_number(text, 0, 100); break;
    case 'o': s->load.protocol = parse_protocol(text); break;
    case 'n': s->lookups = parse_number(text, 1, UINT32_MAX); break;
    case 't':
        s->seconds = parse_number(text, 1, SECONDS_MAX);
        s->lookups = 0;
        break;
    case 'P': s->pid = (pid_t)parse_number(text, 1, INT32_MAX); break;
    case 'f': job->flood = parse_number(text, 1, CONNECTIONS_MAX); break;
    case 's': s->seed = parse_number(text, 0, UINT64_MAX); break;
    case 'F': job->fill = true; break;
    case 'T': job->tsv = true; break;
    default: fputs(help, stderr); exit(2);
    }
}

// Refuses options that contradict each other.
static void check_job(const struct job *job)
{
    const struct clients_settings *s = &job->settings;
    if (load_lookups(&s->load) > IN_FLIGHT_MAX)
        refuse("more than a million keys in flight on a connection", "--pipeline");
    if (job->flood > 0 && s->pid != 0)
        refuse("the processor time would be that of the flood, too", "--pid");
}

static void parse_arguments(struct job *job, int argc, char *argv[])
{
    static const struct option options[] = {
        {"load", required_argument, NULL, 'l'},     {"connections", required_argument, NULL, 'c'},
        {"pipeline", required_argument, NULL, 'p'}, {"mget", required_argument, NULL, 'm'},
        {"ping", no_argument, NULL, 'i'},           {"misses", required_argument, NULL, 'x'},
        {"protocol", required_argument, NULL, 'o'}, {"lookups", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 't'},  {"pid", required_argument, NULL, 'P'},
        {"flood", required_argument, NULL, 'f'},    {"seed", required_argument, NULL, 's'},
        {"fill", no_argument, NULL, 'F'},           {"tsv", no_argument, NULL, 'T'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    apply_preset(&job->settings, "P1");
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            exit(0);
        }
        set_option(job, option, optarg);
    }
    if (optind + 2 != argc) {
        fputs(help, stderr);
        exit(2);
    }
    job->path = argv[optind];
    job->settings.address = argv[optind + 1];
    check_job(job);
}

// ---- results ------------------------------------------------------------------------------------

static void print_head(const struct job *job)
{
    const struct clients_settings *s = &job->settings;
    const char *memcached = s->load.protocol == PROTOCOL_MEMCACHED ? " of memcached" : "";
    printf("%zu connection%s, %zu ", s->connections, s->connections == 1 ? "" : "s",
           s->load.pipeline);
    switch (s->load.kind) {
    case REQUEST_GET: printf("GET%s", memcached); break;
    case REQUEST_MGET: printf("MGET of %zu keys%s", s->load.keys, memcached); break;
    case REQUEST_PING: printf("PING%s", memcached); break;
    }
    printf(" in flight on each\n");
}

static void print_result(const struct job *job, const struct clients_result *r)
{
    double lookups = (double)r->lookups;
    if (!job->tsv)
        print_head(job);
    figure_print(job->tsv, "lookups", "", lookups, 0);
    figure_print(job->tsv, "lookups a second", "/s", lookups * 1e9 / (double)r->ns, 0);
    figures_print_latency(job->tsv, "", &r->latency);
    if (job->settings.pid != 0)
        figure_print(job->tsv, "server CPU a lookup", "us",
                     (double)r->server_cpu_ns / 1e3 / lookups, 4);
    figure_print(job->tsv, "load generator CPU a lookup", "us",
                 (double)r->own_cpu_ns / 1e3 / lookups, 4);
}

// ---- the run ------------------------------------------------------------------------------------

static bool measure(struct job *job, const struct data_file *file, struct error *error)
{
    static struct clients_result result;
    struct clients_settings *s = &job->settings;
    struct flood flood = {0};
    s->load.file = file;
    if (job->flood > 0 &&
        !flood_start(&flood, s->address, s->load.protocol, job->flood, file, error))
        return false;
    bool good = clients_run(s, &result, error);
    if (!flood_stop(&flood, good ? error : NULL) || !good)
        return false;
    print_result(job, &result);
    return true;
}

int main(int argc, char *argv[])
{
    struct job job = {.settings = {.lookups = LOOKUPS, .seed = 1}};
    struct data_file file;
    struct error error;
    parse_arguments(&job, argc, argv);
    job.settings.progress = isatty(STDERR_FILENO);
    bool good =
        data_file_open(&file, job.path, &error) &&
        (job.fill ? fill_memcached(job.settings.address, &file, job.settings.progress, &error)
                  : measure(&job, &file, &error));
    if (!good)
        fprintf(stderr, "load: %s\n", error.text);
    data_file_release(&file);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
