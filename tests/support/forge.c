// Computes the checksums of an index file that a test has changed.
#include "support/forge.h"

#include <stdio.h>
#include <unistd.h>

#include "support/tap.h"

struct index_header *forge_header(struct buf *file)
{
    return (struct index_header *)(void *)file->ptr; // a buf's memory is aligned as malloc's
}

void forge_copy(struct buf *to, const struct buf *from)
{
    buf_release(to);
    buf_append(to, buf_span(from));
}

void forge_seal_header(struct buf *file)
{
    forge_header(file)->header_sum = index_header_sum(forge_header(file));
}

void forge_seal(struct buf *file)
{
    uint64_t image_bytes = forge_header(file)->image_bytes;
    uint64_t end = index_file_bytes(image_bytes);
    uint64_t count = index_block_count(image_bytes);
    if (file->len < end) {
        char *room = buf_reserve(file, end - file->len);
        require(room != NULL, "no memory");
        memset(room, 0, end - file->len);
    }
    file->len = end;
    struct index_header *h = forge_header(file);
    uint64_t *sums = (uint64_t *)(void *)(file->ptr + index_checksums_at(image_bytes));
    struct span image = span_of(file->ptr + INDEX_IMAGE_AT, image_bytes);
    for (uint64_t i = 0; i < count; i++)
        sums[i] = checksum(checksum_block(image, INDEX_BLOCK, i));
    struct index_trailer trailer = {checksum(span_of((char *)sums, count * sizeof *sums)),
                                    INDEX_END};
    memcpy(sums + count, &trailer, sizeof trailer);
    h->checksums_sum = trailer.checksums_sum;
    h->file_bytes = end;
    forge_seal_header(file);
}

void forge_write(const char *path, const struct buf *file)
{
    unlink(path);
    FILE *to = fopen(path, "w");
    require(to != NULL, "cannot write %s", path);
    fwrite(file->ptr, 1, file->len, to);
    require(fclose(to) == 0, "cannot write %s", path);
}
