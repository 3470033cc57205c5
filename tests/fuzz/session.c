// Fuzz target: whatever clients send, and however it is cut, each gets valid RESP of the protocol
// it has chosen, a reply to every request, and never more than it may make us keep. Datasets take
// each other's place meanwhile: a reply, also an EXEC's, is of one of them, and whoever has heard a
// new one does not hear the one before it again.
//
// An input is what four clients of two loops send, and when. Its first byte chooses the settings.
// Behind it stand bytes that a client sends, but for 0xff and a letter, which says what happens
// (see act). At the end everybody reads and everything is delivered, and each client's PING must be
// answered as its session says. Replies are read as a stream, by a reader that trusts nothing.
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/output.h"
#include "data/dataset.h"
#include "data/uuid_text.h"
#include "serve/feed.h"
#include "serve/session.h"
#include "serve/transaction.h"
#include "support/fuzz.h"
#include "support/service.h"
#include "support/talk.h"
#include "unit/support/loops.h"

enum {
    LOOPS = 2,
    CLIENTS = 4,       // the even ones are the first loop's
    ESCAPE = 0xff,     // before what is no byte that a client sends
    LONG_VALUE = 2000, // LCS takes what two of them need
    HUGE_VALUE = 70000,
    DEPTH_MAX = 12,              // of replies within replies
    LONGEST_LINE = 4096,         // of a reply
    TAIL = 64,                   // bytes of a client's last replies that are kept
    ONE_REPLY = 160 * 1024,      // the largest that is no word of the client's own
    HEARD_MAX = 4 * 1024 * 1024, // bytes of replies, behind which an input has had its time
    TURNS_MAX = 100 * 1000,
    DATASETS = 3,        // the second has the keys of the first, the third others
    VERSIONS_MAX = 64,   // of the dataset of a loop
    KEYS_CHECKED = 2000, // of those that are heard
    KEY_START = 24,      // bytes that are the same for the keys of a dataset
    LONGEST_WORD = 16,   // of those that are looked for in what a client sends
    MARK_LEN = 3,
};

// What each value begins with that is not empty, and then the letter of its dataset.
static const char mark[] = "\x01=";
static const char *const key_starts[DATASETS] = {
    "00000000-0000-4000-8000-", "00000000-0000-4000-8000-", "11111111-0000-4000-8000-"};
enum { OF_ANY = (1 << DATASETS) - 1 };

// Words that a client may have said.
enum {
    SAID_MULTI = 1,
    SAID_REPLY = 2, // and what else it said may have no reply
    SAID_SUBSCRIBE = 4,
    SAID_ANY = 7, // quoted, where they cannot be told
};

// What a client has heard, read byte by byte.
struct reader {
    enum resp_protocol protocol;
    char line[LONGEST_LINE];
    size_t line_len;
    uint64_t bulk_left; // bytes of a bulk string and its end of line
    char bulk[40];      // how it begins
    size_t bulk_len;
    uint64_t left[DEPTH_MAX]; // values still to come in each collection that is open
    unsigned depth;
    bool pushing;    // the reply that is open is a message, which nobody has asked for
    unsigned of;     // the datasets that the reply that is open may be of, as bits
    unsigned values; // complete replies
    bool greeted;    // a collection has begun that may be HELLO's reply
    char tail[TAIL];
    size_t tail_len;
};

struct client {
    struct party *party;
    struct reader reader;
    unsigned number;
    unsigned said;    // words, as bits
    size_t looked;    // how far it has been searched for them
    struct buf asked; // what it has sent, which no session has written to
    unsigned version; // of its loop's dataset: the first that its last reply can be of
};

static struct loops loops;
static struct client clients[CLIENTS];
static size_t heard;
static unsigned turns;
static struct dataset *datasets[DATASETS];
static uint8_t versions[LOOPS][VERSIONS_MAX]; // which of them a loop has served, the first first
static unsigned version_count[LOOPS];
static bool mark_said;      // so a word may look like a value
static struct buf said_ago; // by clients that are gone
static unsigned keys_checked;

