// Tests of the reply writer: each reply in both protocols, byte by byte; texts with line ends;
// which values are copied and which are borrowed.
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "resp/resp.h"
#include "support/tap.h"

#define SPAN(literal)                                                                              \
    {                                                                                              \
        literal, sizeof literal - 1                                                                \
    }

// Takes all pending bytes and returns a copy.
static struct buf take_all(struct output *o)
{
    struct iovec vectors[16];
    struct buf all = {0};
    while (output_pending(o) > 0) {
        size_t count = output_iovecs(o, SIZE_MAX, vectors, 16);
        size_t len = all.len;
        for (size_t i = 0; i < count; i++)
            buf_append(&all, span_of(vectors[i].iov_base, vectors[i].iov_len));
        output_take(o, all.len - len);
    }
    return all;
}

static void write_nothing(struct resp_writer *w)
{
    (void)w;
}

static void write_status(struct resp_writer *w)
{
    resp_status(w, "OK");
}

static void write_forged_status(struct resp_writer *w)
{
    resp_status(w, "\rOK\r\n+FORGED\n");
}

static void write_empty_status(struct resp_writer *w)
{
    resp_status(w, "");
}

static void write_error(struct resp_writer *w)
{
    resp_error(w, "ERR unknown command '%s', %d%%", "x", 7);
}

static void write_forged_error(struct resp_writer *w)
{
    resp_error(w, "ERR '%s'", "\r\n+OK\r\n$1\n\n\r%s%n");
}

static void write_bulk(struct resp_writer *w)
{
    resp_bulk(w, span_of("a\r\n\0b", 5));
}

static void write_empty_bulk(struct resp_writer *w)
{
    resp_bulk(w, span_of(NULL, 0));
}

static void write_bulk_text(struct resp_writer *w)
{
    resp_bulk_text(w, "0123456789");
}

static void write_verbatim(struct resp_writer *w)
{
    resp_verbatim(w, span_of("a\r\nb", 4));
}

static void write_empty_verbatim(struct resp_writer *w)
{
    resp_verbatim(w, span_of(NULL, 0));
}

static void write_counts(struct resp_writer *w)
{
    resp_array(w, 0);
    resp_array(w, 10);
    resp_array(w, 1048576);
    resp_array(w, UINT64_MAX);
}

static void write_map(struct resp_writer *w)
{
    resp_map(w, 0);
    resp_map(w, 7);
}

static void write_set(struct resp_writer *w)
{
    resp_set(w, 0);
    resp_set(w, 12);
}

static void write_push(struct resp_writer *w)
{
    resp_push(w, 3);
}

static void write_integers(struct resp_writer *w)
{
    resp_integer(w, 0);
    resp_integer(w, 1);
    resp_integer(w, -1);
    resp_integer(w, 10);
    resp_integer(w, INT64_MAX);
    resp_integer(w, INT64_MIN);
}

static void write_doubles(struct resp_writer *w)
{
    resp_double(w, 0);
    resp_double(w, 3.141);
    resp_double(w, -1e300);
}

static void write_framed(struct resp_writer *w)
{
    resp_bulk_framed(w, span_of("a", 1), span_of("\r\n", 2), span_of("\0b", 2), NULL);
    resp_bulk_framed(w, span_of(NULL, 0), span_of(NULL, 0), span_of(NULL, 0), NULL);
}

