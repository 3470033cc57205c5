// Log lines in Redis's form: `pid:role date time.ms mark message`. State is set once at start.
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

enum { LOG_LINE_MAX = 1024 }; // bytes; a longer line is cut

static const char *const level_names[] = {"debug", "verbose", "notice", "warning"};
static const char level_marks[] = ".-*#";

static struct {
    int fd;
    _Atomic enum log_level level;
} state = {STDERR_FILENO, LOG_NOTICE};

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_open(const char *path, enum log_level level, struct error *error)
{
    int fd = STDERR_FILENO;
    if (*path != '\0') {
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0) {
            error_set(error, "cannot open log file '%s': %s", path, strerror(errno));
            return false;
        }
    }
    state.fd = fd;
    state.level = level;
    return true;
}

void log_set_level(enum log_level level)
{
    state.level = level;
}

void log_write(enum log_level level, const char *format, ...)
{
    if (level < atomic_load_explicit(&state.level, memory_order_relaxed))
        return;
    char line[LOG_LINE_MAX];
    struct timespec now;
    struct tm date;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &date);
    size_t len = (size_t)snprintf(line, sizeof line, "%d:M ", (int)getpid());
    len += strftime(line + len, sizeof line - len, "%d %b %Y %H:%M:%S", &date);
    len += (size_t)snprintf(line + len, sizeof line - len, ".%03ld %c ", now.tv_nsec / 1000000,
                            level_marks[level]);
    va_list args;
    va_start(args, format);
    int message = vsnprintf(line + len, sizeof line - len - 1, format, args);
    va_end(args);
    if (message > 0)
        len += (size_t)message < sizeof line - len - 1 ? (size_t)message : sizeof line - len - 2;
    line[len++] = '\n';
    // A log that cannot be written must not stop the server, so the outcome is not looked at.
    ssize_t written = write(state.fd, line, len);
    (void)written;
}
