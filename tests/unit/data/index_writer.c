// Writing index files: one builder at a time, and either the old file or the complete new one.
// Other kinds of files are not replaced, and a server works when the index file cannot be written.
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
#include <sys/wait.h>
#include <unistd.h>

#include "data/index_format.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"

static const struct table table = {1, 200};

// ---- the lock -----------------------------------------------------------------------------------

static void check_lock(void)
{
    const char *path = test_path("locked.idx");
    const char *lock = test_path("locked.idx.lock");
    struct index_writer w;
    struct index_writer other;
    struct error error;
    struct stat status;
    is_number(index_writer_open(&w, path, &error), INDEX_LOCKED, "a writer takes the lock");
    ok(file_exists(lock) && !file_exists(path) && files_beside(path) == 2,
       "there are a lock and a temporary file, but no index file");
    ok(stat(lock, &status) == 0 && (status.st_mode & 0777) == 0600 && fstat(w.fd, &status) == 0 &&
           (status.st_mode & 0777) == 0600,
       "only their owner may read and write both files");
    ok((fcntl(w.fd, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(w.lock_fd, F_GETFD) & FD_CLOEXEC) != 0,
       "no child process inherits their descriptors");
    is_number(index_writer_open(&other, path, &error), INDEX_BUSY, "a second writer is refused");
    index_writer_clean(path);
    is_number(files_beside(path), 2,
              "index_writer_clean does not remove the files of an active builder");
    const struct identity any = {0};
    ok(!index_writer_set_identity(path, &any), "no identity is set while a builder is active");
    index_writer_close(&w);
    is_number(files_beside(path), 0, "closing removes both files");
    index_writer_close(&w);
    is_number(index_writer_open(&w, path, &error), INDEX_LOCKED, "the next writer takes the lock");

    // Publishing removes the lock.
    struct index_facts facts = {.keys = 1};
    char image[100] = "image";
    ok(index_writer_publish(&w, span_of(image, sizeof image), &facts, NULL, &error),
       "the file is published");
    ok(file_exists(path) && files_beside(path) == 0,
       "after publishing, only the index file is left");
    is_number(index_writer_open(&other, path, &error), INDEX_LOCKED,
              "after publishing, the next writer takes the lock");
    index_writer_close(&w);
    ok(file_exists(path) && files_beside(path) == 2,
       "closing the first writer does not disturb the second one");
    index_writer_close(&other);
    ok(file_exists(path) && files_beside(path) == 0,
       "closing the second writer leaves the published file");
    unlink(path);
}

// Starts a builder and kills it. It leaves a lock file that nobody has locked, and a temporary
// file.
static void leave_behind(const char *path)
{
    struct index_writer w;
    struct error error;
    pid_t killed = fork();
    require(killed >= 0, "no child");
    if (killed == 0) {
        require(index_writer_open(&w, path, &error) == INDEX_LOCKED, "%s", error.text);
        require(pwrite(w.fd, "half an index", 13, 4096) == 13, "cannot write");
        _exit(0);
    }
    require(waitpid(killed, NULL, 0) == killed && files_beside(path) == 2,
            "the builder has not left two files");
}

static void check_leftovers(void)
{
    const char *path = test_path("left.idx");
    struct index_writer w;
    struct error error;
    leave_behind(path);
    is_number(index_writer_open(&w, path, &error), INDEX_LOCKED,
              "the lock of a killed builder is taken");
    is_number(files_beside(path), 2, "the temporary file of a killed builder is removed");
    index_writer_close(&w);
    leave_behind(path);
    index_writer_clean(path);
    is_number(files_beside(path), 0, "index_writer_clean removes the files of a killed builder");
    index_writer_clean(path);
    is_number(files_beside(path), 0, "index_writer_clean creates no file");

    // Files whose names are only similar to those of a builder are not removed.
    static const char *const names[] = {
        "left.idx.tmp",
        "left.idx.0123456789abcde.tmp",
        "left.idx.0123456789abcdef0.tmp",
        "left.idx.0123456789ABCDEF.tmp",
        "left.idx.0123456789abcdef.bak",
        "left.idx.old.0123456789abcdef.tmp",
        "xleft.idx.0123456789abcdef.tmp",
    };
    enum { NAMES = sizeof names / sizeof *names };
    for (unsigned i = 0; i < NAMES; i++)
        test_file(names[i], SPAN("precious"));
    const char *linked = test_path("left.idx.1111111111111111.tmp");
    const char *twice = test_path("left.idx.2222222222222222.tmp");
    const char *folder = test_path("left.idx.3333333333333333.tmp");
    const char *at_work = test_file("left.idx.4444444444444444.tmp", SPAN("at work"));
    require(symlink(test_path(names[0]), linked) == 0 && link(test_path(names[0]), twice) == 0 &&
                mkdir(folder, 0700) == 0,
            "cannot prepare files");
    int held = open(at_work, O_RDONLY | O_CLOEXEC);
    require(held >= 0 && flock(held, LOCK_EX | LOCK_NB) == 0, "no lock");
    test_file("left.idx.lock", SPAN(""));
    require(chmod(test_path("left.idx.lock"), 0600) == 0, "no mode");
    index_writer_clean(path);
    ok(!file_exists(test_path("left.idx.lock")), "a lock file that nobody has locked is removed");
    for (unsigned i = 0; i < NAMES; i++)
        ok(file_exists(test_path(names[i])) && unlink(test_path(names[i])) == 0,
           "%s is not removed", names[i]);
    ok(unlink(linked) == 0, "a symbolic link is not removed");
    ok(unlink(twice) == 0, "a file with two names is not removed");
    ok(rmdir(folder) == 0, "a folder is not removed");
    ok(unlink(at_work) == 0, "a locked file is not removed");
    close(held);
    is_number(files_beside(path), 0, "no other file is left");
}

// In a folder that many users may write to, anybody may create a file with the name of the lock. It
// is not changed, and nobody waits for it.
static void check_hostile_names(void)
{
    const char *path = test_path("hostile.idx");
    const char *lock = test_path("hostile.idx.lock");
    const char *precious = test_file("precious", SPAN("precious"));
    struct index_facts facts = {.keys = 1};
    struct index_writer w;
    require(chmod(precious, 0600) == 0, "no mode");
    for (unsigned i = 0; i < 8; i++) {
        struct error error = {""};
        static const char *const kinds[] = {
            "a link",         "a folder",    "a FIFO",         "a dangling link",
            "another's file", "a hard link", "a file of ours", "a file that others may open",
        };
        bool made = i == 0   ? symlink(precious, lock) == 0
                    : i == 1 ? mkdir(lock, 0700) == 0
                    : i == 2 ? mkfifo(lock, 0600) == 0
                    : i == 3 ? symlink(test_path("nowhere"), lock) == 0
                    : i == 5 ? link(precious, lock) == 0
                             : chmod(test_file("hostile.idx.lock", SPAN("precious")),
                                     i == 7 ? 0644 : 0600) == 0;
        require(made, "cannot make %s", kinds[i]);
        if ((i == 4 && chown(lock, 65534, 65534) != 0) || (i == 7 && truncate(lock, 0) != 0)) {
            require(unlink(lock) == 0, "cannot remove %s", lock);
            continue; // only root may give a file to another user
        }
        // Nobody waits, even when somebody has locked that file.
        int held = i == 1 || i == 2 || i == 3 ? -1 : open(lock, O_RDONLY | O_CLOEXEC);
        require(held < 0 || flock(held, LOCK_EX | LOCK_NB) == 0, "no lock");
        index_writer_clean(path);
        is_number(index_writer_open(&w, path, &error), INDEX_LOCKED,
                  "%s with the name of the lock: the caller may write", kinds[i]);
        ok(index_writer_publish(&w, span_of("image", 5), &facts, NULL, &error),
           "%s with the name of the lock: published", kinds[i]);
        index_writer_close(&w);
        struct stat status;
        ok(lstat(lock, &status) == 0 && files_beside(path) == 1,
           "the file with the name of the lock is left alone");
        require(unlink(path) == 0 && remove(lock) == 0, "cannot remove %s", lock);
        if (held >= 0)
            close(held);
    }
    struct buf left = file_content(precious);
    is_bytes(buf_span(&left), SPAN("precious"), "the file that a link leads to is unchanged");
    ok(!file_exists(test_path("nowhere")), "the missing file that a link leads to is not created");
    buf_release(&left);
}

// Other kinds of files at the path of the index are not replaced, neither when building begins nor
// when it ends.
static void check_places(void)
{
    const char *path = test_path("place.idx");
    const char *precious = test_file("precious", SPAN("precious"));
    const uint64_t magic = INDEX_MAGIC;
    const uint64_t other_order = __builtin_bswap64(INDEX_MAGIC);
    const uint64_t end = INDEX_END;
    char ends_well[8192] = "damaged";
    memcpy(ends_well + sizeof ends_well - sizeof end, &end, sizeof end);
    const struct {
        const char *what;
        enum index_lock outcome;
        struct span content; // content of the file; NULL `ptr`: no file
    } cases[] = {
        {"nothing", INDEX_LOCKED, {NULL, 0}},
        {"an empty file", INDEX_LOCKED, SPAN("")},
        {"a truncated index", INDEX_LOCKED, {(const char *)&magic, sizeof magic}},
        {"an index of the other byte order", INDEX_LOCKED, {(const char *)&other_order, 8}},
        {"an index with a damaged beginning", INDEX_LOCKED, {ends_well, sizeof ends_well}},
        {"one byte", INDEX_TAKEN, SPAN("S")},
        {"a part of the magic", INDEX_TAKEN, {(const char *)&magic, sizeof magic - 1}},
        {"notes", INDEX_TAKEN, SPAN("to do:\n- nothing\n")},
        {"a gz", INDEX_TAKEN, SPAN("\x1f\x8b\x08\0\0\0\0\0\0\3")},
        {"a CSV", INDEX_TAKEN, SPAN("id,value\n1,2\n")},
        {"a password", INDEX_TAKEN, SPAN("secret\n")},
        {"zeros", INDEX_TAKEN, {ends_well + 4096, 1024}},
        {"a folder", INDEX_UNWRITABLE, SPAN("mkdir")},
        {"a FIFO", INDEX_UNWRITABLE, SPAN("mkfifo")},
        {"a link to a file", INDEX_UNWRITABLE, SPAN("symlink")},
        {"a dangling link", INDEX_UNWRITABLE, SPAN("symlink to nowhere")},
        {"a device", INDEX_UNWRITABLE, SPAN("mknod")},
        {"a socket", INDEX_UNWRITABLE, SPAN("mksock")},
    };
    for (unsigned i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct error error = {""};
        struct index_facts facts = {.keys = 1};
        struct index_writer w;
        bool late = i % 2 == 1; // the file is there only when the index has been built
        const struct span content = cases[i / 2].content;
        const char *what = cases[i / 2].what;
        enum index_lock outcome = cases[i / 2].outcome;
        int made = 0;
        if (late)
            require(index_writer_open(&w, path, &error) == INDEX_LOCKED, "%s", error.text);
        if (outcome != INDEX_UNWRITABLE && content.ptr != NULL)
            test_file("place.idx", content);
        else if (span_equal(content, SPAN("mkdir")))
            made = mkdir(path, 0700);
        else if (span_equal(content, SPAN("mkfifo")))
            made = mkfifo(path, 0600);
        else if (span_equal(content, SPAN("mknod")))
            made = mknod(path, S_IFCHR | 0600, makedev(1, 3));
        else if (span_equal(content, SPAN("mksock")))
            made = mknod(path, S_IFSOCK | 0600, 0);
        else if (outcome == INDEX_UNWRITABLE)
            made = symlink(span_equal(content, SPAN("symlink")) ? precious : "/no/such/file", path);
        require(made == 0 || errno == EPERM, "cannot make %s", what);
        struct stat before = {0};
        struct stat after = {0};
        (void)lstat(path, &before);
        enum index_lock met = outcome;
        if (!late)
            met = index_writer_open(&w, path, &error);
        bool published = (late || met == INDEX_LOCKED) &&
                         index_writer_publish(&w, span_of("image", 5), &facts, NULL, &error);
        (void)lstat(path, &after);
        if (made == 0 && outcome == INDEX_LOCKED)
            ok(published && after.st_size > 4096, "%s%s is replaced", what, late ? ", late," : "");
        else if (made == 0)
            ok(met == outcome && !published && before.st_ino == after.st_ino &&
                   strstr(error.text, path) != NULL,
               "%s%s is not replaced: %s", what, late ? ", late," : "", error.text);
        index_writer_close(&w);
        is_number(files_beside(path), 0, "no other file is left");
        (void)remove(path);
    }
    struct buf left = file_content(precious);
    is_bytes(buf_span(&left), SPAN("precious"), "the file that a link leads to is unchanged");
    buf_release(&left);
}

// ---- writing ------------------------------------------------------------------------------------

static char image[INDEX_BLOCK * 5 + 3];

// When writing fails, the file that was to be replaced is unchanged.
static void check_failures(void)
{
    const char *path = test_path("failing.idx");
    struct index_facts facts = {.keys = 1};
    struct index_writer w;
    struct error error;
    struct rlimit before;
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    require(getrlimit(RLIMIT_FSIZE, &before) == 0, "cannot get the limit");
    limit = before;
    for (unsigned i = 0; i < 3; i++) {
        atomic_bool cancel = i == 2;
        static const char *const reasons[] = {"File too large", "File too large",
                                              "Operation canceled"};
        test_file("failing.idx", SPAN("STEL-IDX, the old one"));
        require(index_writer_open(&w, path, &error) == INDEX_LOCKED, "%s", error.text);
        limit.rlim_cur = i == 0 ? 4096 : i == 1 ? sizeof image : before.rlim_cur;
        require(setrlimit(RLIMIT_FSIZE, &limit) == 0, "cannot set the limit");
        bool published =
            index_writer_publish(&w, span_of(image, sizeof image), &facts, &cancel, &error);
        require(setrlimit(RLIMIT_FSIZE, &before) == 0, "cannot restore the limit");
        ok(!published && strstr(error.text, reasons[i]) != NULL && strstr(error.text, path) != NULL,
           "not published: %s", published ? "(it is)" : error.text);
        index_writer_close(&w);
        struct buf left = file_content(path);
        is_bytes(buf_span(&left), SPAN("STEL-IDX, the old one"), "the old file is unchanged");
        is_number(files_beside(path), 0, "no other file is left");
        buf_release(&left);
    }
    // A folder has the name of the index file when it is published.
    require(index_writer_open(&w, path, &error) == INDEX_LOCKED, "%s", error.text);
    require(unlink(path) == 0 && mkdir(path, 0700) == 0, "no folder");
    ok(!index_writer_publish(&w, span_of(image, 10), &facts, NULL, &error) &&
           strstr(error.text, "not a regular file") != NULL,
       "not published: %s", error.text);
    index_writer_close(&w);
    is_number(files_beside(path), 0, "no other file is left");
    require(rmdir(path) == 0, "not empty");
}

// If the caller has written the image to the file before, the result is the same file.
static void check_image_in_place(void)
{
    static const size_t lengths[] = {0, 1, 4096, INDEX_BLOCK, sizeof image};
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
        ok(index_file_open(&f, path, &error) && verifier_check_all(&f.verifier, NULL, &error) &&
               span_equal(f.image, span_of(image, lengths[i])) &&
               memcmp(&f.facts, &facts, sizeof facts) == 0,
           "the file is read back with all facts");
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
    ok(!index_writer_set_identity(path, &other), "the identity is not set with " what)
    REFUSES("another size", bytes++);
    REFUSES("another sample", sample++);
    REFUSES("other content", content++);
    struct buf after = file_content(path);
    ok(span_equal(buf_span(&before), buf_span(&after)), "the file is unchanged");
    ok(index_writer_set_identity(path, &id), "the identity is set");
    buf_release(&after);
    after = file_content(path);
    forge_header(&before)->facts.data = id;
    forge_seal_header(&before);
    ok(span_equal(buf_span(&before), buf_span(&after)), "nothing else has changed");
    ok(files_beside(test_path("stamped.data.idx")) == 0, "no lock is left");
    file_patch(path, 90, before.ptr[90] == 'x' ? SPAN("y") : SPAN("x"));
    ok(!index_writer_set_identity(path, &id), "the checksum of a damaged header is not repaired");
    forge_write(path, &before);
    const char *link = test_path("stamped.link");
    require(symlink(path, link) == 0, "no link");
    ok(!index_writer_set_identity(link, &id), "a symbolic link is not followed");
    ok(!index_writer_set_identity(test_path("none"), &id) && !file_exists(test_path("none")),
       "no file is created where none is");
    buf_release(&before);
    buf_release(&after);
}

// ---- datasets -----------------------------------------------------------------------------------

// A file that an option names is not replaced unless it is an index.
static void check_named_places(void)
{
    struct buf text = {0};
    struct buf malformed = {0};
    struct opened o;
    table_append(&table, &text);
    buf_append_text(&malformed, "\xef\xbb\xbf# a table\n\n");
    buf_append(&malformed, buf_span(&text));
    const char *data = test_file("spared.data", buf_span(&text));
    const char *other = test_file("neighbour.data", buf_span(&malformed));
    struct dataset_settings skipping = {.index = DATASET_INDEX_WRITE,
                                        .malformed = DATASET_SKIP_MALFORMED};
    opened_with(&o, other, &skipping);
    dataset_finish(o.dataset, NULL);
    opened_close(&o);
    struct buf neighbour = file_content(test_path("neighbour.data.idx"));
    struct buf stray = {0};
    buf_append(&stray, buf_span(&neighbour));
    const struct {
        const char *what;
        const char *name; // name of the file that --index names
        struct span content;
        const char *path; // path of the data file; NULL: `data`
        const char *reason;
    } cases[] = {
        {"another data file", "other.data", buf_span(&text), NULL, "is not an index"},
        {"a data file with malformed lines first", "odd.data", buf_span(&malformed), NULL,
         "is not an index"},
        {"the data file itself", "self.data", buf_span(&text), "self.data", "is the data file"},
        {"the data file itself, empty", "none.data", SPAN(""), "none.data", "is the data file"},
        {"one record", "one.data", span_of(text.ptr, 37), NULL, "is not an index"},
        {"notes", "notes.txt", SPAN("x\n"), NULL, "is not an index"},
        {"the index of a neighbour", "neighbour.data.idx", buf_span(&neighbour), NULL,
         "is the index of another data file"},
        {"a stray index", "stray.idx", buf_span(&stray), NULL, NULL},
        {"an empty file", "empty.idx", SPAN(""), NULL, NULL},
        {"a file with the name of an old temporary file", "t.tmp", buf_span(&text), "t", NULL},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *file = test_file(cases[i].name, cases[i].content);
        bool beside = cases[i].path != NULL && strcmp(cases[i].path, "t") == 0;
        struct dataset_settings settings = skipping;
        settings.index_path = beside ? test_path("t") : file;
        opened_with(&o, cases[i].path != NULL && !beside ? file : data, &settings);
        if (o.dataset != NULL)
            dataset_finish(o.dataset, NULL);
        if (cases[i].reason != NULL)
            ok(o.dataset == NULL && strstr(o.error.text, cases[i].reason) != NULL &&
                   strstr(o.error.text, cases[i].name) != NULL,
               "--index names %s: refused: %s", cases[i].what, o.error.text);
        else
            ok(o.dataset != NULL && strcmp(dataset_index_status(o.dataset), "mapped") == 0,
               "--index names %s: the index is written", cases[i].what);
        opened_close(&o);
        struct buf left = file_content(file);
        ok(span_equal(buf_span(&left), cases[i].content) == (cases[i].reason != NULL || beside),
           "the file is %s", cases[i].reason != NULL || beside ? "left as it is" : "replaced");
        buf_release(&left);
    }
    // If another kind of file is at the default path, the data is still served.
    const char *taken = test_file("spared.data.idx", SPAN("notes\n"));
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && o.notices.warnings == 1 &&
           notices_have(&o.notices, "is not an index and is not replaced: serving from memory\n") &&
           table_is_served(&table, o.dataset),
       "another file at the default path: served from memory, with a warning");
    dataset_finish(o.dataset, NULL);
    opened_close(&o);
    struct buf left = file_content(taken);
    is_bytes(buf_span(&left), SPAN("notes\n"), "another file at the default path is unchanged");
    buf_release(&left);
    buf_release(&neighbour);
    buf_release(&stray);
    buf_release(&text);
    buf_release(&malformed);
}

