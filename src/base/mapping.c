// The technique is that of systemd's sigbus.c. A handler of SIGBUS replaces the lost page by an
// anonymous one and notes the damage, and the interrupted thread reads on.
//
// The handler notes the damage before it replaces the page. So a reader that reads filler also sees
// the damage afterwards. The handler takes no lock. The table of mappings is never freed. Nobody
// releases the mapping in the meantime either, because the interrupted thread is reading it.
#include "base/mapping.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/number.h"

// An entry of the table of guarded mappings.
struct table_entry {
    atomic_uint version; // changes with the entry; odd while the fields below change
    atomic_uintptr_t begin;
    atomic_uintptr_t end;
    _Atomic(struct mapping *) mapping;
};

static struct table_entry entries[MAPPINGS_MAX];
static pthread_mutex_t entries_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous_action; // action of SIGBUS before mapping_catch_faults

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t page_round_up(size_t bytes)
{
    return (bytes + page_size() - 1) / page_size() * page_size();
}

void *mapping_map(void *where, size_t len, int flags, int fd, uint64_t at)
{
    void *memory = mmap(where, len, PROT_READ, MAP_SHARED | flags, fd, (off_t)at);
    // FUSE returns ENODEV; 9p returns EINVAL for a file that is open for writing.
    if (memory == MAP_FAILED && (errno == ENODEV || errno == EINVAL))
        memory = mmap(where, len, PROT_READ, MAP_PRIVATE | flags, fd, (off_t)at);
    return memory;
}

// ---- damage -------------------------------------------------------------------------------------

// Notes that there is damage. mapping_look then sees another number of faults, and a limit of 0
// makes it compare the mapping with the file from now on.
static void note_fault(struct mapping *m)
{
    atomic_store(&m->limit, 0);
    atomic_fetch_add(&m->faults, 1);
}

// The same for a page that a system call could not read.
static void note_unread(struct mapping *m)
{
    atomic_store(&m->limit, 0);
    atomic_fetch_add(&m->faults, (UINT64_C(1) << 32) + 1);
}

// Notes that all bytes from offset `bytes` on are lost. The fault is noted before and after `whole`
// is changed, so that a reader that looked at `whole` in between sees another number of faults.
static void lose_tail(struct mapping *m, size_t bytes)
{
    size_t whole = atomic_load(&m->whole);
    while (bytes < whole) {
        note_fault(m);
        if (atomic_compare_exchange_strong(&m->whole, &whole, bytes)) {
            note_fault(m);
            return;
        }
    }
}

// Notes that the page at `offset` cannot be read, unless that is known. `note` is note_fault or
// note_unread.
static void lose_page(struct mapping *m, size_t offset, void (*note)(struct mapping *m))
{
    if (!mapping_has(m, offset, 1))
        return;
    note(m);
    unsigned number = atomic_fetch_add(&m->lost_pages, 1);
    if (number >= MAPPING_LOST_MAX) {
        atomic_store(&m->lost_pages, MAPPING_LOST_MAX);
        lose_tail(m, offset);
    } else {
        atomic_store(&m->lost[number], offset + 1);
        note(m);
    }
}

void mapping_lose_page(struct mapping *m, size_t offset)
{
    lose_page(m, offset / page_size() * page_size(), note_unread);
}

bool mapping_has(const struct mapping *m, size_t from, size_t len)
{
    size_t whole = atomic_load(&m->whole);
    if (from > whole || len > whole - from)
        return false;
    unsigned count = atomic_load(&m->lost_pages);
    for (unsigned i = 0; i < count && i < MAPPING_LOST_MAX; i++) {
        size_t page = atomic_load(&m->lost[i]);
        // 0: another thread is just noting a lost page. Until its offset is stored, it may be any.
        if (page == 0 || (from < page - 1 + page_size() && page - 1 < from + len))
            return false;
    }
    return true;
}

// Sets `*bytes` to the number of bytes of the mapping that the file has at present. Returns false
// when the system does not say.
static bool bytes_in_file(const struct mapping *m, size_t *bytes)
{
    struct stat status;
    if (fstat(m->fd, &status) != 0)
        return false;
    uint64_t size = (uint64_t)status.st_size;
    uint64_t there = size > m->at ? size - m->at : 0;
    *bytes = there < m->len ? (size_t)there : m->len;
    return true;
}

