// Writes docs/commands.md: what the command table says, as a page. `make docs` runs it, and `make
// test` compares; the words of a command are those of its row, the words about all of them are
// here.
#include <stdio.h>

#include "commands/groups.h"
#include "commands/rows.h"

static const char head[] =
    "# Commands\n"
    "\n"
    "`make docs` writes this page from the rows of the commands in `src/commands/`; `COMMAND\n"
    "DOCS` gives clients the same. \"Since\" is the version of Redis that has the command, or of\n"
    "Stele where Redis does not.\n"
    "\n"
    "The tables also give the flags that `COMMAND INFO` reports, and the words after the name "
    "that\n"
    "are keys. A command with a link has a section after the table, for what differs from Redis "
    "or\n"
    "changed in its versions.\n"
    "\n"
    "The measure is a Redis 7.0 that holds the same data as a read-only replica. Where a command\n"
    "differs from it, the command says so. For all of them holds:\n"
    "\n"
    "- A key is a UUID, in any case. Any other key is one that does not exist.\n"
    "- Every value is a string, none expires, and there is one database.\n"
    "- Commands that read other types look at their keys only, not at their options: the reply is\n"
    "  `WRONGTYPE` when a key exists, otherwise the empty reply of the command.\n"
    "- A request has at most 1,048,576 words, each of at most 1 MiB: no client sends values to a\n"
    "  read-only server.\n"
    "- Long replies (`MGET`, `KEYS`, `STELE.RANGE`) are made piece by piece as the client reads "
    "them,\n"
    "  and other clients are served in between.\n";

// All that Redis 7.0 has and that is no write, to tell which of them are not here.
static const struct {
    enum command_group group;
    const char *names; // separated by spaces
} redis_commands[] = {
    {GROUP_GENERIC,
     "dump exists expiretime keys object pexpiretime pttl randomkey scan sort_ro touch "
     "ttl type wait"},
    {GROUP_STRING, "get getrange lcs mget strlen substr"},
    {GROUP_BITMAP, "bitcount bitfield_ro bitpos getbit"},
    {GROUP_LIST, "lindex llen lpos lrange"},
    {GROUP_HASH, "hexists hget hgetall hkeys hlen hmget hrandfield hscan hstrlen hvals"},
    {GROUP_SET,
     "scard sdiff sinter sintercard sismember smembers smismember srandmember sscan sunion"},
    {GROUP_SORTED_SET, "zcard zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange "
                       "zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore "
                       "zrevrank zscan zscore zunion"},
    {GROUP_STREAM, "xinfo xlen xpending xrange xread xrevrange"},
    {GROUP_GEO, "geodist geohash geopos georadius_ro georadiusbymember_ro geosearch"},
    {GROUP_HYPERLOGLOG, "pfcount pfselftest"},
    {GROUP_CONNECTION, "auth client echo hello ping quit reset select"},
    {GROUP_SERVER,
     "acl bgrewriteaof bgsave command config dbsize debug failover info lastsave latency "
     "lolwut memory module monitor psync replconf replicaof role save shutdown slaveof "
     "slowlog sync time"},
    {GROUP_SCRIPTING, "eval eval_ro evalsha evalsha_ro fcall fcall_ro script"},
    {GROUP_CLUSTER, "asking cluster readonly readwrite"},
    {GROUP_PUBSUB,
     "psubscribe publish pubsub punsubscribe spublish ssubscribe subscribe sunsubscribe "
     "unsubscribe"},
    {GROUP_TRANSACTIONS, "discard exec multi unwatch watch"},
};

#define ADMINISTRATIVE_HEADING "Administrative commands"

static struct command_index commands;

// ---- what rows there are ------------------------------------------------------------------------

static bool is_refused(const struct command *c)
{
    return (c->flags & WRITE) != 0 && c->handler == NULL;
}

// A container is answered when one of its subcommands is.
static bool is_answered(const struct command_entry *entry)
{
    const struct command *c = entry->command;
    for (unsigned i = 1; i <= entry->subcommands; i++)
        if (is_answered(entry + i))
            return true;
    return c->handler != NULL || (c->flags & PROTECTED) != 0;
}

// The next entry from `*at` on that is in the group and refused, or answered; NULL at the end.
static const struct command_entry *next(enum command_group group, bool refused, unsigned *at)
{
    while (*at < commands.count) {
        const struct command_entry *entry = &commands.entries[(*at)++];
        const struct command *top = entry->container != NULL ? entry->container : entry->command;
        if (top->group == group && (refused ? is_refused(entry->command) : is_answered(entry)))
            return entry;
    }
    return NULL;
}

static bool is_empty(enum command_group group, bool refused)
{
    unsigned at = 0;
    return next(group, refused, &at) == NULL;
}

// ---- words --------------------------------------------------------------------------------------

