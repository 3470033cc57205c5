// One lock guards everything. A read that is held waits for its turn at a condition.
#include "faults/support/slow_disk.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/preadv2.h"
#include "support/tap.h"

enum { PATIENCE = 20 }; // seconds

struct range {
    uint64_t from;
    uint64_t to;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static struct {
    struct range cold;
    struct range failing;
    int error;
    size_t most;
    bool holds;
    bool refuses;
    bool lacks;
    uint64_t arrived;  // number of reads that have been held
    uint64_t released; // reads with a number up to this one may go
    unsigned held;
    struct slow_disk_reads reads;
} disk;
static _Atomic uint64_t memory;
static _Atomic unsigned faults;

static bool has(struct range range, uint64_t at)
{
    return at >= range.from && at < range.to;
}

void slow_disk_reset(void)
{
    slow_disk_hold(false);
    pthread_mutex_lock(&lock);
    require(disk.held == 0, "a read is held");
    memset(&disk, 0, sizeof disk);
    pthread_mutex_unlock(&lock);
    memory = 0;
    faults = 0;
}

void slow_disk_faults(unsigned count)
{
    faults = count;
}

void slow_disk_memory(uint64_t bytes)
{
    memory = bytes;
}

void slow_disk_cold(uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&lock);
    disk.cold = (struct range){from, to};
    pthread_mutex_unlock(&lock);
}

void slow_disk_hold(bool hold)
{
    pthread_mutex_lock(&lock);
    disk.holds = hold;
    pthread_cond_broadcast(&changed);
    while (!hold && disk.held > 0)
        pthread_cond_wait(&changed, &lock);
    disk.released = disk.arrived;
    pthread_mutex_unlock(&lock);
}

void slow_disk_let_one_go(void)
{
    pthread_mutex_lock(&lock);
    disk.released++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static struct timespec in_seconds(time_t seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    return until;
}

void slow_disk_await_begun(unsigned count)
{
    struct timespec until = in_seconds(1);
    int failed = 0;
    pthread_mutex_lock(&lock);
    while (disk.reads.begun < count && failed == 0)
        failed = pthread_cond_timedwait(&changed, &lock, &until);
    pthread_mutex_unlock(&lock);
}

void slow_disk_await_held(unsigned count)
{
    struct timespec until = in_seconds(PATIENCE);
    int failed = 0;
    pthread_mutex_lock(&lock);
    while (disk.held < count && failed == 0)
        failed = pthread_cond_timedwait(&changed, &lock, &until);
    unsigned held = disk.held;
    pthread_mutex_unlock(&lock);
    require(held >= count, "%u reads are held, not %u", held, count);
}

unsigned slow_disk_held(void)
{
    pthread_mutex_lock(&lock);
    unsigned held = disk.held;
    pthread_mutex_unlock(&lock);
    return held;
}

void slow_disk_fail(uint64_t from, uint64_t to, int error)
{
    pthread_mutex_lock(&lock);
    disk.failing = (struct range){from, to};
    disk.error = error;
    pthread_mutex_unlock(&lock);
}

void slow_disk_refuse(void)
{
    pthread_mutex_lock(&lock);
    disk.refuses = true;
    pthread_mutex_unlock(&lock);
}

void slow_disk_lack(void)
{
    pthread_mutex_lock(&lock);
    disk.lacks = true;
    pthread_mutex_unlock(&lock);
}

void slow_disk_shorten(size_t most)
{
    pthread_mutex_lock(&lock);
    disk.most = most;
    pthread_mutex_unlock(&lock);
}

const struct slow_disk_reads *slow_disk_reads(void)
{
    static struct slow_disk_reads copy;
    pthread_mutex_lock(&lock);
    copy = disk.reads;
    pthread_mutex_unlock(&lock);
    return &copy;
}

// Holds a read that waits for cold bytes. The caller has the lock.
static void hold(void)
{
    uint64_t number = ++disk.arrived;
    disk.held++;
    pthread_cond_broadcast(&changed);
    while (disk.holds && number > disk.released)
        pthread_cond_wait(&changed, &lock);
    disk.held--;
    pthread_cond_broadcast(&changed);
}

// Notes a read. Returns 0, or the errno with which it fails. Shortens `*part`.
static int begin(uint64_t at, bool waits, struct iovec *part)
{
    struct slow_disk_reads *reads = &disk.reads;
    if (!waits && reads->asked < SLOW_DISK_NOTED)
        reads->asked_at[reads->asked] = at;
    if (waits && reads->begun < SLOW_DISK_NOTED)
        reads->waited_at[reads->begun] = at;
    reads->asked += !waits;
    reads->begun += waits;
    if (waits)
        pthread_cond_broadcast(&changed);
    if (disk.lacks)
        return ENOSYS;
    if (disk.refuses && !waits)
        return EOPNOTSUPP;
    if (has(disk.cold, at)) {
        if (!waits)
            return EAGAIN;
        if (disk.holds)
            hold();
    }
    reads->waited += waits;
    if (has(disk.failing, at))
        return disk.error;
    if (at < disk.failing.from && part->iov_len > disk.failing.from - at)
        part->iov_len = disk.failing.from - at;
    if (!waits && at < disk.cold.from && part->iov_len > disk.cold.from - at)
        part->iov_len = disk.cold.from - at;
    if (disk.most > 0 && part->iov_len > disk.most)
        part->iov_len = disk.most;
    return 0;
}

ssize_t __real_preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags)
{
    struct iovec part = vectors[0];
    require(count == 1, "a read into %d buffers", count);
    pthread_mutex_lock(&lock);
    errno = begin((uint64_t)at, (flags & RWF_NOWAIT) == 0, &part);
    pthread_mutex_unlock(&lock);
    return errno != 0 ? -1 : __real_preadv2(fd, &part, 1, at, flags);
}

ssize_t __real_pread(int fd, void *to, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t len, off_t at)
{
    pthread_mutex_lock(&lock);
    bool fails = (uint64_t)at < disk.failing.to && (uint64_t)at + len > disk.failing.from;
    errno = fails ? disk.error : 0;
    pthread_mutex_unlock(&lock);
    return fails ? -1 : __real_pread(fd, to, len, at);
}

uint64_t __real_process_memory_allowed(void);
uint64_t __wrap_process_memory_allowed(void);
uint64_t __wrap_process_memory_allowed(void)
{
    return memory > 0 ? memory : __real_process_memory_allowed();
}

int __real_getrusage(int who, struct rusage *usage);
int __wrap_getrusage(int who, struct rusage *usage);
int __wrap_getrusage(int who, struct rusage *usage)
{
    int result = __real_getrusage(who, usage);
    usage->ru_majflt += (long)faults;
    return result;
}