static void test_replies(void)
{
    static const struct {
        const char *name;
        void (*write)(struct resp_writer *w);
        struct span in_resp2;
        struct span in_resp3; // wanted bytes; the same as in RESP2 when NULL
        uint64_t errors;
    } cases[] = {
        {"nothing", write_nothing, SPAN("")},
        {"a status", write_status, SPAN("+OK\r\n")},
        {"an empty status", write_empty_status, SPAN("+\r\n")},
        {"a status with line ends", write_forged_status, SPAN("+ OK  +FORGED \r\n")},
        {"an error", write_error, SPAN("-ERR unknown command 'x', 7%\r\n"), {0}, 1},
        {"an error with line ends",
         write_forged_error,
         SPAN("-ERR '  +OK  $1   %s%n'\r\n"),
         {0},
         1},
        {"integers", write_integers,
         SPAN(":0\r\n:1\r\n:-1\r\n:10\r\n:9223372036854775807\r\n:-9223372036854775808\r\n")},
        {"a bulk string with line ends and a NUL", write_bulk, SPAN("$5\r\na\r\n\0b\r\n")},
        {"an empty bulk string", write_empty_bulk, SPAN("$0\r\n\r\n")},
        {"a bulk string of text", write_bulk_text, SPAN("$10\r\n0123456789\r\n")},
        {"a null", resp_null, SPAN("$-1\r\n"), SPAN("_\r\n")},
        {"a null array", resp_null_array, SPAN("*-1\r\n"), SPAN("_\r\n")},
        {"doubles", write_doubles,
         SPAN("$1\r\n0\r\n$5\r\n3.141\r\n$24\r\n-1.0000000000000001e+300\r\n"),
         SPAN(",0\r\n,3.141\r\n,-1.0000000000000001e+300\r\n")},
        {"framed bulk strings", write_framed, SPAN("$5\r\na\r\n\0b\r\n$0\r\n\r\n")},
        {"a verbatim string", write_verbatim, SPAN("$4\r\na\r\nb\r\n"),
         SPAN("=8\r\ntxt:a\r\nb\r\n")},
        {"an empty verbatim string", write_empty_verbatim, SPAN("$0\r\n\r\n"),
         SPAN("=4\r\ntxt:\r\n")},
        {"arrays", write_counts, SPAN("*0\r\n*10\r\n*1048576\r\n*18446744073709551615\r\n")},
        {"maps", write_map, SPAN("*0\r\n*14\r\n"), SPAN("%0\r\n%7\r\n")},
        {"sets", write_set, SPAN("*0\r\n*12\r\n"), SPAN("~0\r\n~12\r\n")},
        {"a push", write_push, SPAN("*3\r\n"), SPAN(">3\r\n")},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int protocol = RESP2; protocol <= RESP3; protocol++) {
            struct output o = {0};
            struct resp_writer w = {&o, (enum resp_protocol)protocol, 0};
            cases[i].write(&w);
            struct buf got = take_all(&o);
            bool other = protocol == RESP3 && cases[i].in_resp3.ptr != NULL;
            is_bytes(buf_span(&got), other ? cases[i].in_resp3 : cases[i].in_resp2, "%s in RESP%d",
                     cases[i].name, protocol);
            require(w.errors == cases[i].errors, "%s: %d errors are counted", cases[i].name,
                    (int)w.errors);
            buf_release(&got);
            output_release(&o);
        }
    }
}

static void test_long_errors(void)
{
    enum { CUT = 1023 }; // 1 KiB with the NUL of a C string
    char text[5000];
    memset(text, 'e', sizeof text);
    text[CUT - 1] = '\n';
    for (int len = CUT - 1; len <= (int)sizeof text; len += len <= CUT + 1 ? 1 : 1000) {
        struct output o = {0};
        struct resp_writer w = {&o, RESP2, 0};
        char wanted[CUT + 3];
        int kept = len < CUT ? len : CUT;
        snprintf(wanted, sizeof wanted, "-%.*s", kept, text);
        if (kept == CUT)
            wanted[CUT] = ' ';
        memcpy(wanted + 1 + kept, "\r\n", 2);
        resp_error(&w, "%.*s", len, text);
        struct buf got = take_all(&o);
        is_bytes(buf_span(&got), span_of(wanted, (size_t)kept + 3),
                 "an error of %d bytes %s and stays one line", len,
                 len <= CUT ? "is whole" : "is cut below 1 KiB");
        buf_release(&got);
        output_release(&o);
    }
}

static void count_release(struct ref *ref)
{
    (void)ref;
}

