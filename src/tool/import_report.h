// What `stele import` prints about a dump on standard error: keys that it leaves out or refuses,
// and a summary.
#ifndef STELE_TOOL_IMPORT_REPORT_H
#define STELE_TOOL_IMPORT_REPORT_H

#include "rdb/reader.h"

enum {
    IMPORT_SHOWN_BYTES = 80, // bytes of a key that a message shows
    IMPORT_SHOWN_MOST = IMPORT_SHOWN_BYTES * 4 + sizeof "...", // bytes of its text, with a NUL
};

// Counts of a dump. The caller sets `name`, and adds to the counters that no function below adds
// to.
struct import_report {
    const char *name; // of the dump, for messages
    uint64_t lines;
    uint64_t databases;     // number of databases that the lines came from
    uint64_t last_database; // database of the last line
    uint64_t stripped;      // lines whose key had the prefix
    // Keys that were left out.
    uint64_t elsewhere; // of other databases
    uint64_t expired;   // their time has come
    uint64_t expiring;  // their time has not come
    uint64_t others;    // of other types
    uint64_t strange;   // no UUIDs
    // Keys that were refused because their values contain a newline.
    uint64_t with_newline;
    char prefix[IMPORT_SHOWN_MOST]; // of the first key that was a UUID after a prefix; or empty
};

// Counts a line.
void import_report_line(struct import_report *report, const struct rdb_key *key);

// Counts a key that is no UUID. Prints it if it is one of the first ten.
void import_report_strange(struct import_report *report, const struct rdb_key *key);

// Counts a key whose value contains a newline. Prints it if it is one of the first ten.
void import_report_newline(struct import_report *report, const struct rdb_key *key);

// Prints that the key is refused because of its type.
void import_report_type(const struct import_report *report, const struct rdb_key *key);

// Prints how many lines there are, what was left out, and why lines may have the same key.
void import_report_summary(const struct import_report *report);

#endif