// "GET" or "CLIENT GETNAME".
static const char *title(const struct command_entry *entry)
{
    static char text[COMMAND_FULL_NAME_MAX];
    const char *name = entry->command->name;
    size_t i = 0;
    for (; name[i] != '\0'; i++)
        text[i] = name[i] == '|' ? ' ' : ascii_upper(name[i]);
    text[i] = '\0';
    return text;
}

// The anchor of a heading: lower case, spaces become hyphens and other signs vanish.
static void print_anchor(const char *heading)
{
    for (; *heading != '\0'; heading++)
        if (*heading == ' ')
            putchar('-');
        else if (*heading != '.' && *heading != '\'')
            putchar(ascii_lower(*heading));
}

static void print_link_as(const char *text, const char *heading)
{
    printf("[%s](#", text);
    print_anchor(heading);
    putchar(')');
}

static void print_link(const char *heading)
{
    print_link_as(heading, heading);
}

static const char *group_heading(enum command_group group)
{
    static char text[64];
    if (group == GROUP_MODULE)
        return "Commands of Stele's own";
    snprintf(text, sizeof text, "%s commands", command_group_name(group));
    text[0] = ascii_upper(text[0]);
    return text;
}

static void print_arguments(const struct command_argument *arguments, const char *between);

static void print_argument(const struct command_argument *a)
{
    bool choice = strcmp(a->type, "oneof") == 0;
    bool pure = strcmp(a->type, "pure-token") == 0;
    bool braced = choice && ((a->flags & ARGUMENT_OPTIONAL) == 0 || a->token != NULL);
    if (a->token != NULL)
        printf("%s%s", a->token, pure ? "" : " ");
    if (braced)
        putchar('<');
    if (a->inner != NULL)
        print_arguments(a->inner, choice ? " \\| " : " "); // a bar would end the cell
    else if (!pure)
        printf("%s", a->name);
    if (braced)
        putchar('>');
}

static void print_arguments(const struct command_argument *arguments, const char *between)
{
    for (const struct command_argument *a = arguments; a->name != NULL; a++) {
        bool optional = (a->flags & ARGUMENT_OPTIONAL) != 0;
        printf("%s%s", a == arguments ? "" : between, optional ? "[" : "");
        print_argument(a);
        if ((a->flags & ARGUMENT_MULTIPLE) != 0) {
            printf(" [");
            print_argument(a);
            printf(" ...]");
        }
        if (optional)
            putchar(']');
    }
}

static void print_flags(const struct command *c)
{
    const char *before = "";
    for (unsigned bit = 0; bit < COMMAND_FLAGS; bit++) {
        if ((c->flags >> bit & 1) == 0)
            continue;
        printf("%s%s", before, command_flag_name(bit));
        before = ", ";
    }
    if ((c->flags & (ADMINISTRATIVE | ADMINISTRATIVE_IN_PART)) == 0)
        return;
    printf("%s", before);
    print_link_as("administrative", ADMINISTRATIVE_HEADING);
    printf("%s", (c->flags & ADMINISTRATIVE) != 0 ? "" : " in part");
}

static void print_keys(const struct command *c)
{
    if (c->keys.first == 0)
        return;
    if (c->keys.last == c->keys.first)
        printf("word %d", c->keys.first);
    else if (c->keys.last == -1 && c->keys.first == 1 && c->keys.step == 1)
        printf("all words");
    else
        printf("words %d to %d, in steps of %d", c->keys.first, c->keys.last, c->keys.step);
}

// ---- the page -----------------------------------------------------------------------------------

static bool has_section(const struct command *c)
{
    return c->history != NULL || c->deprecated_since != NULL || c->deviation != NULL;
}

static void print_row(const struct command_entry *entry)
{
    const struct command *c = entry->command;
    bool container = c->handler == NULL && entry->subcommands > 0;
    printf(has_section(c) ? "| [`%s`](#" : "| `%s`", title(entry));
    if (has_section(c)) {
        print_anchor(title(entry));
        putchar(')');
    }
    printf(" | ");
    if (c->arguments != NULL && !container) {
        putchar('`');
        print_arguments(c->arguments, " ");
        printf("` ");
    }
    printf("| %s | ", c->summary);
    if (container) {
        printf(" | | | |\n");
        return;
    }
    printf("%s | %s | ", c->since, c->complexity != NULL ? c->complexity : "");
    print_flags(c);
    printf(" | ");
    print_keys(c);
    printf(" |\n");
}

// What is to be said of a command besides its row.
static void print_section(const struct command_entry *entry)
{
    const struct command *c = entry->command;
    printf("\n### %s\n\n", title(entry));
    if (c->deviation != NULL)
        printf("**Not as in Redis:** %s\n", c->deviation);
    if (c->deviation != NULL && (c->history != NULL || c->deprecated_since != NULL))
        printf("\n");
    for (const struct command_change *h = c->history; h != NULL && h->since != NULL; h++)
        printf("- %s: %s.\n", h->since, h->change);
    if (c->deprecated_since != NULL)
        printf("- %s: deprecated; use %s.\n", c->deprecated_since, c->replaced_by);
}

