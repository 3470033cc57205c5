// `stele split` divides a data file into parts, for a cluster or for a proxy in front of several
// servers. It reads the file once.
//
// The parts get their names when all of them are complete, and the manifest is written after that.
// So a manifest says that its parts are complete. If anything fails, nothing is left.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "tool/manifest.h"
#include "tool/part_files.h"
#include "tool/read_lines.h"
#include "tool/split_check.h"
#include "tool/split_rule.h"
#include "tool/tool.h"

typedef unsigned long long ull;

struct splitting {
    const struct options *options;
    struct split_rule rule;
    int fd;              // the source
    struct stat source;  // its status
    char *name;          // its name without the folder and ".data"
    char *manifest_path; // FOLDER/NAME.manifest
    bool made_folder;    // the folder of the parts was created
    struct part_files parts;
    struct line_reading reading;
    char checksum[CHECKSUM_TEXT_LEN + 1]; // of the source
};

static bool take_line(void *context, const struct record *record, struct span line,
                      struct error *error)
{
    struct splitting *s = context;
    (void)record;
    return part_files_append(&s->parts, partition_of(s->rule.partition, line.ptr), line, error);
}

// Sets the names, and refuses to go on if the manifest exists.
static bool choose_names(struct splitting *s, struct error *error)
{
    const char *base = file_name(s->options->file);
    size_t len = strlen(base);
    struct stat status;
    for (const char *at = base; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            error_set(error, "the name '%s' has a control character, which a manifest cannot hold",
                      base);
            return false;
        }
    if (len > 5 && strcmp(base + len - 5, ".data") == 0)
        len -= 5;
    s->name = strndup(base, len);
    if (s->name == NULL ||
        asprintf(&s->manifest_path, "%s/%s" MANIFEST_SUFFIX, s->options->split.out, s->name) < 0) {
        s->manifest_path = NULL;
        error_set(error, "%s", strerror(ENOMEM));
        return false;
    }
    if (lstat(s->manifest_path, &status) == 0) {
        error_set(error, "'%s' exists already and is not replaced", s->manifest_path);
        return false;
    }
    return true;
}

static bool make_folder(struct splitting *s, struct error *error)
{
    s->made_folder = mkdir(s->options->split.out, 0777) == 0;
    if (s->made_folder || errno == EEXIST)
        return true;
    error_set(error, "cannot create '%s': %s", s->options->split.out, strerror(errno));
    return false;
}

// Writes the parts, without their final names.
static bool write_parts(struct splitting *s, struct error *error)
{
    unsigned count = partition_count(s->rule.partition);
    if (!part_files_create(&s->parts, count, s->options->split.out, s->name, &s->source, error))
        return false;
    s->reading = (struct line_reading){
        .take = take_line, .context = s, .checked_signals = true, .stream = checksum_stream_new()};
    if (s->reading.stream == NULL) {
        error_set(error, "%s", strerror(ENOMEM));
        return false;
    }
    bool good = read_lines(&s->reading, s->fd, s->options->file, "splitting", error);
    checksum_stream_text(s->reading.stream, s->checksum);
    checksum_stream_free(s->reading.stream);
    s->reading.stream = NULL;
    return good && part_files_finish(&s->parts, error);
}

static bool write_manifest(const struct splitting *s, struct error *error)
{
    struct buf text = {0};
    buf_printf(&text,
               MANIFEST_FIRST_LINE "\nsource %s\nsource-lines %llu\nsource-bytes %llu\n"
                                   "source-xxh3-128 %s\n",
               file_name(s->options->file), (ull)s->reading.lines, (ull)s->reading.bytes,
               s->checksum);
    split_rule_describe(&s->rule, &text);
    for (unsigned i = 0; i < s->parts.count; i++) {
        const struct part_file *f = &s->parts.files[i];
        char checksum[CHECKSUM_TEXT_LEN + 1];
        checksum_stream_text(f->stream, checksum);
        buf_printf(&text, "part %s\n", file_name(f->path));
        split_rule_describe_part(&s->rule, i, &text);
        buf_printf(&text, "lines %llu\nbytes %llu\nxxh3-128 %s\n", (ull)f->lines, (ull)f->written,
                   checksum);
    }
    buf_append_text(&text, "end\n");
    bool good = !text.oom;
    if (!good)
        error_set(error, "%s", strerror(ENOMEM));
    good = good && manifest_write(s->manifest_path, buf_span(&text), &s->source, error);
    buf_release(&text);
    return good;
}

static void show(const struct splitting *s)
{
    if (s->reading.unterminated)
        tool_say("the last line of '%s' has no newline; in its part it has one", s->options->file);
    for (unsigned i = 0; i < s->parts.count; i++) {
        const struct part_file *f = &s->parts.files[i];
        printf("%s %llu lines, %llu bytes\n", tool_name(f->path), (ull)f->lines, (ull)f->written);
    }
    printf("%s\n", tool_name(s->manifest_path));
}

// Does everything while signals are blocked. Returns false with a message, after removing
// everything.
static bool divide(struct splitting *s, struct error *error)
{
    if (make_folder(s, error) && write_parts(s, error) && part_files_publish(&s->parts, error) &&
        write_manifest(s, error))
        return true;
    part_files_abandon(&s->parts);
    if (s->made_folder)
        (void)rmdir(s->options->split.out);
    return false;
}

// Writes the index of each part.
static int write_indexes(const struct splitting *s)
{
    struct dataset_settings settings = s->options->settings;
    int code = TOOL_OK;
    settings.index = DATASET_INDEX_WRITE;
    settings.index_required = true;
    settings.await_proof = true;
    for (unsigned i = 0; i < s->parts.count && code == TOOL_OK; i++) {
        struct dataset *d = tool_open(s->parts.files[i].path, &settings);
        bool written = d != NULL && strcmp(dataset_index_status(d), "mapped") == 0;
        code = tool_close(d, written ? TOOL_OK : TOOL_ERROR);
    }
    if (code != TOOL_OK)
        tool_say("the parts are complete, but not all of their indexes were written");
    return code;
}

