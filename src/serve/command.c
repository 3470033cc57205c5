// Finds rows by name, and has Redis's words for flags, categories and groups.
#include "serve/command.h"

#include <assert.h>
#include <stdlib.h>

static const char *const flag_names[] = {
    "write",         "readonly",          "denyoom",          "module",   "admin",
    "pubsub",        "noscript",          "blocking",         "loading",  "stale",
    "skip_monitor",  "skip_slowlog",      "asking",           "fast",     "no_auth",
    "may_replicate", "no_mandatory_keys", "no_async_loading", "no_multi", "movablekeys",
    "allow_busy",
};
_Static_assert(sizeof flag_names / sizeof *flag_names == COMMAND_FLAGS, "a word for each flag");

static const char *const category_names[] = {
    "@keyspace",   "@read",        "@write",     "@set",         "@sortedset", "@list",
    "@hash",       "@string",      "@bitmap",    "@hyperloglog", "@geo",       "@stream",
    "@pubsub",     "@admin",       "@fast",      "@slow",        "@blocking",  "@dangerous",
    "@connection", "@transaction", "@scripting",
};
_Static_assert(sizeof category_names / sizeof *category_names == COMMAND_CATEGORIES,
               "a word for each category");

static const struct {
    const char *name;
    unsigned category;
} groups[] = {
    [GROUP_GENERIC] = {"generic", IN_KEYSPACE},
    [GROUP_STRING] = {"string", IN_STRING},
    [GROUP_BITMAP] = {"bitmap", IN_BITMAP},
    [GROUP_LIST] = {"list", IN_LIST},
    [GROUP_HASH] = {"hash", IN_HASH},
    [GROUP_SET] = {"set", IN_SET},
    [GROUP_SORTED_SET] = {"sorted-set", IN_SORTEDSET},
    [GROUP_STREAM] = {"stream", IN_STREAM},
    [GROUP_GEO] = {"geo", IN_GEO},
    [GROUP_HYPERLOGLOG] = {"hyperloglog", IN_HYPERLOGLOG},
    [GROUP_CONNECTION] = {"connection", IN_CONNECTION},
    [GROUP_SERVER] = {"server", 0},
    [GROUP_SCRIPTING] = {"scripting", IN_SCRIPTING},
    [GROUP_CLUSTER] = {"cluster", IN_CONNECTION},
    [GROUP_PUBSUB] = {"pubsub", 0},
    [GROUP_TRANSACTIONS] = {"transactions", IN_TRANSACTION},
    [GROUP_MODULE] = {"module", 0},
};

const char *command_flag_name(unsigned bit)
{
    assert(bit < COMMAND_FLAGS);
    return flag_names[bit];
}

const char *command_category_name(unsigned bit)
{
    assert(bit < COMMAND_CATEGORIES);
    return category_names[bit];
}

const char *command_group_name(enum command_group group)
{
    return groups[group].name;
}

const struct command_key_spec *command_key_specs(const struct command *c,
                                                 struct command_key_spec room[2])
{
    if (c->key_specs != NULL)
        return c->key_specs;
    memset(room, 0, 2 * sizeof *room);
    if (c->keys.first != 0) {
        int last = c->keys.last < 0 ? c->keys.last : c->keys.last - c->keys.first;
        room[0] = (struct command_key_spec){c->key_flags, c->keys.first, last, c->keys.step};
    }
    return room;
}

unsigned command_categories(const struct command *c)
{
    bool only_container = c->handler == NULL && (c->flags & (WRITE | PROTECTED)) == 0;
    unsigned group = only_container ? 0 : groups[c->group].category;
    unsigned categories = c->categories != 0 ? c->categories : group;
    if ((c->flags & WRITE) != 0)
        categories |= IN_WRITE;
    if ((c->flags & READONLY) != 0)
        categories |= IN_READ;
    if ((c->flags & PUBSUB) != 0)
        categories |= IN_PUBSUB;
    if ((c->flags & ADMIN) != 0)
        categories |= IN_ADMIN | IN_DANGEROUS;
    if ((c->flags & BLOCKING) != 0)
        categories |= IN_BLOCKING;
    return categories | ((c->flags & FAST) != 0 ? IN_FAST : IN_SLOW);
}

// Writes `name` in lower case to `folded`, padded with zeros. Returns false when it is too long to
// be the name of a command.
static bool fold_name(struct span name, char folded[COMMAND_NAME_MAX])
{
    if (name.len >= COMMAND_NAME_MAX)
        return false;
    memset(folded, 0, COMMAND_NAME_MAX);
    for (size_t i = 0; i < name.len; i++)
        folded[i] = ascii_lower(name.ptr[i]);
    return true;
}

