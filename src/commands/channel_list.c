// PUBSUB: lists the channels that clients have subscribed to, and counts subscribers and patterns.
//
// A loop task (serve/loop_task.h) visits each event loop. There it collects the names that the
// clients of that loop have subscribed to, one name for each subscription. Then the loop of the
// client that asked sorts the names, so that equal names are neighbours and are easy to count.
#include <stdlib.h>

#include "base/glob.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/loop_task.h"
#include "serve/session.h"
#include "serve/subscriptions.h"

enum {
    // Most bytes that a task collects: the names, and 2 bytes for the length of each name.
    // Bounded, because one turn sorts all names.
    ROOM = 128 * 1024,
    VISITS = 256,       // clients whose subscriptions a loop collects in one turn
    PATTERN_MAX = 1024, // bytes of a pattern; bounded, because it is compared with every channel
    NAMES_PER_WORK = 8, // names sorted in one unit of work
};

// Collects the names of all subscriptions of one kind.
struct channel_list {
    struct loop_task task;
    enum channel_kind kind;
    char *text;         // ROOM bytes: collected names, each after its length in two bytes
    size_t used;        // bytes of `text` in use
    bool full;          // some names did not fit into `text`
    struct span *names; // sorted pointers to the names in `text`; NULL until all are collected
    size_t count;       // number of names, equal ones included
};

static bool visit_names(struct loop_task *task, struct service *service)
{
    struct channel_list *list = (struct channel_list *)task;
    struct session *s = session_after(service, task->cursor);
    for (unsigned i = 0; i < VISITS && s != NULL; i++, s = session_next(s)) {
        size_t room = ROOM - list->used;
        size_t size =
            subscriptions_names(s->subscriptions, list->kind, list->text + list->used, room);
        list->full |= size > room;
        list->used += size <= room ? size : 0;
        task->cursor = s->id;
    }
    return s == NULL;
}

static void release_names(struct loop_task *task)
{
    struct channel_list *list = (struct channel_list *)task;
    free(list->text);
    free(list->names);
    free(list);
}

// Starts the collection of names, for which the session then waits. Returns false if memory is
// short.
static bool send_channel_list(struct session *s, enum channel_kind kind)
{
    struct channel_list *list = calloc(1, sizeof *list);
    char *text = malloc(ROOM);
    if (list == NULL || text == NULL) {
        free(list);
        free(text);
        s->oom = true;
        return false;
    }
    list->task.visit = visit_names;
    list->task.release = release_names;
    list->task.memory = ROOM;
    list->task.for_waiter = true;
    list->kind = kind;
    list->text = text;
    session_await(s, &list->task);
    return true;
}

