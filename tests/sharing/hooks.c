// A table of lines, open addressing, filled by all threads without locks. It is not compiled for
// the sanitizer itself.
#include "sharing/hooks.h"

#include <execinfo.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "support/tap.h"

enum { SLOTS = 1 << 18, TOLD_MAX = 5, THREADS_MAX = 32 };

struct line {
    atomic_uintptr_t number; // address / MEMORY_LINE; 0: free
    atomic_uint readers;     // a bit a thread
    atomic_uint writers;
    _Atomic(void *) read_at;
    _Atomic(void *) written_at;
};

static struct line lines[SLOTS];
static atomic_bool watching;
static atomic_uint threads;
static _Thread_local unsigned thread; // 1 + its number; 0: none yet
static _Thread_local bool ignored;

void hooks_ignore(void)
{
    ignored = true;
}

void hooks_watch(bool on)
{
    if (on)
        memset((void *)lines, 0, sizeof lines);
    atomic_store(&watching, on);
}

static struct line *find(uintptr_t number)
{
    for (size_t slot = number * UINT64_C(0x9e3779b97f4a7c15) >> 40;; slot++) {
        struct line *line = &lines[slot % SLOTS];
        uintptr_t there = atomic_load(&line->number);
        if (there == number ||
            (there == 0 &&
             (atomic_compare_exchange_strong(&line->number, &there, number) || there == number)))
            return line;
    }
}

static void see(const volatile void *address, size_t size, bool write, void *place)
{
    if (ignored || !atomic_load_explicit(&watching, memory_order_relaxed))
        return;
    if (thread == 0)
        thread = 1 + atomic_fetch_add(&threads, 1);
    uintptr_t last = ((uintptr_t)address + size - 1) / MEMORY_LINE;
    for (uintptr_t number = (uintptr_t)address / MEMORY_LINE; number <= last; number++) {
        struct line *line = find(number);
        atomic_fetch_or(write ? &line->writers : &line->readers, 1u << (thread - 1) % THREADS_MAX);
        atomic_store(write ? &line->written_at : &line->read_at, place);
    }
}

unsigned hooks_lines(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SLOTS; i++)
        count += lines[i].number != 0;
    return count;
}

unsigned hooks_shared(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct line *line = &lines[i];
        unsigned all = line->readers | line->writers;
        if (line->writers == 0 || (all & (all - 1)) == 0 || count++ >= TOLD_MAX)
            continue;
        diag("line %p: read by threads %#x, written by %#x; last read and written here:",
             (void *)(line->number * MEMORY_LINE), line->readers, line->writers);
        void *places[] = {line->read_at, line->written_at};
        fflush(stdout);
        backtrace_symbols_fd(places, 2, STDOUT_FILENO);
    }
    return count;
}

// ---- what the compiler calls --------------------------------------------------------------------

#define PLACE __builtin_return_address(0)

#define ACCESS(size)                                                                               \
    void __tsan_read##size(void *address);                                                         \
    void __tsan_write##size(void *address);                                                        \
    void __tsan_read##size(void *address)                                                          \
    {                                                                                              \
        see(address, size, false, PLACE);                                                          \
    }                                                                                              \
    void __tsan_write##size(void *address)                                                         \
    {                                                                                              \
        see(address, size, true, PLACE);                                                           \
    }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

#define ATOMIC(bits)                                                                               \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *a, int order);        \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *a, uint##bits##_t v, int order);     \
    uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile uint##bits##_t *a, uint##bits##_t v,   \
                                                   int order);                                     \
    uint##bits##_t __tsan_atomic##bits##_fetch_sub(volatile uint##bits##_t *a, uint##bits##_t v,   \
                                                   int order);                                     \
    uint##bits##_t __tsan_atomic##bits##_fetch_or(volatile uint##bits##_t *a, uint##bits##_t v,    \
                                                  int order);                                      \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t *a, uint##bits##_t v,    \
                                                  int order);                                      \
    int __tsan_atomic##bits##_compare_exchange_strong(                                             \
        volatile uint##bits##_t *a, uint##bits##_t *c, uint##bits##_t v, int order, int failure);  \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *a, int order)         \
    {                                                                                              \
        (void)order;                                                                               \
        see(a, sizeof *a, false, PLACE);                                                           \
        return __atomic_load_n(a, __ATOMIC_SEQ_CST);                                               \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *a, uint##bits##_t v, int order)      \
    {                                                                                              \
        (void)order;                                                                               \
        see(a, sizeof *a, true, PLACE);                                                            \
        __atomic_store_n(a, v, __ATOMIC_SEQ_CST);                                                  \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile uint##bits##_t *a, uint##bits##_t v,   \
                                                   int order)                                      \
    {                                                                                              \
        (void)order;                                                                               \
        see(a, sizeof *a, true, PLACE);                                                            \
        return __atomic_fetch_add(a, v, __ATOMIC_SEQ_CST);                                         \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_fetch_sub(volatile uint##bits##_t *a, uint##bits##_t v,   \
                                                   int order)                                      \
    {                                                                                              \
        (void)order;                                                                               \
        see(a, sizeof *a, true, PLACE);                                                            \
        return __atomic_fetch_sub(a, v, __ATOMIC_SEQ_CST);                                         \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_fetch_or(volatile uint##bits##_t *a, uint##bits##_t v,    \
                                                  int order)                                       \
    {                                                                                              \
        (void)order;                                                                               \
        see(a, sizeof *a, true, PLACE);                                                            \
        return __atomic_fetch_or(a, v, __ATOMIC_SEQ_CST);                                          \
    }                                                                                              \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t *a, uint##bits##_t v,    \
                                                  int order)                                       \
    {                                                                                              \
        (void)order;                                                                               \
        see(a, sizeof *a, true, PLACE);                                                            \
        return __atomic_exchange_n(a, v, __ATOMIC_SEQ_CST);                                        \
    }                                                                                              \
    int __tsan_atomic##bits##_compare_exchange_strong(                                             \
        volatile uint##bits##_t *a, uint##bits##_t *c, uint##bits##_t v, int order, int failure)   \
    {                                                                                              \
        (void)order;                                                                               \
        (void)failure;                                                                             \
        see(a, sizeof *a, true, PLACE);                                                            \
        return __atomic_compare_exchange_n(a, c, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
    }

ATOMIC(8)
ATOMIC(32)
ATOMIC(64)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *address, size_t size)
{
    see(address, size, false, PLACE);
}

void __tsan_write_range(void *address, size_t size)
{
    see(address, size, true, PLACE);
}
