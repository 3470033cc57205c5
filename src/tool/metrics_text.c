// One table names the metrics that are a number of INFO. The others have labels: the status of the
// dataset and of its index, counters by error code, and counters and durations by command.
//
// Values are numbers that were checked, and labels are escaped. So a server can write no line of
// its own into the text.
#include "tool/metrics_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "client/info.h"

enum {
    LABEL_MAX = 1024, // bytes of a label
    // Commands whose durations are written. Each of them takes a search of the whole text.
    COMMANDS_MAX = 1024,
};

// A metric that is the value of one field.
struct metric {
    const char *name;
    const char *field;
    const char *help;
    double scale;   // factor from the unit of the field; 0: 1, and the field's text is copied
    bool may_lack;  // a negative value of the field means that there is none
    bool is_status; // 1 if the field is "ok", 0 otherwise
};

static const struct metric metrics[] = {
    {"stele_uptime_seconds", "uptime_in_seconds", "Time since the start."},
    {"stele_dataset_keys", "dataset_keys", "Keys that are served."},
    {"stele_dataset_bytes", "dataset_bytes", "Size of the data file."},
    {"stele_dataset_lines", "dataset_lines", "Lines of the data file."},
    {"stele_dataset_malformed_lines", "dataset_malformed_lines",
     "Lines of the data file that are not served."},
    {"stele_dataset_duplicate_keys", "dataset_duplicate_keys",
     "Lines that a later line with the same key replaces."},
    {"stele_dataset_value_bytes", "dataset_value_bytes", "Sum of the lengths of all values."},
    {"stele_dataset_index_bytes", "dataset_index_bytes", "Size of the index."},
    {"stele_dataset_last_line_unterminated", "dataset_last_line_unterminated",
     "1 if the data file does not end in a newline: it may have been cut."},
    {"stele_dataset_age_seconds", "dataset_age_seconds", "Time since the data was made."},
    {"stele_dataset_made_timestamp_seconds", "dataset_made_at",
     "When the data was made, in seconds since 1970."},
    {"stele_dataset_served_seconds", "dataset_served_seconds",
     "Time since the server began to serve this data."},
    {"stele_dataset_generation", "dataset_generation",
     "1 at the start, and 1 more after each replacement of the data."},
    {"stele_dataset_foreign_keys", "dataset_foreign_keys",
     "Keys of other shards of the cluster in the data.", .may_lack = true},
    {"stele_reload_in_progress", "dataset_reload_in_progress", "1 during a reload."},
    {"stele_reloads_total", "dataset_reloads", "Successful reloads."},
    {"stele_failed_reloads_total", "dataset_failed_reloads", "Reloads that have failed."},
    {"stele_last_reload_successful", "dataset_last_reload_status",
     "0 if the last reload has failed, otherwise 1.", .is_status = true},
    {"stele_last_reload_timestamp_seconds", "dataset_last_reload_time",
     "When the last reload ended, in seconds since 1970; 0 before the first."},
    {"stele_last_reload_duration_seconds", "dataset_last_reload_usec",
     "How long the last reload took.", .scale = 1e-6},
    {"stele_connected_clients", "connected_clients", "Clients that are connected."},
    {"stele_max_clients", "maxclients", "Most clients that may be connected."},
    {"stele_connections_received_total", "total_connections_received",
     "Connections that were accepted."},
    {"stele_rejected_connections_total", "rejected_connections",
     "Connections that were refused because of the limit of clients or of protected mode."},
    {"stele_accept_errors_total", "accept_errors",
     "Shortages of descriptors or memory that kept the server from accepting connections."},
    {"stele_proxy_header_errors_total", "proxy_header_errors",
     "Connections of proxies that were closed because they did not begin with a good header."},
    {"stele_evicted_clients_total", "evicted_clients",
     "Clients that were closed because all clients held too much memory."},
    {"stele_write_timeouts_total", "write_timeout_disconnections",
     "Clients that were closed because they did not read their replies."},
    {"stele_request_timeouts_total", "request_timeout_disconnections",
     "Clients that were closed because they did not complete a request."},
    {"stele_outdated_reads_total", "outdated_read_disconnections",
     "Clients that were closed because they still read data of many reloads ago."},
    {"stele_commands_processed_total", "total_commands_processed", "Commands that were answered."},
    {"stele_keyspace_hits_total", "keyspace_hits", "Keys that were looked up and found."},
    {"stele_keyspace_misses_total", "keyspace_misses", "Keys that were looked up and not found."},
    {"stele_error_replies_total", "total_error_replies", "Error replies."},
    {"stele_network_input_bytes_total", "total_net_input_bytes", "Bytes received from clients."},
    {"stele_network_output_bytes_total", "total_net_output_bytes", "Bytes sent to clients."},
    {"stele_memory_used_bytes", "used_memory", "The server's own memory, without mapped files."},
    {"stele_memory_resident_bytes", "used_memory_rss", "Memory with the mapped files."},
    {"stele_memory_allowed_bytes", "memory_allowed",
     "Memory that the server may use, with the page cache."},
    {"stele_memory_clients_bytes", "mem_clients_normal", "Memory that all clients together hold."},
    {"stele_dataset_fits_in_memory", "dataset_fits_in_memory",
     "1 if data and index take less memory than the server may use."},
    {"stele_dataset_index_locked", "dataset_index_locked", "1 if the index is locked in memory."},
    {"stele_dataset_resident_bytes", "dataset_resident_bytes_sampled",
     "How much of the data file is in memory: an estimate.", .may_lack = true},
    {"stele_dataset_index_resident_bytes", "dataset_index_resident_bytes_sampled",
     "How much of the index is in memory: an estimate.", .may_lack = true},
    {"stele_cold_lookups_total", "total_cold_lookups",
     "Lines that reader threads have read from the data file."},
    {"stele_cold_probes_total", "total_cold_probes",
     "Lines that loops have read, or tried to read, without waiting."},
    {"stele_cold_waits_total", "total_cold_parked_requests",
     "How often a request had to wait for data that was not in memory."},
    {"stele_cold_waiting_requests", "cold_parked_requests",
     "Requests that wait for data that is not in memory."},
    {"stele_cold_reads_in_progress", "cold_reads_in_progress",
     "Lines that reader threads are reading."},
    {"stele_cold_reads_waiting", "cold_reads_waiting",
     "Lines for which no reader thread was free yet."},
    {"stele_cold_active_loops", "cold_active_loops",
     "Loops that expect data to be missing from memory."},
    {"stele_disk_read_bytes_total", "total_disk_read_bytes",
     "Bytes that the disk has read for the server."},
    {"stele_major_page_faults_total", "total_major_page_faults",
     "How often a thread had to wait for a page of a mapped file."},
    {"stele_cluster_nodes_down", "cluster_nodes_down",
     "Other nodes of the cluster that do not answer this one well."},
    {"stele_cluster_epoch", "cluster_epoch", "Epoch of the topology of the cluster."},
    {"stele_cluster_redirects_moved_total", "cluster_redirects_moved",
     "Requests that were answered with MOVED."},
    {"stele_cluster_redirects_ask_total", "cluster_redirects_ask",
     "Requests that were answered with ASK."},
    {"stele_cluster_redirects_crossslot_total", "cluster_redirects_crossslot",
     "Requests that were answered with CROSSSLOT."},
};

