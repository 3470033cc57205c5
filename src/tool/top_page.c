// Each line is made whole, then cut at the width of the page. The commands come last, and take the
// lines that are left: those with the most calls a second first.
#include "tool/top_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "client/info.h"

enum {
    FIGURE_MAX = 32, // bytes of a figure as text
    TEXT_MAX = 512,  // bytes of a text of the server
    LINE_MAX_LEN = 2048,
    COMMANDS_MAX = 512, // commands that are looked at; a server may be hostile
    LABEL = 10,         // columns of a line's first word
};

struct writing {
    const struct top_page *page;
    struct buf *to;
    unsigned rows; // lines written
};

// ---- figures as text ----------------------------------------------------------------------------

struct figure {
    char text[FIGURE_MAX];
};

static const struct figure unknown = {"-"};

// "1,234,567"; "1.23 G" beyond 9,999,999,999; "0.5" for less than 10 with a fraction.
static struct figure count_figure(double value)
{
    struct figure f;
    char digits[FIGURE_MAX];
    if (value >= 1e10 || value < 0) {
        snprintf(f.text, sizeof f.text, value >= 1e15 || value < 0 ? "%.3g" : "%.2f G",
                 value >= 1e15 || value < 0 ? value : value / 1e9);
        return f;
    }
    if (value < 10 && value > (double)(unsigned)value + 0.05) {
        snprintf(f.text, sizeof f.text, "%.1f", value);
        return f;
    }
    size_t len = (size_t)snprintf(digits, sizeof digits, "%.0f", value);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            f.text[at++] = ',';
        f.text[at++] = digits[i];
    }
    f.text[at] = '\0';
    return f;
}

static struct figure size_figure(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    struct figure f;
    unsigned unit = 0;
    while (bytes >= 1024 && unit < 5) {
        bytes /= 1024;
        unit++;
    }
    snprintf(f.text, sizeof f.text, unit > 0 && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes,
             units[unit]);
    return f;
}

