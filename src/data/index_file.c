// Reading index files: check what the header claims against what the file is, before use.
#include "data/index_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/index_format.h"

typedef unsigned long long ull;

// What is wrong with the header of a file of that size, or NULL.
static const char *fault_of(const struct index_header *h, uint64_t file_bytes)
{
    if (h->magic != INDEX_MAGIC)
        return h->magic == __builtin_bswap64(INDEX_MAGIC) ? "is of the other byte order"
                                                          : "is no index file";
    if (h->byte_order != INDEX_BYTE_ORDER)
        return "is of another byte order";
    if (h->version != INDEX_VERSION)
        return "is of another version";
    if (h->header_sum != index_header_sum(h))
        return "has a damaged header";
    if (h->features != 0)
        return "needs features this version does not know";
    if (h->file_bytes != file_bytes)
        return "is not as long as it says";
    const struct index_facts *f = &h->facts;
    if (h->image_bytes > file_bytes || index_file_bytes(h->image_bytes) != file_bytes ||
        f->lines < f->malformed || f->lines - f->malformed < f->keys ||
        f->lines - f->malformed - f->keys != f->duplicates || f->value_bytes > f->data.bytes)
        return "contradicts itself";
    return NULL;
}

static bool tables_are_whole(const struct index_file *f, const struct index_header *h)
{
    uint64_t bytes = index_block_count(h->image_bytes) * sizeof(uint64_t);
    struct index_trailer trailer;
    memcpy(&trailer, (const char *)f->checksums + bytes, sizeof trailer);
    return trailer.magic == INDEX_END && trailer.checksums_sum == h->checksums_sum &&
           checksum(span_of((const char *)f->checksums, bytes)) == h->checksums_sum;
}

static bool map(struct index_file *f, int fd, const struct index_header *h)
{
    void *memory = mapping_map(NULL, h->file_bytes, 0, fd, 0);
    if (memory == MAP_FAILED)
        return false;
    f->mapping = (struct bytes){memory, h->file_bytes};
    f->image = span_of(f->mapping.ptr + INDEX_IMAGE_AT, h->image_bytes);
    f->sum = h->checksums_sum;
    f->checksums =
        (const uint64_t *)(const void *)(f->mapping.ptr + index_checksums_at(h->image_bytes));
    f->facts = h->facts;
    f->source.begin = f->mapping.ptr;
    f->source.len = f->mapping.len;
    atomic_store(&f->source.end, f->mapping.ptr + f->mapping.len - 1);
    return mapping_guard(&f->source, fd);
}

bool index_file_open(struct index_file *f, const char *path, struct error *error)
{
    struct stat status;
    struct index_header h;
    const char *fault = NULL;
    bool opened = false;
    *f = (struct index_file){0};
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return false;
    if (!file_read(fd, &h, sizeof h, 0))
        fault = errno == 0 ? "is too short for its header" : strerror(errno);
    else
        fault = fault_of(&h, (uint64_t)status.st_size);
    if (fault == NULL && !map(f, fd, &h))
        fault = strerror(errno);
    if (fault == NULL && (!tables_are_whole(f, &h) || mapping_look(&f->source) > 0))
        fault = "has damaged checksums";
    opened = fault == NULL;
    atomic_store(&f->proven_ns, identity_of_file(&status).modified_ns);
    if (!opened) {
        error_set(error, "'%s' %s", path, fault);
        index_file_close(f);
    }
    close(fd);
    errno = 0;
    return opened;
}

bool index_file_copy(struct index_file *f, struct error *error)
{
    size_t sums_at = index_checksums_at(f->image.len) - INDEX_IMAGE_AT;
    size_t sums_len = f->checksums != NULL ? index_block_count(f->image.len) * sizeof(uint64_t) : 0;
    size_t len = sums_at + sums_len;
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        error_set(error, "no memory for a copy of an index of %zu bytes: %s", f->image.len,
                  strerror(errno));
        return false;
    }
    (void)madvise(memory, len, MADV_HUGEPAGE);
    memcpy(memory, f->image.ptr, f->image.len);
    if (sums_len > 0)
        memcpy((char *)memory + sums_at, f->checksums, sums_len);
    if (mapping_look(&f->source) > 0) {
        error_set(error, "an index was cut while it was copied");
        munmap(memory, len);
        return false;
    }
    f->copy = (struct bytes){memory, len};
    f->image = span_of(f->copy.ptr, f->image.len);
    if (sums_len > 0)
        f->checksums = (const uint64_t *)(const void *)(f->copy.ptr + sums_at);
    mapping_release(&f->source);
    memory_unmap(f->mapping.ptr, f->mapping.len);
    f->mapping = (struct bytes){NULL, 0};
    return true;
}

bool index_file_verify(const struct index_file *f, const atomic_bool *cancel, struct error *error)
{
    size_t count = index_block_count(f->image.len);
    uint64_t *sums = malloc(count * sizeof *sums + 1);
    bool good = true;
    if (sums == NULL) {
        error_set(error, "no memory to verify %zu bytes", f->image.len);
        return false;
    }
    if (checksum_blocks(f->image, INDEX_BLOCK, sums, cancel)) {
        for (size_t i = 0; good && i < count; i++) {
            good = sums[i] == f->checksums[i];
            if (!good)
                error_set(error, "block %zu of %zu differs from its checksum", i, count);
        }
    }
    free(sums);
    return good;
}

bool index_file_guard(struct index_file *f, struct span mapped, int fd, uint64_t at)
{
    const uint64_t end = INDEX_END;
    f->source.begin = mapped.ptr;
    f->source.len = mapped.len;
    f->source.at = at;
    f->source.last = ((const char *)&end)[sizeof end - 1];
    return mapping_guard(&f->source, fd);
}

void index_file_stands(struct index_file *f, struct span image)
{
    struct index_header h;
    struct stat status;
    if (atomic_load(&f->source.place) == 0)
        return;
    mapping_watch_end(&f->source);
    if (fstat(f->source.fd, &status) != 0 || !file_read(f->source.fd, &h, sizeof h, 0))
        return;
    f->sum = h.checksums_sum;
    f->image = image;
    atomic_store(&f->proven_ns, identity_of_file(&status).modified_ns);
}

bool index_file_is_changed(const struct index_file *f)
{
    struct stat status;
    int64_t proven = atomic_load(&f->proven_ns);
    return proven != 0 && atomic_load(&f->source.place) != 0 && fstat(f->source.fd, &status) == 0 &&
           identity_of_file(&status).modified_ns != proven;
}

bool index_file_prove(struct index_file *f, const atomic_bool *cancel, struct error *error)
{
    size_t count = index_block_count(f->image.len);
    uint64_t *sums = malloc(count * sizeof *sums + 1);
    struct stat status;
    bool good = true;
    if (sums == NULL || fstat(f->source.fd, &status) != 0) {
        error_set(error, "no memory to verify %zu bytes", f->image.len);
        free(sums);
        return false;
    }
    if (checksum_blocks(f->image, INDEX_BLOCK, sums, cancel)) {
        good = checksum(span_of((const char *)sums, count * sizeof *sums)) == f->sum;
        if (good)
            atomic_store(&f->proven_ns, identity_of_file(&status).modified_ns);
        else
            error_set(error, "was overwritten in place");
    }
    free(sums);
    return good;
}

void index_file_close(struct index_file *f)
{
    mapping_release(&f->source);
    memory_unmap(f->mapping.ptr, f->mapping.len);
    memory_unmap(f->copy.ptr, f->copy.len);
    *f = (struct index_file){0};
}
