// `stele publish` adds a version to a store and makes it current.
//
// The version is made in a folder that is none yet. When it has passed all checks, the folder gets
// the version's name, and the link `current` is replaced. So a crash at any point leaves the old
// version current or the new one, and the next change of the store removes the rest.
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "tool/publish_copy.h"
#include "tool/publish_gate.h"
#include "tool/publish_part.h"
#include "tool/reload_servers.h"
#include "tool/store_command.h"

typedef unsigned long long ull;

enum {
    // Bytes of a data file from which on it is worth waiting 2 s, so that its times prove that the
    // index belongs to it. A server compares a smaller file with its index in less time.
    PROVEN_FROM = 256 * 1024 * 1024,
    DAY = 24 * 3600, // seconds for which a version that was left by a rollback stays
    NAMES_A_SECOND = 100,
};

struct publishing {
    const struct options *options;
    const char *store;
    struct store_list list; // the versions before
    const struct store_version *current;
    struct store_manifest manifest; // of the new version
    struct publish_part part;       // zeroed: the file is whole
    char folder[PATH_MAX];          // where it is made
    char data[PATH_MAX];            // its data file there
};

// ---- the name -----------------------------------------------------------------------------------

// Chooses a name that sorts after all others. Returns false with a message.
static bool choose_name(struct publishing *p, struct error *error)
{
    char *name = p->manifest.version;
    const char *given = p->options->store.version;
    const char *newest =
        p->list.count > 0 ? p->list.versions[p->list.count - 1].manifest.version : "";
    if (given != NULL) {
        snprintf(name, STORE_NAME_MAX + 1, "%s", given);
    } else {
        char time[STORE_TIME_TEXT_MAX];
        store_time_name(p->manifest.published_at, time);
        snprintf(name, STORE_NAME_MAX + 1, "%s", time);
        // Several versions in a second.
        for (unsigned i = 1; strcmp(name, newest) <= 0 && i < NAMES_A_SECOND; i++)
            snprintf(name, STORE_NAME_MAX + 1, "%s-%02u", time, i);
    }
    if (given == NULL && strcmp(name, newest) <= 0)
        error_set(error, "'%s' has the version '%s', which sorts after any time: give --version",
                  p->store, newest);
    else if (store_command_find(&p->list, name) != NULL)
        error_set(error, "'%s' has a version '%s' already", p->store, name);
    else if (strcmp(name, newest) < 0)
        error_set(error, "the version '%s' would not be the newest: '%s' sorts after it", name,
                  newest);
    else
        return true;
    return false;
}

// ---- the files of the version -------------------------------------------------------------------

// Prints the malformed lines. The messages name the copy, which is soon removed; the file of the
// user is shown instead.
static void show_malformed(const struct publishing *p, const struct dataset_report *report)
{
    size_t len = strlen(p->data);
    for (unsigned i = 0; i < DATASET_MALFORMED_SHOWN && *report->malformed[i] != '\0'; i++) {
        const char *text = report->malformed[i];
        bool is_copy = strncmp(text, p->data, len) == 0;
        fprintf(stderr, "%s%s\n", is_copy ? tool_name(p->options->file) : "",
                is_copy ? text + len : text);
    }
}

// Opens the data and writes its index. Returns NULL after printing the reason, and sets `*code`.
static struct dataset *open_data(const struct publishing *p, uint64_t bytes, int *code)
{
    struct dataset_settings settings = p->options->settings;
    struct dataset_report report = {0};
    struct error error = {""};
    settings.index = DATASET_INDEX_WRITE;
    settings.index_required = true;
    settings.await_proof = bytes > PROVEN_FROM;
    tool_step("indexing", p->options->file, true);
    struct dataset *d = dataset_open(p->data, &settings, &report, &error);
    tool_step_hide();
    if (d != NULL)
        d = dataset_finished(d, &error);
    if (d != NULL && strcmp(dataset_index_status(d), "mapped") == 0)
        return d;
    *code = report.figures.malformed > 0 ? TOOL_NO : TOOL_ERROR;
    show_malformed(p, &report);
    if (*code == TOOL_NO)
        tool_say("refused: '%s' has %llu malformed lines", p->options->file,
                 (ull)report.figures.malformed);
    else if (*error.text != '\0')
        tool_say("%s", error.text);
    dataset_close(d);
    return NULL;
}