// ---- replies ------------------------------------------------------------------------------------

static bool is_decimal(const char *text)
{
    size_t len;
    text += *text == '-';
    len = strspn(text, "0123456789");
    return len > 0 && text[len] == '\0';
}

static uint64_t count_of(const char *text)
{
    must(is_decimal(text) && *text != '-' && strlen(text) < 10, "a length is a number");
    return strtoull(text, NULL, 10);
}

// A reply is complete: it must be of its client's dataset, or of one that came later.
static void note_version(struct client *c)
{
    unsigned loop = c->number % LOOPS;
    unsigned of = c->reader.of;
    c->reader.of = OF_ANY;
    while (c->version < version_count[loop] && (of & 1u << versions[loop][c->version]) == 0)
        c->version++;
    must(c->version < version_count[loop], "no reply is of a dataset before that of the last");
}

// A value is complete, and with it all collections of which it was the last.
static void end_value(struct client *c)
{
    struct reader *r = &c->reader;
    while (r->depth > 0 && --r->left[r->depth - 1] == 0)
        r->depth--;
    if (r->depth > 0)
        return;
    if (!r->pushing) {
        r->values++;
        note_version(c);
    }
    r->pushing = false;
}

static void begin_collection(struct client *c, uint64_t count)
{
    struct reader *r = &c->reader;
    if (count == 0) {
        end_value(c);
        return;
    }
    must(r->depth < DEPTH_MAX, "replies are not deep");
    r->left[r->depth++] = count;
}

// The first value behind the beginning of what may be HELLO's reply is complete.
static void greet(struct reader *r)
{
    static const char first[] = "server\r\n";
    bool is_hello =
        r->bulk_len == sizeof first - 1 && memcmp(r->bulk, first, sizeof first - 1) == 0;
    if (r->greeted && r->protocol == RESP3 && is_hello)
        r->protocol = RESP2;
    r->greeted = false;
}

// As in Redis, what subscribes or silences within a transaction has other replies than the one that
// EXEC's array has counted.
static bool is_shapeless(const struct client *c)
{
    return (c->said & SAID_MULTI) != 0 && (c->said & (SAID_REPLY | SAID_SUBSCRIBE)) != 0;
}

static void read_line(struct client *c)
{
    struct reader *r = &c->reader;
    const char *text = r->line + 1;
    bool lenient = (c->said & SAID_REPLY) != 0; // HELLO may have had no reply
    bool resp3 = r->protocol == RESP3 || lenient;
    bool resp2 = r->protocol == RESP2 || lenient;
    bool was_greeted = r->greeted;
    r->line[r->line_len] = '\0';
    must(strlen(r->line) == r->line_len, "no NUL in a line");
    r->line_len = 0;
    r->greeted = false;
    switch (r->line[0]) {
    case '+':
        if (strcmp(text, "RESET") == 0)
            r->protocol = RESP2;
        end_value(c);
        return;
    case '-': end_value(c); return;
    case ':':
        must(is_decimal(text), "an integer is one");
        end_value(c);
        return;
    case '$':
        if (strcmp(text, "-1") == 0) {
            must(resp2, "no null string in RESP3");
            end_value(c);
            return;
        }
        r->bulk_left = count_of(text) + 2;
        r->bulk_len = 0;
        r->greeted = was_greeted;
        return;
    case '*':
        if (strcmp(text, "-1") == 0) {
            must(resp2, "no null array in RESP3");
            end_value(c);
            return;
        }
        r->greeted = strcmp(text, "14") == 0;
        begin_collection(c, count_of(text));
        return;
    case '%':
        if (r->protocol == RESP2 && strcmp(text, "7") == 0) { // HELLO's
            r->protocol = RESP3;
            resp3 = true;
        }
        must(resp3, "no map in RESP2");
        begin_collection(c, 2 * count_of(text));
        return;
    case '~':
        must(resp3, "no set in RESP2");
        begin_collection(c, count_of(text));
        return;
    case '>':
        must(resp3, "no push in RESP2");
        must(r->depth == 0 || is_shapeless(c), "no push within a reply");
        r->pushing = r->depth == 0;
        begin_collection(c, count_of(text));
        return;
    case '_':
        must(resp3 && *text == '\0', "no null in RESP2");
        end_value(c);
        return;
    case ',':
        must(resp3 && *text != '\0', "no double in RESP2");
        end_value(c);
        return;
    case '=':
        must(resp3, "no verbatim string in RESP2");
        r->bulk_left = count_of(text) + 2;
        r->bulk_len = 0;
        must(r->bulk_left >= 2 + 4, "a verbatim string has a kind");
        return;
    default: must(false, "a reply is of a known kind");
    }
}

