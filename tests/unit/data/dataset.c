// Opening datasets: keys and figures of a text, files that are refused and the message, and how
// long values are valid.
#include "data/dataset.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/ref.h"
#include "data/uuid_text.h"
#include "support/guard.h"
#include "support/server.h"
#include "support/tap.h"

#define A "3479d894-3271-4935-88cf-a06f3cbb80a5"
#define B "f8a24bb8-eff8-41dc-929b-10b4c3e49e05"
#define C "0cdfafb5-edb4-48a6-a7ec-5b1a75831f91"

static struct dataset *open_text(struct span text, enum dataset_malformed malformed,
                                 struct dataset_report *report, struct error *error)
{
    *report = (struct dataset_report){0};
    *error = (struct error){""};
    return dataset_open_memory(text, "t.data", malformed, report, error);
}

static bool holds(const struct dataset *d, const char *key, struct span wanted)
{
    struct uuid id;
    struct span value;
    return uuid_parse(key, &id) && dataset_get(d, id, &value) && span_equal(value, wanted);
}

static bool lacks(const struct dataset *d, const char *key)
{
    struct uuid id;
    struct span value;
    return uuid_parse(key, &id) && !dataset_get(d, id, &value);
}

static const struct dataset_settings refusing;

#define LITERAL(text)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define TEXT(text) span_of(text, sizeof(text) - 1)

