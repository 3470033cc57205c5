// The estimate of how much of a dataset is in memory, beside the count of all pages.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "data/dataset.h"
#include "support/server.h"
#include "support/tap.h"

enum { PAGE = 4096, PAGES = 2000, NOBODY = 65534 };
enum { HEAD_MAX = 2 * PAGE }; // most bytes of an index file that are not the trie's

static int64_t resident_bytes(struct span text)
{
    static unsigned char state[PAGES];
    int64_t bytes = 0;
    require(text.len <= sizeof state * PAGE, "a long text");
    require(mincore((void *)(uintptr_t)text.ptr, text.len, state) == 0, "mincore fails");
    for (size_t i = 0; i < (text.len + PAGE - 1) / PAGE; i++)
        bytes += (state[i] & 1) * PAGE;
    return bytes;
}

// Removes the file from memory, and reads its first part. Where the system keeps the file in memory
// all the same, the estimate must say that.
static void read_part(const char *path, struct span text, size_t part)
{
    char *bytes = malloc(part + 1);
    int fd = open(path, O_RDONLY);
    require(bytes != NULL && fd >= 0 && fsync(fd) == 0, "no file");
    madvise((void *)(uintptr_t)text.ptr, text.len, MADV_DONTNEED);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    require(pread(fd, bytes, part, 0) == (ssize_t)part, "cannot read");
    close(fd);
    free(bytes);
}

static void check(const struct dataset *d, const char *path, size_t part, uint64_t *random)
{
    struct span text = dataset_text(d);
    read_part(path, text, part);
    int64_t wanted = resident_bytes(text);
    int64_t got = dataset_data_resident(d, random);
    int64_t off = got < wanted ? wanted - got : got - wanted;
    if (!ok(off <= (int64_t)text.len / 20, "%zu bytes were read", part))
        diag("estimated %lld of %lld bytes", (long long)got, (long long)wanted);
}

static struct dataset *open_file(const char *path, enum dataset_index index)
{
    struct error error = {""};
    struct dataset_settings settings = {.index = index};
    struct dataset *d = dataset_open(path, &settings, NULL, &error);
    require(d != NULL, "%s", error.text);
    dataset_finish(d, NULL);
    return d;
}

int main(void)
{
    uint64_t random = random_next(&(struct random){random_seeded().state});
    struct buf lines = {0};
    for (unsigned i = 0; lines.len < (PAGES - 1) * PAGE; i++)
        buf_printf(&lines, "00000000-0000-4000-8000-%012u some value\n", i);
    const char *path = test_file("data", buf_span(&lines));
    struct dataset *d = open_file(path, DATASET_INDEX_WRITE);
    check(d, path, lines.len, &random);
    check(d, path, lines.len / 2, &random);
    check(d, path, lines.len / 10, &random);
    check(d, path, 0, &random);
    int64_t index = dataset_index_resident(d, &random);
    int64_t bytes = (int64_t)dataset_figures(d)->index_bytes;
    if (!ok(index >= bytes - PAGE && index < bytes + HEAD_MAX, "the index has just been written"))
        diag("estimated %lld of %lld bytes", (long long)index, (long long)bytes);
    if (geteuid() == 0) { // others are only told that all is in memory
        require(seteuid(NOBODY) == 0, "seteuid fails");
        is_number(dataset_data_resident(d, &random), -1, "the data of another user");
        is_number(dataset_index_resident(d, &random), -1, "the index of another user");
        require(seteuid(0) == 0, "seteuid fails");
    }
    dataset_close(d);
    d = open_file(path, DATASET_INDEX_NONE);
    is_number(dataset_index_resident(d, &random), (int64_t)dataset_figures(d)->index_bytes,
              "an index without a file");
    dataset_close(d);
    const char *empty = test_file("empty", span_text(""));
    d = open_file(empty, DATASET_INDEX_NONE);
    is_number(dataset_data_resident(d, &random), 0, "an empty file");
    dataset_close(d);
    buf_release(&lines);
    return done_testing();
}
