// The end of a value must be known before its first byte is written, because its length precedes
// it. A long value is searched in steps, over several calls, and then copied in pieces.
//
// Damage of the files is noticed after each piece: nothing of a piece that may be wrong is passed
// on. The number of keys and of bytes of values is compared at the end. So a data file that was
// overwritten in place gives either a right file or none, unless the new lines are well-formed too.
#include "rdb/dump.h"

#include <assert.h>

#include "base/crc64.h"
#include "data/dataset.h"
#include "data/lines.h"
#include "data/newline.h"

_Static_assert(RDB_DUMP_PREFIX_MAX + UUID_TEXT_LEN <= RDB_KEY_MAX, "room for a key");

enum stage { STAGE_HEAD, STAGE_PAIRS, STAGE_FOOT, STAGE_END };

enum {
    AHEAD =
        1024 * 1024, // bytes that the system is asked to read into memory before they are needed
    // In the order of the keys, the processor is asked for the line that is this many keys ahead,
    // and for this many bytes of it. Otherwise it would wait for memory at each line.
    RANKS_AHEAD = 16,
    PREFETCHED = 192,
    CACHE_LINE = 64,
    TRIES_MAX = 4, // times that a piece is made while others write to the index file
};

// The piece that is being written.
struct piece {
    char *at;
    size_t room;
    size_t searchable; // bytes that this call may still read to find the end of a value
};

// The result of a step.
enum step {
    STEP_ON,   // go on with the next step
    STEP_OVER, // the piece has no room left, or this call has searched enough
    STEP_FAILED,
};

void rdb_dump_init(struct rdb_dump *dump, const struct dataset *d, const char *redis_version,
                   enum rdb_lengths lengths, bool keys, struct span prefix)
{
    const struct dataset_figures *f = dataset_figures(d);
    int64_t made_at = dataset_made_at(d);
    assert(prefix.len <= RDB_DUMP_PREFIX_MAX);
    *dump = (struct rdb_dump){
        .dataset = d,
        .prefix = prefix,
        .facts = {.redis_version = redis_version,
                  .created = made_at > 0 ? (uint64_t)made_at : 0,
                  .used_memory = keys ? f->data_bytes : 0,
                  .keys = keys ? f->keys : 0},
        .lengths = lengths,
        .stage = STAGE_HEAD,
        .by_rank = f->duplicates > 0,
    };
}

uint64_t rdb_dump_size(const struct rdb_dump *dump)
{
    uint64_t value_bytes = dump->facts.keys > 0 ? dataset_figures(dump->dataset)->value_bytes : 0;
    return rdb_equal_file_size(&dump->facts, dump->prefix.len + UUID_TEXT_LEN, value_bytes);
}

static void take(struct piece *p, size_t len)
{
    p->at += len;
    p->room -= len;
}

// Asks the system for the text after `at`. The mapping has no read-ahead of its own.
static void ask_ahead(struct rdb_dump *dump, size_t at, size_t len)
{
    if (at + AHEAD < dump->asked || dump->asked >= len)
        return;
    size_t from = dump->asked > at ? dump->asked : at;
    size_t count = len - from < AHEAD ? len - from : AHEAD;
    dataset_will_need(dump->dataset, dataset_text(dump->dataset).ptr + from, count);
    dump->asked = from + count;
}

// Begins a pair. The caller has made sure that there is room for its head.
static enum step begin_pair(struct rdb_dump *dump, struct piece *p, struct uuid id,
                            struct span value)
{
    char key[RDB_DUMP_PREFIX_MAX + UUID_TEXT_LEN];
    size_t len = dump->prefix.len;
    if (dump->keys == dump->facts.keys ||
        (dump->lengths == RDB_LENGTHS_EQUAL && value.len > UINT32_MAX))
        return STEP_FAILED;
    if (len > 0)
        memcpy(key, dump->prefix.ptr, len);
    uuid_format(id, key + len);
    len += UUID_TEXT_LEN;
    take(p, rdb_write_pair_head(p->at, span_of(key, len), value.len, dump->lengths));
    dump->keys++;
    dump->value_bytes += value.len;
    dump->value = value;
    return STEP_ON;
}

static void copy_value(struct rdb_dump *dump, struct piece *p)
{
    size_t len = dump->value.len < p->room ? dump->value.len : p->room;
    memcpy(p->at, dump->value.ptr, len);
    take(p, len);
    dump->value = span_of(dump->value.ptr + len, dump->value.len - len);
}

// Sets `*id` and returns true if the line is well-formed.
static bool is_record(struct span line, struct uuid *id)
{
    return line.len >= LINE_MIN && line.ptr[UUID_TEXT_LEN] == ' ' && uuid_parse(line.ptr, id);
}

// Counts `len` bytes that were read without anything to write.
static enum step search(struct piece *p, size_t len)
{
    if (p->searchable <= len)
        return STEP_OVER;
    p->searchable -= len;
    return STEP_ON;
}

