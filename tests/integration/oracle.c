// A large random file with duplicate and upper-case keys. All its keys, and absent ones, are
// requested by pipelined GETs and by MGETs. The replies are compared with those of a simple
// program, tests/integration/lookup. The argument is the number of lines.
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "data/uuid_text.h"
#include "support/keysets.h"
#include "support/server.h"
#include "support/tap.h"

enum {
    LINES = 1000000,
    ABSENT = 100000,
    IN_FLIGHT = 1000,
    MGET_KEYS = 100,
    VALUE_MAX = 100,
    QUESTION_LEN = UUID_TEXT_LEN + 1, // a line of the oracle's input
};

static struct uuid random_v4(struct random *r)
{
    uint64_t hi = (random_next(r) & ~UINT64_C(0xf000)) | 0x4000;
    uint64_t lo = random_next(r) >> 2 | UINT64_C(1) << 63;
    return (struct uuid){hi, lo};
}

static struct uuid with_a_bit_flipped(struct uuid id, uint64_t bit)
{
    if (bit < 64)
        id.hi ^= UINT64_C(1) << bit;
    else
        id.lo ^= UINT64_C(1) << (bit - 64);
    return id;
}

// Writes a key. One in ten keys is in upper case, and one in ten in mixed case.
static char *write_key(struct random *r, struct uuid id, char *to)
{
    uint64_t form = random_below(r, 10);
    uint64_t upper = form == 0 ? UINT64_MAX : form == 1 ? random_next(r) : 0;
    uuid_format(id, to);
    for (unsigned i = 0; upper != 0 && i < UUID_TEXT_LEN; i++)
        if ((upper >> i & 1) != 0)
            to[i] = ascii_upper(to[i]);
    return to + UUID_TEXT_LEN;
}

// Writes `count` random lines and sets `keys`. One line in fifty repeats an earlier key.
static void write_lines(struct random *r, struct uuid *keys, size_t count, struct buf *to)
{
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && random_below(r, 50) == 0;
        keys[i] = again ? keys[random_below(r, i)] : random_v4(r);
        size_t len = random_below(r, VALUE_MAX + 1);
        char *start = buf_reserve(to, UUID_TEXT_LEN + 1 + VALUE_MAX + 8 + 1);
        require(start != NULL, "no memory");
        char *value = write_key(r, keys[i], start);
        *value++ = ' ';
        for (size_t j = 0; j < len; j += 8) {
            uint64_t bytes = random_next(r);
            memcpy(value + j, &bytes, 8);
        }
        for (char *newline = value; (newline = memchr(newline, '\n', len)) != NULL; newline = value)
            *newline = ' ';
        value[len] = '\n';
        to->len += (size_t)(value + len + 1 - start);
    }
}

// Writes the keys of all lines and the absent keys, shuffled, one per line.
static void write_questions(struct random *r, const struct uuid *keys, size_t count, struct buf *to)
{
    size_t total = count + ABSENT;
    struct uuid *asked = malloc(total * sizeof *asked);
    char *text = buf_reserve(to, total * QUESTION_LEN);
    require(asked != NULL && text != NULL, "no memory");
    memcpy(asked, keys, count * sizeof *keys);
    for (size_t i = count; i < total; i++)
        asked[i] = i % 2 == 0
                       ? random_v4(r)
                       : with_a_bit_flipped(keys[random_below(r, count)], random_below(r, 128));
    keys_shuffle(r, asked, total);
    for (size_t i = 0; i < total; i++) {
        text = write_key(r, asked[i], text);
        *text++ = '\n';
    }
    to->len = total * QUESTION_LEN;
    free(asked);
}

static void add_answer(struct buf *answers, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STRING) {
        buf_printf(answers, "$%zu\n", reply->len);
        buf_append(answers, span_of(reply->str, reply->len));
        buf_append_text(answers, "\n");
    } else if (reply->type == REDIS_REPLY_NIL) {
        buf_append_text(answers, "-1\n");
    } else {
        buf_printf(answers, "a reply of type %d: %s\n", reply->type,
                   reply->str != NULL ? reply->str : "");
    }
}

