// Chains are linked through the entries, so only their heads need memory. When there are as many
// entries as chains, the number of chains is doubled. It never shrinks: a head takes a hundredth of
// the memory of a session.
#include "serve/session_table.h"

#include <stdlib.h>

enum { BITS_MOST = 32 }; // the table has at most 2^32 chains

static unsigned bits_of(const struct session_table *table)
{
    return SESSION_TABLE_BITS_FIRST + table->grown;
}

// Returns the number of the chain for `id`. Fibonacci hashing (Knuth, volume 3, 6.4) spreads the
// ids evenly over the chains, also when the ids of one loop increase in equal steps.
static size_t chain_index(const struct session_table *table, uint64_t id)
{
    return id * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits_of(table));
}

static struct session_entry **chain_of(struct session_table *table, uint64_t id)
{
    return (table->chains != NULL ? table->chains : table->first) + chain_index(table, id);
}

static void push(struct session_table *table, struct session_entry *entry)
{
    struct session_entry **chain = chain_of(table, entry->id);
    entry->next = *chain;
    *chain = entry;
}

static void grow(struct session_table *table)
{
    struct session_entry **old = table->chains != NULL ? table->chains : table->first;
    size_t count = (size_t)1 << bits_of(table);
    struct session_table grown = {.grown = table->grown + 1, .count = table->count};
    if (bits_of(&grown) > BITS_MOST)
        return;
    grown.chains = calloc(2 * count, sizeof *grown.chains);
    if (grown.chains == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        for (struct session_entry *entry = old[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            push(&grown, entry);
        }
    }
    free(table->chains);
    *table = grown;
}

void session_table_add(struct session_table *table, struct session_entry *entry)
{
    if (table->count >= (size_t)1 << bits_of(table))
        grow(table);
    push(table, entry);
    table->count++;
}

void session_table_remove(struct session_table *table, struct session_entry *entry)
{
    struct session_entry **link = chain_of(table, entry->id);
    while (*link != NULL && *link != entry)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    *link = entry->next;
    entry->next = NULL;
    table->count--;
}

struct session_entry *session_table_find(const struct session_table *table, uint64_t id)
{
    struct session_entry *entry =
        (table->chains != NULL ? table->chains : table->first)[chain_index(table, id)];
    while (entry != NULL && entry->id != id)
        entry = entry->next;
    return entry;
}

void session_table_release(struct session_table *table)
{
    free(table->chains);
    *table = (struct session_table){0};
}
