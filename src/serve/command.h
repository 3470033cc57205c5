// The rows of commands, and an index of them. A row holds everything about a command: it drives
// dispatch, the arity check, COMMAND, COMMAND DOCS, HELP and docs/commands.md. The rows themselves
// are in commands/, beside their handlers; nothing in serve/ knows a command by its name.
//
// Rows are constant; any thread may read them.
#ifndef STELE_SERVE_COMMAND_H
#define STELE_SERVE_COMMAND_H

#include "base/bytes.h"
#include "metrics/stats.h"

struct session;
struct resp_request;

enum {
    COMMAND_NAME_MAX = 32,                        // longer words are no command of any table
    COMMAND_FULL_NAME_MAX = 2 * COMMAND_NAME_MAX, // bytes of "container|subcommand" and its NUL
};

// Redis's command flags, whose words command_flag_name gives. Without a prefix, because hundreds of
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
    COMMAND_FLAGS = 21, // how many are told
    COMMAND_FLAGS_TOLD = (1 << COMMAND_FLAGS) - 1,
    // Only for ourselves:
    // Refused to clients for whom enable-debug-command does not allow it; without a handler, to
    // all.
    PROTECTED = 1 << 21,
    AT_ONCE = 1 << 22,         // not queued between MULTI and EXEC
    SUBSCRIBED = 1 << 23,      // allowed in RESP2 while subscribed
    ORDERED = 1 << 24,         // finds keys by their order, for which all have to be readable
    UNAUTHENTICATED = 1 << 25, // is answered before AUTH too, unlike in Redis
    UNPAUSED = 1 << 26,        // answered also while CLIENT PAUSE holds
    // Administrative: refused to whom admin-commands does not allow it.
    ADMINISTRATIVE = 1 << 27,
    // The same of some of its forms: the handler asks session_may_administer.
    ADMINISTRATIVE_IN_PART = 1 << 28,
    // Puts queued requests in the place of the input. When it is refused, so is what was queued.
    EXECUTES = 1 << 29,
    // The requests after it may be read under other limits than they have been.
    REREADS = 1 << 30,
    // Of a container: its subcommands leave in force what CLIENT CACHING said of the next command.
    KEEPS_CACHING = 1ll << 31,
    // Of a write: it deletes keys, rather than setting something.
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
    COMMAND_CATEGORIES = 21, // how many
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
    GROUP_MODULE, // commands of our own, as a module's
    COMMAND_GROUPS,
};

enum command_result {
    COMMAND_DONE,
    COMMAND_AGAIN, // the reply is not finished: call again, `cursor` says where to go on
    COMMAND_CLOSE, // done, and the connection closes once the reply has left
    COMMAND_WAIT,  // the same as COMMAND_AGAIN, but not before session_wake
};

typedef enum command_result command_handler(struct session *s, const struct resp_request *r);

enum argument_flag {
    ARGUMENT_OPTIONAL = 1,
    ARGUMENT_MULTIPLE = 2,
    ARGUMENT_MULTIPLE_TOKEN = 4, // its token too is repeated
};

// A formal argument, as COMMAND DOCS tells it. Lists of them end with a zeroed one.
struct command_argument {
    const char *name;
    const char *type;  // Redis's word: "key", "string", "integer", "pattern", "block", "oneof" …
    const char *token; // the word that stands before it, or NULL
    unsigned flags;
    const struct command_argument *inner; // of a block or a choice
    const char *since;                    // when it came later than the command, or NULL
};

// Where keys stand in a request, for rows that `keys` alone cannot tell it of; Redis's key
// specification. Lists of them end with a zeroed one.
struct command_key_spec {
    const char *flags;   // separated by spaces
    int from;            // the argument where they begin; 0: cannot be told
    int last, step;      // as in `keys`, but counted from the first one when not negative
    const char *keyword; // they begin behind this word, searched for from `from` on; or, when that
                         // is negative, from so many words before the end backwards
    int limit;           // the keys are one in so many of the words up to the end; 0: all
    bool counted;        // argument `from` is their number, and they come behind it
    const char *notes;   // or NULL
};

struct key_runs;

// Finds the keys of a request where no key specification can tell them (commands/key_specs.h).
typedef void command_key_rule(const struct resp_request *r, struct key_runs *runs);

// Whether argument `i` is a password or belongs to one, so that the slow log must not show it.
typedef bool command_secret(const struct resp_request *r, uint32_t i);

// What a version of Redis changed. Lists of them end with a zeroed one.
struct command_change {
    const char *since;
    const char *change;
};