// If the index file cannot be written, the data is served from memory, with one warning.
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
        dataset_finish(o.dataset, NULL);
        is_number(o.notices.warnings, 1, "an index at %s: one warning", cases[i].what);
        ok(notices_have(&o.notices, ": serving from memory\n"),
           "the warning says: serving from memory");
        is_text(dataset_index_status(o.dataset), "memory", "the status is memory");
        ok(table_is_served(&table, o.dataset), "served");
        opened_close(&o);
    }
    struct stat status;
    ok(stat(fifo, &status) == 0 && S_ISFIFO(status.st_mode), "the FIFO is left alone");
    // A link is neither followed nor replaced.
    const char *link_path = test_path("link.idx");
    const char *precious = test_file("precious", SPAN("precious"));
    struct opened o;
    require(symlink(precious, link_path) == 0, "no link");
    opened_init(&o, data, DATASET_INDEX_WRITE, link_path);
    dataset_finish(o.dataset, NULL);
    ok(notices_have(&o.notices, "a symbolic link, which is not replaced: serving from memory\n") &&
           table_is_served(&table, o.dataset),
       "a symbolic link at the path of the index: served from memory");
    opened_close(&o);
    struct buf left = file_content(precious);
    is_bytes(buf_span(&left), SPAN("precious"), "the file that the link leads to is unchanged");
    ok(lstat(link_path, &status) == 0 && S_ISLNK(status.st_mode), "the link is unchanged");
    buf_release(&left);
}

