// Administrative commands whose replies differ from Redis's, so redis-compat/ cannot compare them:
// MEMORY, ACL, LOLWUT and OBJECT IDLETIME. Also DEBUG, and the work that such commands cost.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "data/dataset.h"
#include "support/talk.h"
#include "support/tap.h"
#include "unit/support/ask.h"

#define KEY "00000000-0000-4000-8000-000000000001"
#define LINES KEY " four\n00000000-0000-4000-8000-000000000002 \n"

static struct ask a;

// Returns the reply to `command`, NUL-terminated. The caller releases it.
static struct buf ask(const char *command)
{
    unsigned turns;
    struct buf reply = ask_turns(&a, command, 10, &turns);
    buf_append(&reply, span_of("", 1));
    return reply;
}

static void is_reply(const char *command, const char *wanted)
{
    struct buf reply = ask(command);
    is_text(reply.ptr, wanted, "%s", command);
    buf_release(&reply);
}

static void check_memory(void)
{
    const struct dataset_figures *f = dataset_figures(a.dataset);
    char wanted[64];
    snprintf(wanted, sizeof wanted, ":%llu\r\n",
             (unsigned long long)(36 + 1 + 4 + 1 + f->index_bytes / 2));
    is_reply("MEMORY USAGE " KEY, wanted);
    is_reply("MEMORY USAGE " KEY " SAMPLES 0", wanted);
    struct buf reply = ask("MEMORY STATS");
    snprintf(wanted, sizeof wanted, "\r\nkeys.count\r\n:2\r\n");
    ok(reply.len > 4 && memcmp(reply.ptr, "*30\r\n", 5) == 0 && strstr(reply.ptr, wanted) != NULL,
       "MEMORY STATS counts the keys");
    snprintf(wanted, sizeof wanted, "\r\ndataset.bytes\r\n:%zu\r\n", sizeof LINES - 1);
    ok(strstr(reply.ptr, wanted) != NULL, "MEMORY STATS reports the size of the file");
    unsigned elements = 0;
    for (const char *c = strstr(reply.ptr, "\r\n"); c != NULL; c = strstr(c + 1, "\r\n"))
        elements += c[2] == '$' || c[2] == ':' || c[2] == '*';
    is_number(elements, 30 + 4, "MEMORY STATS has as many elements as its head announces");
    buf_release(&reply);
    is_reply("OBJECT IDLETIME " KEY, ":0\r\n");
}

static void check_password(const char *command, size_t len)
{
    struct buf first = ask(command);
    struct buf second = ask(command);
    char head[32];
    int head_len = snprintf(head, sizeof head, "$%zu\r\n", len);
    bool good =
        first.len == (size_t)head_len + len + 3 && memcmp(first.ptr, head, (size_t)head_len) == 0;
    for (size_t i = 0; good && i < len; i++)
        good = isxdigit((unsigned char)first.ptr[head_len + (int)i]);
    ok(good, "%s: %zu digits", command, len);
    ok(len < 10 || !span_equal(buf_span(&first), buf_span(&second)),
       "%s: another password the next time", command);
    buf_release(&first);
    buf_release(&second);
}

static void check_acl(void)
{
    check_password("ACL GENPASS", 64);
    check_password("ACL GENPASS 5", 2);
    check_password("ACL GENPASS 4096", 1024);
    struct buf reply = ask("ACL CAT bitmap");
    is_text(reply.ptr,
            "*7\r\n$8\r\nbitcount\r\n$8\r\nbitfield\r\n$11\r\nbitfield_ro\r\n"
            "$5\r\nbitop\r\n$6\r\nbitpos\r\n$6\r\ngetbit\r\n$6\r\nsetbit\r\n",
            "ACL CAT lists the commands of a category");
    buf_release(&reply);
}

static void check_lolwut(void)
{
    static const char end[] = "\nStele ver. " STELE_VERSION "\n\r\n";
    struct buf reply = ask("LOLWUT");
    struct buf again = ask("LOLWUT VERSION 5 1 2 3");
    ok(reply.len > sizeof end && strcmp(reply.ptr + reply.len - sizeof end, end) == 0,
       "LOLWUT ends with the version");
    ok(reply.len < 2000 && span_equal(buf_span(&reply), buf_span(&again)),
       "LOLWUT is always the same");
    buf_release(&reply);
    buf_release(&again);
}

