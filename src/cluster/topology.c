// Reads the file line by line into growing arrays. Slots that are taken twice are found when a
// range is read, and slots that nobody owns at the end.
#include "cluster/topology.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/link.h"
#include "base/number.h"

enum {
    FILE_MAX = 1024 * 1024, // bytes
    NO_SHARD = UINT16_MAX,
};

struct reader {
    struct topology *t;
    const char *path;
    unsigned line; // number of the present line, counted from 1
    struct error *error;
    bool has_epoch;
    unsigned shard_line; // line of the last shard
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

// ---- words --------------------------------------------------------------------------------------

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

// Takes the next word of the line. Returns false if there is none. A word that begins with '#'
// begins a comment.
static bool take_word(struct span *line, struct span *word)
{
    size_t at = 0;
    while (at < line->len && is_blank(line->ptr[at]))
        at++;
    size_t begin = at;
    while (at < line->len && !is_blank(line->ptr[at]))
        at++;
    *word = span_of(line->ptr + begin, at - begin);
    *line = span_of(line->ptr + at, line->len - at);
    return word->len > 0 && *word->ptr != '#';
}

static bool word_is(struct span word, const char *text)
{
    return span_equal(word, span_text(text));
}

// If the word begins with `name`, removes that and returns true.
static bool take_attribute(struct span *word, const char *name)
{
    size_t len = strlen(name);
    if (word->len < len || memcmp(word->ptr, name, len) != 0)
        return false;
    *word = span_of(word->ptr + len, word->len - len);
    return true;
}

static bool is_name(struct span word)
{
    if (word.len == 0 || word.len > TOPOLOGY_NAME_MAX)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

// A host appears in replies whose other parts stand after these characters, or after blanks.
static bool is_host(struct span word)
{
    if (word.len == 0 || word.len > TOPOLOGY_HOST_MAX)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];
        if (c <= ' ' || c == 0x7f || c == ',' || c == '@' || c == '?')
            return false;
    }
    return true;
}