void mapping_compare(struct mapping *m)
{
    size_t bytes;
    if (bytes_in_file(m, &bytes))
        lose_tail(m, bytes);
    const volatile char *end = atomic_load(&m->end);
    // The file has its old length but another last byte. So it was cut and written again, from an
    // unknown offset on, and all bytes count as lost. If the file has become shorter in the
    // meantime, only the bytes after its end do. In a damaged mapping another last byte proves
    // nothing, because it may be filler.
    if (end == NULL || mapping_is_damaged(m) || *end == m->last)
        return;
    mapping_order_reads();
    if (!mapping_is_damaged(m))
        lose_tail(m, bytes_in_file(m, &bytes) && bytes < m->len ? bytes : 0);
}

size_t mapping_tail(struct span part)
{
    uintptr_t end = (uintptr_t)part.ptr + part.len;
    uintptr_t page = part.len > 0 ? (end - 1) / page_size() * page_size() : end;
    return page >= (uintptr_t)part.ptr ? end - page - 1 : part.len;
}

// ---- pages that are spoiled by others -----------------------------------------------------------

enum {
    HUGE_PAGE = 2 * 1024 * 1024,
    BLOCK = 4096,    // every disk can read an aligned block of this size past the page cache
    ALONE_TRIES = 4, // most tries to read a page alone into the page cache
    ALONE_TIMES = 8, // most faults in a row after which a page is read alone
};

#define OPEN_FILES "/proc/self/fd/" // the number of a descriptor follows

// Reads from offset `offset` on past the page cache, as pread does. `to`, `len` and `offset` are
// multiples of BLOCK. With an error other than EIO, the file system may be unable to do so.
static ssize_t read_from_disk(const struct mapping *m, size_t offset, void *to, size_t len)
{
    char path[sizeof OPEN_FILES + NUMBER_TEXT_MAX] = OPEN_FILES;
    path[sizeof OPEN_FILES - 1 + number_format(path + sizeof OPEN_FILES - 1, (unsigned)m->fd)] =
        '\0';
    int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = pread(fd, to, len, (off_t)(m->at + offset));
    int reason = errno;
    close(fd);
    errno = reason;
    return got;
}

// Reads the page at `offset` alone into the page cache. Returns false if that fails: the system
// keeps pages that other threads are just reading, and those may spoil it again.
static bool read_into_cache(const struct mapping *m, size_t offset)
{
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    char byte;
    ssize_t got = -1;
    size_t from = offset / HUGE_PAGE * HUGE_PAGE;
    size_t len = m->len - from < HUGE_PAGE ? m->len - from : HUGE_PAGE;
    void *part = (void *)((uintptr_t)m->begin + from);
    while (atomic_flag_test_and_set(&busy))
        sched_yield();
    (void)madvise(part, len, MADV_NOHUGEPAGE);
    (void)madvise(part, len, MADV_RANDOM); // one page at a time
    for (unsigned tries = 0; tries < ALONE_TRIES; tries++) {
        (void)posix_fadvise(m->fd, (off_t)(m->at + from), (off_t)len, POSIX_FADV_DONTNEED);
        got = pread(m->fd, &byte, 1, (off_t)(m->at + offset));
        if (got >= 0 || errno != EIO)
            break;
    }
    atomic_flag_clear(&busy);
    return got > 0;
}

// Like mapping_read_alone. `*cached` tells whether the page is in the page cache now.
//
// The signal handler calls this, so it only makes system calls, and the lock is a flag. The thread
// that holds it has no fault in a mapping.
static size_t read_alone(const struct mapping *m, size_t offset, struct bytes to, bool *cached)
{
    _Alignas(BLOCK) char block[BLOCK];
    size_t from = offset / BLOCK * BLOCK;
    ssize_t got = read_from_disk(m, from, block, BLOCK);
    if (got == 0 || (got < 0 && errno == EIO))
        return 0;
    *cached = read_into_cache(m, offset);
    if (got < 0)
        got = *cached ? pread(m->fd, block, BLOCK, (off_t)(m->at + from)) : -1;
    size_t before = offset - from;
    if (got < 0 || (size_t)got <= before)
        return 0;
    size_t len = (size_t)got - before < to.len ? (size_t)got - before : to.len;
    memcpy(to.ptr, block + before, len);
    return len;
}

size_t mapping_read_alone(const struct mapping *m, size_t offset, struct bytes to)
{
    bool cached;
    return read_alone(m, offset, to, &cached);
}

// ---- faults -------------------------------------------------------------------------------------

