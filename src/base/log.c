// Writes log lines in Redis's form: `pid:role date time.ms mark message`.
//
// A pipe that nobody reads, and a terminal that was stopped, accept no more lines. A thread that
// serves clients must not wait for them. So a line that is not accepted is dropped, and the log
// says later how many were.
//
// Two things keep a write from waiting: poll(2) checks for room before each write, and the file is
// opened with O_NONBLOCK. Standard error is open already. If O_NONBLOCK were set on it, that would
// affect all processes that share the open file, such as the shell of a terminal. So a pipe or a
// terminal is opened again. A socket cannot be opened again, so it has only the check by poll(2).
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/escape.h"

enum { LOG_LINE_MAX = 1024 }; // bytes; a longer line is cut

static const char level_marks[] = ".-*#";

static const char *const priorities[] = {"<7>", "<6>", "<5>", "<4>", "<3>"}; // of syslog(3)

static struct {
    int fd;           // descriptor of the log; after log_open, changed only with `writing` held
    const char *path; // path of the log file, borrowed; NULL: standard error
    bool journal;     // journald reads the log
    _Atomic enum log_level level; // lines below this level are not written
    atomic_bool reopen;           // open the file again before the next line
    pthread_mutex_t writing;      // held while a line is written
    unsigned long dropped;        // number of lines dropped since the last one that was accepted
    // Returns why a log file must not be used, as log_check describes. NULL: every file may be
    // used.
    const char *(*fault)(const char *path, int fd);
} state = {.fd = STDERR_FILENO, .level = LOG_NOTICE, .writing = PTHREAD_MUTEX_INITIALIZER};

