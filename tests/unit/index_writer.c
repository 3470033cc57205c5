// The index file, written: one builder at a time, the old file or the whole new one, no harm to
// what is no index, and none to the server when it cannot be written.
#include "data/index_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"

static const struct table table = {1, 200};

// ---- the lock -----------------------------------------------------------------------------------

static void check_lock(void)
{
    const char *path = test_path("locked.idx");
    const char *temporary = test_path("locked.idx.tmp");
    struct index_writer w;
    struct index_writer other;
    struct error error;
    is_number(index_writer_open(&w, path, &error), INDEX_LOCKED, "locked");
    ok(file_exists(temporary) && !file_exists(path), "by the temporary file");
    ok((fcntl(w.fd, F_GETFD) & FD_CLOEXEC) != 0, "which no child inherits");
    is_number(index_writer_open(&other, path, &error), INDEX_BUSY, "not twice");
    index_writer_clean(path);
    ok(file_exists(temporary), "a builder at work is not cleaned away");
    const struct identity any = {0};
    ok(!index_writer_stamp(path, &any), "nor is a file stamped beside it");
    index_writer_close(&w);
    ok(!file_exists(temporary), "given up: gone");
    index_writer_close(&w);
    is_number(index_writer_open(&w, path, &error), INDEX_LOCKED, "locked again");

    // Published: the lock goes with the file.
    struct index_facts facts = {.keys = 1};
    char image[100] = "image";
    ok(index_writer_publish(&w, span_of(image, sizeof image), &facts, NULL, &error), "published");
    ok(file_exists(path) && !file_exists(temporary), "under its name only");
    is_number(index_writer_open(&other, path, &error), INDEX_LOCKED, "the next may build");
    index_writer_close(&w);
    ok(file_exists(path) && file_exists(temporary), "closing the first takes nothing from it");
    index_writer_close(&other);
    ok(file_exists(path) && !file_exists(temporary), "giving up leaves the published one");

    // What a killed one leaves behind.
    test_file("locked.idx.tmp", SPAN("half an index, longer than the next one is to be"));
    is_number(index_writer_open(&w, path, &error), INDEX_LOCKED, "a leftover is taken over");
    struct stat status;
    ok(stat(temporary, &status) == 0 && status.st_size == 0, "and emptied");
    index_writer_close(&w);
    test_file("locked.idx.tmp", SPAN("half an index"));
    index_writer_clean(path);
    ok(!file_exists(temporary) && file_exists(path), "or cleaned away");
    index_writer_clean(path);
    ok(!file_exists(temporary), "which makes none");
    unlink(path);
}

// The name may lead elsewhere: then it is not followed, nor waited for.
static void check_hostile_names(void)
{
    const char *path = test_path("hostile.idx");
    const char *temporary = test_path("hostile.idx.tmp");
    const char *precious = test_file("precious", SPAN("precious"));
    struct index_writer w;
    for (unsigned i = 0; i < 4; i++) {
        struct error error = {""};
        static const char *const kinds[] = {"a link", "a folder", "a FIFO", "a dangling link"};
        require((i == 0   ? symlink(precious, temporary)
                 : i == 1 ? mkdir(temporary, 0700)
                 : i == 2 ? mkfifo(temporary, 0600)
                          : symlink(test_path("nowhere"), temporary)) == 0,
                "cannot make %s", kinds[i]);
        is_number(index_writer_open(&w, path, &error), INDEX_UNWRITABLE,
                  "%s in the place of the temporary file", kinds[i]);
        ok(strstr(error.text, temporary) != NULL, "and told: %s", error.text);
        index_writer_clean(path);
        ok(file_exists(temporary), "and left alone");
        require(remove(temporary) == 0, "cannot remove %s", temporary);
    }
    struct buf left = file_content(precious);
    is_bytes(buf_span(&left), SPAN("precious"), "what a link leads to is untouched");
    ok(!file_exists(test_path("nowhere")), "and not made");
    buf_release(&left);

    // In the place of the file itself: it would be replaced, which nobody wants of a device.
    for (unsigned i = 0; i < 3; i++) {
        struct error error = {""};
        static const char *const kinds[] = {"a folder", "a FIFO", "a device"};
        int made = i == 0   ? mkdir(path, 0700)
                   : i == 1 ? mkfifo(path, 0600)
                            : mknod(path, S_IFCHR | 0600, makedev(1, 3));
        if (made != 0 && errno == EPERM)
            continue; // making devices is root's
        require(made == 0, "cannot make %s", kinds[i]);
        is_number(index_writer_open(&w, path, &error), INDEX_UNWRITABLE,
                  "%s in the place of the file", kinds[i]);
        ok(strstr(error.text, "not a regular file") != NULL, "and told: %s", error.text);
        ok(!file_exists(temporary), "no temporary file");
        require(remove(path) == 0, "cannot remove %s", path);
    }
}