// Begins the pair of the next line, in the order of the file. Skips a malformed line.
static enum step next_line(struct rdb_dump *dump, struct piece *p)
{
    struct span text = dataset_text(dump->dataset);
    struct uuid id;
    size_t at = (size_t)dump->next;
    if (at >= text.len) {
        dump->stage = STAGE_FOOT;
        return STEP_ON;
    }
    ask_ahead(dump, at + dump->searched, text.len);
    struct span line = span_of(text.ptr + at, dump->searched);
    size_t left = text.len - at - line.len;
    size_t part = left < DATASET_PART ? left : DATASET_PART;
    size_t found = SIMD(newline_find)(line.ptr + line.len, part);
    line.len += found;
    if (found == part && part < left) {
        dump->searched = line.len;
        return search(p, part);
    }
    dump->next += line.len + 1;
    dump->searched = 0;
    if (!is_record(line, &id))
        return search(p, found + 1);
    return begin_pair(dump, p, id, span_of(line.ptr + LINE_VALUE_AT, line.len - LINE_VALUE_AT));
}

static void prefetch_rank(const struct rdb_dump *dump, uint64_t rank)
{
    if (rank >= dump->facts.keys)
        return;
    uint64_t offset = dataset_read_offset_of_rank(dump->dataset, rank);
    struct span text = dataset_text(dump->dataset);
    for (uint64_t at = offset; at < text.len && at < offset + PREFETCHED; at += CACHE_LINE)
        __builtin_prefetch(text.ptr + at);
}

// Begins the pair of the key with the next rank.
static enum step next_rank(struct rdb_dump *dump, struct piece *p)
{
    struct uuid id;
    uint64_t offset;
    bool ended = true;
    if (dump->next >= dump->facts.keys) {
        dump->stage = STAGE_FOOT;
        return STEP_ON;
    }
    prefetch_rank(dump, dump->next + RANKS_AHEAD);
    if (!dataset_offset_at(dump->dataset, dump->next, &id, &offset))
        return STEP_FAILED;
    struct span value =
        dump->searched == 0
            ? dataset_value_part(dump->dataset, offset)
            : span_of(dataset_text(dump->dataset).ptr + offset + LINE_VALUE_AT, dump->searched);
    if (value.ptr != NULL && value.len >= DATASET_PART)
        ended = dataset_value_more(dump->dataset, &value);
    if (value.ptr == NULL)
        return STEP_FAILED;
    if (!ended) {
        dump->searched = value.len;
        return search(p, DATASET_PART);
    }
    dump->next++;
    dump->searched = 0;
    return begin_pair(dump, p, id, value);
}

static bool is_complete(const struct rdb_dump *dump)
{
    uint64_t wanted = dump->facts.keys > 0 ? dataset_figures(dump->dataset)->value_bytes : 0;
    return dump->keys == dump->facts.keys && dump->value_bytes == wanted;
}

static enum step take_step(struct rdb_dump *dump, struct piece *p)
{
    if (dump->value.len > 0) {
        copy_value(dump, p);
        return dump->value.len > 0 ? STEP_OVER : STEP_ON;
    }
    // The largest of the parts that are not divided.
    if (p->room < RDB_HEAD_MAX)
        return STEP_OVER;
    switch ((enum stage)dump->stage) {
    case STAGE_HEAD:
        take(p, rdb_write_head(p->at, &dump->facts));
        dump->stage = dump->facts.keys > 0 ? STAGE_PAIRS : STAGE_FOOT;
        return STEP_ON;
    case STAGE_PAIRS: return dump->by_rank ? next_rank(dump, p) : next_line(dump, p);
    case STAGE_FOOT: return is_complete(dump) ? STEP_OVER : STEP_FAILED;
    case STAGE_END: break;
    }
    assert(false);
    return STEP_FAILED;
}

enum rdb_dump_status rdb_dump_next(struct rdb_dump *dump, struct bytes to, size_t *len)
{
    const struct dataset *d = dump->dataset;
    const struct rdb_dump before = *dump;
    struct piece p;
    enum step step;
    bool valid;
    unsigned tries = 0;
    assert(to.len >= RDB_DUMP_PIECE_MIN && dump->stage != STAGE_END);
    do {
        unsigned round = dump->by_rank ? dataset_index_round(d) : 0;
        *dump = before;
        p = (struct piece){to.ptr, to.len, RDB_DUMP_SEARCH_MAX};
        step = STEP_ON;
        while (step == STEP_ON)
            step = take_step(dump, &p);
        valid = !dump->by_rank || dataset_index_round_is_valid(d, round);
        // Somebody may have written to a good index file: a server that writes down that the index
        // belongs to the data. Then the piece is made again.
    } while (!valid && !dataset_index_is_damaged(d) && ++tries < TRIES_MAX);
    *len = to.len - p.room;
    if (step == STEP_FAILED || !valid || dataset_look(d) != 0) {
        dump->stage = STAGE_END;
        return RDB_DUMP_FAILED;
    }
    dump->crc = crc64(dump->crc, span_of(to.ptr, *len));
    bool end = dump->stage == STAGE_FOOT && dump->value.len == 0 && p.room >= RDB_HEAD_MAX;
    if (end) {
        *len += rdb_write_foot(p.at, dump->crc);
        dump->stage = STAGE_END;
    }
    dump->bytes += *len;
    return end ? RDB_DUMP_END : RDB_DUMP_MORE;
}