// Requests all keys, `together` keys in a command (1: GET), and appends the replies in the same
// order.
static void ask(redisContext *client, const struct buf *questions, size_t together,
                struct buf *answers)
{
    struct buf commands = {0};
    size_t total = questions->len / QUESTION_LEN;
    for (size_t asked = 0; asked < total;) {
        unsigned in_flight = 0;
        size_t end = total - asked < IN_FLIGHT ? total : asked + IN_FLIGHT;
        commands.len = 0;
        for (; asked < end; in_flight++) {
            size_t keys = end - asked < together ? end - asked : together;
            buf_printf(&commands, "*%zu\r\n$%d\r\n%s\r\n", keys + 1, together == 1 ? 3 : 4,
                       together == 1 ? "GET" : "MGET");
            for (; keys > 0; keys--, asked++) {
                buf_append_text(&commands, "$36\r\n");
                buf_append(&commands,
                           span_of(questions->ptr + asked * QUESTION_LEN, UUID_TEXT_LEN));
                buf_append_text(&commands, "\r\n");
            }
        }
        require(redisAppendFormattedCommand(client, commands.ptr, commands.len) == REDIS_OK,
                "no memory");
        for (; in_flight > 0; in_flight--) {
            void *gotten = NULL;
            require(redisGetReply(client, &gotten) == REDIS_OK, "no reply: %s", client->errstr);
            redisReply *reply = gotten;
            if (together > 1 && reply->type == REDIS_REPLY_ARRAY)
                for (size_t i = 0; i < reply->elements; i++)
                    add_answer(answers, reply->element[i]);
            else
                add_answer(answers, reply);
            freeReplyObject(reply);
        }
    }
    buf_release(&commands);
}

static void ask_oracle(const char *data_file, const char *questions_file, struct buf *answers)
{
    static const char command[] = "exec tests/integration/lookup \"$0\" <\"$1\"";
    const char *const argv[] = {"sh", "-c", command, data_file, questions_file, NULL};
    struct buf complaints = {0};
    int code = run_program(argv, answers, &complaints);
    require(code == 0, "the oracle ends with %d: %.*s", code, (int)complaints.len, complaints.ptr);
    buf_release(&complaints);
}

static int64_t count_misses(const struct buf *answers)
{
    int64_t misses = 0;
    for (const char *at = answers->ptr, *end = at + answers->len; at < end;) {
        if (*at == '-')
            misses++;
        char *newline = NULL;
        size_t len = *at == '$' ? strtoul(at + 1, &newline, 10) + 2 : 3;
        at = newline != NULL ? newline + len : at + len;
    }
    return misses;
}

int main(int argc, char **argv)
{
    size_t lines = argc > 1 ? strtoul(argv[1], NULL, 10) : LINES;
    struct random r = random_seeded();
    struct buf data = {0}, questions = {0}, wanted = {0}, by_get = {0}, by_mget = {0};
    struct uuid *keys = malloc(lines * sizeof *keys);
    require(lines > 0 && keys != NULL, "no lines, or no memory for them");
    write_lines(&r, keys, lines, &data);
    write_questions(&r, keys, lines, &questions);
    free(keys);
    const char *data_file = test_file("data", buf_span(&data));
    const char *questions_file = test_file("questions", buf_span(&questions));
    buf_release(&data);

    struct server_process server = server_start(data_file, NULL);
    redisContext *client = redisConnect("127.0.0.1", server.port);
    require(client != NULL && client->err == 0, "cannot connect");
    redisSetTimeout(client, (struct timeval){.tv_sec = 20});
    ask(client, &questions, 1, &by_get);
    ask(client, &questions, MGET_KEYS, &by_mget);
    redisFree(client);
    is_number(server_stop(&server), 0, "the server's exit code");

    ask_oracle(data_file, questions_file, &wanted);
    require(!wanted.oom && !by_get.oom && !by_mget.oom && wanted.len > 0, "no memory");
    is_bytes(buf_span(&by_get), buf_span(&wanted),
             "%zu lines: the replies to GETs are those of the oracle", lines);
    is_bytes(buf_span(&by_mget), buf_span(&wanted),
             "%zu lines: the replies to MGETs are those of the oracle", lines);
    is_number(count_misses(&wanted), ABSENT, "exactly the absent keys are misses");
    buf_release(&questions);
    buf_release(&wanted);
    buf_release(&by_get);
    buf_release(&by_mget);
    return done_testing();
}
