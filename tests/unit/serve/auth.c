// A server with a password: what clients may send before AUTH, how they authenticate, and how much
// memory they can make the server take before that.
#include "data/dataset.h"
#include "serve/session.h"
#include "support/service.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/loops.h"

#define NOAUTH "-NOAUTH Authentication required.\r\n"
#define WRONGPASS "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
#define HELLO_FIRST                                                                                \
    "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "     \
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "     \
    "RESP protocol version at the same time\r\n"

static struct settings settings;
static struct dataset *dataset;
static struct loops loops;

static void check_case(const char *requests, const char *wanted)
{
    struct party *p = party_new(&loops, 0);
    replies(p, requests, wanted);
    party_end(p);
}

static void check_commands(void)
{
    check_case("PING\nFOO\nGET\nSET a b\nCLIENT FOO\nMULTI\nEXEC\nEXEC x\nSUBSCRIBE a\nCOMMAND",
               NOAUTH "-ERR unknown command 'FOO', with args beginning with: \r\n"
                      "-ERR wrong number of arguments for 'get' command\r\n" NOAUTH
                      "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n" NOAUTH
                      "-EXECABORT Transaction discarded because of: NOAUTH Authentication "
                      "required.\r\n-EXECABORT Transaction discarded because of: wrong number of "
                      "arguments for 'exec' command\r\n" NOAUTH NOAUTH);
    check_case("RESET\nQUIT\nPING", "+RESET\r\n+OK\r\n");
    check_case("HELLO\nHELLO 3\nHELLO 3 SETNAME a\nHELLO 4",
               HELLO_FIRST HELLO_FIRST HELLO_FIRST "-NOPROTO unsupported protocol version\r\n");
    // All commands without the flags NO_AUTH, UNAUTHENTICATED and PROTECTED refuse the client.
    for (unsigned i = 0; i < loops.group.commands.count; i++) {
        const struct command_entry *entry = &loops.group.commands.entries[i];
        const struct command *c = entry->command;
        int words = c->arity < 0 ? -c->arity : c->arity;
        if ((c->flags & (NO_AUTH | UNAUTHENTICATED | PROTECTED)) != 0 || c->handler == NULL ||
            words > 10)
            continue;
        struct party *p = party_new(&loops, 0);
        buf_printf(&p->requests, "*%d\r\n", words);
        if (entry->container != NULL)
            append_bulk(&p->requests, span_text(entry->container->name));
        append_bulk(&p->requests, span_text(command_word(c)));
        for (int j = 1 + (entry->container != NULL); j < words; j++)
            append_bulk(&p->requests, span_text("1"));
        p->sent = p->requests.len;
        loops_run(&loops);
        struct span received = party_receive(p);
        bool refused = (c->flags & EXECUTES) != 0 || span_equal(received, span_text(NOAUTH));
        if (!refused)
            is_bytes(received, span_text(NOAUTH), "%s", c->name);
        party_end(p);
    }
    ok(true, "all commands have been tried before AUTH");
}

static void check_authenticating(void)
{
    check_case("AUTH secret\nGET x", "+OK\r\n$-1\r\n");
    check_case("AUTH default secret\nGET x", "+OK\r\n$-1\r\n");
    check_case(
        "AUTH Secret\nAUTH secre\nAUTH secrett\nAUTH default x\nAUTH other secret\nAUTH a b c\n"
        "AUTH\nGET x",
        WRONGPASS WRONGPASS WRONGPASS WRONGPASS WRONGPASS
        "-ERR syntax error\r\n-ERR wrong number of arguments for 'auth' command\r\n" NOAUTH);
    check_case("AUTH secret\nAUTH x\nGET x\nRESET\nGET x",
               "+OK\r\n" WRONGPASS "$-1\r\n+RESET\r\n" NOAUTH);
    check_case("HELLO 2 AUTH default x\nHELLO 3 AUTH other secret SETNAME a\nGET x",
               WRONGPASS WRONGPASS NOAUTH);
    struct party *p = party_new(&loops, 0);
    party_send(p, "HELLO 3 SETNAME me AUTH default secret\nGET x\nCLIENT GETNAME");
    loops_run(&loops);
    struct span received = party_receive(p);
    struct span end = SPAN("_\r\n$2\r\nme\r\n");
    ok(received.ptr[0] == '%' &&
           memcmp(received.ptr + received.len - end.len, end.ptr, end.len) == 0,
       "HELLO 3 SETNAME AUTH");
    party_end(p);
    p = party_new(&loops, 0);
    party_send_bytes(p, SPAN("HELLO 3 AUTH default secret SETNAME \"a b\"\r\nGET x\r\n"));
    loops_run(&loops);
    is_bytes(party_receive(p),
             SPAN("-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
                  "$-1\r\n"),
             "HELLO with a right password and a bad name: authenticated, and still in RESP2");
    party_end(p);
    // A long pipeline whose first request is AUTH.
    p = party_new(&loops, 0);
    party_send(p, "AUTH secret");
    for (unsigned i = 0; i < 500; i++)
        party_send(p, "MGET 1 2 3 4 5 6 7 8 9 10 11 12");
    loops_run(&loops);
    is_number((int64_t)party_receive(p).len, 5 + 500 * (5 + 12 * 5),
              "all requests after AUTH in a pipeline are answered");
    party_end(p);
}