// ---- writing ------------------------------------------------------------------------------------

static char image[CHECKSUM_BLOCK * 5 + 3];

// With a file that was there, and was to be replaced.
static void check_failures(void)
{
    const char *path = test_path("failing.idx");
    const char *temporary = test_path("failing.idx.tmp");
    struct index_facts facts = {.keys = 1};
    struct index_writer w;
    struct error error;
    struct rlimit before;
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    require(getrlimit(RLIMIT_FSIZE, &before) == 0, "no limit to be had");
    limit = before;
    for (unsigned i = 0; i < 3; i++) {
        atomic_bool cancel = i == 2;
        static const char *const reasons[] = {"File too large", "File too large",
                                              "Operation canceled"};
        test_file("failing.idx", SPAN("the old one"));
        require(index_writer_open(&w, path, &error) == INDEX_LOCKED, "%s", error.text);
        limit.rlim_cur = i == 0 ? 4096 : i == 1 ? sizeof image : before.rlim_cur;
        require(setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit to be set");
        bool published =
            index_writer_publish(&w, span_of(image, sizeof image), &facts, &cancel, &error);
        require(setrlimit(RLIMIT_FSIZE, &before) == 0, "the limit stays");
        ok(!published && strstr(error.text, reasons[i]) != NULL && strstr(error.text, path) != NULL,
           "not published: %s", published ? "(it is)" : error.text);
        index_writer_close(&w);
        struct buf left = file_content(path);
        is_bytes(buf_span(&left), SPAN("the old one"), "the old file stands");
        ok(!file_exists(temporary), "nothing else is left");
        buf_release(&left);
    }
    // The folder is not writable any more, or the name has become a folder's.
    require(index_writer_open(&w, path, &error) == INDEX_LOCKED, "%s", error.text);
    require(unlink(path) == 0 && mkdir(path, 0700) == 0, "no folder");
    ok(!index_writer_publish(&w, span_of(image, 10), &facts, NULL, &error) &&
           strstr(error.text, "Is a directory") != NULL,
       "not published: %s", error.text);
    index_writer_close(&w);
    ok(!file_exists(temporary), "nothing else is left");
    require(rmdir(path) == 0, "not empty");
}

// The image may have been written by the caller already: the same file comes of it.
static void check_image_in_place(void)
{
    static const size_t lengths[] = {0, 1, 4096, CHECKSUM_BLOCK, sizeof image};
    const char *path = test_path("placed.idx");
    struct random r = {7};
    struct error error;
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (char)random_next(&r);
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct index_facts facts = {14, 2, 9, 3, 0, 15, 16, {1, 2, 3, 4, 5, 6, 7}};
        struct index_writer w;
        struct buf files[2] = {{0}, {0}};
        for (unsigned j = 0; j < 2; j++) {
            require(index_writer_open(&w, path, &error) == INDEX_LOCKED, "%s", error.text);
            if (j == 1)
                require(pwrite(w.fd, image, lengths[i], INDEX_WRITER_IMAGE_AT) ==
                            (ssize_t)lengths[i],
                        "cannot write");
            require(index_writer_publish(&w, span_of(j == 0 ? image : NULL, lengths[i]), &facts,
                                         NULL, &error),
                    "%s", error.text);
            index_writer_close(&w);
            files[j] = file_content(path);
        }
        ok(span_equal(buf_span(&files[0]), buf_span(&files[1])), "an image of %zu bytes in place",
           lengths[i]);
        struct index_file f;
        ok(index_file_open(&f, path, &error) && index_file_verify(&f, NULL, &error) &&
               span_equal(f.image, span_of(image, lengths[i])) &&
               memcmp(&f.facts, &facts, sizeof facts) == 0,
           "is read back with all facts");
        index_file_close(&f);
        buf_release(&files[0]);
        buf_release(&files[1]);
    }
    unlink(path);
}