static int compare_names(const void *a, const void *b)
{
    struct span x = *(const struct span *)a;
    struct span y = *(const struct span *)b;
    size_t len = x.len < y.len ? x.len : y.len;
    int order = len > 0 ? memcmp(x.ptr, y.ptr, len) : 0;
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

// Fills `names` with the names in `text`, unsorted. Returns false if memory is short.
static bool split_names(struct channel_list *list)
{
    size_t count = 0;
    uint16_t len;
    for (size_t at = 0; at < list->used; at += sizeof len + len, count++)
        memcpy(&len, list->text + at, sizeof len);
    list->names = malloc((count + 1) * sizeof *list->names);
    list->task.memory += (count + 1) * sizeof *list->names;
    if (list->names == NULL)
        return false;
    for (size_t at = 0; at < list->used; at += sizeof len + len) {
        memcpy(&len, list->text + at, sizeof len);
        list->names[list->count++] = span_of(list->text + at + sizeof len, len);
    }
    return true;
}

// Sets `*list` to the sorted names of all loops, once all loops have been visited. Until then,
// and after an error, `*list` is NULL and the handler must return the result of this function.
static enum command_result take_channel_list(struct session *s, enum channel_kind kind,
                                             struct channel_list **list)
{
    *list = NULL;
    if (s->task == NULL && !send_channel_list(s, kind))
        return COMMAND_DONE;
    struct channel_list *answer = (struct channel_list *)session_task(s);
    if (answer == NULL)
        return COMMAND_WAIT;
    if (answer->names == NULL) {
        if (answer->full) {
            session_end_task(s);
            resp_error(&s->reply, "ERR too many subscriptions to list");
            return COMMAND_DONE;
        }
        s->oom |= !split_names(answer);
        if (s->oom)
            return COMMAND_DONE;
        qsort(answer->names, answer->count, sizeof *answer->names, compare_names);
        session_charge(s, answer->count / NAMES_PER_WORK);
    }
    *list = answer;
    return COMMAND_DONE;
}

// Returns true if name `i` differs from the name before it.
static bool is_first_of_equal(const struct channel_list *list, size_t i)
{
    return i == 0 || !span_equal(list->names[i], list->names[i - 1]);
}

// Lists each name that matches the pattern once. Passes over the names twice: first to count the
// matches, as the reply begins with their number, then to write them. `s->request.cursor` is the
// next name in the first pass, and `count` + the next name in the second.
static enum command_result pubsub_channels_command(struct session *s, const struct resp_request *r)
{
    enum channel_kind kind = (enum channel_kind)s->request.running->command->variant;
    struct channel_list *list;
    struct span pattern = r->argc > 2 ? resp_arg(r, 2) : span_of(NULL, 0);
    if (r->argc > 3 || pattern.len > PATTERN_MAX) {
        reply_wrong_subcommand(s, r, "PUBSUB");
        return COMMAND_DONE;
    }
    enum command_result result = take_channel_list(s, kind, &list);
    if (list == NULL)
        return result;
    for (; s->request.cursor < 2 * list->count; s->request.cursor++) {
        size_t i = (size_t)s->request.cursor % list->count;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (s->request.cursor == list->count)
            resp_array(&s->reply, s->request.sum);
        session_charge(s, pattern.len / 8);
        if (!is_first_of_equal(list, i) ||
            (pattern.ptr != NULL && !glob_match(pattern, list->names[i], GLOB_CASE_SENSITIVE)))
            continue;
        if (s->request.cursor < list->count)
            s->request.sum++;
        else
            resp_bulk(&s->reply, list->names[i]);
    }
    if (list->count == 0)
        resp_array(&s->reply, 0);
    session_end_task(s);
    return COMMAND_DONE;
}

// Returns the number of names that are less than `name`; with `or_equal`, less than or equal to it.
static size_t count_below(const struct channel_list *list, struct span name, bool or_equal)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_names(&list->names[middle], &name);
        if (order < 0 || (or_equal && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Replies with each channel and its number of subscribers, which is the number of equal names in
// the list. `s->request.cursor` is the next argument.
static enum command_result pubsub_numsub_command(struct session *s, const struct resp_request *r)
{
    enum channel_kind kind = (enum channel_kind)s->request.running->command->variant;
    struct channel_list *list;
    enum command_result result = take_channel_list(s, kind, &list);
    if (list == NULL)
        return result;
    if (s->request.cursor == 0) {
        resp_array(&s->reply, 2 * ((uint64_t)r->argc - 2));
        s->request.cursor = 2;
    }
    for (; s->request.cursor < r->argc; s->request.cursor++) {
        struct span name = resp_arg(r, (uint32_t)s->request.cursor);
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        resp_bulk(&s->reply, name);
        resp_integer(&s->reply,
                     (int64_t)(count_below(list, name, true) - count_below(list, name, false)));
    }
    session_end_task(s);
    return COMMAND_DONE;
}

// Replies with the number of different patterns.
static enum command_result pubsub_numpat_command(struct session *s, const struct resp_request *r)
{
    struct channel_list *list;
    enum command_result result = take_channel_list(s, CHANNEL_PATTERN, &list);
    (void)r;
    if (list == NULL)
        return result;
    int64_t patterns = 0;
    for (size_t i = 0; i < list->count; i++)
        patterns += is_first_of_equal(list, i);
    resp_integer(&s->reply, patterns);
    session_end_task(s);
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument maybe_channel_pattern[] = {
    {"pattern", "pattern", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};

const struct command channel_list_commands[] = {
    {"pubsub", -2, 0, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0, NULL,
     "A container for the commands about channels", NULL},
    {"pubsub|channels", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0,
     pubsub_channels_command, "Returns the channels that have subscribers",
     "O(N) where N is the number of subscriptions", NULL, maybe_channel_pattern,
     .deviation = "The channels are returned in the order of their names. If the names of all "
                  "subscriptions take more than 128 KiB, the reply is an error. A pattern has at "
                  "most 1,024 bytes.",
     .variant = CHANNEL},
    {"pubsub|help", 2, LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "6.2.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"pubsub|numpat", 2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0,
     pubsub_numpat_command,
     "Returns the number of different patterns that clients have subscribed to",
     "O(N) where N is the number of subscriptions"},
    {"pubsub|numsub", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "2.8.0", 0,
     pubsub_numsub_command, "Returns the number of subscribers of each channel",
     "O(N) where N is the number of subscriptions", NULL, argument_maybe_channels,
     .variant = CHANNEL},
    {"pubsub|shardchannels", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "7.0.0", 0,
     pubsub_channels_command, "Returns the shard channels that have subscribers",
     "O(N) where N is the number of subscriptions", NULL, maybe_channel_pattern,
     .deviation = "The same as for `PUBSUB CHANNELS`.", .variant = CHANNEL_SHARD},
    {"pubsub|shardnumsub", -2, PUBSUB | LOADING | STALE, NO_KEYS, GROUP_PUBSUB, "7.0.0", 0,
     pubsub_numsub_command, "Returns the number of subscribers of each shard channel",
     "O(N) where N is the number of subscriptions", NULL, argument_maybe_shard_channels,
     .variant = CHANNEL_SHARD},
    {0},
};
