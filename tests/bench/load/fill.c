// Stores with `noreply`, so that no replies have to be read. The number of items that memcached
// reports at the end shows whether all lines were stored.
#include "bench/load/fill.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "bench/load/connect.h"
#include "bench/load/protocol.h"

enum {
    GATHERED = 1 << 18,         // bytes that are gathered before they are sent
    LINES_PER_REPORT = 1 << 17, // lines between two reports of progress
    STATS_MAX = 1 << 16,
};

static bool send_whole(int fd, struct buf *from, struct error *error)
{
    for (size_t sent = 0; sent < from->len;) {
        ssize_t n = send(fd, from->ptr + sent, from->len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            error_set(error, "cannot write to memcached: %s", strerror(errno));
            return false;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    from->len = 0;
    return true;
}

static bool send_lines(int fd, const struct data_file *file, bool progress, struct buf *to,
                       struct error *error)
{
    for (size_t i = 0; i < file->count; i++) {
        protocol_append_set(data_file_key(file, i), data_file_value(file, i), to);
        if (to->oom) {
            error_set(error, "no memory for requests");
            return false;
        }
        if (to->len >= GATHERED && !send_whole(fd, to, error))
            return false;
        if (progress && i % LINES_PER_REPORT == 0)
            fprintf(stderr, "\r\033[Kstoring %3.0f %%", 100 * (double)i / (double)file->count);
    }
    if (progress)
        fputs("\r\033[K", stderr);
    buf_append_text(to, "stats\r\n");
    return send_whole(fd, to, error);
}

// Returns the number after "STAT curr_items ", or -1 when memcached sends something else.
static long long read_count(int fd, struct buf *answer)
{
    static const char wanted[] = "STAT curr_items ";
    while (answer->len < STATS_MAX) {
        char *room = buf_reserve(answer, STATS_MAX);
        ssize_t n = room != NULL ? recv(fd, room, STATS_MAX - 1, 0) : 0;
        if (n <= 0)
            break;
        answer->len += (size_t)n;
        answer->ptr[answer->len] = '\0';
        const char *end = strstr(answer->ptr, "\r\nEND\r\n");
        const char *found = strstr(answer->ptr, wanted);
        if (end != NULL)
            return found != NULL ? strtoll(found + sizeof wanted - 1, NULL, 10) : -1;
    }
    return -1;
}

static bool require_count(int fd, size_t wanted, struct error *error)
{
    struct buf answer = {0};
    long long count = read_count(fd, &answer);
    bool good = count == (long long)wanted;
    if (count < 0)
        error_set(error, "memcached does not report its number of items: '%.*s'",
                  (int)strcspn(answer.len > 0 ? answer.ptr : "", "\r\n"),
                  answer.len > 0 ? answer.ptr : "");
    else if (!good)
        error_set(error, "memcached has %lld items instead of %zu", count, wanted);
    buf_release(&answer);
    return good;
}

bool fill_memcached(const char *address, const struct data_file *file, bool progress,
                    struct error *error)
{
    struct buf to = {0};
    int fd = connect_to(address, error);
    bool good = fd >= 0 && send_lines(fd, file, progress, &to, error) &&
                require_count(fd, file->count, error);
    if (fd >= 0)
        close(fd);
    buf_release(&to);
    return good;
}