static bool has_asked(const struct buf *asked, struct span words)
{
    return asked->len > 0 && memmem(asked->ptr, asked->len, words.ptr, words.len) != NULL;
}

static bool is_said(struct span words)
{
    bool said = has_asked(&said_ago, words);
    for (unsigned i = 0; i < CLIENTS && !said; i++)
        said = has_asked(&clients[i].asked, words);
    return said;
}

// The datasets that a string may be of: a value says it, and so does a key that no client has sent.
static unsigned datasets_of(struct span s)
{
    unsigned of = 0;
    if (s.len >= MARK_LEN && memcmp(s.ptr, mark, MARK_LEN - 1) == 0)
        return 1u << (s.ptr[MARK_LEN - 1] - 'A');
    if (s.len != UUID_TEXT_LEN || keys_checked++ >= KEYS_CHECKED || is_said(s))
        return OF_ANY;
    for (unsigned i = 0; i < DATASETS; i++)
        of |= memcmp(s.ptr, key_starts[i], KEY_START) == 0 ? 1u << i : 0;
    return of != 0 ? of : OF_ANY;
}

static void note_dataset(struct client *c)
{
    struct reader *r = &c->reader;
    size_t len = r->bulk_len - 2; // its end of line
    if (mark_said || r->pushing || is_shapeless(c))
        return;
    r->of &= datasets_of(span_of(r->bulk, len < sizeof r->bulk ? len : sizeof r->bulk));
    must(r->of != 0, "a reply is of one dataset");
}

static size_t read_bulk(struct client *c, struct span s)
{
    struct reader *r = &c->reader;
    size_t len = s.len < r->bulk_left ? s.len : (size_t)r->bulk_left;
    for (size_t i = 0; i < len; i++) {
        if (r->bulk_len++ < sizeof r->bulk)
            r->bulk[r->bulk_len - 1] = s.ptr[i];
        r->bulk_left--;
        must(r->bulk_left != 1 || s.ptr[i] == '\r', "a string ends with CR");
        must(r->bulk_left != 0 || s.ptr[i] == '\n', "and with LF");
    }
    if (r->bulk_left == 0) {
        greet(r);
        note_dataset(c);
        end_value(c);
    }
    return len;
}

static void keep_tail(struct reader *r, struct span s)
{
    if (s.len > TAIL)
        s = span_of(s.ptr + s.len - TAIL, TAIL);
    size_t kept = r->tail_len < TAIL - s.len ? r->tail_len : TAIL - s.len;
    memmove(r->tail, r->tail + r->tail_len - kept, kept);
    memcpy(r->tail + kept, s.ptr, s.len);
    r->tail_len = kept + s.len;
}

static void read_replies(struct client *c, struct span s)
{
    struct reader *r = &c->reader;
    heard += s.len;
    keep_tail(r, s);
    for (size_t i = 0; i < s.len;) {
        if (r->bulk_left > 0) {
            i += read_bulk(c, span_of(s.ptr + i, s.len - i));
            continue;
        }
        char byte = s.ptr[i++];
        if (r->line_len > 0 && r->line[r->line_len - 1] == '\r') {
            must(byte == '\n', "a line ends with CR and LF");
            r->line_len--;
            read_line(c);
            continue;
        }
        must(byte != '\n' && r->line_len + 1 < sizeof r->line, "a line has an end");
        r->line[r->line_len++] = byte;
    }
}

