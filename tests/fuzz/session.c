// Fuzz target: sessions. Clients send any bytes, cut into any pieces, while datasets replace each
// other. The following must hold:
//
// - each client receives valid RESP of the protocol that it has chosen,
// - each request has a reply,
// - the bytes that wait to be sent are bounded,
// - each reply, also that of EXEC, comes from one dataset,
// - a client that has received a reply from a new dataset receives none from an older one.
//
// An input says what four clients of two loops send, and when. Its first byte chooses the settings.
// The other bytes are sent by the present client, except 0xff and a letter, which stand for an
// event (see act). At the end all clients read all replies, all messages are delivered, and each
// client's PING must have the right reply. Replies are parsed by a reader of the test's own, which
// checks every byte.
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
    CLIENTS = 4,       // even clients belong to the first loop, odd ones to the second
    ESCAPE = 0xff,     // byte before the letter of an event
    LONG_VALUE = 2000, // bytes; LCS accepts two values of this length
    HUGE_VALUE = 70000,
    DEPTH_MAX = 12,                    // most collections within each other in a reply
    LONGEST_LINE = 4096,               // bytes of a line of a reply
    TAIL = 64,                         // bytes of a client's last replies that are kept
    ONE_REPLY = 160 * 1024,            // bytes of the largest reply, besides words that it repeats
    REPLY_BYTES_MAX = 4 * 1024 * 1024, // bytes of replies after which an input ends
    TURNS_MAX = 100 * 1000,
    DATASETS = 3,        // the second has the same keys as the first, the third has others
    VERSIONS_MAX = 64,   // most datasets that a loop gets, one after another
    KEYS_CHECKED = 2000, // most keys in replies that are checked
    KEY_START = 24,      // bytes that all keys of a dataset begin with
    LONGEST_WORD = 16,   // bytes of the longest word that is searched for in requests
    MARK_LEN = 3,
};

// Each value that is not empty begins with the mark and the letter of its dataset.
static const char mark[] = "\x01=";
static const char *const key_starts[DATASETS] = {
    "00000000-0000-4000-8000-", "00000000-0000-4000-8000-", "11111111-0000-4000-8000-"};
enum { OF_ANY = (1 << DATASETS) - 1 };

// Words in a client's requests after which some checks do not apply.
enum {
    WORD_MULTI = 1,
    WORD_REPLY = 2, // CLIENT REPLY: some requests may have no reply
    WORD_SUBSCRIBE = 4,
    WORD_ANY = 7, // an escape such as \x41 in a quoted word, which may hide any of these words
};

// The parser of a client's replies. It gets the bytes one after another.
struct reader {
    enum resp_protocol protocol;
    char line[LONGEST_LINE];
    size_t line_len;
    uint64_t bulk_left; // bytes still to come of a bulk string, with its line end
    char bulk[40];      // first bytes of the bulk string
    size_t bulk_len;
    uint64_t left[DEPTH_MAX]; // values still to come in each open collection
    unsigned depth;           // number of open collections
    bool pushing;             // the open reply is a push, not the reply to a request
    unsigned of;              // datasets that the open reply may come from, as bits
    unsigned values;          // number of complete replies to requests
    bool greeted;             // the open collection may be the reply to HELLO
    char tail[TAIL];          // last bytes of the replies
    size_t tail_len;
};

struct client {
    struct party *party;
    struct reader reader;
    unsigned number;
    unsigned words;   // words in its requests, as bits
    size_t searched;  // bytes of `sent` that have been searched for these words
    struct buf sent;  // copy of its requests, which no session has changed
    unsigned version; // index in `versions` of the earliest dataset of its last reply
};

static struct loops loops;
static struct client clients[CLIENTS];
static size_t reply_bytes; // bytes of replies of this input
static unsigned turns;
static struct dataset *datasets[DATASETS];
static uint8_t versions[LOOPS]
                       [VERSIONS_MAX]; // numbers of the datasets that a loop served, in order
static unsigned version_count[LOOPS];
static bool mark_was_sent;      // a client has sent the mark, so a reply with it may be no value
static struct buf sent_earlier; // requests of clients that have left
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

