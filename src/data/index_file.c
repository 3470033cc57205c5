// Opens index files. The header, the size of the file and the table of checksums are checked before
// anything else is used.
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

// Returns what is wrong with the header of a file of this size; NULL when nothing is wrong. The
// text continues a sentence that begins with the name of the file.
static const char *fault_of(const struct index_header *h, uint64_t file_bytes)
{
    if (h->magic != INDEX_MAGIC)
        return h->magic == __builtin_bswap64(INDEX_MAGIC) ? "has another byte order"
                                                          : "is not an index file";
    if (h->byte_order != INDEX_BYTE_ORDER)
        return "has another byte order";
    if (h->version != INDEX_VERSION)
        return "has another version";
    if (h->header_sum != index_header_sum(h))
        return "has a damaged header";
    if (h->features != 0)
        return "needs features that this version does not support";
    if (h->file_bytes != file_bytes)
        return "has another size than its header says";
    const struct index_facts *f = &h->facts;
    if (h->image_bytes > file_bytes || index_file_bytes(h->image_bytes) != file_bytes ||
        f->lines < f->malformed || f->lines - f->malformed < f->keys ||
        f->lines - f->malformed - f->keys != f->duplicates || f->value_bytes > f->data.bytes)
        return "has a header that contradicts itself";
    return NULL;
}

// Allocates `*sums` and reads the checksums of the blocks into it. Returns NULL on success,
// otherwise what is wrong, as fault_of does. In both cases the caller frees `*sums`.
static const char *read_sums(int fd, const struct index_header *h, uint64_t **sums)
{
    static const char damaged[] = "has a damaged table of checksums";
    uint64_t bytes = index_block_count(h->image_bytes) * sizeof(uint64_t);
    uint64_t at = index_checksums_at(h->image_bytes);
    struct index_trailer trailer;
    *sums = malloc(bytes + 1);
    if (*sums == NULL)
        return strerror(ENOMEM);
    if (!file_read(fd, *sums, bytes, at) || !file_read(fd, &trailer, sizeof trailer, at + bytes))
        return errno == 0 ? damaged : strerror(errno);
    bool good = trailer.magic == INDEX_END && trailer.checksums_sum == h->checksums_sum &&
                checksum(span_of((const char *)*sums, bytes)) == h->checksums_sum;
    return good ? NULL : damaged;
}

static bool map_file(struct index_file *f, int fd, const struct index_header *h)
{
    void *memory = mapping_map(NULL, h->file_bytes, 0, fd, 0);
    if (memory == MAP_FAILED)
        return false;
    f->mapping = (struct bytes){memory, h->file_bytes};
    f->image = span_of(f->mapping.ptr + INDEX_IMAGE_AT, h->image_bytes);
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
    uint64_t *sums = NULL;
    const char *fault = NULL;
    *f = (struct index_file){0};
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return false;
    if (!file_read(fd, &h, sizeof h, 0))
        fault = errno == 0 ? "is too short for its header" : strerror(errno);
    else
        fault = fault_of(&h, (uint64_t)status.st_size);
    if (fault == NULL)
        fault = read_sums(fd, &h, &sums);
    if (fault == NULL && !map_file(f, fd, &h))
        fault = strerror(errno);
    if (fault == NULL && mapping_look(&f->source) > 0)
        fault = "was truncated while it was opened";
    if (fault == NULL) {
        if (!verifier_init(&f->verifier, f->image, sums, f->source.fd, &status, false))
            fault = strerror(ENOMEM);
        sums = NULL;
    }
    if (fault != NULL) {
        error_set(error, "'%s' %s", path, fault);
        index_file_close(f);
    }
    free(sums);
    close(fd);
    errno = 0;
    return fault == NULL;
}

bool index_file_copy(struct index_file *f, struct error *error)
{
    size_t len = f->image.len + 1;
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        error_set(error, "no memory for a copy of the index, %zu bytes: %s", f->image.len,
                  strerror(errno));
        return false;
    }
    (void)madvise(memory, len, MADV_HUGEPAGE);
    memcpy(memory, f->image.ptr, f->image.len);
    if (mapping_look(&f->source) > 0) {
        error_set(error, "the index was truncated while it was copied");
        munmap(memory, len);
        return false;
    }
    f->copy = (struct bytes){memory, len};
    f->image = span_of(f->copy.ptr, f->image.len);
    verifier_move(&f->verifier, memory);
    mapping_release(&f->source);
    memory_unmap(f->mapping.ptr, f->mapping.len);
    f->mapping = (struct bytes){NULL, 0};
    return true;
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

bool index_file_finish(struct index_file *f, struct span image, uint64_t *sums,
                       const struct stat *file, bool verified)
{
    mapping_watch_end(&f->source);
    f->image = image;
    return verifier_init(&f->verifier, image, sums, f->source.fd, file, verified);
}

void index_file_close(struct index_file *f)
{
    verifier_release(&f->verifier);
    mapping_release(&f->source);
    memory_unmap(f->mapping.ptr, f->mapping.len);
    memory_unmap(f->copy.ptr, f->copy.len);
    *f = (struct index_file){0};
}