// ---- clients ------------------------------------------------------------------------------------

static void arrive(struct client *c)
{
    c->party = party_new(&loops, c->number % LOOPS);
    c->reader.protocol = RESP2;
    c->reader.line_len = 0;
    c->reader.bulk_left = 0;
    c->reader.depth = 0;
    c->reader.greeted = false;
    c->reader.tail_len = 0;
    c->reader.values = 0;
    c->reader.pushing = false;
    c->reader.of = OF_ANY;
    c->said = 0;
    c->looked = 0;
    buf_append(&said_ago, buf_span(&c->asked));
    c->asked.len = 0;
    c->version = version_count[c->number % LOOPS] - 1;
}

static void read_some(struct client *c, size_t max)
{
    struct iovec vector;
    struct party *p = c->party;
    while (max > 0 && output_iovecs(&p->output, max, &vector, 1) == 1) {
        read_replies(c, span_of(vector.iov_base, vector.iov_len));
        max -= vector.iov_len;
        output_take(&p->output, vector.iov_len);
    }
}

static bool is_whole(const struct client *c)
{
    const struct reader *r = &c->reader;
    return r->line_len == 0 && r->bulk_left == 0 && (r->depth == 0 || is_shapeless(c));
}

// The server has closed its connection, and it gets what is on its way unless it was killed.
static void leave(struct client *c, bool killed)
{
    if (!killed) {
        read_some(c, SIZE_MAX);
        must(is_whole(c), "the last reply is whole");
    }
    session_release(&c->party->session);
    output_release(&c->party->output);
    c->party->closed = true;
}

static bool says(struct span text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (ascii_lower(text.ptr[i]) == word[0] && span_is(span_of(text.ptr + i, len), word))
            return true;
    return false;
}

// Notes the words in what it has sent since it was looked for them.
static void note_words(struct client *c)
{
    if (c->asked.len == 0)
        return;
    struct span text = span_of(c->asked.ptr + c->looked, c->asked.len - c->looked);
    bool quoted = says(text, "\\x");
    c->said |= (says(text, "multi") ? SAID_MULTI : 0u) | (says(text, "reply") ? SAID_REPLY : 0u) |
               (says(text, "subscribe") ? SAID_SUBSCRIBE : 0u) | (quoted ? SAID_ANY : 0u);
    mark_said |= quoted || says(text, mark);
    if (c->asked.len > LONGEST_WORD)
        c->looked = c->asked.len - LONGEST_WORD;
}

static bool is_open(const struct client *c)
{
    return !c->party->closed && c->party->status != FEED_CLOSE;
}

// What it has sent and is not done with, in a block of exactly its size.
static struct bytes said_exactly(const struct party *p)
{
    size_t len = p->said.len - p->done;
    char *exact = malloc(len > 0 ? len : 1);
    must(exact != NULL, "memory for a copy");
    if (len > 0)
        memcpy(exact, p->said.ptr + p->done, len);
    return (struct bytes){exact, len};
}

static void feed(struct client *c, struct bytes in)
{
    struct party *p = c->party;
    struct session *s = &p->session;
    size_t before = output_pending(&p->output);
    // Once as much waits as may, nothing is added.
    size_t most = before >= SESSION_OUTPUT_HIGH
                      ? before
                      : SESSION_OUTPUT_HIGH + s->pushes.len + in.len + ONE_REPLY;
    p->woken = false;
    note_words(c);
    struct feed_result result = session_feed(s, in, &p->output);
    must(result.consumed <= in.len, "no more is consumed than there is");
    must(!session_oom(s, &p->output), "there is memory");
    must(output_pending(&p->output) <= most, "what waits to be sent is bounded");
    if (in.len > 0) // quoted words have been decoded where they stand
        memcpy(p->said.ptr + p->done, in.ptr, in.len);
    p->done += result.consumed;
    p->status = result.status;
    if (!p->slow && !s->killed)
        read_some(c, SIZE_MAX);
}

