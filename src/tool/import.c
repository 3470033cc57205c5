// `stele import` writes the string keys of an RDB dump of Redis or Valkey as lines of a data file.
//
// What a data file cannot hold is never left out silently: it is counted and named, or it ends the
// import with status 1. Once something is refused, nothing more is written. Values are written in
// pieces, so the memory does not depend on the dump.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "data/uuid_text.h"
#include "rdb/reader.h"
#include "tool/import_report.h"
#include "tool/line_output.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum { PREFIX_MOST = 256 }; // bytes of --strip-prefix
_Static_assert(PREFIX_MOST + UUID_TEXT_LEN <= RDB_NAME_MOST, "the reader keeps the whole key");

struct importing {
    const struct import_options *options;
    struct import_report report;
    int fd;         // the dump
    uint64_t bytes; // bytes of the dump read
    uint64_t size;  // bytes of the dump; 0: not known
    int64_t now_ms; // keys that expire until then have expired
    struct rdb_reader *reader;
    struct line_output output;
    bool refused; // nothing more is written, because the dump has something that is refused
};

static int64_t read_dump(void *context, char *to, size_t room, struct error *error)
{
    struct importing *i = context;
    ssize_t got;
    do
        got = read(i->fd, to, room);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        error_set(error, "cannot read: %s", strerror(errno));
        return -1;
    }
    i->bytes += (uint64_t)got;
    tool_step_at(i->bytes, i->size > i->bytes ? i->size : i->size > 0 ? i->bytes : 0);
    return got;
}

// ---- keys and values ----------------------------------------------------------------------------

static bool write_bytes(struct importing *i, struct span bytes, struct error *error)
{
    return i->refused || line_output_append(&i->output, bytes, error);
}

// Writes a piece of a value. If it has a newline that is not replaced, sets `*newline`, and refuses
// the dump.
static bool write_piece(struct importing *i, struct span piece, bool *newline, struct error *error)
{
    const char *text = i->options->newline_as;
    const char *at;
    while ((at = memchr(piece.ptr, '\n', piece.len)) != NULL) {
        size_t len = (size_t)(at - piece.ptr);
        if (text == NULL) {
            *newline = true;
            i->refused = true;
            return true;
        }
        if (!write_bytes(i, span_of(piece.ptr, len), error) ||
            !write_bytes(i, span_text(text), error))
            return false;
        piece = span_of(at + 1, piece.len - len - 1);
    }
    return write_bytes(i, piece, error);
}

// Sets the message of the reader. Returns false.
static bool reading_failed(const struct importing *i, struct error *error)
{
    error_set(error, "%s: %s", i->report.name, rdb_reader_error(i->reader)->text);
    return false;
}

// Writes the line of a key. Returns false with a message when reading or writing fails.
static bool write_line(struct importing *i, const struct rdb_key *key, struct uuid id,
                       struct error *error)
{
    char text[UUID_TEXT_LEN + 1];
    struct span piece;
    bool newline = false;
    uuid_format(id, text);
    text[UUID_TEXT_LEN] = ' ';
    if (!line_output_begin(&i->output, error) || !write_bytes(i, span_of(text, sizeof text), error))
        return false;
    do {
        if (!rdb_reader_value(i->reader, &piece))
            return reading_failed(i, error);
        if (!write_piece(i, piece, &newline, error))
            return false;
    } while (piece.len > 0);
    if (newline) {
        import_report_newline(&i->report, key);
        return true;
    }
    import_report_line(&i->report, key);
    return write_bytes(i, span_of("\n", 1), error);
}

// Whether the key is a UUID, after the prefix if it has the prefix.
static bool read_id(struct importing *i, const struct rdb_key *key, struct uuid *id)
{
    struct span name = key->name;
    const char *prefix = i->options->strip_prefix;
    size_t len = prefix != NULL ? strlen(prefix) : 0;
    bool has_prefix = len > 0 && name.len >= len && memcmp(name.ptr, prefix, len) == 0;
    if (has_prefix)
        name = span_of(name.ptr + len, name.len - len);
    if (name.len != UUID_TEXT_LEN || key->name_len != key->name.len || !uuid_parse(name.ptr, id))
        return false;
    i->report.stripped += has_prefix;
    return true;
}

// Returns the counter of the keys that are left out for the same reason as this one, or NULL if
// the key is not left out.
static uint64_t *reason_to_leave_out(struct importing *i, const struct rdb_key *key)
{
    const struct import_options *o = i->options;
    if (o->one_database && key->database != o->database)
        return &i->report.elsewhere;
    if (key->expires && key->expires_ms <= i->now_ms)
        return &i->report.expired;
    if (key->expires && !o->keep_expiring)
        return &i->report.expiring;
    return !key->is_string && o->skip_others ? &i->report.others : NULL;
}

// Returns TOOL_OK, TOOL_NO after printing why the key is refused, or TOOL_ERROR with a message.
static int take_key(struct importing *i, const struct rdb_key *key, struct error *error)
{
    struct uuid id;
    uint64_t *left_out = reason_to_leave_out(i, key);
    if (!key->can_be_skipped || (left_out == NULL && !key->is_string)) {
        import_report_type(&i->report, key);
        return TOOL_NO;
    }
    if (left_out != NULL)
        ++*left_out;
    else if (!read_id(i, key, &id))
        import_report_strange(&i->report, key);
    else
        return write_line(i, key, id, error) ? TOOL_OK : TOOL_ERROR;
    return TOOL_OK;
}

// ---- the import ---------------------------------------------------------------------------------