static void check_stamp(void)
{
    const char *data = table_file(&table, "stamped.data");
    const char *path = test_path("stamped.data.idx");
    index_written(data, NULL);
    struct buf before = file_content(path);
    struct identity id = forge_header(&before)->facts.data;
    struct identity other;
    id.inode++;
    id.changed_ns--;
#define REFUSES(what, change)                                                                      \
    other = id;                                                                                    \
    other.change;                                                                                  \
    ok(!index_writer_stamp(path, &other), "no stamp with " what)
    REFUSES("another size", bytes++);
    REFUSES("another sample", sample++);
    REFUSES("other content", content++);
    struct buf after = file_content(path);
    ok(span_equal(buf_span(&before), buf_span(&after)), "the file is as it was");
    ok(index_writer_stamp(path, &id), "stamped");
    buf_release(&after);
    after = file_content(path);
    forge_header(&before)->facts.data = id;
    forge_seal_header(&before);
    ok(span_equal(buf_span(&before), buf_span(&after)), "that is all that has changed");
    ok(!file_exists(test_path("stamped.data.idx.tmp")), "nothing is left");
    file_patch(path, 90, SPAN("x"));
    ok(!index_writer_stamp(path, &id), "a damaged header is not made to look right");
    forge_write(path, &before);
    const char *link = test_path("stamped.link");
    require(symlink(path, link) == 0, "no link");
    ok(!index_writer_stamp(link, &id), "a link is not followed");
    ok(!index_writer_stamp(test_path("none"), &id) && !file_exists(test_path("none")),
       "no file: none made");
    buf_release(&before);
    buf_release(&after);
}

// ---- what a dataset does with it ----------------------------------------------------------------

// Nothing that holds records is ever replaced by an index.
static void check_data_is_spared(void)
{
    struct buf text = {0};
    struct buf malformed = {0};
    struct opened o;
    table_append(&table, &text);
    buf_append_text(&malformed, "\xef\xbb\xbf# a table\n\n");
    buf_append(&malformed, buf_span(&text));
    const char *data = test_file("spared.data", buf_span(&text));
    struct {
        const char *what;
        const char *name; // of the file that would be lost
        struct span content;
        const char *index; // what --index names
        const char *path;  // the data file; NULL: data
    } cases[] = {
        {"another data file", "other.data", buf_span(&text), "other.data", NULL},
        {"one with malformed lines first", "odd.data", buf_span(&malformed), "odd.data", NULL},
        {"the data file itself", "self.data", buf_span(&text), "self.data", "self.data"},
        {"itself, malformed", "bad.data", buf_span(&malformed), "bad.data", "bad.data"},
        {"itself, empty", "none.data", SPAN(""), "none.data", "none.data"},
        {"one of the temporary file's name", "t.tmp", buf_span(&text), "t", NULL},
        {"itself of that name", "u.tmp", buf_span(&malformed), "u", "u.tmp"},
        {"one record", "one.data", span_of(text.ptr, 37), "one.data", NULL},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *file = test_file(cases[i].name, cases[i].content);
        struct dataset_settings settings = {.index = DATASET_INDEX_WRITE,
                                            .malformed = DATASET_SKIP_MALFORMED,
                                            .index_path = test_path(cases[i].index)};
        opened_with(&o, cases[i].path != NULL ? test_path(cases[i].path) : data, &settings);
        ok(o.dataset == NULL && strstr(o.error.text, "is a data file, no index") != NULL &&
               strstr(o.error.text, cases[i].name) != NULL,
           "%s for an index: refused: %s", cases[i].what, o.error.text);
        if (o.dataset != NULL)
            dataset_settle(o.dataset, NULL);
        opened_close(&o);
        struct buf left = file_content(file);
        is_bytes(buf_span(&left), cases[i].content, "and left as it is");
        buf_release(&left);
    }
    buf_release(&text);
    buf_release(&malformed);
}

