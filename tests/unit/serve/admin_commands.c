// Administrative commands: which clients may use each of them, alone and in a transaction; what a
// client may do to itself in any case; and which commands are answered during CLIENT PAUSE.
#include <stdio.h>

#include "base/clock.h"
#include "data/dataset.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define KEY "00000000-0000-4000-8000-000000000001"
#define NOAUTH "-NOAUTH Authentication required.\r\n"
#define REFUSED(name) "-NOPERM User default has no permissions to run the '" name "' command\r\n"
#define ABORTED "-EXECABORT Transaction discarded because of previous errors.\r\n"

// The rows with the flags ADMINISTRATIVE and ADMINISTRATIVE_IN_PART, in the order of the index.
static const char *const administrative[] = {
    "client|no-evict", "client|pause",  "client|unpause", "config|resetstat", "config|set",
    "debug",           "latency|reset", "shutdown",       "slowlog|reset",    "stele.reload"};
static const char *const in_part[] = {"acl|log", "client|kill"};

static const char *const words[] = {"no", "local", "yes"};

static struct settings settings;
static struct dataset *dataset;
static struct loops loops;
static unsigned refusals;
static unsigned stops;

static void note_refused(const struct session *s, const struct command_entry *entry)
{
    (void)s;
    (void)entry;
    refusals++;
}

static void note_stop(void *context)
{
    (void)context;
    stops++;
}

static void begin(unsigned count, enum enable_command allowed)
{
    settings.admin_commands = allowed;
    loops_init(&loops, count, &settings, dataset);
    loops.group.refused = note_refused;
    loops.group.stop = note_stop;
    refusals = 0;
}

static struct party *party(bool local)
{
    struct party *p = party_new(&loops, 0);
    p->session.local = local;
    return p;
}

// Sends a request and returns the reply as a C string, valid until the next call.
static const char *ask(struct party *p, const char *request)
{
    static char text[4096];
    party_send(p, request);
    loops_run(&loops);
    struct span received = party_receive(p);
    require(received.len < sizeof text, "a long reply");
    memcpy(text, received.ptr, received.len);
    text[received.len] = '\0';
    return text;
}

// ---- who may use them ---------------------------------------------------------------------------

static void check_table(void)
{
    unsigned all = 0, parts = 0, other = 0;
    begin(1, ENABLE_NO);
    for (unsigned i = 0; i < loops.group.commands.count; i++) {
        const struct command_entry *entry = &loops.group.commands.entries[i];
        const char *name = entry->command->name;
        if ((entry->command->flags & ADMINISTRATIVE) != 0)
            other += all == 10 || strcmp(administrative[all++], name) != 0;
        if ((entry->command->flags & ADMINISTRATIVE_IN_PART) != 0)
            other += parts == 2 || strcmp(in_part[parts++], name) != 0;
    }
    is_number(other, 0, "the administrative commands are those of the list");
    is_number(all + parts, 12, "there are 12 of them");
    loops_release(&loops);
}

// Writes a request with the least number of words for a row. The arguments mean nothing.
static void shortest(const struct command_entry *entry, char *to, size_t size)
{
    const struct command *c = entry->command;
    int words_left = (c->arity > 0 ? c->arity : -c->arity) - (entry->container != NULL ? 2 : 1);
    size_t len =
        (size_t)snprintf(to, size, "%s%s%s", entry->container != NULL ? entry->container->name : "",
                         entry->container != NULL ? " " : "", command_word(c));
    for (; words_left > 0; words_left--)
        len += (size_t)snprintf(to + len, size - len, " x");
}

static void check_row(const struct command_entry *entry, enum enable_command allowed, bool local)
{
    char request[256], wanted[256], transaction[512];
    const char *name = entry->command->name;
    bool may = allowed == ENABLE_YES || (allowed == ENABLE_LOCAL && local);
    bool queued = (entry->command->flags & NO_MULTI) == 0;
    struct party *p = party(local);
    snprintf(wanted, sizeof wanted, REFUSED("%s"), name);
    shortest(entry, request, sizeof request);
    const char *who = local ? "a client on this machine" : "a remote client";
    unsigned before = refusals;
    const char *got = ask(p, request);
    if (!may)
        is_text(got, wanted, "%s: %s is refused to %s", words[allowed], name, who);
    else
        ok(strncmp(got, "-NOPERM User", 12) != 0, "%s: %s may %s", words[allowed], who, name);
    is_number(refusals - before, !may, "a refusal is reported, anything else is not");
    party_end(p);
    if (may || !queued)
        return;
    p = party(local);
    snprintf(transaction, sizeof transaction, "MULTI\n%s\nEXEC", request);
    snprintf(wanted, sizeof wanted, "+OK\r\n" REFUSED("%s") ABORTED, name);
    is_text(ask(p, transaction), wanted, "%s: %s is not queued for %s", words[allowed], name, who);
    party_end(p);
}

