// The rows of commands, and the index that finds a row by name. A row says everything about a
// command: dispatch, the check of the number of arguments, COMMAND, COMMAND DOCS, HELP and
// docs/commands.md follow from it. The rows are in commands/, beside their handlers. Nothing in
// serve/ knows a command by its name.
//
// Rows are constant. Any thread may read them.
#ifndef STELE_SERVE_COMMAND_H
#define STELE_SERVE_COMMAND_H

#include "base/bytes.h"
#include "metrics/stats.h"

struct session;
struct resp_request;

enum {
    COMMAND_NAME_MAX = 32, // bytes of a name and its NUL; longer words name no command
    COMMAND_FULL_NAME_MAX = 2 * COMMAND_NAME_MAX, // bytes of "container|subcommand" and its NUL
};

// Redis's command flags, and some of our own after them. They have no prefix because hundreds of
// rows name them.
enum command_flag {
    WRITE = 1 << 0,
    READONLY = 1 << 1,
    DENYOOM = 1 << 2,
    MODULE = 1 << 3,
    ADMIN = 1 << 4,
    PUBSUB = 1 << 5,
    NOSCRIPT = 1 << 6,
    BLOCKING = 1 << 7,
    LOADING = 1 << 8,
    STALE = 1 << 9,
    SKIP_MONITOR = 1 << 10,
    SKIP_SLOWLOG = 1 << 11,
    ASKING = 1 << 12,
    FAST = 1 << 13,
    NO_AUTH = 1 << 14,
    MAY_REPLICATE = 1 << 15,
    NO_MANDATORY_KEYS = 1 << 16,
    NO_ASYNC_LOADING = 1 << 17,
    NO_MULTI = 1 << 18,
    MOVABLEKEYS = 1 << 19,
    ALLOW_BUSY = 1 << 20,
    COMMAND_FLAGS = 21, // number of flags that COMMAND INFO reports (command_flag_name)
    COMMAND_FLAGS_REPORTED = (1 << COMMAND_FLAGS) - 1,
    // Our own flags, which no command reports:

    // Refused unless enable-debug-command allows it to this client. Refused to all clients if the
    // row has no handler.
    PROTECTED = 1 << 21,
    AT_ONCE = 1 << 22,    // runs between MULTI and EXEC too, instead of being queued
    SUBSCRIBED = 1 << 23, // allowed to a RESP2 client that has subscriptions
    // Reads keys in sorted order or counts them, as SCAN does. So it is refused when a file of the
    // dataset is damaged.
    ORDERED = 1 << 24,
    UNAUTHENTICATED = 1 << 25, // answered before AUTH too, unlike in Redis
    UNPAUSED = 1 << 26,        // answered during CLIENT PAUSE too
    // Administrative: refused unless admin-commands allows it to this client.
    ADMINISTRATIVE = 1 << 27,
    // Some forms of the command are administrative. The handler calls session_may_administer.
    ADMINISTRATIVE_IN_PART = 1 << 28,
    // Executes the queued requests (EXEC). If this command is refused, they are discarded.
    EXECUTES = 1 << 29,
    // Changes the limits under which the next requests are parsed (RESET).
    REREADS = 1 << 30,
    // For a container (CLIENT): its subcommands do not count as the next command, for which CLIENT
    // CACHING holds.
    KEEPS_CACHING = 1ll << 31,
    // For a write command: it deletes keys, and sets nothing.
    DELETES = 1ll << 32,
};

// ACL categories in Redis's order.
enum command_category {
    IN_KEYSPACE = 1 << 0,
    IN_READ = 1 << 1,
    IN_WRITE = 1 << 2,
    IN_SET = 1 << 3,
    IN_SORTEDSET = 1 << 4,
    IN_LIST = 1 << 5,
    IN_HASH = 1 << 6,
    IN_STRING = 1 << 7,
    IN_BITMAP = 1 << 8,
    IN_HYPERLOGLOG = 1 << 9,
    IN_GEO = 1 << 10,
    IN_STREAM = 1 << 11,
    IN_PUBSUB = 1 << 12,
    IN_ADMIN = 1 << 13,
    IN_FAST = 1 << 14,
    IN_SLOW = 1 << 15,
    IN_BLOCKING = 1 << 16,
    IN_DANGEROUS = 1 << 17,
    IN_CONNECTION = 1 << 18,
    IN_TRANSACTION = 1 << 19,
    IN_SCRIPTING = 1 << 20,
    COMMAND_CATEGORIES = 21, // number of categories
};