// Feeds those clients of a loop in one turn, as net/ does.
static void take_turn(struct client *const *who, unsigned count, bool ahead)
{
    struct service *service = who[0]->party->session.service;
    struct bytes in[CLIENTS];
    turns++;
    must(turns < TURNS_MAX, "the turns come to an end");
    timing_begin(&service->timing, clock_monotonic_ns());
    for (unsigned i = 0; i < count; i++) {
        in[i] = said_exactly(who[i]->party);
        if (ahead && (i == 0 || !batch_is_full(&service->batch)))
            session_read_ahead(&who[i]->party->session, in[i]);
    }
    if (ahead)
        batch_look_up(&service->batch, service->dataset);
    for (unsigned i = 0; i < count; i++) {
        struct party *p = who[i]->party;
        if (!p->session.killed)
            feed(who[i], in[i]);
        if (p->session.killed)
            leave(who[i], true);
        else if (p->status == FEED_CLOSE && output_pending(&p->output) == 0)
            leave(who[i], false);
    }
    must(service->batch.holders == 0, "what was read ahead is used up with the turn");
    service_flush_timing(service);
    for (unsigned i = 0; i < count; i++)
        free(in[i].ptr);
}

static void take_turn_alone(struct client *c)
{
    if (is_open(c) || c->party->session.killed)
        take_turn(&c, 1, false);
}

// A turn of all clients of a loop that can have one.
static void take_turn_together(unsigned loop)
{
    struct client *who[CLIENTS];
    unsigned count = 0;
    for (unsigned i = loop; i < CLIENTS; i += LOOPS)
        if (is_open(&clients[i]))
            who[count++] = &clients[i];
    if (count > 0)
        take_turn(who, count, true);
}

static bool has_turn(const struct party *p)
{
    if (p->closed || (p->status == FEED_CLOSE && !p->session.killed))
        return false;
    if (p->woken || p->session.killed)
        return true;
    return p->status == FEED_TURN_OVER || (p->status == FEED_OUTPUT_FULL && !p->slow);
}

static bool is_spent(void)
{
    return heard > HEARD_MAX;
}

// Until nobody has anything to do but those who do not read.
static void run(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (is_open(&clients[i]))
            take_turn_alone(&clients[i]);
    for (bool busy = true; busy && !is_spent();) {
        busy = loops_deliver(&loops);
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (!has_turn(clients[i].party))
                continue;
            take_turn_alone(&clients[i]);
            busy = true;
        }
    }
}

// ---- inputs -------------------------------------------------------------------------------------

static void ask(struct client *c, struct span bytes)
{
    say_bytes(c->party, bytes);
    buf_append(&c->asked, bytes);
    must(!c->asked.oom, "memory for what is asked");
}

// The loop goes on with another dataset, or the same again.
static void publish(unsigned loop, unsigned dataset)
{
    if (version_count[loop] == VERSIONS_MAX)
        return;
    loops_publish(&loops, loop, datasets[dataset]);
    versions[loop][version_count[loop]++] = (uint8_t)dataset;
}

// The loop goes on with the dataset that it has.
static void publish_again(unsigned loop)
{
    publish(loop, versions[loop][version_count[loop] - 1]);
}