static void print_groups(void (*print)(enum command_group group))
{
    for (int group = 0; group < COMMAND_GROUPS; group++)
        if (!is_empty((enum command_group)group, false))
            print((enum command_group)group);
}

static void print_contents(enum command_group group)
{
    printf("- ");
    print_link(group_heading(group));
    printf("\n");
}

static void print_group(enum command_group group)
{
    const struct command_entry *entry;
    printf("\n## %s\n\n"
           "| command | arguments | what it does | since | complexity | flags | keys |\n"
           "|---|---|---|---|---|---|---|\n",
           group_heading(group));
    for (unsigned at = 0; (entry = next(group, false, &at)) != NULL;)
        print_row(entry);
    for (unsigned at = 0; (entry = next(group, false, &at)) != NULL;)
        if (has_section(entry->command))
            print_section(entry);
}

// A list of the rows that have the flag.
static void print_flagged(uint64_t flag)
{
    printf("\n");
    for (unsigned i = 0; i < commands.count; i++) {
        const struct command_entry *entry = &commands.entries[i];
        if ((entry->command->flags & flag) == 0)
            continue;
        printf("- `%s`: %s\n", title(entry), entry->command->summary);
    }
}

static void print_administrative(void)
{
    printf("\n## " ADMINISTRATIVE_HEADING "\n"
           "\n"
           "What concerns all clients is not for every client. `--admin-commands` says for whom:\n"
           "`local` (the default) for those on the server's machine, over loopback or a unix "
           "socket; `yes` for\n"
           "all; `no` for none. Others are answered\n"
           "`NOPERM User default has no permissions to run the '...' command`, and the log says "
           "so. Between\n"
           "`MULTI` and `EXEC` that is the answer in the place of `QUEUED`. `DEBUG`, `SHUTDOWN` "
           "and\n"
           "`STELE.RELOAD` need something else besides: `--enable-debug-command`, "
           "`--enable-shutdown-command yes`,\n"
           "a password. These commands are administrative:\n");
    print_flagged(ADMINISTRATIVE);
    printf("\nOf these a part is: `CLIENT KILL` where it closes other clients than the one that "
           "asks, and\n`ACL LOG` with `RESET`.\n");
    print_flagged(ADMINISTRATIVE_IN_PART);
}

static void print_refused(void)
{
    printf("\n## Refused writes\n"
           "\n"
           "A wrong number of words is told first; then the answer is\n"
           "`READONLY You can't write against a read only replica.`\n"
           "\n"
           "| group | commands |\n"
           "|---|---|\n");
    for (int group = 0; group < COMMAND_GROUPS; group++) {
        const struct command_entry *entry;
        if (is_empty((enum command_group)group, true))
            continue;
        printf("| %s |", command_group_name((enum command_group)group));
        for (unsigned at = 0; (entry = next((enum command_group)group, true, &at)) != NULL;)
            printf(" `%s`", title(entry));
        printf(" |\n");
    }
}

// Those of a group that have no row; how many.
static unsigned print_missing(const char *names, bool really)
{
    unsigned count = 0;
    while (*names != '\0') {
        size_t len = strcspn(names, " ");
        if (command_find(&commands, span_of(names, len)) == NULL) {
            count++;
            if (really)
                printf(" `");
            for (size_t i = 0; really && i < len; i++)
                putchar(ascii_upper(names[i]));
            if (really)
                putchar('`');
        }
        names += len + (names[len] == ' ');
    }
    return count;
}

static void print_absent(void)
{
    printf("\n## What Redis 7.0 has besides\n"
           "\n"
           "These are unknown commands here: they are about data that a file of strings does not "
           "hold,\n"
           "or about what a read-only server does not do.\n"
           "\n"
           "| group | commands |\n"
           "|---|---|\n");
    for (unsigned i = 0; i < sizeof redis_commands / sizeof *redis_commands; i++) {
        if (print_missing(redis_commands[i].names, false) == 0)
            continue;
        printf("| %s |", command_group_name(redis_commands[i].group));
        print_missing(redis_commands[i].names, true);
        printf(" |\n");
    }
}

int main(void)
{
    command_index_init(&commands, command_groups);
    printf("%s\n## Contents\n\n", head);
    print_groups(print_contents);
    printf("- ");
    print_link(ADMINISTRATIVE_HEADING);
    printf("\n- ");
    print_link("Refused writes");
    printf("\n- ");
    print_link("What Redis 7.0 has besides");
    printf("\n");
    print_groups(print_group);
    print_administrative();
    print_refused();
    print_absent();
    return 0;
}
