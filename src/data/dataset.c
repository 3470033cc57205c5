// Reading a dataset: ask the trie, find the value's end.
#include "data/dataset.h"

#include "data/dataset_parts.h"
#include "data/lines.h"

void dataset_close(struct dataset *d)
{
    if (d != NULL)
        ref_drop(&d->ref);
}

struct ref *dataset_ref(struct dataset *d)
{
    return &d->ref;
}

bool dataset_get(const struct dataset *d, struct uuid id, struct span *value)
{
    uint64_t offset;
    if (!trie_find(dataset_trie(d), id, &offset))
        return false;
    *value = line_value(d->text, offset);
    return true;
}

_Static_assert(DATASET_NOWHERE == TRIE_NONE, "a place is the offset of a line");

void dataset_find_many(const struct dataset *d, const struct uuid *ids, size_t count,
                       uint64_t *places)
{
    trie_find_many(dataset_trie(d), ids, count, places);
}

struct span dataset_value(const struct dataset *d, uint64_t place)
{
    return line_value(d->text, place);
}

void dataset_get_many(const struct dataset *d, const struct uuid *ids, size_t count,
                      struct span *values)
{
    uint64_t places[TRIE_GROUP];
    for (size_t done = 0; done < count; done += TRIE_GROUP) {
        size_t group = count - done < TRIE_GROUP ? count - done : TRIE_GROUP;
        dataset_find_many(d, ids + done, group, places);
        for (size_t i = 0; i < group; i++)
            values[done + i] =
                places[i] != DATASET_NOWHERE ? dataset_value(d, places[i]) : span_of(NULL, 0);
    }
}

uint64_t dataset_seek(const struct dataset *d, struct uuid id)
{
    return trie_seek(dataset_trie(d), id);
}

bool dataset_at(const struct dataset *d, uint64_t rank, struct uuid *id, struct span *value)
{
    const struct trie *trie = dataset_trie(d);
    uint64_t offset;
    if (rank >= trie->count || !trie_at(trie, rank, &offset) ||
        !uuid_parse(d->text.ptr + offset, id))
        return false;
    if (value != NULL)
        *value = line_value(d->text, offset);
    return true;
}

const struct dataset_figures *dataset_figures(const struct dataset *d)
{
    return &dataset_current(d)->figures;
}

const char *dataset_path(const struct dataset *d)
{
    return d->path;
}

struct span dataset_text(const struct dataset *d)
{
    return d->text;
}

const struct trie *dataset_trie(const struct dataset *d)
{
    return &dataset_current(d)->trie;
}

const char *dataset_index_status(const struct dataset *d)
{
    return atomic_load(&d->status);
}

bool dataset_index_is_mapped(const struct dataset *d)
{
    return dataset_current(d)->found;
}

const char *dataset_index_path(const struct dataset *d)
{
    return d->index_path != NULL ? d->index_path : "";
}