static int read_keys(struct importing *i, struct error *error)
{
    struct rdb_key key;
    enum rdb_result result;
    int code = TOOL_OK;
    while (code == TOOL_OK && (result = rdb_reader_next(i->reader, &key)) == RDB_KEY)
        code = take_key(i, &key, error);
    if (code != TOOL_OK)
        return code;
    if (result == RDB_FAILED) {
        (void)reading_failed(i, error);
        return TOOL_ERROR;
    }
    if (!i->refused)
        return line_output_finish(&i->output, error) ? TOOL_OK : TOOL_ERROR;
    tool_step_hide();
    tool_say("%s: %llu values contain a newline, which a data file cannot hold; --newline-as TEXT "
             "replaces it",
             i->report.name, (ull)i->report.with_newline);
    return TOOL_NO;
}

// Reads the dump from i->fd, and prints why it fails if it does.
static int import_from(struct importing *i, const struct stat *source)
{
    struct error error = {""};
    int code = TOOL_ERROR;
    i->size = S_ISREG(source->st_mode) ? (uint64_t)source->st_size : 0;
    i->now_ms = (int64_t)(clock_wall_us() / 1000);
    const char *out = i->options->out != NULL ? i->options->out : "-";
    if (line_output_open(&i->output, out, source, &error)) {
        i->output.has_time = S_ISREG(source->st_mode);
        i->output.modified = source->st_mtim;
        i->reader = rdb_reader_new((struct rdb_source){read_dump, i});
        if (i->reader != NULL) {
            tool_step("importing", i->report.name, true);
            code = read_keys(i, &error);
            tool_step_hide();
        } else {
            error_set(&error, "%s", strerror(ENOMEM));
        }
        if (i->options->strip_prefix != NULL)
            i->report.prefix[0] = '\0'; // no hint: an import removes only one prefix
        if (code == TOOL_OK)
            import_report_summary(&i->report);
        else if (code == TOOL_ERROR)
            tool_say("%s", error.text);
        if (code != TOOL_OK && i->options->out == NULL && i->output.file.sink.at > 0)
            tool_say("the lines on standard output are not complete");
    } else {
        tool_say("%s", error.text);
    }
    rdb_reader_free(i->reader);
    line_output_release(&i->output);
    return code;
}

static int import(const struct options *o)
{
    bool standard = strcmp(o->file, "-") == 0;
    struct importing i = {.options = &o->import,
                          .report.name = standard ? "standard input" : o->file};
    struct error error = {""};
    struct stat source;
    // If the size of files is limited (ulimit -f), SIGXFSZ would kill the process. When the signal
    // is ignored, the write fails instead, and the temporary file is removed.
    signal(SIGXFSZ, SIG_IGN);
    i.fd = standard ? STDIN_FILENO : file_open(o->file, &source, &error);
    if (i.fd < 0) {
        tool_say("%s", error.text);
        return TOOL_ERROR;
    }
    if (standard && fstat(STDIN_FILENO, &source) != 0) {
        tool_say("cannot read standard input: %s", strerror(errno));
        return TOOL_ERROR;
    }
    (void)posix_fadvise(i.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    int code = import_from(&i, &source);
    if (!standard)
        close(i.fd);
    return code;
}

// ---- options ------------------------------------------------------------------------------------

static const char *set_out(struct options *o, const char *value)
{
    o->import.out = strcmp(value, "-") != 0 ? value : NULL;
    return *value != '\0' ? NULL : "must not be empty";
}

static const char *set_database(struct options *o, const char *value)
{
    int64_t number;
    if (!number_parse(span_text(value), &number) || number < 0)
        return "must be a number, 0 or more";
    o->import.one_database = true;
    o->import.database = (uint64_t)number;
    return NULL;
}

static const char *set_keep_expiring(struct options *o, const char *value)
{
    (void)value;
    o->import.keep_expiring = true;
    return NULL;
}

static const char *set_skip_others(struct options *o, const char *value)
{
    (void)value;
    o->import.skip_others = true;
    return NULL;
}

static const char *set_strip_prefix(struct options *o, const char *value)
{
    o->import.strip_prefix = value;
    return *value != '\0' && strlen(value) <= PREFIX_MOST ? NULL : "must have 1 to 256 bytes";
}

static const char *set_newline_as(struct options *o, const char *value)
{
    o->import.newline_as = value;
    return strchr(value, '\n') == NULL ? NULL : "must not contain a newline";
}

static const struct option_row rows[] = {
    {"--out", "FILE", "write to a new file instead of standard output", set_out},
    {"--db", "N", "read only this database (default: all of them)", set_database},
    {"--keep-expiring", NULL,
     "keep keys that expire later; in a data file they never do (default: leave them out)",
     set_keep_expiring},
    {"--skip-others", NULL, "leave out keys that are no strings (default: refuse the dump)",
     set_skip_others},
    {"--strip-prefix", "TEXT", "remove this from the beginning of keys that have it",
     set_strip_prefix},
    {"--newline-as", "TEXT", "replace newlines in values (default: refuse the dump)",
     set_newline_as},
    TOOL_HELP_ROW,
};

const struct tool_command tool_import = {
    .name = "import",
    .words = "DUMP [--out FILE] [--db N] [--keep-expiring] [--skip-others] [--strip-prefix TEXT] "
             "[--newline-as TEXT]",
    .help = "write the string keys of a dump (RDB) of Redis or Valkey as lines of a data file; "
            "DUMP is a file, or - for standard input",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = import,
    .example = "redis-cli --rdb dump.rdb && stele import dump.rdb --out devices.data",
};
