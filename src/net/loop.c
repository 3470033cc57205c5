// Holds what the connections of a loop share. The worker decides when clients are answered and
// closed; it sets two function pointers for this module to call. So this module depends on neither
// worker.c nor conn.c, and both can use it without a circle.
#include "net/loop.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "serve/replication.h"

bool loop_init(struct loop *loop, struct ev_loop *ev, struct service_group *group)
{
    loop->input = malloc(LOOP_INPUT_MAX);
    if (loop->input == NULL)
        return false;
    loop->ev = ev;
    link_init(&loop->active);
    link_init(&loop->lingering);
    link_init(&loop->ready);
    link_init(&loop->to_close);
    for (unsigned i = 0; i < TIMEOUT_NONE; i++)
        link_init(&loop->timeouts[i]);
    for (unsigned i = 0; i < MEMORY_CLASSES; i++) {
        link_init(&loop->memory[EVICT_FIRST][i]);
        link_init(&loop->memory[EVICT_LAST][i]);
    }
    service_init(&loop->service, group);
    return true;
}

void loop_release(struct loop *loop)
{
    output_release(&loop->output);
    replicas_release(&loop->service);
    service_release(&loop->service);
    free(loop->piece);
    free(loop->input);
}

uint64_t loop_now(struct loop *loop)
{
    if (loop->now == 0)
        loop->now = clock_monotonic_ns();
    return loop->now;
}

char *loop_input(struct loop *loop)
{
    if (loop->turn_count == LOOP_TURNS || LOOP_INPUT_MAX - loop->input_used < LOOP_READ_MAX)
        loop->take_turns(loop);
    return loop->input + loop->input_used;
}

void loop_add_turn(struct loop *loop, struct conn *conn, size_t len)
{
    if (loop->turn_count == LOOP_TURNS) {
        assert(len == 0); // a caller with input has called loop_input, which makes room
        loop->take_turns(loop);
    }
    struct bytes input = {loop->input + loop->input_used, len};
    loop->turns[loop->turn_count++] = (struct turn){.conn = conn, .input = input};
    loop->input_used += len;
}

// Returns the index in a row of `loop->memory` for a connection that holds `bytes` bytes: the
// logarithm to base 2, rounded down, and at most MEMORY_CLASSES - 1. `bytes` must not be 0.
static unsigned class_of(size_t bytes)
{
    unsigned class = 63 - (unsigned)__builtin_clzll(bytes);
    return class < MEMORY_CLASSES ? class : MEMORY_CLASSES - 1;
}

void loop_count_memory(struct loop *loop, struct loop_memory *memory, size_t bytes,
                       enum eviction eviction)
{
    struct counter *own = &loop->service.stats.clients_memory;
    bool grown = bytes > memory->bytes;
    loop->grown += grown ? bytes - memory->bytes : 0;
    counter_set(own, counter_get(own) - memory->bytes + bytes);
    memory->bytes = bytes;
    if (eviction == EVICT_NEVER)
        link_remove(&memory->class);
    else
        link_move_last(&loop->memory[eviction][class_of(bytes)], &memory->class);
    if (counter_get(own) + LOOP_MEMORY_STEP < loop->check_at)
        loop->check_at = counter_get(own) + LOOP_MEMORY_STEP;
    if (grown && counter_get(own) >= loop->check_at)
        loop->over_memory(loop);
}

void loop_start_sweep(struct loop *loop)
{
    if (!ev_is_active(&loop->sweep))
        ev_timer_again(loop->ev, &loop->sweep);
}
