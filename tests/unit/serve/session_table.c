// The hash table of sessions: random additions, removals and searches agree with an array.
#include <stdlib.h>

#include "serve/session_table.h"
#include "support/tap.h"

enum { SESSIONS = 3000, STEPS = 40000 };

// The ids are 1, 1 + step, 1 + 2 * step and so on, as in one of `step` loops.
static void check(struct random *r, unsigned step)
{
    struct session_table table = {0};
    struct session_entry *entries = calloc(SESSIONS, sizeof *entries);
    bool *present = calloc(SESSIONS, sizeof *present);
    require(entries != NULL && present != NULL, "no memory");
    for (uint64_t i = 0; i < SESSIONS; i++)
        entries[i].id = 1 + i * step;
    unsigned wrong = 0;
    size_t count = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        // Mostly additions at first, mostly removals at the end.
        size_t at = random_below(r, SESSIONS);
        bool add = random_below(r, STEPS) > i;
        if (add && !present[at])
            session_table_add(&table, &entries[at]);
        else if (!add)
            session_table_remove(&table, &entries[at]);
        present[at] = add;
        at = random_below(r, SESSIONS);
        wrong += session_table_find(&table, entries[at].id) != (present[at] ? &entries[at] : NULL);
        wrong += step > 1 && session_table_find(&table, entries[at].id + 1) != NULL;
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        count += present[i];
        wrong += session_table_find(&table, entries[i].id) != (present[i] ? &entries[i] : NULL);
    }
    is_number(wrong, 0, "steps of %u: exactly the present entries are found", step);
    is_number((int64_t)table.count, (int64_t)count, "steps of %u: the entries are counted", step);
    session_table_release(&table);
    free(entries);
    free(present);
}

int main(void)
{
    struct random r = random_seeded();
    check(&r, 1);
    check(&r, 2);
    check(&r, 8);
    check(&r, 128);
    return done_testing();
}