static void take_figures(struct publishing *p, const struct dataset *d)
{
    const struct dataset_figures *f = dataset_figures(d);
    p->manifest.bytes = f->data_bytes;
    p->manifest.lines = f->lines;
    p->manifest.keys = f->keys;
    p->manifest.duplicates = f->duplicates;
    p->manifest.value_bytes = f->value_bytes;
}

static bool write_manifest(const struct publishing *p, struct error *error)
{
    struct buf text = {0};
    char path[PATH_MAX];
    store_manifest_format(&p->manifest, buf_span(&p->part.lines), &text);
    bool good = !text.oom;
    if (!good)
        error_set(error, "%s", strerror(ENOMEM));
    good = good && store_path(p->store, STORE_NEW, STORE_MANIFEST, path, sizeof path, error) &&
           store_files_write(path, buf_span(&text), error);
    buf_release(&text);
    return good;
}

// Makes the version in its folder, and checks it. Returns the exit code.
static int make_version(struct publishing *p)
{
    const struct store_options *o = &p->options->store;
    const struct store_manifest *current = p->current != NULL ? &p->current->manifest : NULL;
    struct stat source;
    struct error error = {""};
    int code = TOOL_ERROR;
    if (mkdir(p->folder, 0777) != 0) {
        tool_say("cannot create '%s': %s", p->folder, strerror(errno));
        return code;
    }
    if (!publish_copy(p->options->file, p->data, o->link || o->move, &source, p->manifest.checksum,
                      &error)) {
        tool_say("%s", error.text);
        return code;
    }
    if (o->part_of != NULL && strcmp(p->manifest.checksum, p->part.checksum) != 0) {
        tool_say("refused: '%s' is not the part that '%s' describes: its checksum is %s, not %s",
                 p->options->file, o->part_of, p->manifest.checksum, p->part.checksum);
        return TOOL_NO;
    }
    p->manifest.made_at = o->has_made_at ? o->made_at : (int64_t)source.st_mtime;
    struct dataset *d = open_data(p, (uint64_t)source.st_size, &code);
    if (d == NULL)
        return code;
    take_figures(p, d);
    code = publish_gate_check(&o->gate, p->store, &p->manifest, d, current, &error);
    if (code != TOOL_OK)
        tool_say("%s%s", code == TOOL_NO ? "refused: " : "", error.text);
    code = tool_close(d, code);
    if (code == TOOL_OK && !write_manifest(p, &error)) {
        tool_say("%s", error.text);
        code = TOOL_ERROR;
    }
    return code;
}

// Gives the version its name. Returns false with a message.
static bool name_version(const struct publishing *p, struct error *error)
{
    char path[PATH_MAX];
    if (!store_path(p->store, p->manifest.version, "", path, sizeof path, error))
        return false;
    if (file_rename_new(p->folder, path) && file_sync_folder(path))
        return true;
    error_set(error, "cannot create '%s': %s", path, strerror(errno));
    return false;
}

// ---- the old versions ---------------------------------------------------------------------------

// Removes the versions that need not stay. The new version is not on the list.
static bool remove_old(const struct publishing *p, bool is_current, struct error *error)
{
    unsigned keep = p->options->store.keep;
    for (unsigned i = 0; i < p->list.count; i++) {
        const struct store_version *v = &p->list.versions[i];
        unsigned newer = p->list.count - i; // with the new one
        bool left_lately =
            v->rolled_back_at != 0 && p->manifest.published_at - v->rolled_back_at < DAY;
        bool stays = newer < keep || v->pinned || left_lately || (v->current && !is_current);
        if (stays)
            continue;
        if (!store_files_remove(p->store, v->manifest.version, error))
            return false;
        printf("%s is removed\n", v->manifest.version);
    }
    return true;
}

