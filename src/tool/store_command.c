#include "tool/store_command.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"

int store_command_begin(const char *store, struct store_list *list)
{
    struct error error = {""};
    *list = (struct store_list){0};
    if (!store_is_store(store)) {
        tool_say("'%s' is not a store: it has no folder " STORE_VERSIONS, store);
        return -1;
    }
    int lock = store_files_lock(store, &error);
    if (lock >= 0 && store_files_recover(store, &error) && store_files_list(store, list, &error))
        return lock;
    tool_say("%s", error.text);
    if (lock >= 0)
        close(lock);
    return -1;
}

const struct store_version *store_command_current(const struct store_list *list)
{
    for (unsigned i = 0; i < list->count; i++)
        if (list->versions[i].current)
            return &list->versions[i];
    return NULL;
}

const struct store_version *store_command_find(const struct store_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (strcmp(list->versions[i].manifest.version, name) == 0)
            return &list->versions[i];
    return NULL;
}

const char *store_command_set_reload(struct options *o, const char *value)
{
    struct reload_servers *servers = &o->store.servers;
    if (servers->count == RELOAD_SERVERS_MAX)
        return "is given too often";
    servers->addresses[servers->count++] = value;
    return NULL;
}
