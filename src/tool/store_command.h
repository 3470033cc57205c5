// What publish, rollback, unpin and versions share.
#ifndef STELE_TOOL_STORE_COMMAND_H
#define STELE_TOOL_STORE_COMMAND_H

#include "tool/store_files.h"
#include "tool/tool.h"

// Takes the lock of the store, recovers it and reads its versions. Returns the lock, or -1 after
// printing the reason. The caller closes the lock and calls store_files_release in any case.
int store_command_begin(const char *store, struct store_list *list);

// Returns the current version, or NULL.
const struct store_version *store_command_current(const struct store_list *list);

// Returns the version with this name, or NULL.
const struct store_version *store_command_find(const struct store_list *list, const char *name);

// Stores the value of --reload.
const char *store_command_set_reload(struct options *o, const char *value);
#define STORE_COMMAND_RELOAD_ROW                                                                   \
    {                                                                                              \
        "--reload", "ADDRESS",                                                                     \
            "server to reload afterwards: HOST:PORT or the path of a Unix socket; may be given "   \
            "several times; the variable REDISCLI_AUTH has the password",                          \
            store_command_set_reload                                                               \
    }

#endif