// Redis's documentation groups.
enum command_group {
    GROUP_GENERIC,
    GROUP_STRING,
    GROUP_BITMAP,
    GROUP_LIST,
    GROUP_HASH,
    GROUP_SET,
    GROUP_SORTED_SET,
    GROUP_STREAM,
    GROUP_GEO,
    GROUP_HYPERLOGLOG,
    GROUP_CONNECTION,
    GROUP_SERVER,
    GROUP_SCRIPTING,
    GROUP_CLUSTER,
    GROUP_PUBSUB,
    GROUP_TRANSACTIONS,
    GROUP_MODULE, // Stele's own commands, which Redis clients take for a module's
    COMMAND_GROUPS,
};

enum command_result {
    COMMAND_DONE,  // the reply is complete
    COMMAND_AGAIN, // the reply is not complete: call the handler again in the next turn
    COMMAND_CLOSE, // the reply is complete, and the connection closes when it is sent
    COMMAND_WAIT,  // the reply is not complete: call the handler again after session_wake
};

// Answers a request: writes the reply to `s->reply`, in one call or in several.
typedef enum command_result command_handler(struct session *s, const struct resp_request *r);

enum argument_flag {
    ARGUMENT_OPTIONAL = 1,
    ARGUMENT_MULTIPLE = 2,
    ARGUMENT_MULTIPLE_TOKEN = 4, // the token is repeated with each value
};

// A formal argument, as COMMAND DOCS describes it. A list of arguments ends with a zeroed one.
struct command_argument {
    const char *name;
    const char *type;  // Redis's word: "key", "string", "integer", "pattern", "block", "oneof" …
    const char *token; // fixed word before the argument; NULL: none
    unsigned flags;    // bits of enum argument_flag
    const struct command_argument *inner; // arguments of a block, or choices of a oneof
    const char *since; // version that added the argument to the command; NULL: the command's own
};

// A key specification of Redis. It says which arguments are keys when the field `keys` of struct
// command (below) cannot say it. A list of specifications ends with a zeroed one.
struct command_key_spec {
    const char *flags; // Redis's words, separated by spaces
    // Index of the first key; with `counted`, of the number of keys. With `keyword`, the index at
    // which the search for that word begins: -N is the Nth word from the end, from which the search
    // goes backwards. 0: not known.
    int from;
    int last, step;      // as in `keys`, but `last` counts from the first key if not negative
    const char *keyword; // the keys, or their number, follow this word; NULL: none
    int limit;           // if not 0, only 1/`limit` of the remaining arguments are keys
    bool counted;        // the first of these arguments is the number of keys, which follow it
    const char *notes;   // text for COMMAND DOCS; NULL: none
};

struct key_runs;

// Finds the keys of a request where no key specification can describe them (serve/key_specs.h).
typedef void command_key_rule(const struct resp_request *r, struct key_runs *runs);

// Returns whether argument `i` is secret, like a password, so that the slow log must not show it.
typedef bool command_secret(const struct resp_request *r, uint32_t i);

// A change of the command in a version of Redis. A list of changes ends with a zeroed one.
struct command_change {
    const char *since;
    const char *change;
};

// A row: one command, container or subcommand. A container is a command like CLIENT, whose second
// word names a subcommand. A list of rows ends with a zeroed one.
struct command {
    const char *name; // lower case; for a subcommand with its container, as in "client|id"
    int arity;        // number of words with the name; negative: the least number
    uint64_t flags;   // bits of enum command_flag
    struct {
        int first; // first argument that is a key; 0: no keys
        int last;  // last argument that is a key; negative: counted from the end
        int step;  // distance from one key to the next
    } keys;
    const char *key_flags; // flags of the key specification, separated by spaces
    enum command_group group;
    const char *since;        // version of Redis that added the command
    unsigned categories;      // ACL categories besides those of the flags; 0: those of `group`
    command_handler *handler; // NULL: the command is always refused, or is only a container
    const char *summary;      // NULL: COMMAND_REFUSED
    const char *complexity;
    const char *tips; // Redis's command tips, separated by spaces
    const struct command_argument *arguments;
    const struct command_key_spec *key_specs; // NULL: `keys` and `key_flags` say everything
    command_key_rule *key_rule;               // NULL: `key_specs` say where the keys are
    command_secret *is_secret;                // NULL: no argument is secret
    int variant; // number that a handler of several commands uses to tell them apart
    const struct command_change *history;
    const char *doc_flags; // "deprecated" or "syscmd"; NULL: neither
    const char *deprecated_since;
    const char *replaced_by;
    const char *deviation; // how and why a read-only Redis replica answers differently; or NULL
};

