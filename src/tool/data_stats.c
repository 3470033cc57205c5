// Reads the lines of a data file in their order. The value of a key is that of its last line. So if
// there are duplicates, the index shows for each line whether it is the last one of its key.
#include "tool/data_stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "data/lines.h"
#include "tool/tool.h"

typedef unsigned long long ull;

enum {
    GROUP = 64,                    // keys that are looked up together
    STEP_LINES = 4096,             // lines between two reports of progress
    READ_AHEAD = 16 * 1024 * 1024, // bytes
};

static enum uuid_kind kind_of(struct uuid id)
{
    unsigned variant = (unsigned)(id.lo >> 60);
    unsigned version = (unsigned)(id.hi >> 12) & 0xf;
    if (id.hi == 0 && id.lo == 0)
        return UUID_KIND_NIL;
    if (id.hi == UINT64_MAX && id.lo == UINT64_MAX)
        return UUID_KIND_MAX;
    if (variant < 8)
        return UUID_KIND_NCS;
    if (variant >= 14)
        return UUID_KIND_RESERVED;
    if (variant >= 12)
        return UUID_KIND_MICROSOFT;
    bool known = version >= UUID_KIND_VERSION_1 && version <= UUID_KIND_VERSION_8;
    return known ? (enum uuid_kind)version : UUID_KIND_VERSION_OTHER;
}

static const char *kind_name(enum uuid_kind kind)
{
    static const char *const names[UUID_KINDS] = {
        [1] = "version 1",
        [2] = "version 2",
        [3] = "version 3",
        [4] = "version 4",
        [5] = "version 5",
        [6] = "version 6",
        [7] = "version 7",
        [8] = "version 8",
        [UUID_KIND_VERSION_OTHER] = "other version",
        [UUID_KIND_NCS] = "variant NCS",
        [UUID_KIND_MICROSOFT] = "variant Microsoft",
        [UUID_KIND_RESERVED] = "variant reserved",
        [UUID_KIND_NIL] = "nil",
        [UUID_KIND_MAX] = "max",
    };
    return names[kind] != NULL ? names[kind] : "";
}

void data_stats_add(struct data_stats *s, struct uuid id, uint64_t value_len)
{
    s->kinds[kind_of(id)]++;
    s->parts[id.hi >> 56]++;
    lengths_add(&s->lengths, value_len);
}

// Lines whose keys are looked up together.
struct group {
    unsigned count;
    struct uuid ids[GROUP];
    uint64_t offsets[GROUP];
    size_t lengths[GROUP];
};

// Counts those lines of the group that are the last ones of their keys. Returns false when the
// index does not show it.
static bool add_group(struct data_stats *s, const struct dataset *d, struct group *g)
{
    uint64_t served[GROUP];
    if (!dataset_find_many(d, g->ids, g->count, served))
        return false;
    for (unsigned i = 0; i < g->count; i++)
        if (served[i] == g->offsets[i])
            data_stats_add(s, g->ids[i], g->lengths[i]);
    g->count = 0;
    return true;
}

// Asks the system to read what comes next, because the mapping itself is not read ahead.
static void read_ahead(const struct dataset *d, uint64_t at, uint64_t *asked)
{
    struct span text = dataset_text(d);
    while (*asked < text.len && *asked < at + READ_AHEAD) {
        size_t len = text.len - *asked < READ_AHEAD ? (size_t)(text.len - *asked) : READ_AHEAD;
        dataset_will_need(d, text.ptr + *asked, len);
        *asked += len;
    }
}

static bool read_all(struct data_stats *s, const struct dataset *d)
{
    struct span text = dataset_text(d);
    struct line_reader reader;
    struct record record;
    struct line_error fault;
    struct group group = {.count = 0};
    struct uuid last = {0, 0};
    uint64_t asked = 0;
    enum line_result result;
    lines_init(&reader, text);
    while ((result = lines_next(&reader, &record, &fault)) != LINE_END) {
        if (reader.line % STEP_LINES == 0) {
            read_ahead(d, reader.offset, &asked);
            tool_step_at(reader.offset, text.len);
        }
        if (result == LINE_MALFORMED)
            continue;
        if (s->unsorted_line == 0 && uuid_less(record.id, last))
            s->unsorted_line = record.line;
        last = record.id;
        if (s->figures.duplicates == 0) {
            data_stats_add(s, record.id, record.value.len);
            continue;
        }
        group.ids[group.count] = record.id;
        group.offsets[group.count] = record.offset;
        group.lengths[group.count++] = record.value.len;
        if (group.count == GROUP && !add_group(s, d, &group))
            return false;
    }
    return add_group(s, d, &group);
}

