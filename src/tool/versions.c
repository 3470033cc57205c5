// `stele versions` lists the versions of a store.
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "tool/store_command.h"

// Writes an age in its largest unit.
static void format_age(int64_t seconds, char *to, size_t size)
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    unsigned i = 0;
    while (i < 3 && seconds < 2 * units[i].seconds)
        i++;
    snprintf(to, size, "%" PRId64 "%c", seconds > 0 ? seconds / units[i].seconds : 0,
             units[i].letter);
}

static void show(const struct store_version *v, int64_t now)
{
    char made[STORE_TIME_TEXT_MAX];
    char age[24];
    store_time_format(v->manifest.made_at, made);
    format_age(now - v->manifest.made_at, age, sizeof age);
    printf("%-20s %-20s %5s %12" PRIu64 " %14" PRIu64 "%s%s%s\n", v->manifest.version, made, age,
           v->manifest.keys, v->manifest.bytes, v->current ? " current" : "",
           v->pinned ? " pinned" : "", v->rolled_back_at != 0 ? " rolled-back" : "");
}

static int versions(const struct options *o)
{
    struct store_list list;
    struct error error = {""};
    int64_t now = (int64_t)(clock_wall_us() / 1000000);
    int code = TOOL_ERROR;
    if (!store_is_store(o->file)) {
        tool_say("'%s' is not a store: it has no folder " STORE_VERSIONS, o->file);
        return code;
    }
    if (store_files_list(o->file, &list, &error)) {
        printf("%-20s %-20s %5s %12s %14s %s\n", "VERSION", "MADE", "AGE", "KEYS", "BYTES",
               "STATE");
        for (unsigned i = 0; i < list.count; i++)
            show(&list.versions[i], now);
        code = tool_finish(TOOL_OK);
    } else {
        tool_say("%s", error.text);
    }
    store_files_release(&list);
    return code;
}

static const struct option_row rows[] = {TOOL_HELP_ROW};

const struct tool_command tool_versions = {
    .name = "versions",
    .words = "STORE",
    .help =
        "list the versions of a store: when the data was made, its age, its keys and bytes, and "
        "whether the version is current, pinned, or was left by a rollback",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = versions,
    .takes_store = true,
    .example = "stele versions /var/lib/stele/devices",
};
