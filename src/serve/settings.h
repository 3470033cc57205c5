// The options of stele-server. Each option has a field of a struct and a row of a table. Other
// files read the row: src/options.c for the command line and --help, docs/options.c for the
// README's table, and commands/config.c for CONFIG GET and CONFIG SET. To add an option, add its
// field here and its row to the table in settings.c.
//
// The table is constant. The program fills in a `struct settings`. The server copies it, and
// fills in what it chooses itself (the port, the number of event loops) before it starts threads.
// After that, the struct does not change. CONFIG SET changes only a copy of `runtime` that all
// loops share, in struct service_group (serve/service.h). Any thread may read and write that copy.
#ifndef STELE_SERVE_SETTINGS_H
#define STELE_SERVE_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "data/dataset.h"

struct error;

enum {
    SETTINGS_MAX = 96,          // largest number of rows of the table
    SETTINGS_THREADS_MAX = 128, // largest number of event loops
    SETTING_ITEMS_MAX = 16,     // largest number of values of an option
    // Largest size of a formatted value, in bytes: a path of 4096 bytes, each of which is escaped
    // as four characters, and a NUL.
    SETTING_VALUE_MAX = 4 * 4096 + 1,
    SETTING_COMPLAINT_MAX = 160, // bytes of a message about a bad value
};

// Which clients may use a command: none, those on this machine, or all.
enum enable_command { ENABLE_NO, ENABLE_LOCAL, ENABLE_YES };

// The error reply to write commands.
enum write_error {
    WRITE_ERROR_READONLY,
    WRITE_ERROR_NOPERM,
    WRITE_ERROR_ERR,
    WRITE_ERROR_UNSET, // settings_complete replaces it by one of the others
};

// The values of an option that may be repeated.
struct setting_list {
    unsigned count;
    const char *items[SETTING_ITEMS_MAX];
};

// The settings that CONFIG SET changes while the server runs.
struct runtime_settings {
    _Atomic int64_t latency_monitor_threshold; // milliseconds; 0: off
    _Atomic int64_t latency_tracking;          // 0 or 1
    _Atomic int64_t loglevel;                  // an enum log_level
    _Atomic int64_t maxclients;
    // Bytes; 0: no limit. A negative number: percent of the memory that the server may use.
    _Atomic int64_t maxmemory_clients;
    _Atomic int64_t request_timeout;         // seconds; 0: never
    _Atomic int64_t slowlog_log_slower_than; // microseconds; negative: log nothing
    _Atomic int64_t slowlog_max_len;
    _Atomic int64_t tcp_keepalive; // seconds; 0: off
    _Atomic int64_t timeout;       // seconds; 0: never
    _Atomic int64_t write_timeout; // seconds; 0: never
};

// Strings belong to the program and outlive the server. They are not NULL unless the field says so.
struct settings {
    struct runtime_settings runtime; // the values of the runtime settings at the start

    bool tcp;
    unsigned port; // 0: chosen by the system; the server fills in the real one
    struct setting_list bind;
    const char *unixsocket;  // empty: none
    unsigned unixsocketperm; // 0: set by the umask
    unsigned tcp_backlog;
    struct setting_list proxy_protocol; // proxies that send a PROXY protocol header (net/acceptor)

    bool protected_mode;
    const char *requirepass;      // password at the start; NULL: none
    const char *requirepass_file; // NULL: none
    enum enable_command admin_commands;
    enum enable_command enable_debug_command;
    bool enable_shutdown_command;

    unsigned threads; // event loops; 0: chosen by the server, which fills in the real number

    unsigned read_threads; // threads that read data that is not in memory; 0: none

    bool skip_malformed;
    bool watch;                     // reload the data file when it is replaced or written to
    unsigned reload_max_shrink;     // percent of the keys that a reload may lose; 100: any
    const char *reload_verify;      // command that must accept the data of a reload; NULL: none
    unsigned reload_verify_timeout; // seconds that the command may take
    bool close_tracking;            // close the connections of tracking clients at a reload
    const char *index;  // path of the index file; empty: none; NULL: beside the data file
    bool sampled_trust; // serve from an index file when samples of the data match it
    // An index file of at most this many bytes is compared with all its checksums before the first
    // answer. A larger one is compared block by block as it is used.
    uint64_t index_verify;
    bool huge_pages;              // copy the index to huge pages
    enum dataset_lock lock_index; // lock the index in memory
    uint64_t build_memory;        // bytes that building the index may use; 0: a quarter of memory

    const char *logfile; // empty: standard error

    const char *key_prefix; // text that each key begins with; NULL: none
    bool any_key_form;      // a request may write a UUID in any form (uuid_parse_any)
    bool announce_replica;  // ROLE, INFO and HELLO say that the server is a replica

    const char *redis_version; // announced to clients; NULL: STELE_REDIS_VERSION
    enum write_error write_error;
    bool cluster_enabled;
    const char *cluster_config;      // path of the topology; NULL: the cluster has one node
    const char *cluster_node;        // name of this node; NULL: found by its address
    uint64_t cluster_node_timeout;   // ms until a node that does not answer is down; 0: not probed
    const char *cluster_auth_file;   // of the password for other nodes; NULL: our own password
    bool cluster_crossslot;          // answer requests for several slots
    bool cluster_hostnames;          // name nodes by their host names, where they have one
    const char *cluster_announce_ip; // NULL: the address a client has connected to
    unsigned cluster_announce_port;  // 0: the port a client has connected to