static void check_rows(void)
{
    for (int allowed = ENABLE_NO; allowed <= ENABLE_YES; allowed++) {
        begin(1, (enum enable_command)allowed);
        stops = 0;
        for (unsigned i = 0; i < loops.group.commands.count; i++) {
            const struct command_entry *entry = &loops.group.commands.entries[i];
            if ((entry->command->flags & ADMINISTRATIVE) == 0)
                continue;
            check_row(entry, (enum enable_command)allowed, true);
            check_row(entry, (enum enable_command)allowed, false);
        }
        is_number(stops, (unsigned)allowed,
                  "%s: SHUTDOWN stops the server for those who may use it", words[allowed]);
        struct party *p = party(true);
        char wanted[128];
        snprintf(wanted, sizeof wanted, "*2\r\n$14\r\nadmin-commands\r\n$%zu\r\n%s\r\n",
                 strlen(words[allowed]), words[allowed]);
        is_text(ask(p, "CONFIG GET admin-commands"), wanted, "CONFIG GET shows the option");
        loops_release(&loops);
    }
}

// Commands that only read, or concern only the client itself, are allowed to all.
static void check_allowed(void)
{
    begin(1, ENABLE_NO);
    struct party *p = party(false);
    static const char *const requests[] = {"CLIENT LIST", "CLIENT INFO",      "CONFIG GET port",
                                           "SLOWLOG GET", "SLOWLOG LEN",      "LATENCY LATEST",
                                           "ACL LOG",     "ACL LOG 5",        "RESET",
                                           "INFO server", "CLIENT SETNAME a", "MEMORY PURGE"};
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++)
        ok(ask(p, requests[i])[0] != '-', "%s is allowed to all", requests[i]);
    is_number(refusals, 0, "nothing is refused");
    is_text(ask(p, "ACL LOG RESET"), REFUSED("acl|log"), "ACL LOG RESET is refused");
    is_text(ask(p, "CONFIG SET maxclients 1"), REFUSED("config|set"), "CONFIG SET is refused");
    is_number(loops.group.runtime.maxclients, settings.runtime.maxclients,
              "a refused CONFIG SET changes nothing");
    ok(strstr(ask(p, "INFO stats"), "\r\nacl_access_denied_cmd:2\r\n") != NULL,
       "INFO counts the refusals");
    loops_release(&loops);
}

// ---- CLIENT KILL --------------------------------------------------------------------------------

static void check_kill(unsigned count)
{
    char request[128];
    begin(count, ENABLE_LOCAL);
    struct party *others[LOOPS_MAX];
    for (unsigned i = 0; i < count; i++)
        others[i] = party_new(&loops, i);
    struct party *p = party(false);
    unsigned long long id = others[count - 1]->session.id;
    unsigned long long own = p->session.id;

    snprintf(request, sizeof request, "CLIENT KILL ID %llu", id);
    is_text(ask(p, request), REFUSED("client|kill"), "%u loops: the id of another client", count);
    snprintf(request, sizeof request, "CLIENT KILL %s", others[count - 1]->address);
    is_text(ask(p, request), REFUSED("client|kill"), "the address of another client");
    snprintf(request, sizeof request, "CLIENT KILL ADDR %s", others[count - 1]->address);
    is_text(ask(p, request), REFUSED("client|kill"), "its address with ADDR");
    is_text(ask(p, "CLIENT KILL TYPE normal"), REFUSED("client|kill"),
            "TYPE, without the client itself");
    is_text(ask(p, "CLIENT KILL TYPE normal SKIPME no"), REFUSED("client|kill"),
            "TYPE, with the client itself");
    is_text(ask(p, "CLIENT KILL LADDR 10.9.9.9:2"), REFUSED("client|kill"),
            "all clients of a local address");
    snprintf(request, sizeof request, "MULTI\nCLIENT KILL ID %llu\nPING\nEXEC", id);
    is_text(ask(p, request),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n" REFUSED("client|kill") "+PONG\r\n",
            "in a transaction, EXEC refuses it");
    is_number(refusals, 7, "each refusal is reported");
    bool alive = !p->closed;
    for (unsigned i = 0; i < count; i++)
        alive = alive && !others[i]->closed;
    ok(alive, "no client is closed");

    is_text(ask(p, "CLIENT KILL ID 999999"), ":0\r\n", "an id that no client has");
    is_text(ask(p, "CLIENT KILL 1.2.3.4:5"), "-ERR No such client\r\n",
            "an address that no client has");
    is_text(ask(p, "CLIENT KILL ID x"), "-ERR client-id should be greater than 0\r\n",
            "no id at all");
    snprintf(request, sizeof request, "CLIENT KILL ID %llu", own);
    is_text(ask(p, request), ":0\r\n", "its own id, which is skipped by default");
    snprintf(request, sizeof request, "CLIENT KILL ID %llu SKIPME no", own);
    is_text(ask(p, request), ":1\r\n", "its own id with SKIPME no");
    ok(p->closed, "the client has closed itself");
    struct party *again = party(false);
    snprintf(request, sizeof request, "CLIENT KILL %s", again->address);
    is_text(ask(again, request), "+OK\r\n", "its own address");
    ok(again->closed, "the client has closed itself");
    is_number(refusals, 7, "these are no refusals");

    struct party *local = party(true);
    snprintf(request, sizeof request, "CLIENT KILL ID %llu", id);
    is_text(ask(local, request), ":1\r\n", "a local client may close others");
    ok(others[count - 1]->closed, "the other is closed");
    loops_release(&loops);
}

