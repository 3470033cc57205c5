// Implements stele.h: each function converts its C strings and calls a function of dataset.h. The
// build hides all other symbols of libstele.a.
#include "data/stele.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mapping.h"
#include "base/version.h"
#include "data/dataset.h"
#include "data/trie.h"
#include "data/uuid_text.h"

_Static_assert((int)STELE_KEY_LEN == (int)UUID_TEXT_LEN,
               "stele.h and uuid_text.h have the same key length");

// A table is a dataset under another name.
static struct dataset *dataset_of(const struct stele *table)
{
    return (struct dataset *)(uintptr_t)table;
}

static bool parse_key(const char *key, struct uuid *id)
{
    return strnlen(key, UUID_TEXT_LEN + 1) == UUID_TEXT_LEN && uuid_parse(key, id);
}

struct stele *stele_open(const char *path, char *error, size_t size)
{
    struct error reason = {""};
    struct dataset_report report = {0};
    struct dataset_settings settings = {.index = DATASET_INDEX_READ};
    struct dataset *d = dataset_open(path, &settings, &report, &reason);
    if (d != NULL)
        d = dataset_finished(d, &reason);
    if (d == NULL && error != NULL)
        snprintf(error, size, "%s",
                 *report.malformed[0] != '\0' ? report.malformed[0] : reason.text);
    return (struct stele *)d;
}

void stele_close(struct stele *table)
{
    dataset_close(dataset_of(table));
}

uint64_t stele_count(const struct stele *table)
{
    return dataset_figures(dataset_of(table))->keys;
}

bool stele_get(const struct stele *table, const char *key, struct stele_value *value)
{
    struct uuid id;
    struct span found = {NULL, 0};
    if (!parse_key(key, &id) || !dataset_get(dataset_of(table), id, &found))
        found = span_of(NULL, 0);
    *value = (struct stele_value){found.ptr, found.len};
    return found.ptr != NULL;
}

size_t stele_get_many(const struct stele *table, const char *const *keys, size_t count,
                      struct stele_value *values)
{
    size_t hits = 0;
    for (size_t done = 0; done < count; done += TRIE_GROUP) {
        size_t group = count - done < TRIE_GROUP ? count - done : TRIE_GROUP;
        struct uuid ids[TRIE_GROUP] = {{0, 0}};
        struct span found[TRIE_GROUP];
        bool good[TRIE_GROUP];
        for (size_t i = 0; i < group; i++)
            good[i] = parse_key(keys[done + i], &ids[i]);
        dataset_get_many(dataset_of(table), ids, group, found);
        for (size_t i = 0; i < group; i++) {
            struct span value = good[i] ? found[i] : span_of(NULL, 0);
            values[done + i] = (struct stele_value){value.ptr, value.len};
            hits += value.ptr != NULL;
        }
    }
    return hits;
}

uint64_t stele_seek(const struct stele *table, const char *key)
{
    struct uuid id;
    return parse_key(key, &id) ? dataset_seek(dataset_of(table), id) : stele_count(table);
}

bool stele_at(const struct stele *table, uint64_t rank, char key[STELE_KEY_LEN + 1],
              struct stele_value *value)
{
    struct uuid id;
    struct span found;
    if (!dataset_at(dataset_of(table), rank, &id, &found))
        return false;
    uuid_format(id, key);
    key[STELE_KEY_LEN] = '\0';
    *value = (struct stele_value){found.ptr, found.len};
    return true;
}

void stele_catch_faults(void)
{
    mapping_catch_faults();
}

bool stele_is_whole(const struct stele *table)
{
    return dataset_is_sound(dataset_of(table));
}

const char *stele_version(void)
{
    return STELE_VERSION;
}