static int split_file(const struct options *o)
{
    struct splitting s = {.options = o, .fd = -1};
    struct error error = {""};
    sigset_t before;
    int code = TOOL_ERROR;
    // If the size of files is limited (ulimit -f), SIGXFSZ would kill the process. When the signal
    // is ignored, the write fails instead, and the files are removed.
    signal(SIGXFSZ, SIG_IGN);
    bool good = split_rule_init(&s.rule, &o->split, &error) && choose_names(&s, &error) &&
                (s.fd = file_open(o->file, &s.source, &error)) >= 0;
    if (good) {
        ending_block_signals(&before);
        good = divide(&s, &error);
        ending_restore_signals(&before); // ends the process if a signal has arrived
    }
    if (good) {
        show(&s);
        code = tool_finish(o->split.index ? write_indexes(&s) : TOOL_OK);
    } else {
        tool_say("%s", error.text);
    }
    part_files_release(&s.parts);
    split_rule_release(&s.rule);
    if (s.fd >= 0)
        close(s.fd);
    free(s.name);
    free(s.manifest_path);
    return code;
}

static int split(const struct options *o)
{
    const struct split_options *s = &o->split;
    if (!s->check && s->node == NULL && s->out != NULL)
        return split_file(o);
    if (!s->check)
        tool_say(s->node != NULL ? "--node needs --check" : "--out DIR is missing");
    else if (s->cluster == NULL || s->node == NULL)
        tool_say("--check needs --cluster CONFIG and --node NAME");
    else if (s->out != NULL || s->parts != 0 || s->hash != NULL || s->distribution != NULL ||
             s->servers != NULL || s->nutcracker != NULL || s->pool != NULL || s->digits != 0 ||
             s->index || (s->by != NULL && strcmp(s->by, "slots") != 0))
        tool_say("--check allows only --cluster and --node");
    else
        return split_check(o);
    return TOOL_ERROR;
}

// ---- options ------------------------------------------------------------------------------------

// Defines the function that stores the value of an option.
#define SET_TEXT(field)                                                                            \
    static const char *set_##field(struct options *o, const char *value)                           \
    {                                                                                              \
        o->split.field = value;                                                                    \
        return *value != '\0' ? NULL : "must not be empty";                                        \
    }
#define SET_FLAG(field)                                                                            \
    static const char *set_##field(struct options *o, const char *value)                           \
    {                                                                                              \
        (void)value;                                                                               \
        o->split.field = true;                                                                     \
        return NULL;                                                                               \
    }
SET_TEXT(by)
SET_TEXT(cluster)
SET_TEXT(hash)
SET_TEXT(distribution)
SET_TEXT(servers)
SET_TEXT(nutcracker)
SET_TEXT(pool)
SET_TEXT(out)
SET_TEXT(node)
SET_FLAG(index)
SET_FLAG(check)

static const char *set_parts(struct options *o, const char *value)
{
    _Static_assert(PARTITION_PARTS_MAX == 1000, "the message states the limit");
    return tool_read_number(value, "", 1, PARTITION_PARTS_MAX, &o->split.parts)
               ? NULL
               : "must be a number from 1 to 1000";
}

static const char *set_digits(struct options *o, const char *value)
{
    return tool_read_number(value, "", 1, 2, &o->split.digits) ? NULL : "must be 1 or 2";
}

static const struct option_row rows[] = {
    {"--by", "RULE",
     "how to divide the keys: by slots (of Redis Cluster, with --cluster or --parts), twemproxy "
     "(with --nutcracker, or --hash, --distribution and --servers), predixy (with --parts), or "
     "prefix (with --digits)",
     set_by},
    {"--cluster", "CONFIG", "file with the shards of the cluster and their slots", set_cluster},
    {"--parts", "N", "number of parts; with --by slots they have equal ranges of slots", set_parts},
    {"--nutcracker", "CONFIG", "configuration file of twemproxy", set_nutcracker},
    {"--pool", "NAME", "pool in that file, if it has several", set_pool},
    {"--hash", "HASH",
     "hash of twemproxy: fnv1a_64, fnv1_64, fnv1a_32, fnv1_32, crc16, crc32, crc32a, md5 or murmur",
     set_hash},
    {"--distribution", "NAME", "distribution of twemproxy: modula or ketama", set_distribution},
    {"--servers", "LIST",
     "servers of twemproxy, as in its configuration, with commas between them: "
     "'HOST:PORT:WEIGHT NAME,...'",
     set_servers},
    {"--digits", "N", "number of hexadecimal digits: 1 (16 parts) or 2 (256 parts)", set_digits},
    {"--out", "DIR", "folder for the parts and their manifest", set_out},
    {"--index", NULL, "also write the index file of each part", set_index},
    {"--check", NULL,
     "instead of dividing FILE, print its keys that do not belong to the shard of a node, with "
     "--cluster and --node",
     set_check},
    {"--node", "NAME", "node in the file of --cluster", set_node},
    TOOL_HELP_ROW,
};

const struct tool_command tool_split = {
    .name = "split",
    .words = "FILE --by RULE ... --out DIR [--index] | FILE --check --cluster CONFIG --node NAME",
    .help = "divide a data file into parts, one for each shard of a cluster or server behind a "
            "proxy, and write a manifest of them; with --check, check a part instead",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = split,
    .example = "stele split devices.data --by slots --parts 3 --out parts --index",
};
