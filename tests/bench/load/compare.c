// compare: clients that compare every reply of a server whose data file is replaced, truncated, or
// whose process is killed, while they run. tests/soak/cold causes these faults, and says in a file
// that both programs map which of them have happened.
//
// Two data files take turns. Both have the same keys. In the odd one, each value is one byte longer
// (`generate --values 1..100` and `--values 2..101`). A value must be that of one of the two files.
// It must be that of the new one if a reload was acknowledged before the request was sent, or if
// the client has already received a new value. An error and a lost connection are accepted only
// while a fault explains them.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "bench/load/connect.h"
#include "data/uuid_text.h"
#include "support/count.h"
#include "support/tap.h"
#include "support/working_set.h"

enum {
    CLIENTS_MAX = 1000,
    REQUESTS_MAX = 40, // requests that a client sends together
    KEYS_MAX = 100,    // keys of an MGET
    INPUT = 1 << 16,
    PATIENCE_SECONDS = 120,
    RETRY_MS = 20,
};

static const char help[] =
    "usage: compare PORT STATE --records N [OPTION...]\n"
    "\n"
    "Compares every reply of the server at 127.0.0.1:PORT until the file STATE says that the run "
    "is\n"
    "over. tests/soak/cold makes that file and runs this program.\n"
    "\n"
    "  --records N    number of lines of both data files\n"
    "  --seed S       seed that both were made with (default 1)\n"
    "  --clients N    number of clients (default 32)\n"
    "  --hot N        number of hot keys (default 20k)\n"
    "  --cold PERCENT percentage of the lookups that are for cold keys (default 20)\n"
    "  --order S      seed of all random choices (default 1)\n"
    "  --help         show this help and exit\n";

// What tests/soak/cold and this program tell each other, as numbers of 64 bits. Each has one
// writer.
struct state {
    volatile uint64_t begun;        // newest generation whose file is at the path that is served
    volatile uint64_t acknowledged; // newest generation that the server has acknowledged
    volatile uint64_t ends;         // counted before and after each end of the server
    volatile uint64_t truncations;  // truncations so far, counted before each one
    volatile uint64_t replaced;     // of them, those whose file is no longer served
    volatile uint64_t over;         // 1: the run is over
    volatile uint64_t compared;     // values compared so far; written by this program
};

// What may explain a failure: the counters at the time when a client looked.
struct sight {
    uint64_t ends;
    uint64_t truncations;
    bool damaged; // a truncated file was served
};

struct client {
    int fd; // -1: not connected
    struct sight at_connect;
    struct sight at_send;
    uint64_t least;  // generation that was acknowledged when the requests were sent
    uint64_t newest; // newest generation of which the client has received a value
    struct request {
        unsigned keys; // 0: a GET; otherwise the keys of an MGET
        uint64_t records[KEYS_MAX];
    } requests[REQUESTS_MAX];
    unsigned sent;
    unsigned answered;
    struct buf received;
};

struct run {
    struct working_set set; // of the even file
    const char *address;
    struct state *state;
    unsigned count;
    struct client *clients;
    struct random random;
    uint64_t cold;
    uint64_t errors;
    uint64_t lost;
    struct buf output;
    char key[UUID_TEXT_LEN];
    char *value; // of the odd file; that of the even file is the same without its last byte
};

static _Noreturn void wrong(const char *what, struct span got)
{
    struct error error;
    error_set(&error, "%s: '%.*s'", what, (int)(got.len < 200 ? got.len : 200), got.ptr);
    fprintf(stderr, "compare: %s\n", error.text);
    exit(EXIT_FAILURE);
}

// ---- what explains a failure --------------------------------------------------------------------

static struct sight look(const struct run *run)
{
    uint64_t replaced = run->state->replaced; // read before `truncations`, which is never less
    uint64_t truncations = run->state->truncations;
    return (struct sight){run->state->ends, truncations, truncations > replaced};
}

static bool damaged_since(const struct run *run, const struct sight *s)
{
    return s->damaged || look(run).truncations != s->truncations;
}

static bool may_lose(const struct run *run, const struct client *c)
{
    bool ending = c->at_connect.ends % 2 != 0;
    return ending || look(run).ends != c->at_connect.ends || damaged_since(run, &c->at_connect);
}

// ---- connections --------------------------------------------------------------------------------

static void lose(struct run *run, struct client *c, const char *what)
{
    if (!may_lose(run, c))
        wrong(what, span_text(strerror(errno)));
    run->lost++;
    close(c->fd);
    c->fd = -1;
    c->sent = c->answered = 0;
    c->received.len = 0;
}

// Connects, unless the server is not running at the moment.
static void try_connect(struct run *run, struct client *c)
{
    struct error error;
    c->at_connect = look(run);
    c->fd = connect_to(run->address, &error);
}

// ---- requests -----------------------------------------------------------------------------------

