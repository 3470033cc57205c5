// The checks that new data must pass before a reload publishes it. They are for data files that
// somebody replaces without `stele publish`, which has checks of its own.
#ifndef STELE_NET_RELOAD_GATE_H
#define STELE_NET_RELOAD_GATE_H

#include <stdatomic.h>
#include <stdbool.h>

struct dataset;
struct error;

struct reload_gate {
    unsigned max_shrink;     // percent by which the number of keys may become less; 100: any
    const char *verify;      // shell command that must exit with status 0; NULL: none
    unsigned verify_seconds; // time that the command may take
};

// Whether `new` may replace `served`. Returns false with a message if not, or when `*cancel`
// becomes true. The publisher thread calls this.
bool reload_gate_allows(const struct reload_gate *gate, const struct dataset *new,
                        const struct dataset *served, const atomic_bool *cancel,
                        struct error *error);

#endif
