// Fault F29 (docs/faults.md): some clients ask for thousands of lines that are not in memory.
// Another client's single line is read after a bounded number of theirs. The test counts reads, and
// measures no time.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "faults/support/slow_disk.h"
#include "faults/support/slow_server.h"
#include "serve/readers.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"

enum { FLOODS_MAX = 3, KEYS = 1000, ROUNDS = 5 };

// The single lines are those from SINGLE on, one in each round; the floods ask for lines before it.
enum { SINGLE = 3600, FLOOD_FIRST = 600 };

static void append_value(struct buf *to, unsigned i)
{
    struct buf value = {0};
    slow_value(&value, 'a', i);
    append_bulk(to, buf_span(&value));
    buf_release(&value);
}

static unsigned flood_key(unsigned flood, unsigned n)
{
    return FLOOD_FIRST + (n * 37 + flood * 1009) % (SINGLE - FLOOD_FIRST);
}

static void send_flood(int fd, unsigned flood, struct buf *wanted)
{
    struct buf request = {0};
    buf_printf(&request, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
    buf_printf(wanted, "*%d\r\n", KEYS);
    for (unsigned n = 0; n < KEYS; n++) {
        append_bulk(&request, span_text(slow_key(flood_key(flood, n))));
        append_value(wanted, flood_key(flood, n));
    }
    require(send_all(fd, buf_span(&request)), "cannot send");
    buf_release(&request);
}

// Returns how many reads began after the first `before`, and before that of line `i`.
static unsigned reads_before(unsigned before, unsigned i)
{
    const struct slow_disk_reads *reads = slow_disk_reads();
    for (unsigned n = before; n < reads->begun && n < SLOW_DISK_NOTED; n++)
        if (reads->waited_at[n] == i * SLOW_LINE - 1) // from the newline before the line
            return n - before;
    return SLOW_DISK_NOTED;
}

// Lets one read end after the other until line `i` is read. It waits for the thread whose read has
// ended to begin the next: otherwise, how many lines the other threads read meanwhile would depend
// on when that thread gets a processor. Returns what reads_before returns.
static unsigned read_in_turns(unsigned before, unsigned i)
{
    unsigned others;
    while ((others = reads_before(before, i)) == SLOW_DISK_NOTED) {
        unsigned begun = slow_disk_reads()->begun;
        require(begun < SLOW_DISK_NOTED, "the line is not read");
        slow_disk_let_one_go();
        // A thread begins no other read if the threads share the last lines that were asked for.
        slow_disk_await_begun(begun + 1);
    }
    return others;
}

// `floods` clients ask for KEYS lines each, and `readers` threads are all busy with them. Then
// another client asks for one line. Before it come the parts that threads work on, and one part of
// each flood.
static void check_flood(unsigned round, unsigned readers, unsigned floods)
{
    int fds[FLOODS_MAX];
    struct buf wanted[FLOODS_MAX] = {0};
    char text[64];
    int single = slow_client();
    unsigned line = SINGLE + round * 40;
    slow_disk_hold(true);
    for (unsigned i = 0; i < floods; i++) {
        fds[i] = slow_client();
        send_flood(fds[i], i, &wanted[i]);
    }
    slow_disk_await_held(readers);
    // The reply to PING shows that the GET behind it waits, too.
    snprintf(text, sizeof text, "PING\nGET %s", slow_key(line));
    slow_send(single, text);
    is_bytes(slow_replies(single, 1), span_text("+PONG\r\n"), "(the client is served)");
    unsigned others = read_in_turns(slow_disk_reads()->begun, line);
    slow_disk_hold(false);
    struct buf value = {0};
    append_value(&value, line);
    is_bytes(slow_replies(single, 1), buf_span(&value), "the single line has its value");
    unsigned most = (readers + floods) * READERS_AT_ONCE;
    ok(others <= most, "%u threads, %u floods of %d lines: it is read after %u others, at most %u",
       readers, floods, KEYS, others, most);
    for (unsigned i = 0; i < floods; i++) {
        is_bytes(slow_replies(fds[i], 1), buf_span(&wanted[i]), "a flood gets all its values");
        close(fds[i]);
        buf_release(&wanted[i]);
    }
    buf_release(&value);
    close(single);
}

static void check_floods(unsigned readers)
{
    slow_server_start(readers, false);
    for (unsigned round = 0; round < ROUNDS; round++)
        check_flood(round, readers, 1 + round % FLOODS_MAX);
    slow_server_stop();
}

int main(void)
{
    check_floods(1);
    check_floods(3);
    return done_testing();
}
