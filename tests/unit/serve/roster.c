// Sessions found by the ids of their clients, compared with a plain array of them.
#include <stdlib.h>

#include "serve/roster.h"
#include "serve/session.h"
#include "support/tap.h"

enum { SESSIONS = 3000, STEPS = 40000 };

// Ids from 1 on in steps, as the clients of one of so many loops have them.
static void check(struct random *r, unsigned step)
{
    struct roster roster = {0};
    struct session *sessions = calloc(SESSIONS, sizeof *sessions);
    bool *present = calloc(SESSIONS, sizeof *present);
    require(sessions != NULL && present != NULL, "no memory");
    for (uint64_t i = 0; i < SESSIONS; i++)
        sessions[i].id = 1 + i * step;
    unsigned wrong = 0;
    size_t count = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        // Many at first, few in the end.
        size_t at = random_below(r, SESSIONS);
        bool add = random_below(r, STEPS) > i;
        if (add && !present[at])
            roster_add(&roster, &sessions[at]);
        else if (!add)
            roster_remove(&roster, &sessions[at]);
        present[at] = add;
        at = random_below(r, SESSIONS);
        wrong += roster_find(&roster, sessions[at].id) != (present[at] ? &sessions[at] : NULL);
        wrong += step > 1 && roster_find(&roster, sessions[at].id + 1) != NULL;
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        count += present[i];
        wrong += roster_find(&roster, sessions[i].id) != (present[i] ? &sessions[i] : NULL);
    }
    is_number(wrong, 0, "steps of %u: each is found while it is there", step);
    is_number((int64_t)roster.count, (int64_t)count, "steps of %u: they are counted", step);
    roster_release(&roster);
    free(sessions);
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