static void check_good_texts(void)
{
    static const struct {
        const char *what;
        struct span text;
        struct span value; // value of the key A
        uint64_t lines, keys, duplicates, value_bytes;
    } cases[] = {
        {"one line", LITERAL(A " v\n"), LITERAL("v"), 1, 1, 0, 1},
        {"no final newline", LITERAL(B " w\n" A " v"), LITERAL("v"), 2, 2, 0, 2},
        {"an empty value", LITERAL(A " \n"), LITERAL(""), 1, 1, 0, 0},
        {"an empty value at the end of the file", LITERAL(A " "), LITERAL(""), 1, 1, 0, 0},
        {"spaces", LITERAL(A "   v \n"), LITERAL("  v "), 1, 1, 0, 4},
        {"CR LF: the CR belongs to the value", LITERAL(A " v\r\n"), LITERAL("v\r"), 1, 1, 0, 2},
        {"any byte", LITERAL(A " \0\x80\xff\t\n"), LITERAL("\0\x80\xff\t"), 1, 1, 0, 4},
        {"upper case", LITERAL("3479D894-3271-4935-88CF-A06F3CBB80A5 v\n"), LITERAL("v"), 1, 1, 0,
         1},
        {"the last of duplicates", LITERAL(A " 1\n" B " w\n" A " 22\n" A " 333\n"), LITERAL("333"),
         4, 2, 2, 4},
        {"a duplicate in another case", LITERAL(A " 1\n3479D894-3271-4935-88cf-a06f3cbb80a5 2\n"),
         LITERAL("2"), 2, 1, 1, 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guard guard = {0};
        struct dataset_report report;
        struct error error;
        struct bytes text = guard_copy(&guard, cases[i].text);
        struct dataset *d =
            open_text(span_of(text.ptr, text.len), DATASET_REFUSE_MALFORMED, &report, &error);
        if (!ok(d != NULL, "%s: opens %s", cases[i].what, error.text))
            continue;
        ok(holds(d, A, cases[i].value), "%s: the value is right", cases[i].what);
        ok(lacks(d, C), "%s: another key does not exist", cases[i].what);
        const struct dataset_figures *f = dataset_figures(d);
        ok(f->lines == cases[i].lines && f->keys == cases[i].keys &&
               f->duplicates == cases[i].duplicates && f->value_bytes == cases[i].value_bytes &&
               f->malformed == 0 && f->data_bytes == text.len,
           "%s: the figures are right", cases[i].what);
        dataset_close(d);
        guard_release(&guard);
    }
    struct dataset_report report;
    struct error error;
    struct dataset *d = open_text(span_of(NULL, 0), DATASET_REFUSE_MALFORMED, &report, &error);
    ok(d != NULL && lacks(d, A) && dataset_figures(d)->keys == 0, "empty text: an empty dataset");
    dataset_close(d);
}

static void check_malformed(void)
{
    static const char text[] = A " v\n\nx\n" B "\tw\n" B " w\n";
    struct dataset_report report;
    struct error error;
    struct dataset *d = open_text(TEXT(text), DATASET_REFUSE_MALFORMED, &report, &error);
    ok(d == NULL, "malformed lines are refused");
    is_text(error.text, "t.data: 3 of 5 lines malformed",
            "malformed lines: the message has the count");
    is_text(report.malformed[0], "t.data:2: byte 39: blank line",
            "malformed lines: the first message");
    is_text(report.malformed[1], "t.data:3: byte 40: not a UUID: 'x'",
            "malformed lines: the second message");
    is_text(report.malformed[2], "t.data:4: byte 42: no space after the UUID: '" B "\\x09w'",
            "malformed lines: the third message");
    dataset_close(d);
    d = open_text(TEXT(text), DATASET_SKIP_MALFORMED, &report, &error);
    ok(d != NULL && holds(d, A, TEXT("v")) && holds(d, B, TEXT("w")),
       "malformed lines are skipped, the other lines are served");
    is_number((int64_t)report.figures.malformed, 3, "skipped lines are counted");
    dataset_close(d);
    struct buf many = {0};
    for (unsigned i = 0; i < 100; i++)
        buf_append_text(&many, "bad\n");
    d = open_text(buf_span(&many), DATASET_REFUSE_MALFORMED, &report, &error);
    ok(d == NULL && report.figures.malformed == 100 &&
           strcmp(report.malformed[9], "t.data:10: byte 36: not a UUID: 'bad'") == 0,
       "of a hundred malformed lines, ten have a message");
    buf_release(&many);
}

static void check_files(void)
{
    struct error error = {""};
    const char *path = test_file("good.data", TEXT(A " v\n" B " w\n"));
    struct dataset *d = dataset_open(path, &refusing, NULL, &error);
    ok(d != NULL && holds(d, A, TEXT("v")) && holds(d, B, TEXT("w")), "a file is served");
    is_text(dataset_path(d), path, "dataset_path returns the path");
    struct span value = {NULL, 0};
    struct uuid id;
    uuid_parse(B, &id);
    dataset_get(d, id, &value);
    struct ref *ref = dataset_ref(d);
    ref_take(ref);
    dataset_close(d);
    ok(span_equal(value, TEXT("w")), "a value is valid as long as there is a reference");
    ref_drop(ref);

    d = dataset_open(test_file("empty.data", TEXT("")), &refusing, NULL, &error);
    ok(d != NULL && lacks(d, A), "an empty file is an empty dataset");
    dataset_close(d);

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct buf exact = {0};
    buf_append_text(&exact, A " ");
    while (exact.len < page)
        buf_append_text(&exact, "x");
    d = dataset_open(test_file("page.data", buf_span(&exact)), &refusing, NULL, &error);
    ok(d != NULL && holds(d, A, span_of(exact.ptr + 37, page - 37)),
       "a file that ends at the end of a page is not read past its end");
    dataset_close(d);
    buf_release(&exact);

    const char *link = test_path("link.data");
    ok(symlink(path, link) == 0, "(a symbolic link)");
    d = dataset_open(link, &refusing, NULL, &error);
    ok(d != NULL && holds(d, A, TEXT("v")), "a symbolic link is followed");
    dataset_close(d);

    const char *fifo = test_path("fifo");
    ok(mkfifo(fifo, 0600) == 0, "(a FIFO)");
    const struct {
        const char *path;
        const char *reason;
    } refused[] = {
        {fifo, "not a regular file"},
        {"/dev/zero", "not a regular file"},
        {test_folder(), "not a regular file"},
        {test_path("missing.data"), "No such file or directory"},
    };
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct buf wanted = {0};
        d = dataset_open(refused[i].path, &refusing, NULL, &error);
        buf_printf(&wanted, "cannot open '%s': %s", refused[i].path, refused[i].reason);
        ok(d == NULL, "refused: %s", refused[i].path);
        is_bytes(span_text(error.text), buf_span(&wanted), "the message has the reason");
        buf_release(&wanted);
    }
}

int main(void)
{
    check_good_texts();
    check_malformed();
    check_files();
    return done_testing();
}