static void act(struct client **current, char what)
{
    struct client *c = *current;
    switch (what) {
    case '0':
    case '1':
    case '2':
    case '3': *current = c = &clients[what - '0']; break;
    case 't': take_turn_alone(c); break;
    case 'T': take_turn_together(c->number % LOOPS); break;
    case 'g': run(); break;
    case 'd': loops_deliver(&loops); break;
    case 's': c->party->slow = !c->party->slow; break;
    case 'r':
        if (!c->party->closed)
            read_some(c, output_pending(&c->party->output) / 2 + 1);
        break;
    case 'p': session_end_pause(&loops.service[c->number % LOOPS]); break;
    case 'i': publish_again(c->number % LOOPS); break;
    case 'A':
    case 'B':
    case 'C': publish(c->number % LOOPS, (unsigned)(what - 'A')); break;
    case 'e':
        party_end(c->party);
        arrive(c);
        break;
    default: {
        char bytes[] = {(char)ESCAPE, what};
        ask(c, span_of(bytes, sizeof bytes));
    }
    }
    if (c->party->closed) {
        party_end(c->party);
        arrive(c);
    }
}

static void play(const uint8_t *data, size_t size)
{
    struct client *current = &clients[0];
    for (size_t i = 0; i < size && !is_spent();) {
        size_t begin = i;
        while (i < size && data[i] != ESCAPE)
            i++;
        ask(current, span_of((const char *)data + begin, i - begin));
        if (i + 1 < size)
            act(&current, (char)data[i + 1]);
        i += 2;
    }
}

// What a PING is answered with, as the session says.
static const char *wanted_of(const struct session *s)
{
    if ((s->reply_mode & (REPLY_OFF | REPLY_SKIP)) != 0)
        return "";
    if (!s->authenticated)
        return "-NOAUTH Authentication required.\r\n";
    if (s->transaction != NULL)
        return "+QUEUED\r\n";
    if (s->subscriptions != NULL && s->reply.protocol == RESP2)
        return "*2\r\n$4\r\npong\r\n$6\r\nmarker\r\n";
    return "$6\r\nmarker\r\n";
}

// How many of its requests are done with, as the parser alone finds them.
static unsigned requests_done(struct client *c)
{
    char bad[RESP_BAD_TEXT];
    struct bytes in = {c->asked.ptr, c->asked.len};
    struct resp_arg *args = malloc((in.len + 1) * sizeof *args);
    unsigned count = 0;
    size_t left = c->party->done;
    must(args != NULL, "memory for arguments");
    while (left > 0) {
        struct resp_progress p = {0};
        must(resp_parse(&p, in, args, c->asked.len + 1, bad) == RESP_COMPLETE && p.at <= left,
             "what is consumed is requests");
        in = (struct bytes){in.ptr + p.at, in.len - p.at};
        left -= p.at;
        count += p.argc > 0;
    }
    free(args);
    return count;
}

// Asks and compares.
static void check_reply(struct client *c, const char *request, struct span wanted,
                        const char *promise)
{
    struct party *p = c->party;
    c->reader.tail_len = 0;
    say_bytes(p, span_text(request));
    take_turn_alone(c);
    must(!p->closed && p->done == p->said.len, "a request is answered at once");
    must(span_equal(span_of(c->reader.tail, c->reader.tail_len), wanted), promise);
}

// What begins now sees the dataset that the loop serves.
static void check_dataset(struct client *c)
{
    static const char key[] = "00000000-0000-4000-8000-000000000001";
    const struct session *s = &c->party->session;
    struct buf wanted = {0};
    struct span value;
    struct uuid id;
    must(uuid_parse(key, &id), "it is a key");
    if (dataset_get(datasets[versions[c->number % LOOPS][version_count[c->number % LOOPS] - 1]], id,
                    &value))
        append_bulk(&wanted, value);
    else
        buf_append_text(&wanted, s->reply.protocol == RESP2 ? "$-1\r\n" : "_\r\n");
    check_reply(c, "*2\r\n$3\r\nGET\r\n$36\r\n00000000-0000-4000-8000-000000000001\r\n",
                buf_span(&wanted), "a reply is of the dataset that is served");
    buf_release(&wanted);
}