static void check_interrupted(void)
{
    const char *data = table_file(&table, "interrupted.data");
    const char *path = test_path("interrupted.data.idx");
    struct opened o;
    atomic_bool cancel = true;
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    is_number(files_beside(path), 2, "the lock is held until the file is written");
    opened_close(&o);
    ok(files_beside(path) == 0 && !file_exists(path),
       "closed without dataset_finish: no file is left");
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    dataset_finish(o.dataset, &cancel);
    is_text(dataset_index_status(o.dataset), "memory", "cancelled: the status is memory");
    ok(files_beside(path) == 0 && !file_exists(path), "cancelled: no file is left");
    ok(table_is_served(&table, o.dataset), "cancelled: served nevertheless");
    opened_close(&o);
    leave_behind(path);
    index_written(data, NULL);
    ok(files_beside(path) == 0 && file_exists(path),
       "a process that builds removes the files of a killed builder");
    leave_behind(path);
    opened_init(&o, data, DATASET_INDEX_READ, NULL);
    ok(o.dataset != NULL && files_beside(path) == 2,
       "a process that only reads does not remove them");
    opened_close(&o);
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset != NULL && dataset_index_is_mapped(o.dataset) && files_beside(path) == 0,
       "a process that maps the index and may write removes them");
    opened_close(&o);
    // A data file that is refused leaves no lock.
    unlink(path);
    data = test_file("interrupted.data", SPAN("nonsense\n"));
    opened_init(&o, data, DATASET_INDEX_WRITE, NULL);
    ok(o.dataset == NULL && files_beside(path) == 0, "a refused data file: no file is left");
    opened_close(&o);
}

int main(void)
{
    check_lock();
    check_leftovers();
    check_hostile_names();
    check_places();
    check_failures();
    check_image_in_place();
    check_stamp();
    check_named_places();
    check_unwritable();
    check_interrupted();
    return done_testing();
}