// ---- CLIENT PAUSE -------------------------------------------------------------------------------

static void check_pause(unsigned count)
{
    begin(count, ENABLE_LOCAL);
    struct party *p = party(true);
    struct party *reader = party_new(&loops, count - 1);
    struct party *other = party_new(&loops, count - 1);
    is_text(ask(p, "CLIENT PAUSE 9000000000000000"), "+OK\r\n", "%u loops: a long pause", count);
    is_text(ask(reader, "GET " KEY "\nPING"), "", "a GET gets no reply");
    is_number(reader->status, FEED_WAITS, "the client waits");
    ok(reader->session.paused && !session_may_idle_out(&reader->session),
       "a waiting client is not idle");
    is_text(ask(reader, "PING\nCLIENT INFO"), "", "further requests of it wait too");
    ok(strncmp(ask(other, "HELLO 2\nGET"), "*14\r\n", 5) == 0, "HELLO is answered in a pause");
    is_text(ask(other, "RESET\nFOO\nGET\nGETRANGE a x 1 2\nSET a b"),
            "+RESET\r\n-ERR unknown command 'FOO', with args beginning with: \r\n"
            "-ERR wrong number of arguments for 'get' command\r\n"
            "-ERR wrong number of arguments for 'getrange' command\r\n"
            "-READONLY You can't write against a read only replica.\r\n",
            "RESET and errors are answered in a pause");
    ok(session_may_idle_out(&other->session), "a client that does not wait may be idle");
    party_send(other, "PING");
    other->session.local = false;
    loops_run(&loops);
    is_bytes(party_receive(other), span_text(""), "PING is not answered");
    struct party *remote = party(false);
    is_text(ask(remote, "CLIENT UNPAUSE"), REFUSED("client|unpause"),
            "a remote client may not end the pause");
    is_text(ask(remote, "QUIT"), "+OK\r\n", "QUIT is answered in a pause");
    ok(remote->closed, "QUIT closes the connection");
    is_text(ask(p, "CLIENT UNPAUSE\nPING"), "+OK\r\n+PONG\r\n", "CLIENT UNPAUSE is answered");
    for (unsigned i = 0; i < count; i++)
        is_number((int64_t)loops.service[i].paused_until, 0, "loop %u is not paused any more", i);
    struct span received = party_receive(reader);
    ok(received.len > 27 && memcmp(received.ptr, "$5\r\nvalue\r\n+PONG\r\n+PONG\r\n$", 26) == 0,
       "the waiting client gets its replies in order");
    is_bytes(party_receive(other), span_text("+PONG\r\n"),
             "the other waiting client gets its reply");
    ok(!reader->session.paused && !other->session.paused, "no client waits any more");
    loops_release(&loops);
}