// An age in its largest unit of which there are two.
static struct figure time_figure(double seconds)
{
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{86400, "days"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    struct figure f;
    unsigned i = 0;
    while (i < 3 && seconds < 2 * units[i].seconds)
        i++;
    snprintf(f.text, sizeof f.text, "%.0f %s", (double)(uint64_t)(seconds / units[i].seconds),
             units[i].name);
    return f;
}

static struct figure micro_figure(double us)
{
    struct figure f;
    if (us >= 1e4)
        return count_figure(us);
    snprintf(f.text, sizeof f.text, "%.1f", us);
    return f;
}

// A field of INFO as a figure. "-" when it is missing or negative.
static struct figure shown(struct span info, const char *field,
                           struct figure (*format)(double value))
{
    double value;
    return info_number(info, field, &value) && value >= 0 && value < 1e18 ? format(value) : unknown;
}

// The rate of a number that was `before` and is `now`. Returns -1 when it is not known, because
// there is no earlier number, or because somebody has reset it.
static double rate_of(const struct top_page *p, bool known, double now, double before)
{
    return p->before.ptr != NULL && known && now >= before ? (now - before) / p->seconds : -1;
}

static double rate(const struct top_page *p, const char *field)
{
    double now = 0;
    double before = 0;
    bool known = info_number(p->now, field, &now) && info_number(p->before, field, &before);
    return rate_of(p, known, now, before);
}

static struct figure rate_figure(const struct top_page *p, const char *field,
                                 struct figure (*format)(double value))
{
    double value = rate(p, field);
    return value >= 0 ? format(value) : unknown;
}

struct text {
    char text[TEXT_MAX];
};

// A text of the server, escaped. "-" when it is empty.
static struct text shown_text(struct span value)
{
    struct text t;
    char raw[TEXT_MAX / 4];
    snprintf(raw, sizeof raw, "%.*s", (int)value.len, value.ptr);
    escape_text(*raw != '\0' ? raw : "-", t.text, sizeof t.text);
    return t;
}

static bool is_one(struct span info, const char *field)
{
    return span_equal(info_text(info, field), span_text("1"));
}

// ---- lines --------------------------------------------------------------------------------------

// Whether another line fits above the last line.
static bool has_room(const struct writing *w)
{
    return w->page->rows == 0 || w->rows + (w->page->state != NULL) < w->page->rows;
}

// Writes a line, cut at the width of the page and without spaces at its end. A character of UTF-8
// counts as one column.
static void put(struct writing *w, const char *line)
{
    unsigned column = 0;
    size_t len = 0;
    for (; line[len] != '\0'; len++)
        if (((unsigned char)line[len] & 0xc0) != 0x80 && ++column > w->page->columns)
            break;
    while (len > 0 && line[len - 1] == ' ')
        len--;
    buf_append(w->to, span_of(line, len));
    buf_append_text(w->to, "\n");
    w->rows++;
}

// Writes a formatted line if there is room for one.
__attribute__((format(printf, 2, 3))) static void line(struct writing *w, const char *format, ...)
{
    char text[LINE_MAX_LEN];
    va_list args;
    if (!has_room(w))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put(w, text);
}

static void server_lines(struct writing *w, struct span info)
{
    bool is_stele = info_text(info, "stele_version").len > 0;
    line(w, "%s %s at %s, up for %s", is_stele ? "stele" : "redis",
         shown_text(info_text(info, is_stele ? "stele_version" : "redis_version")).text,
         w->page->address, shown(info, "uptime_in_seconds", time_figure).text);
    line(w, "%-*s%s, version %s, made %s ago, served for %s", LABEL, "data",
         shown_text(info_text(info, "dataset_status")).text,
         shown_text(info_text(info, "dataset_version")).text,
         shown(info, "dataset_age_seconds", time_figure).text,
         shown(info, "dataset_served_seconds", time_figure).text);
    line(w, "%-*s%s keys, %s of %s", LABEL, "", shown(info, "dataset_keys", count_figure).text,
         shown(info, "dataset_bytes", size_figure).text,
         shown_text(info_text(info, "dataset_file")).text);
    line(w, "%-*s%s, %s%s", LABEL, "index",
         shown_text(info_text(info, "dataset_index_status")).text,
         shown(info, "dataset_index_bytes", size_figure).text,
         is_one(info, "dataset_index_locked") ? ", locked in memory" : "");
}

// How the last reload went, and whether one is in progress.
static void reload_line(struct writing *w, struct span info)
{
    double ended = 0;
    double now = 0;
    double took = 0;
    char last[TEXT_MAX + 128] = "none yet";
    bool failed = span_equal(info_text(info, "dataset_last_reload_status"), span_text("err"));
    if (info_number(info, "dataset_last_reload_time", &ended) && ended > 0 &&
        info_number(info, "server_time_usec", &now) &&
        info_number(info, "dataset_last_reload_usec", &took)) {
        double age = now / 1e6 > ended ? now / 1e6 - ended : 0;
        snprintf(last, sizeof last, "last %s %s ago in %.3f s", failed ? "FAILED" : "succeeded",
                 time_figure(age).text, took / 1e6);
    }
    line(w, "%-*s%s%s%s%s; %s done, %s failed", LABEL, "reload",
         is_one(info, "dataset_reload_in_progress") ? "IN PROGRESS for " : "",
         is_one(info, "dataset_reload_in_progress")
             ? shown(info, "rdb_current_bgsave_time_sec", time_figure).text
             : "",
         is_one(info, "dataset_reload_in_progress") ? "; " : "", last,
         shown(info, "dataset_reloads", count_figure).text,
         shown(info, "dataset_failed_reloads", count_figure).text);
    if (failed)
        line(w, "%-*s%s", LABEL, "", shown_text(info_text(info, "dataset_last_reload_error")).text);
}

static void memory_lines(struct writing *w, struct span info)
{
    const struct top_page *p = w->page;
    struct span waits = info_text(info, "cold_wait_percentiles_usec");
    line(w, "%-*s%s of %s; %s refused, %s evicted", LABEL, "clients",
         shown(info, "connected_clients", count_figure).text,
         shown(info, "maxclients", count_figure).text,
         shown(info, "rejected_connections", count_figure).text,
         shown(info, "evicted_clients", count_figure).text);
    line(w, "%-*s%s own, %s with mapped files, %s of data in memory", LABEL, "memory",
         shown(info, "used_memory", size_figure).text,
         shown(info, "used_memory_rss", size_figure).text,
         shown(info, "dataset_resident_bytes_sampled", size_figure).text);
    line(w, "%-*s%s lookups/s, %s waits/s, %s waiting; waits: p50 %s us, p99 %s us", LABEL, "cold",
         rate_figure(p, "total_cold_lookups", count_figure).text,
         rate_figure(p, "total_cold_parked_requests", count_figure).text,
         shown(info, "cold_parked_requests", count_figure).text,
         shown_text(info_part_text(waits, "p50")).text,
         shown_text(info_part_text(waits, "p99")).text);
}

static void rate_lines(struct writing *w, struct span info)
{
    const struct top_page *p = w->page;
    double hits = rate(p, "keyspace_hits");
    double misses = rate(p, "keyspace_misses");
    char share[FIGURE_MAX] = "";
    if (hits >= 0 && misses >= 0 && hits + misses > 0)
        snprintf(share, sizeof share, " (%.1f %%)", 100 * hits / (hits + misses));
    line(w, "%-*s%s commands/s, %s hits/s%s, %s misses/s", LABEL, "work",
         p->before.ptr != NULL ? rate_figure(p, "total_commands_processed", count_figure).text
                               : shown(info, "instantaneous_ops_per_sec", count_figure).text,
         rate_figure(p, "keyspace_hits", count_figure).text, share,
         rate_figure(p, "keyspace_misses", count_figure).text);
    line(w, "%-*s%s errors/s, %s/s in, %s/s out", LABEL, "",
         rate_figure(p, "total_error_replies", count_figure).text,
         rate_figure(p, "total_net_input_bytes", size_figure).text,
         rate_figure(p, "total_net_output_bytes", size_figure).text);
}

// Writes the clients and reads a second of the loops, several in a line, in at most a quarter of
// the lines that are left.
static void loop_lines(struct writing *w, struct span info)
{
    enum { CELL = 34 };
    const struct top_page *p = w->page;
    unsigned in_line = p->columns > LABEL + CELL ? (p->columns - LABEL) / CELL : 1;
    unsigned lines = p->rows > w->rows ? (p->rows - w->rows) / 4 : 0;
    unsigned most = p->rows == 0 ? 128 : in_line * (lines > 0 ? lines : 1);
    char text[LINE_MAX_LEN] = "";
    size_t len = 0;
    unsigned count = 0;
    for (; count < most; count++) {
        char name[FIGURE_MAX];
        double clients;
        double reads = 0;
        double before = 0;
        char cell[4 * FIGURE_MAX];
        snprintf(name, sizeof name, "io_thread_%u", count);
        struct span parts = info_text(info, name);
        bool known = info_part_number(parts, "reads", &reads) &&
                     info_part_number(info_text(p->before, name), "reads", &before);
        double reads_rate = rate_of(p, known, reads, before);
        if (parts.len == 0)
            break;
        bool has_clients = info_part_number(parts, "clients", &clients);
        snprintf(cell, sizeof cell, "%u: %s client%s, %s reads/s", count,
                 has_clients ? count_figure(clients).text : "-",
                 has_clients && clients == 1 ? "" : "s",
                 reads_rate >= 0 ? count_figure(reads_rate).text : "-");
        len += (size_t)snprintf(text + len, sizeof text - len, "%-*s", CELL, cell);
        if (count % in_line == in_line - 1 || len + 2 * sizeof cell > sizeof text) {
            line(w, "%-*s%s", LABEL, count < in_line ? "loops" : "", text);
            len = 0;
        }
    }
    if (len > 0)
        line(w, "%-*s%s", LABEL, count <= in_line ? "loops" : "", text);
}

// ---- commands -----------------------------------------------------------------------------------

struct row {
    struct span name;
    double calls;
    double rate; // -1: unknown
    double us;   // mean duration
    double failed;
};

static int by_calls(const void *one, const void *other)
{
    const struct row *a = one;
    const struct row *b = other;
    if (a->rate != b->rate)
        return a->rate < b->rate ? 1 : -1;
    return a->calls < b->calls ? 1 : a->calls > b->calls ? -1 : 0;
}

// Reads the commands that were called. Returns their number.
static unsigned read_commands(const struct top_page *p, struct row rows[COMMANDS_MAX])
{
    static const char prefix[] = "cmdstat_";
    struct info_field field;
    unsigned count = 0;
    for (size_t at = 0; count < COMMANDS_MAX && info_next(p->now, &at, &field);) {
        struct row *r = &rows[count];
        char name[TEXT_MAX / 4];
        double before = 0;
        if (field.name.len < sizeof prefix ||
            memcmp(field.name.ptr, prefix, sizeof prefix - 1) != 0)
            continue;
        *r = (struct row){.name = span_of(field.name.ptr + sizeof prefix - 1,
                                          field.name.len - (sizeof prefix - 1))};
        if (!info_part_number(field.value, "calls", &r->calls) || r->calls <= 0 ||
            !info_part_number(field.value, "usec_per_call", &r->us) ||
            !info_part_number(field.value, "failed_calls", &r->failed))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)field.name.len, field.name.ptr);
        (void)info_part_number(info_text(p->before, name), "calls", &before);
        r->rate = rate_of(p, true, r->calls, before);
        count++;
    }
    return count;
}