// Returns memory for a page, or MAP_FAILED. A new page is filled there and then moved as a whole.
// If it were filled in its place, another thread with the same fault could replace it meanwhile.
static void *new_page(void)
{
    return mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

// Replaces a page by `memory`, which is freed if that fails.
static bool move_page(void *memory, uintptr_t page)
{
    if (mremap(memory, page_size(), page_size(), MREMAP_MAYMOVE | MREMAP_FIXED, (void *)page) !=
        MAP_FAILED)
        return true;
    munmap(memory, page_size());
    return false;
}

// Replaces a page by a page of filler. Returns false when the system has no memory for a page.
static bool fill_page(uintptr_t page, char filler)
{
    void *memory = new_page();
    if (memory == MAP_FAILED)
        return false;
    if (filler != '\0')
        memset(memory, filler, page_size());
    return move_page(memory, page);
}

// Replaces a page by a copy of what the disk has of it. Returns false when the disk cannot read all
// of it, or the system has no memory for a page.
static bool copy_page(const struct mapping *m, uintptr_t page)
{
    size_t offset = page - (uintptr_t)m->begin;
    size_t wanted = m->len - offset < page_size() ? m->len - offset : page_size();
    void *memory = new_page();
    if (memory == MAP_FAILED)
        return false;
    ssize_t got = read_from_disk(m, offset, memory, page_size());
    if (got >= 0 && (size_t)got >= wanted)
        return move_page(memory, page);
    munmap(memory, page_size());
    return false;
}

// Replaces the page at `offset` by filler and all pages after it by zeros, unless that was done
// before. Returns false when the system has no memory.
static bool replace_tail(struct mapping *m, size_t offset)
{
    size_t end = page_round_up(m->len);
    if (atomic_load(&m->replaced_from) != 0 && atomic_load(&m->replaced_from) <= offset + 1)
        return true;
    if (mmap((void *)((uintptr_t)m->begin + offset), end - offset, PROT_READ,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
        return false;
    size_t present = atomic_load(&m->replaced_from);
    while ((present == 0 || offset + 1 < present) &&
           !atomic_compare_exchange_strong(&m->replaced_from, &present, offset + 1))
        ;
    return fill_page((uintptr_t)m->begin + offset, m->filler);
}

// Whether `page` of the file could not be read only because another page could not, and can be read
// now. Other threads may spoil it again at once. If it faults again and again, it is taken for
// lost.
static bool was_spoiled(const struct mapping *m, uintptr_t page)
{
    static _Thread_local uintptr_t last;
    static _Thread_local unsigned times; // faults of `last` in a row
    char byte;
    bool cached;
    times = page == last ? times + 1 : 1;
    last = page;
    return times <= ALONE_TIMES &&
           read_alone(m, page - (uintptr_t)m->begin, (struct bytes){&byte, 1}, &cached) > 0 &&
           (cached || copy_page(m, page));
}

// Notes the damage and makes `page` readable. When the file was cut, all pages after its end are
// replaced at once. Only the first of them and `page` are filled with filler, the other pages with
// zeros. The filler is a byte that readers search for, such as a newline. Without it a search could
// run to the end of the mapping. Returns false when the system has no memory.
static bool repair(struct mapping *m, uintptr_t page)
{
    size_t offset = page - (uintptr_t)m->begin;
    size_t bytes;
    bool known = bytes_in_file(m, &bytes);
    size_t tail = known ? page_round_up(bytes) : 0;
    if (page == (uintptr_t)m->end_page) {
        lose_tail(m, known && bytes < m->len ? bytes : 0);
        note_fault(m);
        return fill_page(page, m->filler);
    }
    if (known && offset < tail && was_spoiled(m, page))
        return true;
    if (!known || offset < tail) {
        lose_page(m, offset, note_fault);
        note_fault(m);
        return fill_page(page, m->filler);
    }
    lose_tail(m, bytes);
    note_fault(m);
    return replace_tail(m, tail) && (offset == tail || fill_page(page, m->filler));
}

// Returns the guarded mapping that has the address, or NULL.
static struct mapping *find_mapping(uintptr_t address)
{
    for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
        struct table_entry *e = &entries[i];
        unsigned version = atomic_load(&e->version);
        uintptr_t begin = atomic_load(&e->begin);
        uintptr_t end = atomic_load(&e->end);
        struct mapping *m = atomic_load(&e->mapping);
        // A changed version means that another thread was writing the entry. Such an entry cannot
        // be the one in question: the interrupted thread reads that mapping, so nobody releases it.
        if (m != NULL && address >= begin && address < end && version % 2 == 0 &&
            atomic_load(&e->version) == version)
            return m;
    }
    return NULL;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int reason = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    bool sent = info->si_code <= 0; // a process has sent the signal; there is no fault
    struct mapping *m = sent ? NULL : find_mapping(address);
    if (m != NULL && repair(m, address / page_size() * page_size())) {
        errno = reason;
        return;
    }
    if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
        previous_action.sa_sigaction(number, info, context);
    } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
        previous_action.sa_handler(number);
    } else {
        // The default action ends the process. A fault happens again when the handler returns; a
        // signal that a process has sent is raised again.
        signal(number, SIG_DFL);
        if (sent)
            raise(number);
    }
    errno = reason;
}

