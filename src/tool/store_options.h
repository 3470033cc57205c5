// The options of publish, rollback and unpin.
#ifndef STELE_TOOL_STORE_OPTIONS_H
#define STELE_TOOL_STORE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

// What a new version must pass (tool/publish_gate.h).
struct publish_gate {
    unsigned max_shrink;     // percent of the current keys by which their number may become less
    unsigned max_lost;       // percent of the current keys that the new version may lack
    const char *verify;      // command that must exit with status 0; NULL: none
    unsigned verify_seconds; // time that the command may take
};

enum { RELOAD_SERVERS_MAX = 256 };

// The servers, as --reload names them.
struct reload_servers {
    unsigned count;
    const char *addresses[RELOAD_SERVERS_MAX]; // as remote_open takes them
};

struct store_options {
    const char *version; // NULL: chosen by the time
    bool has_made_at;
    int64_t made_at; // seconds since 1970
    unsigned keep;   // versions that stay
    bool link;
    bool move;
    const char *part_of; // manifest of stele split that names the file; NULL: the file is whole
    struct publish_gate gate;
    struct reload_servers servers;
};

#endif
