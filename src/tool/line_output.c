// One buffer in front of a new file.
#include "tool/line_output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

// The permissions of a new file, as the shell would give them.
static mode_t usual_mode(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

bool line_output_open(struct line_output *o, const char *path, const struct stat *source,
                      struct error *error)
{
    *o = (struct line_output){
        .mode = S_ISREG(source->st_mode) ? source->st_mode & 0777 : usual_mode(),
        .buf = malloc(LINE_OUTPUT_BUFFER),
    };
    if (o->buf != NULL)
        return new_file_create(&o->file, path, error);
    error_set(error, "%s", strerror(ENOMEM));
    return false;
}

bool line_output_flush(struct line_output *o, struct error *error)
{
    struct span bytes = span_of(o->buf, o->len);
    o->len = 0;
    return sink_append(&o->file.sink, bytes, error);
}

bool line_output_begin(struct line_output *o, struct error *error)
{
    return o->len < LINE_OUTPUT_BUFFER - LINE_OUTPUT_WHOLE || line_output_flush(o, error);
}

bool line_output_append(struct line_output *o, struct span part, struct error *error)
{
    if (LINE_OUTPUT_BUFFER - o->len < part.len) {
        if (!line_output_flush(o, error))
            return false;
        if (part.len > LINE_OUTPUT_BUFFER)
            return sink_append(&o->file.sink, part, error);
    }
    memcpy(o->buf + o->len, part.ptr, part.len);
    o->len += part.len;
    return true;
}

char *line_output_place(struct line_output *o, size_t len, struct error *error)
{
    if (LINE_OUTPUT_BUFFER - o->len < len && !line_output_flush(o, error))
        return NULL;
    char *place = o->buf + o->len;
    o->len += len;
    return place;
}

bool line_output_finish(struct line_output *o, struct error *error)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, o->modified};
    if (!line_output_flush(o, error))
        return false;
    if (o->has_time && o->file.path != NULL && futimens(o->file.sink.fd, times) != 0) {
        error_set(error, "cannot write '%s': %s", o->file.path, strerror(errno));
        return false;
    }
    return new_file_publish(&o->file, o->mode, error);
}

void line_output_release(struct line_output *o)
{
    if (o->buf == NULL)
        return;
    new_file_abandon(&o->file);
    free(o->buf);
    *o = (struct line_output){.buf = NULL};
}
