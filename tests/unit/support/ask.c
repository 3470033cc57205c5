// The session reads its input from memory, so no socket and no thread take part.
#include "unit/support/ask.h"

#include <sys/uio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/output.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "serve/feed.h"
#include "serve/session.h"
#include "support/service.h"
#include "support/tap.h"

void ask_open(struct ask *a, struct span lines)
{
    struct error error = {""};
    struct dataset *d = dataset_open_memory(lines, "t", DATASET_REFUSE_MALFORMED, NULL, &error);
    require(d != NULL, "%s", error.text);
    ask_open_dataset(a, d);
}

void ask_open_dataset(struct ask *a, struct dataset *d)
{
    a->settings = test_settings;
    a->settings.enable_debug_command = ENABLE_YES;
    a->dataset = d;
    service_group_init(&a->group, &a->settings, a->dataset, command_groups);
    service_init(&a->service, &a->group);
}

void ask_close(struct ask *a)
{
    service_release(&a->service);
    dataset_close(a->dataset);
}

struct buf ask_turns(struct ask *a, const char *command, unsigned most, unsigned *turns)
{
    struct session s;
    struct output out = {0};
    struct buf input = {0};
    struct buf reply = {0};
    struct feed_result result = {0};
    buf_append_text(&input, command);
    buf_append_text(&input, "\r\n");
    session_init(&s, &a->service, 1, true);
    for (*turns = 0; *turns < most && result.consumed == 0; ++*turns) {
        timing_begin(&a->service.timing, clock_monotonic_ns());
        result = session_feed(&s, (struct bytes){input.ptr, input.len}, &out);
        timing_flush(&a->service.timing, &a->service.stats);
        require(!session_oom(&s, &out), "memory");
    }
    struct iovec vectors[8]; // a few owned and borrowed parts
    size_t count = output_iovecs(&out, SIZE_MAX, vectors, 8);
    for (size_t i = 0; i < count; i++)
        buf_append(&reply, span_of(vectors[i].iov_base, vectors[i].iov_len));
    output_release(&out);
    session_release(&s);
    buf_release(&input);
    return reply;
}