// A row in the index.
struct command_entry {
    const struct command *command;
    const struct command *container; // row of its container; NULL: `command` is no subcommand
    unsigned number;                 // index of the entry, also in the statistics
    unsigned subcommands;            // number of its subcommands, whose entries follow
};

enum {
    COMMAND_SLOTS = 1024, // a power of two
};
_Static_assert(COMMAND_SLOTS >= 2 * COMMANDS_MAX, "at most half of the slots are used");
_Static_assert(COMMANDS_MAX <= UINT16_MAX, "a slot holds the number of an entry in 16 bits");

// All rows sorted by name, with subcommands right after their container, and a hash table of the
// names that are no subcommands. Constant after command_index_init, so any thread may read it.
struct command_index {
    struct command_entry entries[COMMANDS_MAX];
    unsigned count;
    unsigned top_level;            // number of entries that are not subcommands
    uint16_t slots[COMMAND_SLOTS]; // hash table: 1 + number of the entry; 0: free
};

// Initialises an index of the rows in `lists`, which ends with NULL. The rows must outlive the
// index. Their names must differ, and each subcommand must have a container.
void command_index_init(struct command_index *index, const struct command *const *lists);

// Returns the entry of this name, or NULL. Upper and lower case are the same. Finds no subcommands.
const struct command_entry *command_find(const struct command_index *index, struct span name);

// Returns the entry of the subcommand `word` of `container`, or NULL.
const struct command_entry *command_find_sub(const struct command_index *index,
                                             const struct command_entry *container,
                                             struct span word);

// Returns the entry of a full name like "get" or "client|setname", or NULL.
const struct command_entry *command_find_full(const struct command_index *index, struct span name);

// Returns the row's own word, without the name of its container: "setname" for "client|setname".
static inline const char *command_word(const struct command *c)
{
    const char *bar = strchr(c->name, '|');
    return bar != NULL ? bar + 1 : c->name;
}

// Writes the row's own word in upper case to `to`, of COMMAND_NAME_MAX bytes. Returns `to`.
const char *command_upper_name(const struct command *c, char *to);

// The summary of a row that has none of its own.
#define COMMAND_REFUSED "Refused: the dataset is read-only"

// The name of the module that Stele's own commands belong to, as clients see it.
#define COMMAND_MODULE "stele"

// Redis's words for flags, categories and groups. `bit` counts from 0.
const char *command_flag_name(unsigned bit);
const char *command_category_name(unsigned bit);
const char *command_group_name(enum command_group group);

// Returns whether `argc` is a right number of words for the command, its name included.
static inline bool command_takes(const struct command *c, uint32_t argc)
{
    return c->arity > 0 ? argc == (uint32_t)c->arity : argc >= (uint32_t)-c->arity;
}

// Returns the number of keys in a request of `argc` words, according to `keys` of the row. Returns
// 0 when the request has too few words for a key.
static inline uint32_t command_keys(const struct command *c, uint32_t argc)
{
    int64_t last = c->keys.last < 0 ? (int64_t)argc + c->keys.last : c->keys.last;
    if (c->keys.first == 0 || last < c->keys.first || last >= argc)
        return 0;
    uint32_t between = (uint32_t)(last - c->keys.first);
    return (c->keys.step == 1 ? between : between / (uint32_t)c->keys.step) + 1;
}

// Returns the key specifications of a row, a list that ends with a zeroed one. If the row has none
// of its own, they are derived from `keys` and written to `room`.
const struct command_key_spec *command_key_specs(const struct command *c,
                                                 struct command_key_spec room[2]);

// Returns all ACL categories of a row: its own, and those that follow from its flags.
unsigned command_categories(const struct command *c);

#endif
