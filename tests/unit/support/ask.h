// Runs one command in a session that reads from memory, over a dataset made of the lines of a text.
#ifndef STELE_TESTS_UNIT_ASK_H
#define STELE_TESTS_UNIT_ASK_H

#include "base/bytes.h"
#include "serve/service.h"
#include "serve/settings.h"

struct dataset;

struct ask {
    struct service_group group;
    struct service service;
    struct dataset *dataset;
    struct settings settings;
};

// Opens a dataset of `lines`, which must not move before ask_close. Ends the test when it cannot.
void ask_open(struct ask *a, struct span lines);

// Uses the open dataset `d`, which ask_close closes.
void ask_open_dataset(struct ask *a, struct dataset *d);

void ask_close(struct ask *a);

// Gives `command` to a new session, and gives the session turns until the reply is complete, at
// most `most` turns. Returns the reply, or the part that is complete; the caller releases it. Sets
// `*turns` to the number of turns.
struct buf ask_turns(struct ask *a, const char *command, unsigned most, unsigned *turns);

#endif
