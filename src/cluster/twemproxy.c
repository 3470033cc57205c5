// Reads the text line by line. It does not understand all of YAML; what it does not understand is
// an error, and never another meaning.
#include "cluster/twemproxy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"

enum {
    FILE_MAX = 1024 * 1024, // bytes
    // twemproxy leaves this port out of the name of a server, as libmemcached does.
    PORT_WITHOUT_NAME = 11211,
};

void twemproxy_release(struct twemproxy_pool *pool)
{
    free(pool->servers);
    *pool = (struct twemproxy_pool){0};
}

// ---- words --------------------------------------------------------------------------------------

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_blank(*s.ptr))
        s = span_of(s.ptr + 1, s.len - 1);
    return s;
}

// Cuts the text at the last `mark`: `*after` is what follows, and `*s` what comes before. Returns
// false if there is no mark.
static bool cut_last(struct span *s, char mark, struct span *after)
{
    const char *at = s->len > 0 ? memrchr(s->ptr, mark, s->len) : NULL;
    if (at == NULL)
        return false;
    size_t len = (size_t)(at - s->ptr);
    *after = span_of(at + 1, s->len - len - 1);
    s->len = len;
    return true;
}

// Returns the text without the quotes around it, if it has any.
static struct span unquote(struct span s)
{
    bool quoted = s.len >= 2 && (*s.ptr == '"' || *s.ptr == '\'') && s.ptr[s.len - 1] == *s.ptr;
    return quoted ? span_of(s.ptr + 1, s.len - 2) : s;
}

// ---- servers ------------------------------------------------------------------------------------

// Whether `s` can be the name of a server: ASCII characters that are not blank.
static bool is_name(struct span s)
{
    if (s.len == 0 || s.len > PARTITION_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
            return false;
    return true;
}

// Reads a server. Returns NULL, or what is wrong with it.
static const char *read_server(struct span text, struct partition_server *server)
{
    struct span rest = trim(text);
    struct span name = {NULL, 0};
    struct span port = {NULL, 0};
    struct span weight_text;
    int64_t weight = 0;
    int64_t number = 0;
    bool socket = rest.len > 0 && *rest.ptr == '/';
    if (cut_last(&rest, ' ', &name))
        rest = trim(rest);
    struct span address = rest;
    if (!cut_last(&address, ':', &weight_text) || !number_parse(weight_text, &weight) ||
        weight < 1 || weight > PARTITION_WEIGHT_MAX)
        return "has no weight from 1 to 1000000: write HOST:PORT:WEIGHT or HOST:PORT:WEIGHT NAME";
    struct span host = address;
    if (!socket && (!cut_last(&host, ':', &port) || !number_parse(port, &number) || number < 1 ||
                    number > UINT16_MAX))
        return "has no port from 1 to 65535: write HOST:PORT:WEIGHT or HOST:PORT:WEIGHT NAME";
    if (socket && name.len == 0)
        return "is a Unix socket and needs a name";
    if (name.len == 0)
        name = number == PORT_WITHOUT_NAME ? host : address;
    if (host.len == 0 || !is_name(name))
        return "has no host, or a name that is not 1 to 75 ASCII characters without blanks";
    memcpy(server->name, name.ptr, name.len);
    server->name[name.len] = '\0';
    server->weight = (unsigned)weight;
    return NULL;
}

// Adds the server to the pool. Returns NULL, or what is wrong with it.
static const char *add_server(struct twemproxy_pool *pool, struct span text)
{
    if (pool->count == PARTITION_PARTS_MAX)
        return "is one too many: there may be 1000";
    if (pool->servers == NULL)
        pool->servers = calloc(PARTITION_PARTS_MAX, sizeof *pool->servers);
    if (pool->servers == NULL)
        return strerror(errno);
    const char *complaint = read_server(text, &pool->servers[pool->count]);
    pool->count += complaint == NULL;
    return complaint;
}

bool twemproxy_parse_list(struct twemproxy_pool *pool, struct span list, struct error *error)
{
    *pool = (struct twemproxy_pool){.distribution = PARTITION_KETAMA};
    for (size_t at = 0; at <= list.len;) {
        const char *comma = at < list.len ? memchr(list.ptr + at, ',', list.len - at) : NULL;
        size_t end = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        struct span text = span_of(list.ptr + at, end - at);
        const char *complaint = add_server(pool, text);
        if (complaint != NULL) {
            error_set(error, "the server '%.*s' %s", (int)text.len, text.ptr, complaint);
            twemproxy_release(pool);
            return false;
        }
        at = end + 1;
    }
    return true;
}

// ---- the file -----------------------------------------------------------------------------------

struct reader {
    struct twemproxy_pool *pool;
    const char *name; // name of the wanted pool; NULL: the only one
    const char *path;
    unsigned line; // number of the present line, counted from 1
    struct error *error;
    bool found;   // the pool has begun
    bool inside;  // the present line is in the pool
    bool servers; // the present line is in the list of servers
};

// Sets the message and returns false.
__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *r, const char *format, ...)
{
    char text[sizeof r->error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(r->error, "%s:%u: %s", r->path, r->line, text);
    return false;
}

// A line that is not indented begins a pool.
static bool read_pool(struct reader *r, struct span line)
{
    struct span after;
    r->inside = false;
    r->servers = false;
    if (!cut_last(&line, ':', &after) || after.len > 0 || line.len == 0)
        return refuse(r, "expected the name of a pool and a colon");
    struct span name = unquote(trim(line));
    if (r->name != NULL && !span_equal(name, span_text(r->name)))
        return true;
    if (r->found)
        return refuse(r, r->name != NULL ? "a second pool of this name"
                                         : "a second pool: choose one with --pool");
    r->found = true;
    r->inside = true;
    return true;
}

// With a hash tag, only a part of the key decides. It begins with the tag's first character.
static bool read_hash_tag(struct reader *r, struct span value)
{
    if (value.len > 0 && memchr("0123456789abcdefABCDEF-", *value.ptr, 23) != NULL)
        return refuse(r, "the hash_tag '%.*s' can be a part of a UUID, which is not supported",
                      (int)value.len, value.ptr);
    return true;
}

static bool read_setting(struct reader *r, struct span key, struct span value)
{
    r->servers = span_equal(key, span_text("servers"));
    if (r->servers && value.len > 0)
        return refuse(r, "expected nothing after 'servers:', and each server in a line of its own");
    if (span_equal(key, span_text("hash")) && !partition_hash_find(value, &r->pool->hash))
        return refuse(r, "unknown hash '%.*s'", (int)value.len, value.ptr);
    if (span_equal(key, span_text("hash_tag")))
        return read_hash_tag(r, value);
    if (!span_equal(key, span_text("distribution")))
        return true;
    if (span_equal(value, span_text("modula")))
        r->pool->distribution = PARTITION_MODULA;
    else if (span_equal(value, span_text("ketama")))
        r->pool->distribution = PARTITION_KETAMA;
    else
        return refuse(r, "the distribution '%.*s' is neither modula nor ketama", (int)value.len,
                      value.ptr);
    return true;
}

static bool read_line(struct reader *r, struct span line)
{
    bool indented = line.len > 0 && is_blank(*line.ptr);
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == '#' && (i == 0 || is_blank(line.ptr[i - 1])))
            line.len = i;
    line = trim(line);
    if (line.len == 0 || span_equal(line, span_text("---")))
        return true;
    if (!indented)
        return read_pool(r, line);
    if (!r->inside)
        return true;
    if (*line.ptr == '-') {
        struct span item = unquote(trim(span_of(line.ptr + 1, line.len - 1)));
        const char *complaint = r->servers ? add_server(r->pool, item) : NULL;
        return complaint == NULL ||
               refuse(r, "the server '%.*s' %s", (int)item.len, item.ptr, complaint);
    }
    const char *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL)
        return refuse(r, "expected a setting and a colon, or '- ' and a server");
    struct span key = span_of(line.ptr, (size_t)(colon - line.ptr));
    struct span value = span_of(colon + 1, line.len - key.len - 1);
    return read_setting(r, trim(key), unquote(trim(value)));
}

