// Writes docs/commands.md, a page about all commands. The texts about one command are those of its
// row in src/commands/; the texts about all commands are here. `make docs` runs this program, and
// `make check-docs` fails if the page is not what it writes.
#include <stdio.h>

#include "commands/groups.h"

static const char head_text[] =
    "# Commands\n"
    "\n"
    "This page lists the commands of Stele, in one table for each group. `make docs` writes it.\n"
    "Its texts are those in the tables of commands in `src/commands/*.c`. `COMMAND DOCS` gives\n"
    "clients the same texts.\n"
    "\n"
    "| column | what it says |\n"
    "|---|---|\n"
    "| arguments | the words after the name. `[word]` may be left out, `word ...` may be repeated, "
    "`a \\| b` is a choice. An empty cell means that the command takes no words, or that the "
    "documentation of Redis lists them (commands about other types, `DEBUG`, `REPLCONF`, some of "
    "`CLUSTER` and `ACL`) |\n"
    "| since | the version of Redis that introduced the command; for commands of Stele's own, the "
    "version of Stele |\n"
    "| complexity | how the time of the command grows. One part of the time is left out. A command "
    "that needs a value, or its length, also takes time in proportion to that length: lengths are "
    "not stored, so the server searches for the newline at the end of the value |\n"
    "| flags | the flags that `COMMAND INFO` reports |\n"
    "| keys | which words of the request are keys; the first word of the name is word 0. \"all "
    "words\" are all after the name; \"varies\" means that it depends on the other words |\n"
    "\n"
    "If the name of a command is a link, a section after the table says how the command differs\n"
    "from Redis, and what the versions of Redis changed.\n"
    "\n"
    "Stele is compared with a Redis 7.0 that serves the same data as a read-only replica. These\n"
    "rules hold for all commands:\n"
    "\n"
    "- A key is a UUID, in upper or lower case. A key that is no UUID does not exist.\n"
    "- Every value is a string, no key expires, and there is one database.\n"
    "- Some commands read other types, such as lists and hashes. For these commands, the tables "
    "say\n"
    "  what the command does in Redis. Stele only looks at the keys of the request, not at the\n"
    "  other words. If one of the keys exists, the reply is `WRONGTYPE`. If none exists, it "
    "is\n"
    "  what Redis replies for missing keys.\n"
    "- A request has at most 1,048,576 words, and a word has at most 1 MiB. Larger words are not\n"
    "  needed, as no client sends values to a read-only server.\n"
    "- Long replies (`MGET`, `KEYS`, `STELE.RANGE`) are produced piece by piece as the client "
    "reads\n"
    "  them. Other clients are served in between.\n";

static const char administrative_text[] =
    "Some commands affect all clients, so not every client may use them. The option\n"
    "`--admin-commands` says which clients may:\n"
    "\n"
    "- `local`, the default: clients on the machine of the server, over loopback or a Unix socket\n"
    "- `yes`: all clients\n"
    "- `no`: no client\n"
    "\n"
    "Any other client receives the error\n"
    "`NOPERM User default has no permissions to run the '...' command`, and the log reports the\n"
    "attempt. Between `MULTI` and `EXEC`, the error takes the place of `QUEUED`.\n"
    "\n"
    "Three of the commands need something else too: `DEBUG` needs `--enable-debug-command`,\n"
    "`SHUTDOWN` needs `--enable-shutdown-command yes`, and `STELE.RELOAD` needs a password.\n"
    "\n"
    "These commands are administrative:\n";

static const char administrative_in_part_text[] =
    "These commands are administrative in part: `CLIENT KILL` if it would close the connection of\n"
    "another client, and `ACL LOG` with `RESET`:\n";

static const char refused_text[] =
    "These commands would change the data. If a request has a wrong number of words, the reply is\n"
    "an error that says so, as in Redis. The reply to any other request is\n"
    "`READONLY You can't write against a read only replica.`, or the error that the option\n"
    "`--write-error` selects.\n";

static const char absent_text[] =
    "Stele does not know these commands of Redis 7.0, and answers them as it answers any unknown\n"
    "command. Some run scripts (Stele has no interpreter), some save or replicate the data, and\n"
    "some test Redis itself.\n";

// All commands of Redis 7.0 that do not write. The page lists those that Stele does not have.
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

static const char administrative_heading[] = "Administrative commands";
static const char refused_heading[] = "Refused writes";
static const char absent_heading[] = "Commands of Redis that Stele does not have";

static struct command_index commands;

// ---- choosing rows ------------------------------------------------------------------------------

static bool is_refused(const struct command *c)
{
    return (c->flags & WRITE) != 0 && c->handler == NULL;
}