// Returns a descriptor of standard error. A pipe or terminal is opened again with O_NONBLOCK, which
// then does not affect other processes. O_NONBLOCK is needed although poll(2) checks for room: a
// terminal may have room for only a part of a line, and another process may use the room first.
static int open_standard_error(void)
{
    struct stat status;
    if (fstat(STDERR_FILENO, &status) != 0 ||
        !(S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
        return STDERR_FILENO;
    int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd >= 0 ? fd : STDERR_FILENO;
}

// Whether standard error is the stream that systemd has connected to journald. The environment
// variable JOURNAL_STREAM names that stream, but standard error may have been redirected since
// systemd set the variable. So the two are compared.
static bool is_journal(void)
{
    const char *named = getenv("JOURNAL_STREAM");
    unsigned long long device;
    unsigned long long inode;
    struct stat status;
    return named != NULL && sscanf(named, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == (dev_t)device &&
           status.st_ino == (ino_t)inode;
}

const char *log_priority(unsigned level)
{
    return is_journal() ? priorities[level] : "";
}

// Opens the log file and returns its descriptor. Returns -1 with `*reason` when the file cannot be
// opened, or when `state.fault` refuses it. With O_NONBLOCK the call fails for a FIFO that nobody
// reads, instead of waiting.
static int open_file(const char *path, const char **reason)
{
    *reason = state.fault != NULL ? state.fault(path, -1) : NULL;
    if (*reason != NULL)
        return -1;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
    *reason = fd < 0 ? strerror(errno) : state.fault != NULL ? state.fault(path, fd) : NULL;
    if (fd < 0 || *reason == NULL)
        return fd;
    close(fd);
    return -1;
}

void log_check(const char *(*fault)(const char *path, int fd))
{
    state.fault = fault;
}

bool log_open(const char *path, enum log_level level, struct error *error)
{
    const char *reason = NULL;
    bool file = *path != '\0';
    int fd = file ? open_file(path, &reason) : open_standard_error();
    if (fd < 0) {
        error_set(error, "cannot open log file '%s': %s", path, reason);
        return false;
    }
    state.fd = fd;
    state.path = file ? path : NULL;
    state.journal = !file && is_journal();
    state.level = level;
    return true;
}

void log_reopen_soon(void)
{
    atomic_store(&state.reopen, true);
}

void log_set_level(enum log_level level)
{
    state.level = level;
}

// Writes the beginning of a line: process, time and level. Returns its length.
static size_t begin_line(char *line, size_t size, enum log_level level)
{
    struct timespec now;
    struct tm date;
    if (state.journal)
        return (size_t)snprintf(line, size, "%s%c ", priorities[level], level_marks[level]);
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &date);
    size_t len = (size_t)snprintf(line, size, "%d:M ", (int)getpid());
    len += strftime(line + len, size - len, "%d %b %Y %H:%M:%S", &date);
    len += (size_t)snprintf(line + len, size - len, ".%03ld %c ", now.tv_nsec / 1000000,
                            level_marks[level]);
    return len;
}

// Writes a line without waiting. Returns false when it was not accepted as a whole. A pipe that
// reports room has room for a page, so for a whole line.
static bool try_write(const char *line, size_t len)
{
    struct pollfd room = {state.fd, POLLOUT, 0};
    return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0 &&
           write(state.fd, line, len) == (ssize_t)len;
}

// Writes a line that says how many lines were dropped, if any were. Returns false when that line is
// not accepted either; then no other line would be.
static bool report_dropped(void)
{
    char line[LOG_LINE_MAX];
    if (state.dropped == 0)
        return true;
    size_t len = begin_line(line, sizeof line, LOG_WARNING);
    len += (size_t)snprintf(line + len, sizeof line - len,
                            "%lu lines are missing here, because the log accepted no more\n",
                            state.dropped);
    if (!try_write(line, len))
        return false;
    state.dropped = 0;
    return true;
}

// Writes a line, or counts it as dropped. The caller holds the lock.
static void write_line(const char *line, size_t len)
{
    if (!report_dropped() || !try_write(line, len))
        state.dropped++;
}

// Opens the log file again, if that was requested. The caller holds the lock. Returns false when
// the file cannot be opened, after writing a warning to the old file.
static bool reopen(void)
{
    char line[LOG_LINE_MAX];
    if (!atomic_exchange(&state.reopen, false) || state.path == NULL)
        return true;
    const char *reason;
    int fd = open_file(state.path, &reason);
    if (fd >= 0) {
        close(state.fd);
        state.fd = fd;
        return true;
    }
    size_t len = begin_line(line, sizeof line, LOG_WARNING);
    snprintf(line + len, sizeof line - len,
             "cannot open log file '%s' again: %s; the old file stays in use", state.path, reason);
    len += escape_in_place(line + len, sizeof line - len - 1);
    line[len++] = '\n';
    write_line(line, len);
    return false;
}

bool log_reopen(void)
{
    atomic_store(&state.reopen, true);
    pthread_mutex_lock(&state.writing);
    bool opened = reopen();
    pthread_mutex_unlock(&state.writing);
    return opened;
}

bool log_is_due(_Atomic uint64_t *logged_at, uint64_t now, uint64_t interval)
{
    uint64_t last = atomic_load(logged_at);
    if (last > 0 && (now < last || now - last < interval))
        return false;
    return atomic_compare_exchange_strong(logged_at, &last, now);
}

void log_write(enum log_level level, const char *format, ...)
{
    if (level < atomic_load_explicit(&state.level, memory_order_relaxed))
        return;
    char line[LOG_LINE_MAX];
    size_t len = begin_line(line, sizeof line, level);
    va_list args;
    va_start(args, format);
    line[len] = '\0';
    vsnprintf(line + len, sizeof line - len - 1, format, args);
    va_end(args);
    len += escape_in_place(line + len, sizeof line - len - 1); // leaves a byte for the newline
    line[len++] = '\n';
    // The lock is needed because two threads may both find room, but only for one line. It costs
    // little, because the thread that holds it never waits for the log.
    pthread_mutex_lock(&state.writing);
    (void)reopen();
    write_line(line, len);
    pthread_mutex_unlock(&state.writing);
}