bool twemproxy_parse(struct twemproxy_pool *pool, struct span text, const char *name,
                     const char *path, struct error *error)
{
    struct reader r = {.pool = pool, .name = name, .path = path, .error = error};
    bool good = true;
    *pool = (struct twemproxy_pool){.hash = PARTITION_FNV1A_64, .distribution = PARTITION_KETAMA};
    for (size_t at = 0; at < text.len && good;) {
        const char *newline = memchr(text.ptr + at, '\n', text.len - at);
        size_t end = newline != NULL ? (size_t)(newline - text.ptr) : text.len;
        r.line++;
        good = read_line(&r, span_of(text.ptr + at, end - at));
        at = end + 1;
    }
    if (good && !r.found)
        error_set(error, "%s: there is no pool%s%s", path, name != NULL ? " " : "",
                  name != NULL ? name : "");
    else if (good && pool->count == 0)
        error_set(error, "%s: the pool has no servers", path);
    good = good && r.found && pool->count > 0;
    if (!good)
        twemproxy_release(pool);
    return good;
}

bool twemproxy_read(struct twemproxy_pool *pool, const char *path, const char *name,
                    struct error *error)
{
    struct stat status;
    bool good = false;
    char *text = NULL;
    *pool = (struct twemproxy_pool){0};
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return false;
    if (status.st_size > FILE_MAX)
        error_set(error, "%s: larger than 1 MiB", path);
    else if ((text = malloc((size_t)status.st_size + 1)) == NULL ||
             !file_read(fd, text, (size_t)status.st_size, 0))
        error_set(error, "cannot read '%s': %s", path,
                  errno != 0 ? strerror(errno) : "it became shorter");
    else
        good = twemproxy_parse(pool, span_of(text, (size_t)status.st_size), name, path, error);
    free(text);
    close(fd);
    return good;
}
