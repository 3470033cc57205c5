// A library for the programs that qemu-user 7.2 runs (LD_PRELOAD). It mends two faults of
// qemu-user:
//
// - On a processor of the other byte order, the handler of a bus error gets an address whose two
//   halves of 32 bits are exchanged. They are exchanged again. An address has at most ADDRESS_BITS
//   bits there, so one that has more is wrong.
// - It has no preadv2. RWF_NOWAIT is replaced by mincore, which returns what is in memory.
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ADDRESS_BITS = 47,
    PAGES_MAX = 64, // most pages of which preadv2 reads without waiting
};

// Programs that this one starts are of the host. They cannot load the library.
__attribute__((constructor)) static void forget(void)
{
    unsetenv("LD_PRELOAD");
}

// ---- bus errors ---------------------------------------------------------------------------------

static void (*handler)(int number, siginfo_t *info, void *context); // the program's, of SIGBUS

static void on_fault(int number, siginfo_t *info, void *context)
{
    uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
    if (info->si_code > 0 && address >> ADDRESS_BITS != 0)
        info->si_addr = (void *)(uintptr_t)(address << 32 | address >> 32);
    handler(number, info, context);
}

// Stands for the function of the C library. It differs only for handlers of SIGBUS that get the
// address.
int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
    int (*original)(int, const struct sigaction *, struct sigaction *) =
        (int (*)(int, const struct sigaction *, struct sigaction *))dlsym(RTLD_NEXT, "sigaction");
    void (*before)(int, siginfo_t *, void *) = handler;
    struct sigaction ours;
    if (number == SIGBUS && new != NULL && (new->sa_flags &SA_SIGINFO) != 0) {
        handler = new->sa_sigaction;
        ours = *new;
        ours.sa_sigaction = on_fault;
        new = &ours;
    }
    int result = original(number, new, old);
    if (number == SIGBUS && old != NULL && old->sa_sigaction == on_fault)
        old->sa_sigaction = before;
    return result;
}

// ---- reading without waiting --------------------------------------------------------------------

// Returns how many of the `len` bytes of a file from offset `at` on can be read without waiting.
static size_t in_memory(int fd, off_t at, size_t len)
{
    unsigned char pages[PAGES_MAX];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (size_t)at % page;
    size_t count = (before + len + page - 1) / page;
    size_t good = 0;
    if (count > PAGES_MAX)
        count = PAGES_MAX;
    void *memory = mmap(NULL, count * page, PROT_READ, MAP_SHARED, fd, at - (off_t)before);
    if (memory == MAP_FAILED)
        return 0;
    if (mincore(memory, count * page, pages) == 0)
        while (good < count && (pages[good] & 1) != 0)
            good++;
    munmap(memory, count * page);
    size_t bytes = good > 0 ? good * page - before : 0;
    return bytes < len ? bytes : len;
}

// Stands for the function of the C library, as far as the server calls it.
ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t at, int flags)
{
    if (flags != RWF_NOWAIT || count != 1)
        return preadv(fd, vectors, count, at);
    size_t len = in_memory(fd, at, vectors->iov_len);
    if (len > 0)
        return pread(fd, vectors->iov_base, len, at);
    errno = EAGAIN;
    return -1;
}
