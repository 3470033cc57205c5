#include "tool/publish_part.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "data/store.h"
#include "tool/manifest.h"

// Appends lines with "split-" in front of each.
static void add_lines(struct buf *to, const struct buf *lines)
{
    for (size_t at = 0; at < lines->len;) {
        const char *line = lines->ptr + at;
        size_t len = (size_t)((const char *)memchr(line, '\n', lines->len - at) - line) + 1;
        buf_append_text(to, "split-");
        buf_append(to, span_of(line, len));
        at += len;
    }
}

static bool take_part(struct publish_part *part, const struct manifest *m,
                      const struct manifest_part *found, const char *path, struct error *error)
{
    memcpy(part->checksum, found->checksum, sizeof part->checksum);
    buf_printf(&part->lines, "split-part %s\n", found->name);
    add_lines(&part->lines, &m->rule);
    add_lines(&part->lines, &found->rule);
    if (part->lines.oom)
        error_set(error, "%s", strerror(ENOMEM));
    else if (part->lines.len > STORE_MANIFEST_MAX / 2)
        error_set(error, "the lines of '%s' about '%s' are too long for the manifest of a version",
                  path, found->name);
    else
        return true;
    return false;
}

bool publish_part_read(struct publish_part *part, const char *path, const char *file,
                       struct error *error)
{
    struct manifest m = {0};
    const char *name = file_name(file);
    const struct manifest_part *found = NULL;
    bool good = manifest_read(&m, path, error);
    for (unsigned i = 0; good && i < m.count && found == NULL; i++)
        if (strcmp(m.parts[i].name, name) == 0)
            found = &m.parts[i];
    if (good && found == NULL)
        error_set(error, "'%s' has no part '%s'", path, name);
    good = found != NULL && take_part(part, &m, found, path, error);
    manifest_release(&m);
    return good;
}

void publish_part_release(struct publish_part *part)
{
    buf_release(&part->lines);
    *part = (struct publish_part){0};
}