static void check_inline(void)
{
    begin(1, ENABLE_LOCAL);
    struct party *p = party(true);
    struct party *reader = party(true);
    ask(p, "CLIENT PAUSE 100000");
    static const char text[] = "echo \"a\\x62c\"\r\nPING\r\n";
    for (size_t i = 0; i < sizeof text - 1; i++) { // byte by byte
        party_send_bytes(reader, span_of(text + i, 1));
        loops_run(&loops);
        party_turn(reader);
    }
    is_bytes(party_receive(reader), span_text(""), "inline commands wait for the end of a pause");
    ask(p, "CLIENT UNPAUSE");
    is_bytes(party_receive(reader), span_text("$3\r\nabc\r\n+PONG\r\n"), "they are decoded once");
    loops_release(&loops);
}

static void check_transaction(void)
{
    begin(1, ENABLE_LOCAL);
    struct party *p = party(true);
    struct party *reader = party(true);
    is_text(ask(reader, "MULTI\nGET " KEY), "+OK\r\n+QUEUED\r\n", "(a transaction begins)");
    ask(p, "CLIENT PAUSE 100000");
    is_text(ask(reader, "GET " KEY "\nEXEC"), "", "a queued GET waits for the end of the pause");
    is_text(ask(p, "MULTI\nCLIENT UNPAUSE\nEXEC"), "",
            "MULTI and CLIENT UNPAUSE after it wait too");
    struct party *third = party(true);
    is_text(ask(third, "CLIENT UNPAUSE"), "+OK\r\n", "a third client ends the pause");
    is_bytes(party_receive(reader), span_text("+QUEUED\r\n*2\r\n$5\r\nvalue\r\n$5\r\nvalue\r\n"),
             "the first transaction runs");
    is_bytes(party_receive(p), span_text("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"),
             "the second transaction runs");
    loops_release(&loops);
}

static void check_unauthenticated(void)
{
    settings.requirepass = "secret";
    begin(2, ENABLE_LOCAL);
    struct party *p = party(true);
    struct party *late = party_new(&loops, 1);
    struct party *other = party_new(&loops, 1);
    is_text(ask(p, "AUTH secret\nCLIENT PAUSE 100000"), "+OK\r\n+OK\r\n", "(a pause)");
    is_text(ask(late, "GET " KEY "\nAUTH x"),
            NOAUTH "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
            "an unauthenticated client is refused in a pause");
    is_text(ask(late, "AUTH secret\nGET " KEY), "+OK\r\n",
            "an unauthenticated client may authenticate in a pause");
    ok(strncmp(ask(other, "HELLO 3 AUTH default secret\nGET " KEY), "%7\r\n", 4) == 0,
       "another authenticates with HELLO");
    is_text(ask(other, "CLIENT UNPAUSE"), "", "(it waits for the pause that it would end)");
    is_text(ask(p, "CLIENT UNPAUSE"), "+OK\r\n", "an authenticated client ends the pause");
    is_bytes(party_receive(late), span_text("$5\r\nvalue\r\n"), "the first client gets its reply");
    is_bytes(party_receive(other), span_text("$5\r\nvalue\r\n+OK\r\n"),
             "the second gets both replies in order");
    loops_release(&loops);
    settings.requirepass = NULL;
}

static void check_duration(void)
{
    char request[64];
    begin(1, ENABLE_LOCAL);
    struct party *p = party(true);
    struct party *q = party(true);
    int64_t most = INT64_MAX - (int64_t)(clock_wall_us() / 1000);
    is_text(ask(p, "CLIENT PAUSE 9223372036854775807"), "-ERR timeout is out of range\r\n",
            "a pause that ends after the largest time");
    is_text(ask(p, "CLIENT PAUSE 9223372036854775808"),
            "-ERR timeout is not an integer or out of range\r\n", "a number that is too large");
    snprintf(request, sizeof request, "CLIENT PAUSE %lld", (long long)most - 100000);
    is_text(ask(p, request), "+OK\r\n", "a pause that ends just before that");
    is_text(ask(q, "PING"), "", "other clients wait");
    is_text(ask(p, "CLIENT UNPAUSE"), "+OK\r\n", "CLIENT UNPAUSE ends it");
    is_bytes(party_receive(q), span_text("+PONG\r\n"), "their requests are answered");
    loops_release(&loops);
}

int main(void)
{
    dataset = loops_dataset(KEY " value\n");
    settings = test_settings;
    settings.enable_debug_command = ENABLE_YES;
    settings.enable_shutdown_command = true;
    check_table();
    check_rows();
    check_allowed();
    check_kill(1);
    check_kill(4);
    check_pause(1);
    check_pause(4);
    check_inline();
    check_transaction();
    check_unauthenticated();
    check_duration();
    dataset_close(dataset);
    return done_testing();
}
