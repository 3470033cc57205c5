// cold: measures a server whose data is larger than memory.
//
// Two kinds of clients run at the same time. The paced clients send GETs for hot keys at a fixed
// rate (paced.h). The others, which run in a process of their own, have requests in flight all the
// time (clients.h), for cold keys, hot keys, or both. Every reply is compared.
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/load/clients.h"
#include "bench/load/figures.h"
#include "bench/load/paced.h"
#include "support/count.h"

enum {
    CONNECTIONS_MAX = 10000,
    IN_FLIGHT_MAX = 1000000,
    SECONDS_MAX = 86400,
    VALUE_MAX = 1 << 20,
    PRIORITY = 10,
    TOUCHED = 2, // times that each hot key is requested before the measurement
};

static const char help[] =
    "usage: cold ADDRESS --records N [OPTION...]\n"
    "\n"
    "Requests keys of a large data file from the server at ADDRESS, and compares every reply. The\n"
    "file is made with `generate N --seed S --values A..B`. It is not read here, because that\n"
    "would bring it into memory. ADDRESS is HOST:PORT, or the path of a unix socket, with a "
    "slash.\n"
    "\n"
    "the file:\n"
    "  --records N        its number of lines\n"
    "  --seed S           the seed it was made with (default 1)\n"
    "  --values A..B      the lengths of its values (default 1..100)\n"
    "clients that are paced and request hot keys; their time counts from when a request is due:\n"
    "  --paced N          number of them (default 16; 0: none)\n"
    "  --rate N           requests a second of each (default 200)\n"
    "  --hot N            number of hot keys, spread evenly over the file (default 20k)\n"
    "clients that always have requests in flight:\n"
    "  --connections N    number of them (default 64; 0: none)\n"
    "  --pipeline N       requests that each sends together (default 1)\n"
    "  --mget N           each request is an MGET of N keys (default: a GET)\n"
    "  --cold PERCENT     percentage of their lookups that are for cold keys; the others are for\n"
    "                     hot keys (default 100)\n"
    "  --misses PERCENT   percentage of their lookups that are for missing keys (default 0)\n"
    "all:\n"
    "  --seconds N        length of the measurement, after a tenth unmeasured (default 10)\n"
    "  --order S          seed of the order of the keys (default 1)\n"
    "  --pid PID          process of the server, whose processor time is measured\n"
    "  --tsv              print name, unit and value of each figure on a line, separated by tabs\n"
    "  --help             show this help and exit\n"
    "\n"
    "Numbers may end in k or M. The exit status is 1 when a reply was wrong or did not come.\n";

struct job {
    struct working_set set;
    struct paced_settings paced;
    struct clients_settings others;
    bool tsv;
};

// The results of the process of the other clients, in memory that both processes share.
struct outcome {
    bool good;
    struct clients_result result;
    struct error error;
};

// ---- the command line ---------------------------------------------------------------------------

static uint64_t number(const char *text, uint64_t min, uint64_t max)
{
    return count_or_exit("cold", text, min, max);
}

static void set_values(struct working_set *set, const char *text)
{
    uint64_t min;
    uint64_t max;
    if (!count_parse_range(text, &min, &max) || max > VALUE_MAX) {
        fprintf(stderr, "cold: not A..B with A <= B <= %d: '%s' (--help tells more)\n", VALUE_MAX,
                text);
        exit(2);
    }
    set->value_min = min;
    set->value_max = max;
}

static void set_option(struct job *job, int option, const char *text)
{
    struct clients_settings *others = &job->others;
    switch (option) {
    case 'n': job->set.records = number(text, 1, UINT32_MAX); break;
    case 's': job->set.seed = number(text, 0, UINT64_MAX); break;
    case 'v': set_values(&job->set, text); break;
    case 'h': job->paced.connections = number(text, 0, CONNECTIONS_MAX); break;
    case 'r': job->paced.rate = number(text, 1, IN_FLIGHT_MAX); break;
    case 'k': job->set.hot = number(text, 1, UINT32_MAX); break;
    case 'c': others->connections = number(text, 0, CONNECTIONS_MAX); break;
    case 'p': others->load.pipeline = number(text, 1, IN_FLIGHT_MAX); break;
    case 'm':
        others->load.kind = REQUEST_MGET;
        others->load.keys = number(text, 1, IN_FLIGHT_MAX);
        break;
    case 'C': job->set.cold_percent = (unsigned)number(text, 0, 100); break;
    case 'x': others->load.misses = (unsigned)number(text, 0, 100); break;
    case 't': others->seconds = number(text, 1, SECONDS_MAX); break;
    case 'o': others->seed = number(text, 0, UINT64_MAX); break;
    case 'P': others->pid = (pid_t)number(text, 1, INT32_MAX); break;
    case 'T': job->tsv = true; break;
    default: fputs(help, stderr); exit(2);
    }
}

static _Noreturn void refuse(const char *what)
{
    fprintf(stderr, "cold: %s (--help tells more)\n", what);
    exit(2);
}

