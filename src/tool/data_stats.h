// What `stele stats` and `stele check` find out about a data file: its figures, the kinds of its
// keys, and the lengths of its values.
#ifndef STELE_TOOL_DATA_STATS_H
#define STELE_TOOL_DATA_STATS_H

#include "data/dataset.h"
#include "tool/lengths.h"

struct error;

enum { DATA_STATS_PARTS = 256 }; // the values of a key's first byte

// The kinds of UUIDs (RFC 9562). The version is defined only for the variant of the RFC.
enum uuid_kind {
    UUID_KIND_VERSION_1 = 1, // to UUID_KIND_VERSION_8: number of the version
    UUID_KIND_VERSION_8 = 8,
    UUID_KIND_VERSION_OTHER, // the variant of the RFC, with another version
    UUID_KIND_NCS,           // reserved for NCS, the variants 0 to 7
    UUID_KIND_MICROSOFT,     // reserved for Microsoft, the variants c and d
    UUID_KIND_RESERVED,      // reserved for the future, the variants e and f
    UUID_KIND_NIL,           // all bits are 0
    UUID_KIND_MAX,           // all bits are 1
    UUID_KINDS,
};

struct data_stats {
    struct dataset_figures figures;
    uint64_t kinds[UUID_KINDS];       // number of keys of each kind
    uint64_t parts[DATA_STATS_PARTS]; // number of keys by their first byte
    struct lengths lengths;           // of the served values, one for each key
    uint64_t unsorted_line; // first line whose key is less than the one before; 0: all are in order
    bool unterminated;      // the last line has no newline
};

// Counts a key and its served value in `kinds`, `parts` and `lengths`.
void data_stats_add(struct data_stats *s, struct uuid id, uint64_t value_len);

// Reads all lines of a dataset and sets `*s`. Shows the progress (tool_step). Returns false with a
// message when the file or its index is damaged or was changed. Takes memory of fixed size.
bool data_stats_read(struct data_stats *s, const struct dataset *d, struct error *error);

// ---- what to show -------------------------------------------------------------------------------

// A fact as text: its name, and its value.
struct data_fact {
    const char *name;
    char text[96];
};

enum { DATA_FACTS_MAX = 20 };

struct data_facts {
    unsigned count;
    struct data_fact facts[DATA_FACTS_MAX];
};

// Sets `*facts` to the facts in the order in which they are shown.
void data_stats_facts(const struct data_stats *s, struct data_facts *facts);

// A bar of a picture: its label, and the number that it stands for.
struct data_bar {
    char label[48];
    uint64_t count;
};

enum { DATA_BARS_MAX = LENGTHS_ROWS_MAX };

// Set `bars` to the bars of a picture, and return their number: the kinds of keys that occur, and
// ranges of lengths of values.
unsigned data_stats_kind_bars(const struct data_stats *s, struct data_bar bars[DATA_BARS_MAX]);
unsigned data_stats_length_bars(const struct data_stats *s, struct data_bar bars[DATA_BARS_MAX]);

#endif