// Returns whether the page lists the entry among the commands that are answered. A container is
// listed if one of its subcommands is.
static bool is_answered(const struct command_entry *entry)
{
    const struct command *c = entry->command;
    for (unsigned i = 1; i <= entry->subcommands; i++)
        if (is_answered(entry + i))
            return true;
    return c->handler != NULL || (c->flags & PROTECTED) != 0;
}

// Returns the next entry of the group, from number `*at` on, that is refused, or answered if
// `refused` is false. Moves `*at` past it. Returns NULL at the end.
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

// ---- names, links and cells ---------------------------------------------------------------------

// Returns the name of a command as a client writes it: "GET" or "CLIENT GETNAME".
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

// Prints the anchor of a heading: in lower case, with hyphens for spaces, without other signs.
static void print_anchor(const char *heading)
{
    for (; *heading != '\0'; heading++)
        if (*heading == ' ')
            putchar('-');
        else if (*heading != '.' && *heading != '\'' && *heading != '/')
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
    switch (group) {
    case GROUP_GEO: return "Geospatial commands";
    case GROUP_HYPERLOGLOG: return "HyperLogLog commands";
    case GROUP_MODULE: return "Commands of Stele's own";
    case GROUP_PUBSUB: return "Pub/sub commands";
    case GROUP_SORTED_SET: return "Sorted set commands";
    case GROUP_TRANSACTIONS: return "Transaction commands";
    default: break;
    }
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
    print_link_as("administrative", administrative_heading);
    printf("%s", (c->flags & ADMINISTRATIVE) != 0 ? "" : " in part");
}

static void print_keys(const struct command *c)
{
    if (c->keys.first == 0)
        printf("%s", (c->flags & MOVABLEKEYS) != 0 ? "varies" : "");
    else if (c->keys.last == c->keys.first)
        printf("word %d", c->keys.first);
    else if (c->keys.last == -1 && c->keys.first == 1 && c->keys.step == 1)
        printf("all words");
    else if (c->keys.step == 1)
        printf("words %d to %d", c->keys.first, c->keys.last);
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

// Prints the section of a command: its differences from Redis and its history.
static void print_section(const struct command_entry *entry)
{
    const struct command *c = entry->command;
    printf("\n### %s\n\n", title(entry));
    if (c->deviation != NULL)
        printf("**Differs from Redis:** %s\n", c->deviation);
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

// Returns whether all commands of the group read a type of values that Stele does not have.
static bool reads_other_type(enum command_group group)
{
    return group == GROUP_LIST || group == GROUP_HASH || group == GROUP_SET ||
           group == GROUP_SORTED_SET || group == GROUP_STREAM || group == GROUP_GEO ||
           group == GROUP_HYPERLOGLOG;
}

static void print_group(enum command_group group)
{
    const struct command_entry *entry;
    printf("\n## %s\n\n", group_heading(group));
    if (reads_other_type(group))
        printf(
            "No key of Stele has a value of this type. *What it does* says what the commands do "
            "in\n"
            "Redis, and *complexity* how long Stele takes to reply. The [rules above](#commands)\n"
            "say what Stele replies.\n\n");
    printf("| command | arguments | what it does | since | complexity | flags | keys |\n"
           "|---|---|---|---|---|---|---|\n");
    for (unsigned at = 0; (entry = next(group, false, &at)) != NULL;)
        print_row(entry);
    for (unsigned at = 0; (entry = next(group, false, &at)) != NULL;)
        if (has_section(entry->command))
            print_section(entry);
}

// Prints a list of the commands that have the flag.
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
    printf("\n## %s\n\n%s", administrative_heading, administrative_text);
    print_flagged(ADMINISTRATIVE);
    printf("\n%s", administrative_in_part_text);
    print_flagged(ADMINISTRATIVE_IN_PART);
}

static void print_refused(void)
{
    printf("\n## %s\n\n%s\n| group | commands |\n|---|---|\n", refused_heading, refused_text);
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

// Counts the names that have no row, and prints them if `print` is set. Returns their number.
static unsigned print_missing(const char *names, bool print)
{
    unsigned count = 0;
    while (*names != '\0') {
        size_t len = strcspn(names, " ");
        if (command_find(&commands, span_of(names, len)) == NULL) {
            count++;
            if (print)
                printf(" `");
            for (size_t i = 0; print && i < len; i++)
                putchar(ascii_upper(names[i]));
            if (print)
                putchar('`');
        }
        names += len + (names[len] == ' ');
    }
    return count;
}

static void print_absent(void)
{
    printf("\n## %s\n\n%s\n| group | commands |\n|---|---|\n", absent_heading, absent_text);
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
    printf("%s\n## Contents\n\n", head_text);
    print_groups(print_contents);
    printf("- ");
    print_link(administrative_heading);
    printf("\n- ");
    print_link(refused_heading);
    printf("\n- ");
    print_link(absent_heading);
    printf("\n");
    print_groups(print_group);
    print_administrative();
    print_refused();
    print_absent();
    return 0;
}