    // The fields from here on are not options. INFO and CONFIG use them.
    const char *executable; // argv[0] of the program
    // Number of clients for which there are file descriptors. CONFIG SET maxclients accepts at most
    // this number or the value of maxclients at the start, whichever is larger.
    unsigned maxclients_most;
};

// The types of settings. Each comment says what the values are, and then, in brackets, the C type
// of the field.
enum setting_type {
    SETTING_CONSTANT, // an option of Redis with only one value here, `default_value` [no field]
    SETTING_FLAG,     // yes if it is given; has no value on the command line [bool]
    SETTING_YES_NO,   // yes or no [bool or int64_t]
    SETTING_WORD,     // one of `words`; the field has its index [bool, enum or int64_t]
    SETTING_NUMBER,   // a number from `min` to `max` [unsigned or int64_t]
    SETTING_OCTAL,    // permissions of a file; not 0 [unsigned]
    SETTING_SIZE,     // bytes; not 0 [uint64_t]
    SETTING_MEMORY,   // bytes; a negative number: percent of the server's memory [int64_t]
    SETTING_TEXT,     // any text that `check` allows [const char *]
    SETTING_LIST,     // an option that may be repeated [struct setting_list]
    // Two options whose values commands/config.c gets elsewhere:
    SETTING_INDEX,       // CONFIG GET shows the path of the index in use [const char *]
    SETTING_PERCENTILES, // percentiles in struct observation (serve/service.h) [no field]
};

// What CONFIG SET does with a setting.
enum setting_change {
    SETTING_FIXED,   // refuses any value, as Redis does for the options that it calls immutable
    SETTING_KEPT,    // accepts only the present value: Redis can change this option, Stele cannot
    SETTING_RUNTIME, // changes it; the field is in struct runtime_settings
};

// One row of the table: an option, or a heading of --help above the rows that follow.
struct setting {
    const char *name;     // name in CONFIG; NULL: the row is a heading, whose text is `help`
    const char *option;   // "--" and the name; NULL: not on the command line
    const char *argument; // word for the value in --help; NULL: the option has no value
    const char *help;
    const char *default_value; // as on the command line; NULL: the field is 0 at first
    const char *default_text;  // the default in --help, where it is not `default_value`
    enum setting_type type;
    enum setting_change change;
    bool secret;              // no message shows the value, and CONFIG does not show the option
    size_t offset;            // offset of the field in struct settings
    size_t size;              // bytes of the field
    int64_t min;              // least number
    int64_t max;              // largest number
    int64_t runtime_max;      // largest number for CONFIG SET; 0: `max`
    const char *const *words; // values of SETTING_WORD; ends with NULL
    bool any_case;            // words are accepted in either case on the command line
    const char *complaint;    // message about a bad value; NULL: made from the type and the bounds
    // Returns NULL when the text is good, otherwise what is wrong with it. The pointer itself is
    // NULL when any text is allowed.
    const char *(*check)(const char *text);
    // Reads the value. Returns NULL when the text is good, otherwise what is wrong with it. The
    // pointer itself is NULL for a setting whose value is read in the usual way for its `type`.
    const char *(*read)(const struct setting *row, struct settings *s, const char *text,
                        char complaint[SETTING_COMPLAINT_MAX]);
};

// The table, in the order of --help.
extern const struct setting settings_table[];
extern const unsigned settings_count;

// Returns the present value of a runtime setting. Any thread may call this.
static inline int64_t runtime_get(const _Atomic int64_t *setting)
{
    return atomic_load_explicit(setting, memory_order_relaxed);
}

// Sets every option to its default. The program then reads options and calls settings_complete.
void settings_init(struct settings *s);

// Reads the value of a command-line option into its field. `text` must outlive `s`. An option that
// may be repeated adds the value to its list; any other option replaces the earlier value. For a
// flag, `text` is ignored and may be NULL. Returns NULL, or what is wrong with the value ("must be
// ..."). That message is a constant or is written to `complaint`.
const char *setting_read(const struct setting *row, struct settings *s, const char *text,
                         char complaint[SETTING_COMPLAINT_MAX]);

// Chooses the defaults that depend on other options. Returns false, with a message in `error`, when
// two options contradict each other.
bool settings_complete(struct settings *s, struct error *error);

// Returns the value of a setting as CONFIG GET shows it. The value of a runtime setting is read
// from `runtime`. The text is a constant or is written to `to`. Not for SETTING_INDEX and
// SETTING_PERCENTILES.
const char *setting_format(const struct setting *row, const struct settings *s,
                           const struct runtime_settings *runtime, char to[SETTING_VALUE_MAX]);

// Parses a value of CONFIG SET for a setting in struct runtime_settings, and sets `*value`. Returns
// NULL, or Redis's message about a bad value, which is a constant or is written to `complaint`.
const char *setting_read_change(const struct setting *row, struct span text, int64_t *value,
                                char complaint[SETTING_COMPLAINT_MAX]);

// Returns the field of a runtime setting.
_Atomic int64_t *setting_runtime(const struct setting *row, struct runtime_settings *runtime);

#endif