static uint64_t draw(struct run *run)
{
    const struct working_set *set = &run->set;
    return random_below(&run->random, 100) < set->cold_percent
               ? working_set_cold(set, run->cold++)
               : working_set_hot(set, random_below(&run->random, set->hot));
}

static void append_key(struct run *run, uint64_t record)
{
    working_set_record(&run->set, record, run->key, run->value);
    buf_append_text(&run->output, "$36\r\n");
    buf_append(&run->output, span_of(run->key, UUID_TEXT_LEN));
    buf_append_text(&run->output, "\r\n");
}

static void append_request(struct run *run, struct request *r)
{
    bool many = random_below(&run->random, 4) == 0;
    r->keys = many ? 1 + (unsigned)random_below(&run->random, KEYS_MAX) : 0;
    if (many)
        buf_printf(&run->output, "*%u\r\n$4\r\nMGET\r\n", r->keys + 1);
    else
        buf_append_text(&run->output, "*2\r\n$3\r\nGET\r\n");
    for (unsigned i = 0; i < (many ? r->keys : 1); i++) {
        r->records[i] = draw(run);
        append_key(run, r->records[i]);
    }
}

static void send_requests(struct run *run, struct client *c)
{
    run->output.len = 0;
    c->sent = 1 + (unsigned)random_below(&run->random, REQUESTS_MAX);
    c->answered = 0;
    for (unsigned i = 0; i < c->sent; i++)
        append_request(run, &c->requests[i]);
    require(!run->output.oom, "no memory");
    c->least = run->state->acknowledged;
    c->at_send = look(run);
    // The socket is blocking. The server reads requests while it writes replies.
    for (size_t at = 0; at < run->output.len;) {
        ssize_t n = send(c->fd, run->output.ptr + at, run->output.len - at, MSG_NOSIGNAL);
        if (n < 0) {
            lose(run, c, "cannot send");
            return;
        }
        at += (size_t)n;
    }
}

// ---- replies ------------------------------------------------------------------------------------

// Takes the line at `*at` of the received bytes. Returns false when it is not complete.
static bool take_line(const struct client *c, size_t *at, struct span *line)
{
    const char *from = c->received.ptr + *at;
    const char *end = memmem(from, c->received.len - *at, "\r\n", 2);
    if (end == NULL)
        return false;
    *line = span_of(from, (size_t)(end - from));
    *at += line->len + 2;
    return true;
}

static void check_error(struct run *run, const struct client *c, struct span line)
{
    if (!damaged_since(run, &c->at_send))
        wrong("an error without a fault", line);
    run->errors++;
}

// Checks a value, and that it is not too old.
static void check_value(struct run *run, struct client *c, uint64_t record, struct span got)
{
    struct working_set odd = run->set;
    odd.value_min++;
    odd.value_max++;
    size_t len = working_set_record(&odd, record, run->key, run->value);
    unsigned which = got.len == len;
    if ((got.len != len && got.len != len - 1) || memcmp(got.ptr, run->value, got.len) != 0)
        wrong("a value that is in neither file", got);
    c->newest = c->newest > c->least ? c->newest : c->least;
    c->newest += c->newest % 2 != which;
    if (c->newest > run->state->begun)
        wrong("an old value after a new one", got);
    run->state->compared++;
}

// Takes one value or error. Returns false when it is not complete.
static bool take_value(struct run *run, struct client *c, uint64_t record, size_t *at)
{
    struct span line;
    if (!take_line(c, at, &line))
        return false;
    if (line.len > 0 && *line.ptr == '-') {
        check_error(run, c, line);
        return true;
    }
    char *end;
    long len = line.len > 1 && *line.ptr == '$' ? strtol(line.ptr + 1, &end, 10) : -1;
    if (len < 0)
        wrong("no value", line);
    if (c->received.len - *at < (size_t)len + 2)
        return false;
    check_value(run, c, record, span_of(c->received.ptr + *at, (size_t)len));
    *at += (size_t)len + 2;
    return true;
}

// Whether all of the reply to an MGET is there. It is checked only then, as a value would otherwise
// be checked again with each part of the reply that arrives.
static bool is_complete(const struct client *c, unsigned values)
{
    size_t at = 0;
    struct span line;
    if (!take_line(c, &at, &line))
        return false;
    if (line.len == 0 || *line.ptr != '*')
        return true;
    for (unsigned i = 0; i < values; i++) {
        if (!take_line(c, &at, &line))
            return false;
        long len = line.len > 1 && *line.ptr == '$' ? strtol(line.ptr + 1, NULL, 10) : -1;
        at += len >= 0 ? (size_t)len + 2 : 0;
        if (at > c->received.len)
            return false;
    }
    return true;
}

