// Reading ahead: parses requests, finds their commands and collects their keys. Then all keys are
// looked up in one call of the dataset.
#include "serve/batch.h"

#include <assert.h>

#include "data/dataset.h"
#include "serve/cluster.h"
#include "serve/key_rules.h"

static const struct command_entry *find_entry(struct batch *b, const struct command_index *commands,
                                              struct span name)
{
    if (b->last_entry == NULL || !span_equal(name, b->last_name)) {
        b->last_entry = command_find(commands, name);
        if (b->last_entry == NULL)
            return NULL;
        assert(name.len <= sizeof b->last_text);
        memcpy(b->last_text, name.ptr, name.len);
        b->last_name = span_of(b->last_text, name.len);
    }
    return b->last_entry;
}

// Returns how many keys the request has. Returns 0 for a command that does not read its keys.
static uint32_t count_keys(const struct command_entry *entry, uint32_t argc)
{
    if (entry == NULL || (entry->command->flags & READONLY) == 0 ||
        !command_takes(entry->command, argc))
        return 0;
    return command_keys(entry->command, argc);
}

static void add_key(struct batch *b, unsigned at, struct span word)
{
    // If the word is no key, an old id remains here. It is looked up, and the result is not used.
    b->is_uuid[at] = key_rules_read(b->rules, word, &b->id[at]);
}

// Whether all words of the batch from index `at` on are keys whose homes are slots of this node.
static bool are_own(const struct batch *b, const struct cluster_view *view, unsigned at,
                    uint32_t keys)
{
    uint32_t own = 0;
    while (own < keys && b->is_uuid[at + own] && cluster_owns(view, slot_of_uuid(b->id[at + own])))
        own++;
    return own == keys;
}

// Whether this node of the cluster does not answer the request. Its keys are those of the batch
// from index `at` on, at the places that its row says. Not inlined: without a cluster, batch_read
// then needs fewer instructions for each key.
static __attribute__((noinline)) bool
is_away(const struct batch *b, const struct cluster_view *view, const struct resp_request *r,
        const struct command *command, unsigned at, uint32_t keys)
{
    struct route route = {0};
    if (view->crossslot && are_own(b, view, at, keys))
        return false;
    for (uint32_t i = 0; i < keys; i++)
        route_add(&route, view, b->rules,
                  resp_arg(r, (uint32_t)command->keys.first + i * (uint32_t)command->keys.step));
    return !route_is_here(&route, view);
}

unsigned batch_read(struct batch *b, const struct command_index *commands,
                    const struct cluster_view *view, struct bytes in, unsigned limit)
{
    unsigned before = b->requests;
    unsigned keys_before = b->keys;
    char bad[RESP_BAD_TEXT];
    while (in.len > 0 && in.ptr[0] == '*' && b->requests < BATCH_REQUESTS &&
           b->requests - before < limit && b->keys - keys_before < limit) {
        struct resp_progress progress = {0};
        struct resp_arg *args = b->arg + b->args;
        enum resp_status status = resp_parse(&progress, in, args, BATCH_ARGS - b->args, bad);
        if (status == RESP_ARGS_FULL && b->args > 0)
            b->full = true;
        if (status != RESP_COMPLETE)
            break;
        struct resp_request r = {in.ptr, args, progress.argc};
        const struct command_entry *entry =
            r.argc > 0 ? find_entry(b, commands, resp_arg(&r, 0)) : NULL;
        uint32_t keys = count_keys(entry, r.argc);
        if (keys > BATCH_KEYS)
            keys = 0; // they can never fit, so the session looks them up chunk by chunk
        if (keys > BATCH_KEYS - b->keys) {
            b->full = true;
            break;
        }
        for (uint32_t i = 0; i < keys; i++)
            add_key(b, b->keys + i,
                    resp_arg(&r, (uint32_t)entry->command->keys.first +
                                     i * (uint32_t)entry->command->keys.step));
        b->request[b->requests++] = (struct batch_request){
            .entry = entry,
            .size = (uint32_t)progress.at,
            .first_arg = (uint16_t)b->args,
            .argc = (uint16_t)r.argc,
            .first_key = (uint16_t)b->keys,
            .keys = (uint16_t)keys,
            .away = view != NULL && keys > 0 && is_away(b, view, &r, entry->command, b->keys, keys),
        };
        b->args += r.argc;
        b->keys += keys;
        in = (struct bytes){in.ptr + progress.at, in.len - progress.at};
        // Stops, because whatever is read ahead after EXEC or RESET is discarded and parsed again
        // later (session_reread_rest). In a pipeline of many EXECs, the rest of the input would be
        // parsed once for each EXEC.
        if (entry != NULL && (entry->command->flags & (EXECUTES | REREADS)) != 0)
            break;
    }
    return b->requests - before;
}

bool batch_is_full(const struct batch *b)
{
    return b->full || b->requests == BATCH_REQUESTS || b->keys == BATCH_KEYS ||
           b->args == BATCH_ARGS;
}

void batch_clear(struct batch *b)
{
    b->requests = 0;
    b->args = 0;
    b->keys = 0;
    b->looked_up = 0;
    b->full = false;
    b->uncertain = false;
}

static void look_up(struct batch *b, const struct dataset *d, unsigned first, unsigned count)
{
    if (d == NULL || !dataset_find_many(d, b->id + first, count, b->offset + first))
        b->uncertain = true;
    for (unsigned i = first; d == NULL && i < first + count; i++)
        b->offset[i] = DATASET_NO_OFFSET;
    for (unsigned i = first; i < first + count; i++)
        if (!b->is_uuid[i])
            b->offset[i] = DATASET_NO_OFFSET;
}

void batch_look_up(struct batch *b, const struct dataset *d)
{
    look_up(b, d, b->looked_up, b->keys - b->looked_up);
    b->looked_up = b->keys;
}

void batch_look_up_chunk(struct batch *b, const struct dataset *d, const struct resp_request *r,
                         uint32_t first, uint32_t step, uint32_t count)
{
    assert(count <= BATCH_CHUNK);
    for (uint32_t i = 0; i < count; i++)
        add_key(b, BATCH_KEYS + i, resp_arg(r, first + i * step));
    look_up(b, d, BATCH_KEYS, count);
}
