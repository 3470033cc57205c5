// The subcommands of CLUSTER about the slots of keys. In a cluster with a topology, this node knows
// the keys of its own slots only.
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "data/dataset.h"
#include "serve/cluster.h"
#include "serve/session.h"

enum { KEYS_IN_SLOT_MAX = 1024 }; // keys in one reply to GETKEYSINSLOT

static bool is_slot(int64_t number)
{
    return number >= 0 && number < SLOTS;
}

static enum command_result cluster_keyslot_command(struct session *s, const struct resp_request *r)
{
    struct span key = resp_arg(r, 2);
    if (reply_unless_cluster(s)) {
        resp_integer(&s->reply, slot_of(key));
        session_charge(s, key.len / 64);
    }
    return COMMAND_DONE;
}

// Writes the key at the request's cursor to `text` (KEY_TEXT_MAX bytes) and sets `*key`. The cursor
// is the rank of a key, which must exist. Returns LOOKUP_FOUND if the key is in the slot, and
// LOOKUP_MISSED if it is not, or cannot be read.
static enum lookup find_key_in_slot(struct session *s, int64_t slot, char *text, struct span *key)
{
    struct uuid id;
    uint64_t last = dataset_figures(session_dataset(s))->keys - 1;
    enum lookup lookup = session_at(s, s->request.cursor, last, &id, NULL);
    if (lookup != LOOKUP_FOUND)
        return lookup;
    *key = key_rules_write(s->service->keys, id, text);
    return slot_of(*key) == slot ? LOOKUP_FOUND : LOOKUP_MISSED;
}

// Whether this node has the keys of the slot.
static bool has_slot(const struct session *s, int64_t slot)
{
    const struct cluster_view *view = session_view(s);
    return view == NULL || cluster_owns(view, (unsigned)slot);
}

// Visits all keys, some in each turn, because no index lists the keys of a slot.
// `s->request.cursor` is the rank of the next key, and `s->request.sum` is the number of keys
// found.
static enum command_result cluster_countkeysinslot_command(struct session *s,
                                                           const struct resp_request *r)
{
    char text[KEY_TEXT_MAX];
    struct span key;
    int64_t slot;
    if (!reply_unless_cluster(s) || !reply_unless_integer(s, resp_arg(r, 2), &slot))
        return COMMAND_DONE;
    if (!is_slot(slot)) {
        resp_error(&s->reply, "ERR Invalid slot");
        return COMMAND_DONE;
    }
    session_keep_view(s);
    uint64_t keys = has_slot(s, slot) ? dataset_figures(session_dataset(s))->keys : 0;
    for (; s->request.cursor < keys; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum lookup lookup = find_key_in_slot(s, slot, text, &key);
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        s->request.sum += lookup == LOOKUP_FOUND;
    }
    resp_integer(&s->reply, (int64_t)s->request.sum);
    session_drop_view(s);
    return COMMAND_DONE;
}

// Visits the keys in order until it has collected enough. `s->request.cursor` is the rank of the
// next key.
static enum command_result cluster_getkeysinslot_command(struct session *s,
                                                         const struct resp_request *r)
{
    char text[KEY_TEXT_MAX];
    struct span key;
    int64_t slot;
    int64_t count;
    if (!reply_unless_cluster(s) || !reply_unless_integer(s, resp_arg(r, 2), &slot) ||
        !reply_unless_integer(s, resp_arg(r, 3), &count))
        return COMMAND_DONE;
    if (!is_slot(slot) || count < 0) {
        resp_error(&s->reply, "ERR Invalid slot or number of keys");
        return COMMAND_DONE;
    }
    size_t len = s->service->keys->text_len;
    uint64_t limit = count < KEYS_IN_SLOT_MAX ? (uint64_t)count : KEYS_IN_SLOT_MAX;
    session_keep_view(s);
    uint64_t keys = has_slot(s, slot) ? dataset_figures(session_dataset(s))->keys : 0;
    for (; s->request.cursor < keys; s->request.cursor++) {
        if (s->request.collected.len == limit * len || s->request.collected.oom)
            break;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        enum lookup lookup = find_key_in_slot(s, slot, text, &key);
        if (lookup == LOOKUP_GOES_ON)
            return COMMAND_AGAIN;
        if (lookup == LOOKUP_FOUND)
            buf_append(&s->request.collected, key);
    }
    resp_array(&s->reply, s->request.collected.len / len);
    for (size_t i = 0; i < s->request.collected.len; i += len)
        resp_bulk(&s->reply, span_of(s->request.collected.ptr + i, len));
    s->oom |= s->request.collected.oom;
    buf_release(&s->request.collected);
    session_drop_view(s);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

const struct command cluster_keys_commands[] = {
    {"cluster|countkeysinslot", 3, STALE | ORDERED, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_countkeysinslot_command, "Returns the number of keys in a slot",
     "O(N) where N is the number of keys"},
    {"cluster|getkeysinslot", 4, STALE | ORDERED, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW,
     cluster_getkeysinslot_command, "Returns some of the keys in a slot",
     "O(N) where N is the number of keys", "nondeterministic_output"},
    {"cluster|keyslot", 3, STALE, NO_KEYS, GROUP_CLUSTER, "3.0.0", IN_SLOW, cluster_keyslot_command,
     "Returns the slot of a key", "O(1)"},
    {0},
};
