// `stele rollback` makes an earlier version of a store current and pins it. `stele unpin` removes
// the pin and makes the newest version current.
//
// A rollback first writes the pin. If it is interrupted after that, the next change of the store
// completes it (store_files_recover).
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "tool/reload_servers.h"
#include "tool/store_command.h"

// Returns the version to go back to, or NULL after printing the reason.
static const struct store_version *choose(const struct options *o, const struct store_list *list,
                                          const struct store_version *current)
{
    const struct store_version *found = NULL;
    if (o->key_count > 0) {
        found = store_command_find(list, o->keys[0]);
        if (found == NULL)
            tool_say("'%s' has no version '%s'", o->file, o->keys[0]);
        return found;
    }
    if (current == NULL) {
        tool_say("'%s' has no current version", o->file);
        return NULL;
    }
    for (unsigned i = 0; i < list->count && &list->versions[i] != current; i++)
        found = &list->versions[i];
    if (found == NULL)
        tool_say("'%s' has no version before %s", o->file, current->manifest.version);
    return found;
}

static bool go_back(const char *store, const struct store_version *to,
                    const struct store_version *from, struct error *error)
{
    const char *name = to->manifest.version;
    bool back = from != NULL && strcmp(from->manifest.version, name) > 0;
    return store_files_pin(store, name, error) && store_files_make_current(store, name, error) &&
           store_files_note_rollback(store, name, false, error) &&
           (!back || store_files_note_rollback(store, from->manifest.version, true, error));
}

// Reloads the servers. Returns the exit code.
static int reload(const struct options *o, const char *version)
{
    return tool_finish(reload_servers(&o->store.servers, version) ? TOOL_OK : TOOL_ERROR);
}

static int rollback(const struct options *o)
{
    struct store_list list;
    struct error error = {""};
    int code = TOOL_ERROR;
    int lock = store_command_begin(o->file, &list);
    const struct store_version *from = store_command_current(&list);
    const struct store_version *to = lock >= 0 ? choose(o, &list, from) : NULL;
    if (to != NULL && go_back(o->file, to, from, &error)) {
        printf("%s is current and pinned\n", to->manifest.version);
        code = reload(o, to->manifest.version);
    } else if (to != NULL) {
        tool_say("%s", error.text);
    }
    store_files_release(&list);
    if (lock >= 0)
        close(lock);
    return code;
}

static bool go_forward(const char *store, const char *newest, struct error *error)
{
    return store_files_pin(store, NULL, error) && store_files_make_current(store, newest, error) &&
           store_files_note_rollback(store, newest, false, error);
}

static int unpin(const struct options *o)
{
    struct store_list list;
    struct error error = {""};
    char pinned[STORE_NAME_MAX + 1];
    int code = TOOL_ERROR;
    int lock = store_command_begin(o->file, &list);
    const char *newest = list.count > 0 ? list.versions[list.count - 1].manifest.version : NULL;
    if (lock < 0) {
    } else if (!store_pinned(o->file, pinned, &error)) {
        tool_say("%s", error.text);
    } else if (*pinned == '\0' || newest == NULL) {
        tool_say("'%s' has no pinned version", o->file);
        code = TOOL_NO;
    } else if (!go_forward(o->file, newest, &error)) {
        tool_say("%s", error.text);
    } else {
        printf("%s is current\n", newest);
        code = reload(o, newest);
    }
    store_files_release(&list);
    if (lock >= 0)
        close(lock);
    return code;
}

static const struct option_row rows[] = {STORE_COMMAND_RELOAD_ROW, TOOL_HELP_ROW};

const struct tool_command tool_rollback = {
    .name = "rollback",
    .words = "STORE [VERSION] [--reload ADDRESS]...",
    .help = "make the version before the current one current again, or VERSION, and pin it: it "
            "stays current whatever is published, until unpin",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = rollback,
    .more_words = 1,
    .takes_store = true,
    .example = "stele rollback /var/lib/stele/devices --reload 127.0.0.1:6379",
};

const struct tool_command tool_unpin = {
    .name = "unpin",
    .words = "STORE [--reload ADDRESS]...",
    .help = "end a rollback: make the newest version of a store current",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = unpin,
    .takes_store = true,
    .example = "stele unpin /var/lib/stele/devices --reload 127.0.0.1:6379",
};