static struct figure percentile(struct span info, struct span command, const char *which)
{
    char name[TEXT_MAX / 4];
    double us;
    snprintf(name, sizeof name, "latency_percentiles_usec_%.*s", (int)command.len, command.ptr);
    return info_part_number(info_text(info, name), which, &us) && us >= 0 ? micro_figure(us)
                                                                          : unknown;
}

static void command_lines(struct writing *w, struct span info)
{
    struct row *rows = calloc(COMMANDS_MAX, sizeof *rows);
    unsigned count = rows != NULL ? read_commands(w->page, rows) : 0;
    if (count > 0)
        qsort(rows, count, sizeof *rows, by_calls);
    line(w, "%s", "");
    line(w, "%-16s%12s%15s%10s%9s%9s%9s", "command", "calls/s", "calls", "mean us", "p50 us",
         "p99 us", "errors");
    for (unsigned i = 0; i < count && has_room(w); i++)
        line(w, "%-16s%12s%15s%10s%9s%9s%9s", shown_text(rows[i].name).text,
             rows[i].rate >= 0 ? count_figure(rows[i].rate).text : "-",
             count_figure(rows[i].calls).text, micro_figure(rows[i].us).text,
             percentile(info, rows[i].name, "p50").text, percentile(info, rows[i].name, "p99").text,
             count_figure(rows[i].failed).text);
    free(rows);
}

void top_page(const struct top_page *p, struct buf *to)
{
    struct writing w = {p, to, 0};
    server_lines(&w, p->now);
    reload_line(&w, p->now);
    memory_lines(&w, p->now);
    rate_lines(&w, p->now);
    loop_lines(&w, p->now);
    command_lines(&w, p->now);
    if (p->state == NULL)
        return;
    while (p->rows > 0 && has_room(&w))
        put(&w, "");
    put(&w, p->state);
}