// Where nothing can be written the data is served from memory, with one warning.
static void check_unwritable(void)
{
    const char *data = table_file(&table, "unwritable.data");
    const char *folder = test_path("folder");
    const char *fifo = test_path("fifo");
    const char *secret = test_path("secret");
    require(mkdir(folder, 0700) == 0 && mkfifo(fifo, 0600) == 0, "cannot prepare files");
    test_file("secret", SPAN("not an index"));
    require(chmod(secret, 0) == 0, "cannot prepare files");
    const struct {
        const char *what;
        const char *path;
    } cases[] = {
        {"a missing folder", "/no/such/folder/index"},
        {"a file for a folder", test_path("secret/x")},
        {"a folder", folder},
        {"a FIFO", fifo},
        {"/proc", "/proc/index"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened o;
        opened_init(&o, data, DATASET_INDEX_WRITE, cases[i].path);
        require(o.dataset != NULL, "%s: %s", cases[i].what, o.error.text);
        dataset_settle(o.dataset, NULL);
        is_number(o.notices.warnings, 1, "an index at %s: one warning", cases[i].what);
        ok(notices_have(&o.notices, ": serving from memory\n"), "that tells what follows");
        is_text(dataset_index_status(o.dataset), "memory", "the status");
        ok(table_is_served(&table, o.dataset), "served");
        opened_close(&o);
    }
    struct stat status;
    ok(stat(fifo, &status) == 0 && S_ISFIFO(status.st_mode), "the FIFO is left alone");
    // A link is replaced itself, not what it leads to.
    const char *link = test_path("link.idx");
    const char *precious = test_file("precious", SPAN("precious"));
    require(symlink(precious, link) == 0, "no link");
    index_written(data, link);
    struct buf left = file_content(precious);
    is_bytes(buf_span(&left), SPAN("precious"), "what a link leads to is left as it is");
    ok(lstat(link, &status) == 0 && S_ISREG(status.st_mode), "the link is replaced");
    buf_release(&left);
}

static void check_interrupted(void)
{
    const char *data = table_file(&table, "interrupted.data");
    const char *temporary = test_path("interrupted.data.idx.tmp");
    const char *path = test_path("interrupted.data.idx");
    struct opened o;
    atomic_bool cancel = true;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(file_exists(temporary), "the lock is held until the file is written");
    opened_close(&o);
    ok(!file_exists(temporary) && !file_exists(path), "never settled: nothing is left");
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    dataset_settle(o.dataset, &cancel);
    is_text(dataset_index_status(o.dataset), "memory", "cancelled: in memory");
    ok(!file_exists(temporary) && !file_exists(path), "nothing is left");
    ok(table_is_served(&table, o.dataset), "served all the same");
    opened_close(&o);
    test_file("interrupted.data.idx.tmp", SPAN("half"));
    index_written(data, NULL);
    ok(!file_exists(temporary) && file_exists(path), "a leftover is taken over");
    test_file("interrupted.data.idx.tmp", SPAN("half"));
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    ok(o.dataset != NULL && file_exists(temporary), "who only reads leaves it");
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && dataset_index_is_mapped(o.dataset) && !file_exists(temporary),
       "who maps the index removes it");
    opened_close(&o);
    // A data file that is refused leaves no lock behind.
    unlink(path);
    data = test_file("interrupted.data", SPAN("nonsense\n"));
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset == NULL && !file_exists(temporary), "a refused data file: nothing is left");
    opened_close(&o);
}

int main(void)
{
    check_lock();
    check_hostile_names();
    check_failures();
    check_image_in_place();
    check_stamp();
    check_data_is_spared();
    check_unwritable();
    check_interrupted();
    return done_testing();
}