void mapping_catch_faults(void)
{
    struct sigaction present;
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigset_t faults;
    sigemptyset(&ours.sa_mask);
    sigemptyset(&faults);
    sigaddset(&faults, SIGBUS);
    if (sigaction(SIGBUS, NULL, &present) == 0 && present.sa_sigaction != on_fault) {
        previous_action = present;
        sigaction(SIGBUS, &ours, NULL);
    }
    // The parent process may have blocked SIGBUS, and a fault would then kill this process.
    pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
}

bool mapping_faults_are_caught(void)
{
    struct sigaction present;
    sigset_t blocked;
    return sigaction(SIGBUS, NULL, &present) == 0 && present.sa_sigaction == on_fault &&
           pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, SIGBUS) == 0;
}

// ---- the table ----------------------------------------------------------------------------------

static void entry_set(struct table_entry *e, uintptr_t begin, uintptr_t end, struct mapping *m)
{
    atomic_fetch_add(&e->version, 1);
    atomic_store(&e->begin, begin);
    atomic_store(&e->end, end);
    atomic_store(&e->mapping, m);
    atomic_fetch_add(&e->version, 1);
}

// Adds the mapping to the table. Returns the number of its entry, from 1; 0 when the table is full.
static unsigned entry_add(const void *begin, size_t len, struct mapping *m)
{
    unsigned number = 0;
    pthread_mutex_lock(&entries_lock);
    while (number < MAPPINGS_MAX && atomic_load(&entries[number].mapping) != NULL)
        number++;
    if (number < MAPPINGS_MAX)
        entry_set(&entries[number], (uintptr_t)begin, (uintptr_t)begin + page_round_up(len), m);
    pthread_mutex_unlock(&entries_lock);
    return number < MAPPINGS_MAX ? number + 1 : 0;
}

// 0 is accepted.
static void entry_remove(unsigned number)
{
    if (number == 0)
        return;
    pthread_mutex_lock(&entries_lock);
    entry_set(&entries[number - 1], 0, 0, NULL);
    pthread_mutex_unlock(&entries_lock);
}

bool mapping_guard(struct mapping *m, int fd)
{
    assert((uintptr_t)m->begin % page_size() == 0 && m->at % page_size() == 0);
    m->fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (m->fd < 0)
        return false;
    atomic_store(&m->limit, m->len);
    atomic_store(&m->whole, m->len);
    unsigned entry = entry_add(m->begin, m->len, m);
    if (entry == 0) {
        close(m->fd);
        errno = ENOMEM;
        return false;
    }
    const char *end = atomic_load(&m->end);
    if (end != NULL)
        m->last = *(const volatile char *)end;
    atomic_store_explicit(&m->entry, entry, memory_order_release);
    return true;
}

void mapping_watch_end(struct mapping *m)
{
    struct stat status;
    if (fstat(m->fd, &status) != 0 || status.st_size == 0)
        return;
    uint64_t last = (uint64_t)status.st_size - 1;
    uint64_t at = last / page_size() * page_size();
    void *page = mapping_map(NULL, page_size(), 0, m->fd, at);
    if (page == MAP_FAILED)
        return;
    m->end_entry = entry_add(page, page_size(), m);
    if (m->end_entry == 0) {
        munmap(page, page_size());
        return;
    }
    m->end_page = page;
    atomic_store_explicit(&m->end, (const char *)page + (last - at), memory_order_release);
}

void mapping_release(struct mapping *m)
{
    unsigned entry = atomic_load(&m->entry);
    if (entry == 0)
        return;
    entry_remove(entry);
    entry_remove(m->end_entry);
    if (m->end_page != NULL)
        munmap(m->end_page, page_size());
    close(m->fd);
    atomic_store(&m->entry, 0);
}

void mapping_of_memory(struct mapping *m, const char *begin, size_t len)
{
    m->begin = begin;
    m->len = len;
    m->last = len > 0 ? begin[len - 1] : '\n';
    atomic_store(&m->limit, len);
    atomic_store(&m->whole, len);
}