// FNV-1a (Fowler, Noll & Vo) over the folded name.
static unsigned hash_name(const char *folded)
{
    uint32_t hash = 2166136261u;
    for (; *folded != '\0'; folded++)
        hash = (hash ^ (unsigned char)*folded) * 16777619u;
    return (hash ^ hash >> 16) % COMMAND_SLOTS;
}

// Compares two rows by name. '|' counts as less than any other character, so that a container's
// subcommands follow it directly.
static int compare_names(const void *a, const void *b)
{
    const char *x = (*(const struct command *const *)a)->name;
    const char *y = (*(const struct command *const *)b)->name;
    for (; *x != '\0' && *x == *y; x++, y++)
        ;
    int left = *x == '|' ? 1 : *x;
    int right = *y == '|' ? 1 : *y;
    return left - right;
}

static void add_top_level(struct command_index *index, const struct command_entry *entry)
{
    index->top_level++;
    unsigned slot = hash_name(entry->command->name);
    while (index->slots[slot] != 0)
        slot = (slot + 1) % COMMAND_SLOTS;
    index->slots[slot] = (uint16_t)(entry->number + 1);
}

// Adds the next row in the order of names. `*container` is the last entry that is no subcommand, or
// NULL at first.
static void add_row(struct command_index *index, const struct command *row,
                    struct command_entry **container)
{
    const char *bar = strchr(row->name, '|');
    struct command_entry *entry = &index->entries[index->count];
    *entry = (struct command_entry){.command = row, .number = index->count++};
    if (bar == NULL) {
        assert(strlen(row->name) < COMMAND_NAME_MAX);
        add_top_level(index, entry);
        *container = entry;
        return;
    }
    assert(strlen(bar + 1) < COMMAND_NAME_MAX && *container != NULL);
    entry->container = (*container)->command;
    size_t len = strlen(entry->container->name);
    assert(strncmp(row->name, entry->container->name, len) == 0 && row->name + len == bar);
    (*container)->subcommands++;
}

void command_index_init(struct command_index *index, const struct command *const *lists)
{
    const struct command *rows[COMMANDS_MAX];
    struct command_entry *container = NULL;
    unsigned count = 0;
    memset(index, 0, sizeof *index);
    for (; *lists != NULL; lists++) {
        for (const struct command *row = *lists; row->name != NULL; row++) {
            assert(count < COMMANDS_MAX);
            rows[count++] = row;
        }
    }
    qsort(rows, count, sizeof *rows, compare_names);
    for (unsigned i = 0; i < count; i++) {
        assert(i == 0 || strcmp(rows[i - 1]->name, rows[i]->name) != 0);
        add_row(index, rows[i], &container);
    }
}

const struct command_entry *command_find(const struct command_index *index, struct span name)
{
    char folded[COMMAND_NAME_MAX];
    if (!fold_name(name, folded) || memchr(folded, '\0', name.len) != NULL)
        return NULL;
    for (unsigned slot = hash_name(folded); index->slots[slot] != 0;
         slot = (slot + 1) % COMMAND_SLOTS) {
        const struct command_entry *entry = &index->entries[index->slots[slot] - 1];
        if (strcmp(entry->command->name, folded) == 0)
            return entry;
    }
    return NULL;
}

const struct command_entry *command_find_sub(const struct command_index *index,
                                             const struct command_entry *container,
                                             struct span word)
{
    const struct command_entry *entry = &index->entries[container->number + 1];
    for (unsigned i = 0; i < container->subcommands; i++, entry++)
        if (span_is(word, command_word(entry->command)))
            return entry;
    return NULL;
}

const struct command_entry *command_find_full(const struct command_index *index, struct span name)
{
    if (name.len >= COMMAND_FULL_NAME_MAX)
        return NULL;
    const char *bar = name.len > 0 ? memchr(name.ptr, '|', name.len) : NULL;
    if (bar == NULL)
        return command_find(index, name);
    size_t before = (size_t)(bar - name.ptr);
    const struct command_entry *container = command_find(index, span_of(name.ptr, before));
    return container == NULL
               ? NULL
               : command_find_sub(index, container, span_of(bar + 1, name.len - before - 1));
}

const char *command_upper_name(const struct command *c, char *to)
{
    const char *word = command_word(c);
    size_t i = 0;
    for (; word[i] != '\0'; i++)
        to[i] = ascii_upper(word[i]);
    to[i] = '\0';
    return to;
}