static bool is_id(struct span word)
{
    if (word.len != TOPOLOGY_ID_LEN)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

static void copy(char *to, struct span word)
{
    memcpy(to, word.ptr, word.len);
    to[word.len] = '\0';
}

// ---- lines --------------------------------------------------------------------------------------

static bool read_epoch(struct reader *r, struct span line)
{
    struct span word;
    int64_t epoch;
    if (r->has_epoch)
        return refuse(r, "a second epoch");
    if (!take_word(&line, &word) || !number_parse(word, &epoch) || epoch < 1)
        return refuse(r, "an epoch is a number from 1 on");
    if (take_word(&line, &word))
        return refuse(r, "unknown word '%.*s'", (int)word.len, word.ptr);
    r->t->epoch = (uint64_t)epoch;
    r->has_epoch = true;
    return true;
}

static bool parse_slot(struct span word, unsigned *slot)
{
    int64_t number;
    if (!number_parse(word, &number) || number < 0 || number >= SLOTS)
        return false;
    *slot = (unsigned)number;
    return true;
}

// Reads "FIRST-LAST" or one slot.
static bool read_range(struct reader *r, struct span word)
{
    struct topology *t = r->t;
    const char *dash = memchr(word.ptr, '-', word.len);
    struct span from = span_of(word.ptr, dash != NULL ? (size_t)(dash - word.ptr) : word.len);
    struct span to = dash != NULL ? span_of(dash + 1, word.len - from.len - 1) : from;
    unsigned first;
    unsigned last;
    if (!parse_slot(from, &first) || !parse_slot(to, &last))
        return refuse(r, "'%.*s' is no range of slots from 0 to 16383", (int)word.len, word.ptr);
    if (first > last)
        return refuse(r, "the range '%.*s' is reversed", (int)word.len, word.ptr);
    for (unsigned slot = first; slot <= last; slot++) {
        if (t->owner[slot] != NO_SHARD)
            return refuse(r, "slot %u is taken twice", slot);
        t->owner[slot] = (uint16_t)(t->shard_count - 1);
    }
    t->shards[t->shard_count - 1].slots += last - first + 1;
    return true;
}

// Refuses the last shard if it has no node.
static bool end_shard(struct reader *r)
{
    const struct topology *t = r->t;
    if (t->shard_count == 0 || t->shards[t->shard_count - 1].nodes > 0)
        return true;
    r->line = r->shard_line;
    return refuse(r, "this shard has no node");
}

static bool read_shard(struct reader *r, struct span line)
{
    struct topology *t = r->t;
    struct span word;
    unsigned here = r->line;
    if (!end_shard(r))
        return false;
    r->line = here;
    r->shard_line = here;
    if (t->shard_count == TOPOLOGY_NODES_MAX)
        return refuse(r, "there are more than %d shards", TOPOLOGY_NODES_MAX);
    t->shards[t->shard_count++] = (struct topology_shard){.first_node = t->node_count};
    while (take_word(&line, &word))
        if (!read_range(r, word))
            return false;
    if (t->shards[t->shard_count - 1].slots == 0)
        return refuse(r, "this shard has no slots");
    return true;
}

// Reads "HOST:PORT". An IPv6 address has brackets.
static bool read_address(struct reader *r, struct span word, struct topology_node *node)
{
    const char *colon = memrchr(word.ptr, ':', word.len);
    if (colon == NULL)
        return refuse(r, "'%.*s' is not HOST:PORT", (int)word.len, word.ptr);
    struct span host = span_of(word.ptr, (size_t)(colon - word.ptr));
    struct span port = span_of(colon + 1, word.len - host.len - 1);
    bool brackets = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    int64_t number;
    if (brackets)
        host = span_of(host.ptr + 1, host.len - 2);
    if (!brackets && host.len > 0 && memchr(host.ptr, ':', host.len) != NULL)
        return refuse(r, "an IPv6 address needs brackets: '%.*s'", (int)word.len, word.ptr);
    if (!is_host(host))
        return refuse(r,
                      "'%.*s' has a host that is empty, too long, or has a blank, ',', '@' or "
                      "'?'",
                      (int)word.len, word.ptr);
    if (!number_parse(port, &number) || number < 1 || number > UINT16_MAX)
        return refuse(r, "'%.*s' has no port from 1 to 65535", (int)word.len, word.ptr);
    copy(node->host, host);
    node->port = (unsigned)number;
    return true;
}

static bool read_attribute(struct reader *r, struct span word, struct topology_node *node)
{
    struct span value = word;
    if (take_attribute(&value, "hostname=")) {
        if (!is_host(value))
            return refuse(r, "'%.*s' is no host name", (int)word.len, word.ptr);
        copy(node->hostname, value);
    } else if (take_attribute(&value, "az=")) {
        if (!is_name(value))
            return refuse(r, "'%.*s' is no zone: 1 to 64 letters, digits, '.', '_' or '-'",
                          (int)word.len, word.ptr);
        copy(node->zone, value);
    } else if (take_attribute(&value, "id=")) {
        if (!is_id(value))
            return refuse(r, "'%.*s' is no id: 40 digits from 0 to 9 and a to f", (int)word.len,
                          word.ptr);
        copy(node->id, value);
    } else {
        return refuse(r, "unknown attribute '%.*s'", (int)word.len, word.ptr);
    }
    return true;
}

// The id of a node depends only on its name, so it stays the same over restarts.
static void derive_id(struct topology_node *node)
{
    char text[TOPOLOGY_NAME_MAX + 2];
    uint64_t part[3];
    size_t len = strlen(node->name);
    memcpy(text + 1, node->name, len);
    for (unsigned i = 0; i < 3; i++) {
        text[0] = (char)('0' + i);
        part[i] = checksum(span_of(text, len + 1));
    }
    snprintf(node->id, sizeof node->id, "%016llx%016llx%08llx", (unsigned long long)part[0],
             (unsigned long long)part[1], (unsigned long long)part[2] & 0xffffffff);
}

static bool is_unique(struct reader *r, const struct topology_node *node)
{
    const struct topology *t = r->t;
    for (unsigned i = 0; i < t->node_count; i++) {
        const struct topology_node *other = &t->nodes[i];
        if (strcmp(other->name, node->name) == 0)
            return refuse(r, "there are two nodes '%s'", node->name);
        if (strcmp(other->host, node->host) == 0 && other->port == node->port)
            return refuse(r, "'%s' and '%s' have the same address", other->name, node->name);
        if (strcmp(other->id, node->id) == 0)
            return refuse(r, "'%s' and '%s' have the same id", other->name, node->name);
    }
    return true;
}

static bool read_node(struct reader *r, struct span line)
{
    struct topology *t = r->t;
    struct topology_node node = {.shard = t->shard_count - 1};
    struct span word;
    if (t->shard_count == 0)
        return refuse(r, "a node before the first shard");
    if (t->node_count == TOPOLOGY_NODES_MAX)
        return refuse(r, "there are more than %d nodes", TOPOLOGY_NODES_MAX);
    if (!take_word(&line, &word) || !is_name(word))
        return refuse(r, "a node needs a name: 1 to 64 letters, digits, '.', '_' or '-'");
    copy(node.name, word);
    if (!take_word(&line, &word))
        return refuse(r, "node '%s' has no address", node.name);
    if (!read_address(r, word, &node))
        return false;
    while (take_word(&line, &word))
        if (!read_attribute(r, word, &node))
            return false;
    if (*node.id == '\0')
        derive_id(&node);
    if (!is_unique(r, &node))
        return false;
    t->nodes[t->node_count++] = node;
    t->shards[t->shard_count - 1].nodes++;
    return true;
}

static bool read_line(struct reader *r, struct span line)
{
    struct span word;
    if (memchr(line.ptr, '\0', line.len) != NULL)
        return refuse(r, "there is a NUL byte");
    if (!take_word(&line, &word))
        return true;
    if (word_is(word, "epoch"))
        return read_epoch(r, line);
    if (word_is(word, "shard"))
        return read_shard(r, line);
    if (word_is(word, "node"))
        return read_node(r, line);
    return refuse(r, "unknown word '%.*s'", (int)word.len, word.ptr);
}

// ---- the whole ----------------------------------------------------------------------------------

// Links the ranges of each shard, from the last one backwards.
static void link_ranges(struct topology *t)
{
    for (unsigned i = 0; i < t->shard_count; i++)
        t->shards[i].first_range = t->range_count;
    for (unsigned i = t->range_count; i-- > 0;) {
        struct topology_shard *shard = &t->shards[t->owner[t->ranges[i].first]];
        t->next_range[i] = shard->first_range;
        shard->first_range = i;
        shard->ranges++;
    }
}

// Sets the ranges, which stand for the same slots as `owner`.
static bool set_ranges(struct reader *r)
{
    struct topology *t = r->t;
    t->range_count = 1;
    for (unsigned slot = 1; slot < SLOTS; slot++)
        t->range_count += t->owner[slot] != t->owner[slot - 1];
    t->ranges = malloc(t->range_count * sizeof *t->ranges);
    t->next_range = malloc(t->range_count * sizeof *t->next_range);
    if (t->ranges == NULL || t->next_range == NULL) {
        error_set(r->error, "no memory to read '%s'", r->path);
        return false;
    }
    struct topology_range *range = t->ranges;
    *range = (struct topology_range){0, 0};
    for (unsigned slot = 1; slot < SLOTS; slot++) {
        if (t->owner[slot] != t->owner[slot - 1])
            *++range = (struct topology_range){slot, slot};
        range->last = slot;
    }
    link_ranges(t);
    return true;
}

static bool is_complete(struct reader *r)
{
    const struct topology *t = r->t;
    unsigned last = r->line > 0 ? r->line : 1; // an empty file has no line
    if (!end_shard(r))
        return false;
    r->line = last;
    unsigned slot = 0;
    while (slot < SLOTS && t->owner[slot] != NO_SHARD)
        slot++;
    unsigned end = slot;
    while (end < SLOTS && t->owner[end] == NO_SHARD)
        end++;
    if (slot < SLOTS)
        return refuse(r, "no shard has the slots from %u to %u", slot, end - 1);
    return r->has_epoch || refuse(r, "there is no epoch");
}

static void release(struct ref *ref)
{
    struct topology *t = container_of(ref, struct topology, ref);
    free(t->shards);
    free(t->nodes);
    free(t->ranges);
    free(t->next_range);
    free(t);
}

struct topology *topology_parse(struct span text, const char *path, struct error *error)
{
    struct topology *t = calloc(1, sizeof *t);
    struct reader r = {.t = t, .path = path, .error = error};
    if (t == NULL) {
        error_set(error, "no memory to read '%s'", path);
        return NULL;
    }
    ref_init(&t->ref, release);
    t->content = checksum(text);
    t->shards = calloc(TOPOLOGY_NODES_MAX, sizeof *t->shards);
    t->nodes = calloc(TOPOLOGY_NODES_MAX, sizeof *t->nodes);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        t->owner[slot] = NO_SHARD;
    bool good = t->shards != NULL && t->nodes != NULL;
    if (!good)
        error_set(error, "no memory to read '%s'", path);
    while (good && text.len > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        struct span line =
            span_of(text.ptr, newline != NULL ? (size_t)(newline - text.ptr) : text.len);
        size_t taken = line.len + (newline != NULL);
        r.line++;
        good = read_line(&r, line);
        text = span_of(text.ptr + taken, text.len - taken);
    }
    if (good && is_complete(&r) && set_ranges(&r))
        return t;
    topology_close(t);
    return NULL;
}

struct topology *topology_read(const char *path, struct error *error)
{
    struct stat status;
    struct topology *t = NULL;
    int fd = file_open(path, &status, error);
    if (fd < 0)
        return NULL;
    size_t len = (size_t)status.st_size;
    char *text = status.st_size <= FILE_MAX ? malloc(len + 1) : NULL;
    if (status.st_size > FILE_MAX)
        error_set(error, "'%s' has more than 1 MiB, so it is no topology of a cluster", path);
    else if (text == NULL)
        error_set(error, "no memory to read '%s'", path);
    else if (!file_read(fd, text, len, 0))
        error_set(error, "cannot read '%s': %s", path,
                  errno != 0 ? strerror(errno) : "it became shorter meanwhile");
    else
        t = topology_parse(span_of(text, len), path, error);
    free(text);
    close(fd);
    return t;
}

void topology_close(struct topology *t)
{
    if (t != NULL)
        ref_drop(&t->ref);
}

unsigned topology_find(const struct topology *t, struct span name)
{
    unsigned i = 0;
    while (i < t->node_count && !span_equal(name, span_text(t->nodes[i].name)))
        i++;
    return i;
}