static void check_bounds(void)
{
    check_case("PING 1 2 3 4 5 6 7 8 9", NOAUTH);
    check_case("PING 1 2 3 4 5 6 7 8 9 10",
               "-ERR Protocol error: unauthenticated multibulk length\r\n");
    struct party *p = party_new(&loops, 0);
    party_send_bytes(p, SPAN("*1\r\n$16385\r\n"));
    loops_run(&loops);
    is_bytes(party_receive(p), SPAN("-ERR Protocol error: unauthenticated bulk length\r\n"),
             "an argument of 16385 bytes is too long before AUTH");
    ok(p->closed, "a long argument before AUTH closes the connection");
    party_end(p);
    struct buf long_word = {0};
    append_bytes(&long_word, 'x', 16384);
    p = party_new(&loops, 0);
    buf_append_text(&p->requests, "*2\r\n$4\r\nECHO\r\n");
    append_bulk(&p->requests, buf_span(&long_word));
    p->sent = p->requests.len;
    loops_run(&loops);
    is_bytes(party_receive(p), span_text(NOAUTH), "an argument of 16384 bytes is not");
    is_number((int64_t)session_input_max(&p->session), 1024 * 1024,
              "before AUTH, 1 MiB of input may wait");
    replies(p, "AUTH secret", "+OK\r\n");
    is_number((int64_t)session_input_max(&p->session), SESSION_INPUT_MAX, "after AUTH, more");
    replies(p, "ECHO 1 2 3 4 5 6 7 8 9 10 11",
            "-ERR wrong number of arguments for 'echo' command\r\n");
    party_end(p);
    buf_release(&long_word);
}

static void check_bytes(void)
{
    settings.requirepass = "p\xc3\xa4\xff\x80 w";
    ok(service_group_set_password(&loops.group, settings.requirepass) &&
           !service_group_set_password(&loops.group, settings.requirepass),
       "the password is replaced, which is a change only once");
    struct party *p = party_new(&loops, 0);
    party_send_bytes(p,
                     SPAN("*2\r\n$4\r\nAUTH\r\n$7\r\np\xc3\xa4\xff\x80 x\r\n"
                          "*2\r\n$4\r\nAUTH\r\n$7\r\np\xc3\xa4\xff\x80 w\r\n"
                          "*2\r\n$4\r\nAUTH\r\n$8\r\np\xc3\xa4\xff\x80 w\0\r\n"
                          "*2\r\n$4\r\nAUTH\r\n$0\r\n\r\n"
                          "*2\r\n$4\r\nAUTH\r\n$14\r\np\xc3\xa4\xff\x80 wp\xc3\xa4\xff\x80 w\r\n"));
    loops_run(&loops);
    is_bytes(party_receive(p), SPAN(WRONGPASS "+OK\r\n" WRONGPASS WRONGPASS WRONGPASS),
             "a password may have any bytes, and all of them count");
    party_end(p);
    settings.requirepass = NULL;
    check_case("GET x\nAUTH default anything\nAUTH other x\nGET x",
               "$-1\r\n+OK\r\n" WRONGPASS "$-1\r\n");
}

int main(void)
{
    dataset = loops_dataset("3479d894-3271-4935-88cf-a06f3cbb80a5 v\n");
    settings = test_settings;
    settings.requirepass = "secret";
    loops_init(&loops, 1, &settings, dataset);
    check_commands();
    check_authenticating();
    check_bounds();
    check_bytes();
    loops_release(&loops);
    return done_testing();
}