// ---- the command --------------------------------------------------------------------------------

// Does what is left when the version is made. Returns the exit code.
static int finish(struct publishing *p, const char *pinned)
{
    struct error error = {""};
    const struct options *o = p->options;
    bool is_current = *pinned == '\0';
    if (!name_version(p, &error)) {
        tool_say("%s", error.text);
        return TOOL_ERROR;
    }
    const char *version = p->manifest.version;
    if (is_current && !store_files_make_current(p->store, version, &error)) {
        tool_say("%s is published, but is not current: %s", version, error.text);
        return TOOL_ERROR;
    }
    printf("%s is published: %llu keys, %llu bytes; ", version, (ull)p->manifest.keys,
           (ull)p->manifest.bytes);
    if (is_current)
        printf("it is current\n");
    else
        printf("%s stays current, because it is pinned\n", pinned);
    int code = TOOL_OK;
    if (o->store.move && unlink(o->file) != 0) {
        tool_say("cannot remove '%s': %s", o->file, strerror(errno));
        code = TOOL_ERROR;
    }
    if (is_current && !reload_servers(&o->store.servers, version))
        code = TOOL_ERROR;
    if (!remove_old(p, is_current, &error)) {
        tool_say("cannot remove an old version: %s", error.text);
        code = TOOL_ERROR;
    }
    return tool_finish(code);
}

// Makes the folders of a store that does not exist. Returns false after printing the reason.
static bool make_store(const char *store)
{
    char path[PATH_MAX];
    struct stat status;
    if (store_is_store(store))
        return true;
    if (stat(store, &status) == 0 && !S_ISDIR(status.st_mode)) {
        tool_say("'%s' is not a folder", store);
        return false;
    }
    const char *made = store;
    snprintf(path, sizeof path, "%s/" STORE_VERSIONS, store);
    if (mkdir(store, 0777) == 0 || errno == EEXIST) {
        made = path;
        if (mkdir(path, 0777) == 0 && file_sync_folder(path) && file_sync_folder(store))
            return true;
    }
    tool_say("cannot create '%s': %s", made, strerror(errno));
    return false;
}

static int publish(const struct options *o)
{
    struct publishing p = {.options = o, .store = o->file};
    struct options with_file = *o;
    struct error error = {""};
    char pinned[STORE_NAME_MAX + 1];
    int code = TOOL_ERROR;
    if (o->key_count < 1) {
        tool_say("the data file is missing: stele publish STORE FILE");
        return code;
    }
    with_file.file = o->keys[0];
    p.options = &with_file;
    if (o->store.link && o->store.move) {
        tool_say("--link and --move exclude each other");
        return code;
    }
    if (o->store.part_of != NULL &&
        !publish_part_read(&p.part, o->store.part_of, with_file.file, &error)) {
        tool_say("%s", error.text);
        publish_part_release(&p.part);
        return code;
    }
    // A limit of the size of files must fail the write, not end the process.
    signal(SIGXFSZ, SIG_IGN);
    int lock = make_store(p.store) ? store_command_begin(p.store, &p.list) : -1;
    if (lock < 0) {
        publish_part_release(&p.part);
        return code;
    }
    p.current = store_command_current(&p.list);
    p.manifest.published_at = (int64_t)(clock_wall_us() / 1000000);
    if (p.current != NULL)
        memcpy(p.manifest.previous, p.current->manifest.version, sizeof p.manifest.previous);
    bool good = choose_name(&p, &error) && store_pinned(p.store, pinned, &error) &&
                store_path(p.store, STORE_NEW, "", p.folder, sizeof p.folder, &error) &&
                store_path(p.store, STORE_NEW, STORE_DATA, p.data, sizeof p.data, &error);
    if (!good) {
        tool_say("%s", error.text);
    } else {
        code = make_version(&p);
        if (code == TOOL_OK)
            code = finish(&p, pinned);
        else if (!store_files_recover(p.store, &error))
            tool_say("%s", error.text);
    }
    publish_part_release(&p.part);
    store_files_release(&p.list);
    close(lock);
    return code;
}