// Lists of rows end with a zeroed one.
struct command {
    const char *name; // lower case; a subcommand's after its container's, as in "client|id"
    int arity;        // words, the name included; negative: at least
    uint64_t flags;
    struct {
        int first, last, step; // which arguments are keys; zeros: none
    } keys;
    const char *key_flags; // of the key specification, separated by spaces
    enum command_group group;
    const char *since;        // version of Redis
    unsigned categories;      // besides what flags imply; 0: the group's own, a container's none
    command_handler *handler; // NULL for what is always refused, and for a mere container
    const char *summary;
    const char *complexity;
    const char *tips; // separated by spaces
    const struct command_argument *arguments;
    const struct command_key_spec *key_specs; // NULL: `keys` and `key_flags` tell it all
    command_key_rule *key_rule;               // NULL: the specifications tell where keys are
    command_secret *is_secret;                // NULL: no argument is
    int variant;                              // which of the commands that share the handler
    const struct command_change *history;
    const char *doc_flags; // "deprecated" or "syscmd", or NULL
    const char *deprecated_since;
    const char *replaced_by;
    const char *deviation; // how, and why, it differs from a read-only replica's; or NULL
};

// Where a row stands.
struct command_entry {
    const struct command *command;
    const struct command *container; // its row; NULL: `command` is no subcommand
    unsigned number;                 // in the index, and in the statistics
    unsigned subcommands;            // the entries after it that are its subcommands
};

enum {
    COMMAND_SLOTS = 1024, // a power of two
};
_Static_assert(COMMAND_SLOTS >= 2 * COMMANDS_MAX, "at most half of the slots are taken");
_Static_assert(COMMANDS_MAX <= UINT16_MAX, "a slot names an entry in 16 bits");

// All rows in the order of their names, subcommands right after their container, and a hash table
// over the names of those that are not subcommands. The caller places it; read-only once
// initialised.
struct command_index {
    struct command_entry entries[COMMANDS_MAX];
    unsigned count;
    unsigned top_level;            // of them, not subcommands
    uint16_t slots[COMMAND_SLOTS]; // 1 + number of the entry; 0: free
};

// Indexes the rows of `lists`, which ends with NULL. The rows must outlive the index. The
// names must differ, and each subcommand must have a container.
void command_index_init(struct command_index *index, const struct command *const *lists);

// The entry of that name in any case, or NULL.
const struct command_entry *command_find(const struct command_index *index, struct span name);

// The entry of subcommand `word` of `container`, or NULL.
const struct command_entry *command_find_sub(const struct command_index *index,
                                             const struct command_entry *container,
                                             struct span word);

// The same for a full name, "get" or "client|setname".
const struct command_entry *command_find_full(const struct command_index *index, struct span name);

// The row's own word, without the name of its container: "setname" of "client|setname".
static inline const char *command_word(const struct command *c)
{
    const char *bar = strchr(c->name, '|');
    return bar != NULL ? bar + 1 : c->name;
}

// Writes the row's own word in upper case at `to` (COMMAND_NAME_MAX bytes); `to` itself.
const char *command_upper_name(const struct command *c, char *to);

// What the documentation says of a row without a summary.
#define COMMAND_REFUSED "Refused: the dataset is read-only"

// The name of the module that has the commands of our own.
#define COMMAND_MODULE "stele"

// Redis's words. `bit` counts from 0.
const char *command_flag_name(unsigned bit);
const char *command_category_name(unsigned bit);
const char *command_group_name(enum command_group group);

// Whether a request of `argc` words has as many as the row asks for.
static inline bool command_takes(const struct command *c, uint32_t argc)
{
    return c->arity > 0 ? argc == (uint32_t)c->arity : argc >= (uint32_t)-c->arity;
}

// How many keys a request of `argc` words has, by the row's key arguments; 0 too when it has too
// few words for them.
static inline uint32_t command_keys(const struct command *c, uint32_t argc)
{
    int64_t last = c->keys.last < 0 ? (int64_t)argc + c->keys.last : c->keys.last;
    if (c->keys.first == 0 || last < c->keys.first || last >= argc)
        return 0;
    uint32_t between = (uint32_t)(last - c->keys.first);
    return (c->keys.step == 1 ? between : between / (uint32_t)c->keys.step) + 1;
}

// The key specifications of a row, ending with a zeroed one: its own, or the one that `keys`
// amounts to, which is then made in `room`.
const struct command_key_spec *command_key_specs(const struct command *c,
                                                 struct command_key_spec room[2]);

// All ACL categories of a row: its own and those that its flags imply.
unsigned command_categories(const struct command *c);

#endif