// A state that a metric names in the label `status`: the metric of the current state is 1.
struct states {
    const char *name;
    const char *field;
    const char *help;
    const char *states[6]; // ends with NULL
};

static const struct states states[] = {
    {"stele_dataset_status",
     "dataset_status",
     "1 for the state of the data file since it was opened.",
     {"ok", "appended", "overwritten", "truncated", "unreadable", NULL}},
    {"stele_dataset_index_status",
     "dataset_index_status",
     "1 for the state of the index.",
     {"mapped", "verifying", "writing", "memory", "damaged", NULL}},
};

// ---- one metric ---------------------------------------------------------------------------------

static void head(const char *name, const char *type, const char *help, struct buf *to)
{
    buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

// Writes a name and its labels, of which `label` and `own` may be empty.
static void labelled(const char *name, const char *label, const char *own, struct buf *to)
{
    bool both = *label != '\0' && *own != '\0';
    bool any = *label != '\0' || *own != '\0';
    buf_printf(to, "%s%s%s%s%s%s ", name, any ? "{" : "", label, both ? "," : "", own,
               any ? "}" : "");
}

// Writes NAME="VALUE" at `to`, with the value escaped.
static void format_label(const char *name, struct span value, char *to, size_t size)
{
    char raw[LABEL_MAX / 8];
    char text[LABEL_MAX / 2];
    size_t len = (size_t)snprintf(to, size, "%s=\"", name);
    snprintf(raw, sizeof raw, "%.*s", (int)value.len, value.ptr);
    escape_text(raw, text, sizeof text);
    for (const char *c = text; *c != '\0' && len + 4 < size; c++) {
        if (*c == '\\' || *c == '"')
            to[len++] = '\\';
        to[len++] = *c;
    }
    snprintf(to + len, size - len, "\"");
}

bool metrics_label(const char *text, char to[METRICS_LABEL_TEXT])
{
    static const char *const used[] = {"status", "code",    "command", "quantile",
                                       "mode",   "version", "hash",    "dataset_version"};
    char name[METRICS_LABEL_NAME_MAX + 1];
    size_t len = strcspn(text, "=");
    if (len == 0 || len >= sizeof name || text[len] != '=' || strncmp(text, "__", 2) == 0 ||
        (text[0] >= '0' && text[0] <= '9') || strlen(text + len + 1) > METRICS_LABEL_VALUE_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = ascii_lower(text[i]);
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_')
            return false;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    for (unsigned i = 0; i < sizeof used / sizeof *used; i++)
        if (strcmp(name, used[i]) == 0)
            return false;
    format_label(name, span_text(text + len + 1), to, METRICS_LABEL_TEXT);
    return true;
}

static void write_metric(const struct metric *m, struct span info, const char *label,
                         struct buf *to)
{
    struct span text = info_text(info, m->field);
    double value = 0;
    if (m->is_status ? text.len == 0 : !info_parse_number(text, &value))
        return;
    if (m->may_lack && value < 0)
        return;
    size_t len = strlen(m->name);
    bool total = len > 6 && strcmp(m->name + len - 6, "_total") == 0;
    head(m->name, total ? "counter" : "gauge", m->help, to);
    labelled(m->name, label, "", to);
    if (m->is_status)
        buf_printf(to, "%d\n", span_equal(text, span_text("ok")));
    else if (m->scale > 0)
        buf_printf(to, "%.9g\n", value * m->scale);
    else
        buf_printf(to, "%.*s\n", (int)text.len, text.ptr);
}

static void write_states(const struct states *s, struct span info, const char *label,
                         struct buf *to)
{
    char own[LABEL_MAX];
    bool known = false;
    struct span text = info_text(info, s->field);
    if (text.len == 0)
        return;
    head(s->name, "gauge", s->help, to);
    for (unsigned i = 0; s->states[i] != NULL; i++) {
        bool current = span_equal(text, span_text(s->states[i]));
        format_label("status", span_text(s->states[i]), own, sizeof own);
        labelled(s->name, label, own, to);
        buf_printf(to, "%d\n", current);
        known |= current;
    }
    if (known)
        return;
    format_label("status", text, own, sizeof own); // a state of a newer server
    labelled(s->name, label, own, to);
    buf_append_text(to, "1\n");
}

// ---- metrics with other labels ------------------------------------------------------------------

// What is served, as labels of a metric that is always 1.
static void write_version(struct span info, const char *label, struct buf *to)
{
    static const char *const fields[][2] = {{"stele_version", "version"},
                                            {"dataset_version", "dataset_version"},
                                            {"dataset_hash", "hash"}};
    char own[4 * LABEL_MAX];
    size_t len = 0;
    for (unsigned i = 0; i < 3; i++) {
        char one[LABEL_MAX];
        format_label(fields[i][1], info_text(info, fields[i][0]), one, sizeof one);
        len += (size_t)snprintf(own + len, sizeof own - len, "%s%s", i > 0 ? "," : "", one);
    }
    head("stele_info", "gauge", "The version of the server and of its data; always 1.", to);
    labelled("stele_info", label, own, to);
    buf_append_text(to, "1\n");
}

static void write_processor_time(struct span info, const char *label, struct buf *to)
{
    static const char *const name = "stele_processor_seconds_total";
    struct span user = info_text(info, "used_cpu_user");
    struct span system = info_text(info, "used_cpu_sys");
    double number;
    if (!info_parse_number(user, &number) || !info_parse_number(system, &number))
        return;
    head(name, "counter", "Processor time that the server has used.", to);
    labelled(name, label, "mode=\"user\"", to);
    buf_printf(to, "%.*s\n", (int)user.len, user.ptr);
    labelled(name, label, "mode=\"system\"", to);
    buf_printf(to, "%.*s\n", (int)system.len, system.ptr);
}

static bool has_prefix(struct span text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len > len && memcmp(text.ptr, prefix, len) == 0;
}

// Writes one metric for each field that begins with `prefix`: the value of its part `part`. The
// rest of the field's name is the value of the label `by`.
static void write_each(struct span info, const char *label, const char *prefix, const char *part,
                       const struct metric *m, const char *by, struct buf *to)
{
    struct info_field field;
    bool begun = false;
    for (size_t at = 0; info_next(info, &at, &field);) {
        char own[LABEL_MAX];
        double value;
        size_t skip = strlen(prefix);
        if (!has_prefix(field.name, prefix) || !info_part_number(field.value, part, &value))
            continue;
        if (!begun)
            head(m->name, "counter", m->help, to);
        begun = true;
        format_label(by, span_of(field.name.ptr + skip, field.name.len - skip), own, sizeof own);
        labelled(m->name, label, own, to);
        if (m->scale > 0)
            buf_printf(to, "%.9g\n", value * m->scale);
        else
            buf_printf(to, "%.*s\n", (int)info_part_text(field.value, part).len,
                       info_part_text(field.value, part).ptr);
    }
}

// Writes percentiles, such as "p50=1.003,p99=2.5" in microseconds, as quantiles.
static void write_quantiles(const char *name, struct span percentiles, const char *label,
                            const char *own, struct buf *to)
{
    struct info_field part;
    for (size_t at = 0; info_next_part(percentiles, &at, &part);) {
        char labels[2 * LABEL_MAX];
        double percent;
        double us;
        if (part.name.ptr[0] != 'p' ||
            !info_parse_number(span_of(part.name.ptr + 1, part.name.len - 1), &percent) ||
            !info_parse_number(part.value, &us) || percent < 0 || percent > 100)
            continue;
        snprintf(labels, sizeof labels, "%s%squantile=\"%.9g\"", own, *own != '\0' ? "," : "",
                 percent / 100);
        labelled(name, label, labels, to);
        buf_printf(to, "%.9g\n", us / 1e6);
    }
}

static void write_sum(const char *name, double calls, double seconds, const char *label,
                      const char *own, struct buf *to)
{
    char full[64];
    snprintf(full, sizeof full, "%s_sum", name);
    labelled(full, label, own, to);
    buf_printf(to, "%.9g\n", seconds);
    snprintf(full, sizeof full, "%s_count", name);
    labelled(full, label, own, to);
    buf_printf(to, "%.0f\n", calls);
}

// Writes how long commands took, as a summary for each command.
static void write_durations(struct span info, const char *label, struct buf *to)
{
    static const char name[] = "stele_command_latency_seconds";
    static const char prefix[] = "cmdstat_";
    struct info_field field;
    unsigned count = 0;
    for (size_t at = 0; count < COMMANDS_MAX && info_next(info, &at, &field);) {
        char own[LABEL_MAX];
        char latency[LABEL_MAX];
        double calls;
        double us;
        if (!has_prefix(field.name, prefix) || !info_part_number(field.value, "calls", &calls) ||
            !info_part_number(field.value, "usec", &us) || calls <= 0)
            continue;
        if (count++ == 0)
            head(name, "summary",
                 "How long commands took, without the time that they waited for data. The "
                 "quantiles are of all calls since the start or since CONFIG RESETSTAT.",
                 to);
        struct span command =
            span_of(field.name.ptr + sizeof prefix - 1, field.name.len - (sizeof prefix - 1));
        snprintf(latency, sizeof latency, "latency_percentiles_usec_%.*s", (int)command.len,
                 command.ptr);
        format_label("command", command, own, sizeof own);
        write_quantiles(name, info_text(info, latency), label, own, to);
        write_sum(name, calls, us / 1e6, label, own, to);
    }
}

// Writes how long requests waited for data that was not in memory.
static void write_waits(struct span info, const char *label, struct buf *to)
{
    static const char name[] = "stele_cold_wait_seconds";
    double waits;
    double mean;
    double waiting = 0;
    if (!info_number(info, "total_cold_parked_requests", &waits) ||
        !info_number(info, "cold_wait_usec_per_request", &mean))
        return;
    (void)info_number(info, "cold_parked_requests", &waiting);
    waits = waits > waiting ? waits - waiting : 0;
    head(name, "summary",
         "How long requests waited for data that was not in memory, since the start or since "
         "CONFIG RESETSTAT.",
         to);
    if (waits > 0)
        write_quantiles(name, info_text(info, "cold_wait_percentiles_usec"), label, "", to);
    write_sum(name, waits, waits * mean / 1e6, label, "", to);
}

void metrics_text(struct span info, const char *label, struct buf *to)
{
    static const struct metric refused = {"stele_command_rejected_calls_total", NULL,
                                          "Calls that were refused before they ran."};
    static const struct metric failed = {"stele_command_failed_calls_total", NULL,
                                         "Calls that were answered with an error."};
    static const struct metric errors = {"stele_errors_total", NULL, "Error replies by code."};
    head("stele_up", "gauge", "1 if the server has answered.", to);
    labelled("stele_up", label, "", to);
    buf_printf(to, "%d\n", info.ptr != NULL);
    if (info.ptr == NULL)
        return;
    write_version(info, label, to);
    for (unsigned i = 0; i < sizeof metrics / sizeof *metrics; i++)
        write_metric(&metrics[i], info, label, to);
    for (unsigned i = 0; i < sizeof states / sizeof *states; i++)
        write_states(&states[i], info, label, to);
    write_processor_time(info, label, to);
    write_each(info, label, "errorstat_", "count", &errors, "code", to);
    write_each(info, label, "cmdstat_", "rejected_calls", &refused, "command", to);
    write_each(info, label, "cmdstat_", "failed_calls", &failed, "command", to);
    write_durations(info, label, to);
    write_waits(info, label, to);
}