// ---- options ------------------------------------------------------------------------------------

static const char *set_version(struct options *o, const char *value)
{
    o->store.version = value;
    return store_name_is_good(value)
               ? NULL
               : "must have at most 64 letters, digits, '.', '-' and '_', and no '.' in front";
}

static const char *set_made_at(struct options *o, const char *value)
{
    o->store.has_made_at = true;
    return store_time_parse(value, &o->store.made_at)
               ? NULL
               : "must be a time like 2026-11-28T02:00:00Z, or '@' and seconds since 1970";
}

static const char *set_keep(struct options *o, const char *value)
{
    return tool_read_number(value, "", 1, 10000, &o->store.keep)
               ? NULL
               : "must be a number from 1 to 10000";
}

static const char *set_max_lost(struct options *o, const char *value)
{
    return tool_read_number(value, "%", 0, 100, &o->store.gate.max_lost) ? NULL
                                                                         : "must be 0% to 100%";
}

static const char *set_max_shrink(struct options *o, const char *value)
{
    return tool_read_number(value, "%", 0, 100, &o->store.gate.max_shrink) ? NULL
                                                                           : "must be 0% to 100%";
}

static const char *set_verify(struct options *o, const char *value)
{
    o->store.gate.verify = value;
    return *value != '\0' ? NULL : "must not be empty";
}

static const char *set_verify_timeout(struct options *o, const char *value)
{
    return tool_read_number(value, "", 1, 86400, &o->store.gate.verify_seconds)
               ? NULL
               : "must be a number of seconds from 1 to 86400";
}

static const char *set_link(struct options *o, const char *value)
{
    (void)value;
    o->store.link = true;
    return NULL;
}

static const char *set_move(struct options *o, const char *value)
{
    (void)value;
    o->store.move = true;
    return NULL;
}

static const char *set_part_of(struct options *o, const char *value)
{
    o->store.part_of = value;
    return NULL;
}

static const struct option_row rows[] = {
    {"--version", "NAME", "name of the version (default: the time, like 20261128T020000Z)",
     set_version},
    {"--made-at", "TIME", "when the data was made (default: when FILE changed)", set_made_at},
    {"--keep", "N", "versions that stay (default: 3)", set_keep},
    {"--max-shrink", "PERCENT", "most by which the keys may be fewer (default: 10%)",
     set_max_shrink},
    {"--max-lost", "PERCENT", "most current keys that may be missing (default: 10%)", set_max_lost},
    {"--verify", "COMMAND", "refuse unless this shell command succeeds; see docs/publishing.md",
     set_verify},
    {"--verify-timeout", "S", "seconds that it may take (default: 600)", set_verify_timeout},
    {"--link", NULL, "link FILE into the store instead of copying it", set_link},
    {"--move", NULL, "the same, and remove FILE at the end", set_move},
    {"--part-of", "MANIFEST", "refuse unless FILE is the part of this manifest of stele split",
     set_part_of},
    STORE_COMMAND_RELOAD_ROW,
    TOOL_HELP_ROW,
};

const struct tool_command tool_publish = {
    .name = "publish",
    .words = "STORE FILE [OPTION]...",
    .help = "check a data file, add it to a store as a version, and make it current",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = publish,
    .more_words = 1,
    .takes_store = true,
    .example = "stele publish /var/lib/stele/devices new.data --reload 127.0.0.1:6379",
};