// Takes the reply to an MGET, which is an error or an array.
static bool take_array(struct run *run, struct client *c, const struct request *r, size_t *at)
{
    char wanted[32];
    struct span line;
    if (!is_complete(c, r->keys) || !take_line(c, at, &line))
        return false;
    if (line.len > 0 && *line.ptr == '-') {
        check_error(run, c, line);
        return true;
    }
    snprintf(wanted, sizeof wanted, "*%u", r->keys);
    if (!span_equal(line, span_text(wanted)))
        wrong("no array of as many values as keys", line);
    for (unsigned i = 0; i < r->keys; i++)
        if (!take_value(run, c, r->records[i], at))
            wrong("no complete array", line);
    return true;
}

static void take_replies(struct run *run, struct client *c)
{
    while (c->answered < c->sent) {
        const struct request *r = &c->requests[c->answered];
        size_t at = 0;
        if (r->keys > 0 ? !take_array(run, c, r, &at) : !take_value(run, c, *r->records, &at))
            return;
        buf_remove_front(&c->received, at);
        c->answered++;
    }
    if (c->received.len > 0)
        wrong("more bytes than replies", buf_span(&c->received));
}

static void receive_some(struct run *run, struct client *c)
{
    char *at = buf_reserve(&c->received, INPUT);
    require(at != NULL, "no memory");
    ssize_t n = recv(c->fd, at, INPUT, 0);
    if (n <= 0) {
        lose(run, c, "the connection is lost");
        return;
    }
    c->received.len += (size_t)n;
    take_replies(run, c);
}

// ---- the run ------------------------------------------------------------------------------------

static void run_clients(struct run *run)
{
    struct pollfd polled[CLIENTS_MAX];
    unsigned patience = PATIENCE_SECONDS * 1000 / RETRY_MS;
    for (unsigned quiet = 0; !run->state->over; quiet++) {
        for (unsigned i = 0; i < run->count; i++) {
            struct client *c = &run->clients[i];
            if (c->fd < 0)
                try_connect(run, c);
            if (c->fd >= 0 && c->answered == c->sent)
                send_requests(run, c);
            polled[i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
        }
        if (poll(polled, run->count, RETRY_MS) > 0)
            quiet = 0;
        if (quiet > patience)
            wrong("no reply for two minutes", span_text(""));
        for (unsigned i = 0; i < run->count; i++)
            if (polled[i].fd >= 0 && polled[i].revents != 0)
                receive_some(run, &run->clients[i]);
    }
}

static struct state *map_state(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *state = fd >= 0
                      ? mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                      : MAP_FAILED;
    if (state == MAP_FAILED) {
        fprintf(stderr, "compare: '%s': %s\n", path, strerror(errno));
        exit(EXIT_FAILURE);
    }
    close(fd);
    return state;
}

static void parse_arguments(struct run *run, int argc, char *argv[])
{
    static const struct option options[] = {
        {"records", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
        {"clients", required_argument, NULL, 'c'}, {"hot", required_argument, NULL, 'k'},
        {"cold", required_argument, NULL, 'C'},    {"order", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'n': run->set.records = count_or_exit("compare", optarg, 1, UINT32_MAX); break;
        case 's': run->set.seed = count_or_exit("compare", optarg, 0, UINT64_MAX); break;
        case 'c': run->count = (unsigned)count_or_exit("compare", optarg, 1, CLIENTS_MAX); break;
        case 'k': run->set.hot = count_or_exit("compare", optarg, 1, UINT32_MAX); break;
        case 'C': run->set.cold_percent = (unsigned)count_or_exit("compare", optarg, 0, 100); break;
        case 'o': run->random.state = count_or_exit("compare", optarg, 0, UINT64_MAX); break;
        case 'h': fputs(help, stdout); exit(0);
        default: fputs(help, stderr); exit(2);
        }
    }
    if (optind + 2 != argc || run->set.records == 0 || run->set.hot > run->set.records) {
        fputs(help, stderr);
        exit(2);
    }
}

int main(int argc, char *argv[])
{
    static char address[64];
    struct run run = {
        .set = {.seed = 1, .value_min = 1, .value_max = 100, .hot = 20000, .cold_percent = 20},
        .count = 32,
        .random = {1},
    };
    parse_arguments(&run, argc, argv);
    snprintf(address, sizeof address, "127.0.0.1:%s", argv[optind]);
    run.address = address;
    run.state = map_state(argv[optind + 1]);
    run.cold = random_next(&run.random) >> 32;
    run.value = malloc(working_set_room(&run.set) + 1);
    run.clients = calloc(run.count, sizeof *run.clients);
    require(run.value != NULL && run.clients != NULL, "no memory");
    for (unsigned i = 0; i < run.count; i++)
        run.clients[i].fd = -1;
    run_clients(&run);
    printf("values compared\t\t%llu\n", (unsigned long long)run.state->compared);
    printf("errors\t\t%llu\n", (unsigned long long)run.errors);
    printf("connections lost\t\t%llu\n", (unsigned long long)run.lost);
    return EXIT_SUCCESS;
}