static void check_samples(void)
{
    static const struct {
        const char *kind, *resp2, *resp3;
    } samples[] = {
        {"string", "$11\r\nHello World\r\n", "$11\r\nHello World\r\n"},
        {"double", "$5\r\n3.141\r\n", ",3.141\r\n"},
        {"null", "$-1\r\n", "_\r\n"},
        {"map", "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
         "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"},
        {"push", "-ERR RESP2 is not supported by this command\r\n",
         ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push "
         "reply\r\n"},
        {"TRUE", ":1\r\n", "#t\r\n"},
        {"x",
         "-ERR Wrong protocol type name. Please use one of the following: string|integer|double|"
         "bignum|null|array|set|map|attrib|push|verbatim|true|false\r\n",
         "-ERR Wrong protocol type name. Please use one of the following: string|integer|double|"
         "bignum|null|array|set|map|attrib|push|verbatim|true|false\r\n"},
    };
    for (unsigned i = 0; i < sizeof samples / sizeof *samples; i++) {
        char command[64];
        snprintf(command, sizeof command, "DEBUG PROTOCOL %s", samples[i].kind);
        is_reply(command, samples[i].resp2);
        snprintf(command, sizeof command, "HELLO 3\r\nDEBUG PROTOCOL %s", samples[i].kind);
        struct buf reply = ask(command);
        const char *modules = strstr(reply.ptr, "modules\r\n*0\r\n");
        is_text(modules != NULL ? modules + 13 : "", samples[i].resp3, "%s in RESP3",
                samples[i].kind);
        buf_release(&reply);
    }
    is_reply("DEBUG ERROR \"MYERR of a test\"", "-MYERR of a test\r\n");
    is_reply("debug error \"ERR a\\r\\nb\"", "-ERR a  b\r\n");
    is_reply("DEBUG ERROR \"\"", "-\r\n");
    is_reply("DEBUG SET-ACTIVE-EXPIRE 0", "+OK\r\n");
    is_reply("DEBUG ERROR", "-ERR unknown subcommand or wrong number of arguments for 'ERROR'. Try "
                            "DEBUG HELP.\r\n");
    struct buf help = ask("DEBUG HELP");
    ok(strstr(help.ptr, "*11\r\n+DEBUG <subcommand>") == help.ptr &&
           strstr(help.ptr, "+SLEEP <seconds>\r\n+    Blocks the event loop") != NULL,
       "DEBUG HELP");
    buf_release(&help);
    struct buf advice = ask("MEMORY DOCTOR");
    ok(strstr(advice.ptr, "\r\nThe memory of this server needs no attention.") != NULL,
       "MEMORY DOCTOR");
    buf_release(&advice);
    is_reply("DEBUG PROTOCOL", "-ERR unknown subcommand or wrong number of arguments for "
                               "'PROTOCOL'. Try DEBUG HELP.\r\n");
}

// A command that takes longer than a lookup counts as several lookups. So one turn runs only some
// commands of a pipeline.
static void check_work(void)
{
    static const struct {
        const char *command;
        const char *part; // text that each reply contains once
        unsigned most;    // largest number of these commands in one turn
    } commands[] = {
        {"ACL GENPASS 4096", "$1024\r\n", 7},      {"CONFIG GET *", "unixsocketperm", 7},
        {"CONFIG GET *a*b*c*d*e*f*", "*0\r\n", 5}, {"ACL CAT read", "$6\r\nstrlen\r\n", 9},
        {"MEMORY STATS", "peak.allocated", 5},     {"CLIENT INFO", "lib-ver=", 30},
    };
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct buf pipeline = {0};
        unsigned turns;
        for (unsigned j = 0; j < 256; j++)
            buf_printf(&pipeline, "%s%s", j > 0 ? "\r\n" : "", commands[i].command);
        buf_append(&pipeline, span_of("", 1));
        struct buf replies = ask_turns(&a, pipeline.ptr, 1, &turns);
        unsigned count = occurrences(buf_span(&replies), commands[i].part);
        ok(count > 0 && count <= commands[i].most, "%s: one turn runs %u of a pipeline",
           commands[i].command, count);
        buf_release(&replies);
        buf_release(&pipeline);
    }
}

int main(void)
{
    ask_open(&a, span_text(LINES));
    check_memory();
    check_acl();
    check_lolwut();
    check_samples();
    check_work();
    ask_close(&a);
    return done_testing();
}