bool data_stats_read(struct data_stats *s, const struct dataset *d, struct error *error)
{
    memset(s, 0, sizeof *s);
    s->figures = *dataset_figures(d);
    s->unterminated = dataset_last_line_is_unterminated(d);
    tool_step("counting", dataset_path(d), true);
    bool good = read_all(s, d);
    tool_step_hide();
    if (dataset_look(d) != 0)
        error_set(error, "'%s' or its index was truncated or cannot be read", dataset_path(d));
    else if (!dataset_is_unchanged(d))
        error_set(error, "'%s' was changed while it was read", dataset_path(d));
    else if (!good || s->lengths.count != s->figures.keys)
        error_set(error, "the index of '%s' is damaged or was overwritten", dataset_path(d));
    else
        return true;
    return false;
}

// ---- what to show -------------------------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static void
add_fact(struct data_facts *facts, const char *name, const char *format, ...)
{
    struct data_fact *fact = &facts->facts[facts->count++];
    va_list args;
    fact->name = name;
    va_start(args, format);
    vsnprintf(fact->text, sizeof fact->text, format, args);
    va_end(args);
}

void data_stats_facts(const struct data_stats *s, struct data_facts *facts)
{
    static const struct {
        const char *name;
        double percent;
    } percentiles[] = {{"10 %", 10}, {"50 %", 50}, {"90 %", 90}, {"99 %", 99}, {"99.9 %", 99.9}};
    const struct dataset_figures *f = &s->figures;
    const struct lengths *l = &s->lengths;
    double keys = f->keys > 0 ? (double)f->keys : 1;
    facts->count = 0;
    add_fact(facts, "bytes", "%llu", (ull)f->data_bytes);
    add_fact(facts, "lines", "%llu%s", (ull)f->lines,
             s->unterminated ? "; the last one has no newline" : "");
    add_fact(facts, "keys", "%llu", (ull)f->keys);
    add_fact(facts, "duplicates", "%llu", (ull)f->duplicates);
    add_fact(facts, "malformed", "%llu", (ull)f->malformed);
    if (s->unsorted_line == 0)
        add_fact(facts, "sorted", "yes");
    else
        add_fact(facts, "sorted", "no: the key of line %llu is less than the one before",
                 (ull)s->unsorted_line);
    add_fact(facts, "index", "%llu bytes, %.2f a key", (ull)f->index_bytes,
             f->keys > 0 ? (double)f->index_bytes / keys : 0.0);
    add_fact(facts, "values", "%llu bytes, %.1f a key", (ull)l->bytes, (double)l->bytes / keys);
    add_fact(facts, "empty", "%llu", (ull)l->counts[0]);
    if (l->count == 0)
        return;
    add_fact(facts, "smallest", "%llu bytes", (ull)l->smallest);
    for (unsigned i = 0; i < sizeof percentiles / sizeof *percentiles; i++)
        add_fact(facts, percentiles[i].name, "at most %llu bytes",
                 (ull)lengths_percentile(l, percentiles[i].percent));
    add_fact(facts, "largest", "%llu bytes", (ull)l->largest);
}

unsigned data_stats_kind_bars(const struct data_stats *s, struct data_bar bars[DATA_BARS_MAX])
{
    unsigned count = 0;
    for (unsigned kind = 0; kind < UUID_KINDS; kind++) {
        if (s->kinds[kind] == 0)
            continue;
        struct data_bar *bar = &bars[count++];
        bar->count = s->kinds[kind];
        snprintf(bar->label, sizeof bar->label, "%s", kind_name((enum uuid_kind)kind));
    }
    return count;
}

unsigned data_stats_length_bars(const struct data_stats *s, struct data_bar bars[DATA_BARS_MAX])
{
    struct lengths_row rows[LENGTHS_ROWS_MAX];
    unsigned count = lengths_rows(&s->lengths, rows);
    for (unsigned i = 0; i < count; i++) {
        bars[i].count = rows[i].count;
        if (rows[i].from == rows[i].to)
            snprintf(bars[i].label, sizeof bars[i].label, "%llu", (ull)rows[i].from);
        else
            snprintf(bars[i].label, sizeof bars[i].label, "%llu-%llu", (ull)rows[i].from,
                     (ull)rows[i].to);
    }
    return count;
}