static void check_open(struct client *c)
{
    static const char ping[] = "*2\r\n$4\r\nPING\r\n$6\r\nmarker\r\n";
    static const char pong[] = "$6\r\nmarker\r\n";
    struct party *p = c->party;
    struct reader *r = &c->reader;
    must(output_pending(&p->output) == 0 && is_whole(c), "replies are whole");
    must(p->status == FEED_NEEDS_INPUT, "nobody waits for what does not come");
    must(r->protocol == p->session.reply.protocol || (c->said & SAID_REPLY) != 0,
         "the protocol is the one that was said");
    must(r->values == requests_done(c) || (c->said & (SAID_REPLY | SAID_SUBSCRIBE)) != 0,
         "each request has one reply");
    if (p->done < p->said.len)
        return; // the request is unfinished
    const char *wanted = wanted_of(&p->session);
    check_reply(c, ping, span_text(wanted), "a PING has its reply");
    if (strcmp(wanted, pong) == 0)
        check_dataset(c);
}

static void finish(void)
{
    bool paused = true;
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i].party->slow = false;
    while (paused && !is_spent()) {
        for (unsigned i = 0; i < CLIENTS; i++)
            if (is_open(&clients[i]))
                read_some(&clients[i], SIZE_MAX);
            else if (!clients[i].party->closed)
                leave(&clients[i], clients[i].party->session.killed);
        for (unsigned i = 0; i < LOOPS; i++)
            session_end_pause(&loops.service[i]);
        run();
        paused = false;
        for (unsigned i = 0; i < LOOPS; i++)
            paused |= loops.service[i].paused_until != 0;
    }
    for (unsigned i = 0; i < CLIENTS && !is_spent(); i++) {
        if (is_open(&clients[i]))
            check_open(&clients[i]);
        else
            must(clients[i].party->closed, "one who is to be closed is");
    }
}

static struct dataset *make_dataset(unsigned number)
{
    struct buf text = {0}; // stays as long as the program
    char letter[] = {(char)('A' + number)};
    buf_printf(&text, "3479d894-3271-4935-88cf-a06f3cbb80a5 %s%.1svalue\n", mark, letter);
    for (unsigned i = 1; i <= 300; i++) {
        buf_printf(&text, "%s%012u ", key_starts[number], i);
        size_t len = i == 2 || i == 3 ? LONG_VALUE : i == 4 ? HUGE_VALUE : i % 7;
        if (len > 0)
            buf_printf(&text, "%s%.1s", mark, letter);
        for (size_t j = 0; j < len; j++)
            buf_append(&text, span_of(&"0123456789abcdef"[(i + j * j) % 16], 1));
        buf_append_text(&text, "\n");
    }
    buf_append(&text, span_of("", 1));
    must(!text.oom, "memory for a text");
    return loops_dataset(text.ptr);
}

// Two that differ in values only, and one of other keys.
static void make_datasets(void)
{
    for (unsigned i = 0; i < DATASETS && datasets[i] == NULL; i++)
        datasets[i] = make_dataset(i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct settings settings = test_settings;
    settings.requirepass = (data[0] & 1) != 0 ? "secret" : NULL;
    settings.cluster_enabled = (data[0] & 2) != 0;
    settings.write_error = (enum write_error)((data[0] >> 2) % 3);
    make_datasets();
    loops_init(&loops, LOOPS, &settings, datasets[0]);
    heard = 0;
    turns = 0;
    mark_said = false;
    said_ago.len = 0;
    keys_checked = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        versions[i][0] = 0;
        version_count[i] = 1;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].number = i;
        arrive(&clients[i]);
    }
    play(data + 1, size - 1);
    finish();
    for (unsigned i = 0; i < CLIENTS; i++)
        buf_release(&clients[i].asked);
    buf_release(&said_ago);
    loops_release(&loops);
    service_group_release(&loops.group);
    for (unsigned i = 0; i < DATASETS; i++)
        must(atomic_load(&dataset_ref(datasets[i])->count) == 1, "nobody holds a dataset any more");
    return 0;
}