static void test_shared(void)
{
    enum { BORROWED_FROM = 16 * 1024, LONGEST = 1 << 20 };
    static const size_t lens[] = {0, 1, 100, BORROWED_FROM - 1, BORROWED_FROM, LONGEST};
    struct ref owner;
    ref_init(&owner, count_release);
    char *value = malloc(LONGEST);
    require(value != NULL, "no memory");
    for (size_t i = 0; i < LONGEST; i++)
        value[i] = (char)(i * 31);
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct output o = {0};
        struct resp_writer w = {&o, RESP2, 0};
        bool borrowed = lens[i] >= BORROWED_FROM;
        struct buf wanted = {0};
        buf_printf(&wanted, "+before\r\n$%zu\r\n", lens[i]);
        buf_append(&wanted, span_of(value, lens[i]));
        buf_append_text(&wanted, "\r\n:1\r\n");
        resp_status(&w, "before");
        resp_bulk_shared(&w, span_of(value, lens[i]), &owner);
        resp_integer(&w, 1);
        ok(atomic_load(&owner.count) == (borrowed ? 2 : 1), "a shared value of %zu bytes is %s",
           lens[i], borrowed ? "borrowed" : "copied");
        if (borrowed)
            ok(o.owned.cap <= 16 * 1024, "a borrowed value takes little memory of the output");
        struct buf got = take_all(&o);
        is_bytes(buf_span(&got), buf_span(&wanted), "the value is complete, between other replies");
        is_number(atomic_load(&owner.count), 1, "no reference is left");
        buf_release(&got);
        buf_release(&wanted);
        output_release(&o);
    }
    free(value);
}

static void test_many(void)
{
    struct output o = {0};
    struct resp_writer w = {&o, RESP3, 0};
    struct buf wanted = {0};
    for (int i = 0; i < 3000; i++) {
        resp_integer(&w, i);
        resp_error(&w, "ERR %d", i);
        resp_null(&w);
        buf_printf(&wanted, ":%d\r\n-ERR %d\r\n_\r\n", i, i);
    }
    struct iovec vectors[4];
    is_number((int64_t)output_iovecs(&o, SIZE_MAX, vectors, 4), 1,
              "9,000 small replies are one iovec");
    is_number((int64_t)w.errors, 3000, "each error is counted");
    struct buf got = take_all(&o);
    is_bytes(buf_span(&got), buf_span(&wanted), "all errors are there, in order");
    buf_release(&got);
    buf_release(&wanted);
    output_release(&o);
}

static void test_error_codes(void)
{
    static struct counter counts[RESP_ERROR_CODES];
    struct output o = {0};
    struct resp_writer w = {&o, RESP2, 0, counts};
    unsigned wrong = 0, err = 0;
    for (unsigned i = 0; i < RESP_ERROR_CODES; i++) {
        resp_error(&w, "%s a text", resp_error_codes[i]);
        wrong += counter_get(&counts[i]) != 1;
        wrong += i > 0 && strcmp(resp_error_codes[i - 1], resp_error_codes[i]) >= 0;
        err = strcmp(resp_error_codes[i], "ERR") == 0 ? i : err;
    }
    is_number(wrong, 0, "errors are counted by code, and the codes are in order");
    resp_error(&w, "ERROR a text");
    resp_error(&w, "ER a text");
    resp_error(&w, " ");
    is_number((int64_t)counter_get(&counts[err]), 4, "errors with an unknown code count as ERR");
    resp_error(&w, "ERR");
    is_number((int64_t)counter_get(&counts[err]), 5, "an error that is only a code counts for it");
    output_release(&o);
}

static void test_oom(void)
{
    struct output o = {0};
    struct resp_writer w = {&o, RESP3, 0};
    resp_status(&w, "OK");
    output_reserve(&o, SIZE_MAX / 2 + 1);
    write_integers(&w);
    write_error(&w);
    write_bulk(&w);
    write_verbatim(&w);
    write_counts(&w);
    resp_null(&w);
    ok(output_oom(&o) && output_pending(&o) == 5,
       "without memory each reply is lost, and the output stays sound");
    output_release(&o);
}

int main(void)
{
    test_replies();
    test_long_errors();
    test_shared();
    test_many();
    test_error_codes();
    test_oom();
    return done_testing();
}