// Checks the dataset of a complete reply: it must be that of the client's last reply or
// a later one.
static void check_version(struct client *c)
{
    unsigned loop = c->number % LOOPS;
    unsigned of = c->reader.of;
    c->reader.of = OF_ANY;
    while (c->version < version_count[loop] && (of & 1u << versions[loop][c->version]) == 0)
        c->version++;
    must(c->version < version_count[loop],
         "no reply is from an older dataset than the reply before");
}

// Ends a value, and each collection of which it is the last value.
static void end_value(struct client *c)
{
    struct reader *r = &c->reader;
    while (r->depth > 0 && --r->left[r->depth - 1] == 0)
        r->depth--;
    if (r->depth > 0)
        return;
    if (!r->pushing) {
        r->values++;
        check_version(c);
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

// Ends the first value of a collection that may be the reply to HELLO. If it is, the protocol
// is now RESP2.
static void end_hello_field(struct reader *r)
{
    static const char first[] = "server\r\n";
    bool is_hello =
        r->bulk_len == sizeof first - 1 && memcmp(r->bulk, first, sizeof first - 1) == 0;
    if (r->greeted && r->protocol == RESP3 && is_hello)
        r->protocol = RESP2;
    r->greeted = false;
}

// Whether the number of replies may differ from what EXEC's array announces. As in Redis, that
// happens when SUBSCRIBE or CLIENT REPLY are in a transaction.
static bool is_shapeless(const struct client *c)
{
    return (c->words & WORD_MULTI) != 0 && (c->words & (WORD_REPLY | WORD_SUBSCRIBE)) != 0;
}

static void read_line(struct client *c)
{
    struct reader *r = &c->reader;
    const char *text = r->line + 1;
    bool lenient =
        (c->words & WORD_REPLY) != 0; // HELLO may have had no reply, so both are possible
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
        must(is_decimal(text), "an integer has only digits");
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
        if (r->protocol == RESP2 && strcmp(text, "7") == 0) { // the reply to HELLO 3
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

static bool contains(const struct buf *sent, struct span words)
{
    return sent->len > 0 && memmem(sent->ptr, sent->len, words.ptr, words.len) != NULL;
}

static bool was_sent(struct span words)
{
    bool found = contains(&sent_earlier, words);
    for (unsigned i = 0; i < CLIENTS && !found; i++)
        found = contains(&clients[i].sent, words);
    return found;
}

// Returns the datasets that a string may come from, as bits. The mark of a value says it. The
// beginning of a key says it, too, unless a client has sent that key.
static unsigned datasets_of(struct span s)
{
    unsigned of = 0;
    if (s.len >= MARK_LEN && memcmp(s.ptr, mark, MARK_LEN - 1) == 0)
        return 1u << (s.ptr[MARK_LEN - 1] - 'A');
    if (s.len != UUID_TEXT_LEN || keys_checked++ >= KEYS_CHECKED || was_sent(s))
        return OF_ANY;
    for (unsigned i = 0; i < DATASETS; i++)
        of |= memcmp(s.ptr, key_starts[i], KEY_START) == 0 ? 1u << i : 0;
    return of != 0 ? of : OF_ANY;
}

static void note_dataset(struct client *c)
{
    struct reader *r = &c->reader;
    size_t len = r->bulk_len - 2; // without its line end
    if (mark_was_sent || r->pushing || is_shapeless(c))
        return;
    r->of &= datasets_of(span_of(r->bulk, len < sizeof r->bulk ? len : sizeof r->bulk));
    must(r->of != 0, "all parts of a reply are from one dataset");
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
        must(r->bulk_left != 0 || s.ptr[i] == '\n', "a string ends with LF");
    }
    if (r->bulk_left == 0) {
        end_hello_field(r);
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
    reply_bytes += s.len;
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
    c->words = 0;
    c->searched = 0;
    buf_append(&sent_earlier, buf_span(&c->sent));
    c->sent.len = 0;
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

// Closes the client's connection, as the server wants. The client reads the rest of its replies,
// unless it was killed.
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

static bool contains_word(struct span text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (ascii_lower(text.ptr[i]) == word[0] && span_is(span_of(text.ptr + i, len), word))
            return true;
    return false;
}

// Searches the requests since the last call for the words, and notes them.
static void note_words(struct client *c)
{
    if (c->sent.len == 0)
        return;
    struct span text = span_of(c->sent.ptr + c->searched, c->sent.len - c->searched);
    bool quoted = contains_word(text, "\\x");
    c->words |= (contains_word(text, "multi") ? WORD_MULTI : 0u) |
                (contains_word(text, "reply") ? WORD_REPLY : 0u) |
                (contains_word(text, "subscribe") ? WORD_SUBSCRIBE : 0u) | (quoted ? WORD_ANY : 0u);
    mark_was_sent |= quoted || contains_word(text, mark);
    if (c->sent.len > LONGEST_WORD)
        c->searched = c->sent.len - LONGEST_WORD;
}

static bool is_open(const struct client *c)
{
    return !c->party->closed && c->party->status != FEED_CLOSE;
}

// Returns the input that the session has not consumed, in a block of exactly its size.
static struct bytes exact_input(const struct party *p)
{
    size_t len = p->requests.len - p->done;
    char *exact = malloc(len > 0 ? len : 1);
    must(exact != NULL, "memory for a copy");
    if (len > 0)
        memcpy(exact, p->requests.ptr + p->done, len);
    return (struct bytes){exact, len};
}

static void feed(struct client *c, struct bytes in)
{
    struct party *p = c->party;
    struct session *s = &p->session;
    size_t before = output_pending(&p->output);
    // If the limit has been reached, nothing may be added.
    size_t most = before >= SESSION_OUTPUT_HIGH
                      ? before
                      : SESSION_OUTPUT_HIGH + s->pushes.len + in.len + ONE_REPLY;
    p->woken = false;
    note_words(c);
    struct feed_result result = session_feed(s, in, &p->output);
    must(result.consumed <= in.len, "no more is consumed than there is");
    must(!session_oom(s, &p->output), "memory is not short");
    must(output_pending(&p->output) <= most, "what waits to be sent is bounded");
    if (in.len > 0) // the parser has decoded quoted words in place
        memcpy(p->requests.ptr + p->done, in.ptr, in.len);
    p->done += result.consumed;
    p->status = result.status;
    if (!p->slow && !s->killed)
        read_some(c, SIZE_MAX);
}

// Feeds these clients of a loop in one turn, as net/ does.
static void take_turn(struct client *const *who, unsigned count, bool ahead)
{
    struct service *service = who[0]->party->session.service;
    struct bytes in[CLIENTS];
    turns++;
    must(turns < TURNS_MAX, "the turns come to an end");
    timing_begin(&service->timing, clock_monotonic_ns());
    for (unsigned i = 0; i < count; i++) {
        in[i] = exact_input(who[i]->party);
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
    must(service->batch.holders == 0, "nothing that was read ahead is left after the turn");
    service_flush_timing(service);
    for (unsigned i = 0; i < count; i++)
        free(in[i].ptr);
}

static void take_turn_alone(struct client *c)
{
    if (is_open(c) || c->party->session.killed)
        take_turn(&c, 1, false);
}

// Does a turn of all open clients of a loop.
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
    return reply_bytes > REPLY_BYTES_MAX;
}

// Does turns until only clients that do not read could go on.
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

static void send_bytes(struct client *c, struct span bytes)
{
    party_send_bytes(c->party, bytes);
    buf_append(&c->sent, bytes);
    must(!c->sent.oom, "memory for requests");
}

// Gives a loop another dataset, or the same again.
static void publish(unsigned loop, unsigned dataset)
{
    if (version_count[loop] == VERSIONS_MAX)
        return;
    loops_publish(&loops, loop, datasets[dataset]);
    versions[loop][version_count[loop]++] = (uint8_t)dataset;
}

// Publishes the loop's present dataset again.
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
        send_bytes(c, span_of(bytes, sizeof bytes));
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
        send_bytes(current, span_of((const char *)data + begin, i - begin));
        if (i + 1 < size)
            act(&current, (char)data[i + 1]);
        i += 2;
    }
}

// Returns the right reply to a PING in the state of the session.
static const char *ping_reply(const struct session *s)
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

// Returns the number of requests that the session has consumed, counted by the parser.
static unsigned requests_done(struct client *c)
{
    char bad[RESP_BAD_TEXT];
    struct bytes in = {c->sent.ptr, c->sent.len};
    struct resp_arg *args = malloc((in.len + 1) * sizeof *args);
    unsigned count = 0;
    size_t left = c->party->done;
    must(args != NULL, "memory for arguments");
    while (left > 0) {
        struct resp_progress p = {0};
        must(resp_parse(&p, in, args, c->sent.len + 1, bad) == RESP_COMPLETE && p.at <= left,
             "only whole requests are consumed");
        in = (struct bytes){in.ptr + p.at, in.len - p.at};
        left -= p.at;
        count += p.argc > 0;
    }
    free(args);
    return count;
}

// Sends a request and compares the reply.
static void check_reply(struct client *c, const char *request, struct span wanted,
                        const char *promise)
{
    struct party *p = c->party;
    c->reader.tail_len = 0;
    party_send_bytes(p, span_text(request));
    take_turn_alone(c);
    must(!p->closed && p->done == p->requests.len, "a request is answered at once");
    must(span_equal(span_of(c->reader.tail, c->reader.tail_len), wanted), promise);
}

// A new request must be answered from the dataset that the loop serves.
static void check_dataset(struct client *c)
{
    static const char key[] = "00000000-0000-4000-8000-000000000001";
    const struct session *s = &c->party->session;
    struct buf wanted = {0};
    struct span value;
    struct uuid id;
    must(uuid_parse(key, &id), "the test's key is a UUID");
    if (dataset_get(datasets[versions[c->number % LOOPS][version_count[c->number % LOOPS] - 1]], id,
                    &value))
        append_bulk(&wanted, value);
    else
        buf_append_text(&wanted, s->reply.protocol == RESP2 ? "$-1\r\n" : "_\r\n");
    check_reply(c, "*2\r\n$3\r\nGET\r\n$36\r\n00000000-0000-4000-8000-000000000001\r\n",
                buf_span(&wanted), "a new reply is from the dataset that the loop serves");
    buf_release(&wanted);
}

static void check_open(struct client *c)
{
    static const char ping[] = "*2\r\n$4\r\nPING\r\n$6\r\nmarker\r\n";
    static const char pong[] = "$6\r\nmarker\r\n";
    struct party *p = c->party;
    struct reader *r = &c->reader;
    must(output_pending(&p->output) == 0 && is_whole(c), "the last reply is whole");
    must(p->status == FEED_NEEDS_INPUT, "no session waits for something that does not come");
    must(r->protocol == p->session.reply.protocol || (c->words & WORD_REPLY) != 0,
         "the protocol of the replies is the session's");
    must(r->values == requests_done(c) || (c->words & (WORD_REPLY | WORD_SUBSCRIBE)) != 0,
         "each request has one reply");
    if (p->done < p->requests.len)
        return; // the request is unfinished
    const char *wanted = ping_reply(&p->session);
    check_reply(c, ping, span_text(wanted), "a PING has the right reply");
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
            must(clients[i].party->closed, "a client that must be closed is closed");
    }
}

static struct dataset *make_dataset(unsigned number)
{
    struct buf text = {0}; // the dataset borrows it until the program ends
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

// Makes two datasets that differ only in their values, and one with other keys.
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
    reply_bytes = 0;
    turns = 0;
    mark_was_sent = false;
    sent_earlier.len = 0;
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
        buf_release(&clients[i].sent);
    buf_release(&sent_earlier);
    loops_release(&loops);
    service_group_release(&loops.group);
    for (unsigned i = 0; i < DATASETS; i++)
        must(atomic_load(&dataset_ref(datasets[i])->count) == 1,
             "nobody holds a reference to a dataset any more");
    return 0;
}