static void check_job(const struct job *job)
{
    if (job->set.records == 0)
        refuse("--records is missing");
    if (job->set.hot > job->set.records)
        refuse("more hot keys than records");
    if (job->paced.connections + job->others.connections == 0)
        refuse("no clients");
    if (load_lookups(&job->others.load) > IN_FLIGHT_MAX)
        refuse("more than a million keys in flight on a connection");
}

static void parse_arguments(struct job *job, int argc, char *argv[])
{
    static const struct option options[] = {
        {"records", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"values", required_argument, NULL, 'v'},
        {"paced", required_argument, NULL, 'h'},
        {"rate", required_argument, NULL, 'r'},
        {"hot", required_argument, NULL, 'k'},
        {"connections", required_argument, NULL, 'c'},
        {"pipeline", required_argument, NULL, 'p'},
        {"mget", required_argument, NULL, 'm'},
        {"cold", required_argument, NULL, 'C'},
        {"misses", required_argument, NULL, 'x'},
        {"seconds", required_argument, NULL, 't'},
        {"order", required_argument, NULL, 'o'},
        {"pid", required_argument, NULL, 'P'},
        {"tsv", no_argument, NULL, 'T'},
        {"help", no_argument, NULL, 'H'},
        {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'H') {
            fputs(help, stdout);
            exit(0);
        }
        set_option(job, option, optarg);
    }
    if (optind + 1 != argc)
        set_option(job, '?', NULL);
    job->others.address = job->paced.address = argv[optind];
    job->others.load.set = job->paced.set = &job->set;
    job->paced.seconds = job->others.seconds;
    job->paced.seed = job->others.seed;
    check_job(job);
}

// ---- the run ------------------------------------------------------------------------------------

// Starts the process of the other clients. It ends with this one.
static pid_t start_others(const struct job *job, struct outcome *outcome)
{
    pid_t pid = job->others.connections > 0 ? fork() : 0;
    if (pid != 0 || job->others.connections == 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    outcome->good = clients_run(&job->others, &outcome->result, &outcome->error);
    _exit(EXIT_SUCCESS);
}

// Lets this process run as soon as a request is due. Otherwise it would measure how long it waits
// for a processor itself. Does nothing without the right to.
static bool become_real_time(void)
{
    const struct sched_param priority = {.sched_priority = PRIORITY};
    return sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
}

static bool run_paced(const struct job *job, struct paced_result *result, struct error *error)
{
    return job->paced.connections == 0 || paced_run(&job->paced, result, error);
}

static void print(const struct job *job, bool real_time, const struct paced_result *paced,
                  const struct clients_result *others)
{
    bool tsv = job->tsv;
    if (job->paced.connections > 0) {
        figure_print(tsv, "paced requests", "", (double)paced->latency.total, 0);
        figures_print_latency(tsv, "paced ", &paced->latency);
        figures_print_latency(tsv, "sent late ", &paced->late);
        figure_print(tsv, "real time", "", real_time, 0);
    }
    if (job->others.connections > 0) {
        double lookups = (double)others->lookups;
        figure_print(tsv, "lookups", "", lookups, 0);
        figure_print(tsv, "lookups a second", "/s", lookups * 1e9 / (double)others->ns, 0);
        figures_print_latency(tsv, "", &others->latency);
        if (job->others.pid != 0)
            figure_print(tsv, "server CPU a lookup", "us",
                         (double)others->server_cpu_ns / 1e3 / lookups, 4);
    }
}

static bool measure(const struct job *job, struct error *error)
{
    static struct paced_result paced;
    struct outcome *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED) {
        error_set(error, "no memory: %s", strerror(errno));
        return false;
    }
    if (job->paced.connections > 0 && !paced_touch(&job->paced, TOUCHED, error))
        return false;
    pid_t pid = start_others(job, outcome);
    if (pid < 0) {
        error_set(error, "cannot fork: %s", strerror(errno));
        return false;
    }
    bool real_time = become_real_time();
    bool good = run_paced(job, &paced, error);
    if (pid > 0 && !good)
        kill(pid, SIGKILL);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (good && pid > 0 && !outcome->good) {
        *error = outcome->error;
        good = false;
    }
    if (good)
        print(job, real_time, &paced, &outcome->result);
    return good;
}

int main(int argc, char *argv[])
{
    struct job job = {
        .set = {.seed = 1, .value_min = 1, .value_max = 100, .hot = 20000, .cold_percent = 100},
        .paced = {.connections = 16, .rate = 200},
        .others = {.load = {.kind = REQUEST_GET, .keys = 1, .pipeline = 1},
                   .connections = 64,
                   .seconds = 10,
                   .seed = 1},
    };
    struct error error;
    parse_arguments(&job, argc, argv);
    if (measure(&job, &error))
        return EXIT_SUCCESS;
    fprintf(stderr, "cold: %s\n", error.text);
    return EXIT_FAILURE;
}
