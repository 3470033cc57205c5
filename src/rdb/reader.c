// A dump is a header, then records, then its end and a checksum. The first byte of a record says
// what it is: an opcode, which says something about the dump or about the next key, or the type of
// a key, which is followed by the key and its value.
#include "rdb/reader.h"

#include <assert.h>
#include <stdlib.h>

#include "rdb/string.h"

enum {
    OPCODE_SLOT_INFO = 244,  // slot, number of its keys, number of those that expire
    OPCODE_FUNCTION = 245,   // source text of a library of functions
    OPCODE_MODULE_AUX = 247, // data of a module
    OPCODE_IDLE = 248,       // how long the next key was not used
    OPCODE_FREQUENCY = 249,  // how often the next key was used
    OPCODE_AUX = 250,        // name and value, such as the version of the server
    OPCODE_SIZES = 251,      // number of keys in the database, and of those that expire
    OPCODE_EXPIRES_MS = 252, // when the next key expires, in milliseconds
    OPCODE_EXPIRES_S = 253,  // when the next key expires, in seconds
    OPCODE_DATABASE = 254,   // number of the database of the following keys
    OPCODE_END = 255,        // end of the records
    OPCODES_FROM = 242,      // numbers from here on are not types
    HEADER_SIZE = 9,         // "REDIS0012" or "VALKEY080"
    VERSION_LEAST = 3,       // Redis 2.6
    VERSION_MOST = 12,       // Redis 7.4 and 8.0
    VERSION_VALKEY = 80,     // Valkey 9.0
    VERSION_OF_CHECKSUM = 5, // dumps of earlier versions have no checksum
    CHECKSUM_SIZE = 8,
    END_MARK_SIZE = 40,
    TEXT_MOST = 252, // longest number as text; a longer length has a meaning of its own
};

// Parts of a module's data. Each begins with one of these numbers.
enum {
    MODULE_END = 0,
    MODULE_SIGNED = 1,
    MODULE_UNSIGNED = 2,
    MODULE_FLOAT = 3,
    MODULE_DOUBLE = 4,
    MODULE_STRING = 5,
};

enum stage { AT_HEADER, AT_RECORD, AT_VALUE, IN_STRING, AT_END };

struct rdb_reader {
    struct rdb_input in;
    enum stage stage;
    unsigned version;
    bool valkey;
    const struct rdb_type *type; // of the last key
    struct rdb_key next;         // what the opcodes have said about the next key
    char name[RDB_NAME_MOST];
    struct rdb_string string;
};

struct rdb_reader *rdb_reader_new(struct rdb_source source)
{
    struct rdb_reader *r = malloc(sizeof *r);
    if (r == NULL)
        return NULL;
    // The string is large, and rdb_string_begin sets what it needs.
    r->stage = AT_HEADER;
    r->next = (struct rdb_key){0};
    if (rdb_input_init(&r->in, source))
        return r;
    rdb_reader_free(r);
    return NULL;
}

void rdb_reader_free(struct rdb_reader *r)
{
    if (r == NULL)
        return;
    rdb_input_release(&r->in);
    free(r);
}

const struct error *rdb_reader_error(const struct rdb_reader *r)
{
    return &r->in.error;
}

// ---- header and end -----------------------------------------------------------------------------

// Reads `count` decimal digits.
static bool read_digits(const char *text, unsigned count, unsigned *number)
{
    *number = 0;
    for (unsigned i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

static bool read_header(struct rdb_reader *r)
{
    struct span text = rdb_input_peek(&r->in, HEADER_SIZE);
    if (text.len == 0)
        return false;
    r->valkey = memcmp(text.ptr, "VALKEY", 6) == 0;
    bool redis = memcmp(text.ptr, "REDIS", 5) == 0;
    if (!(r->valkey && read_digits(text.ptr + 6, 3, &r->version)) &&
        !(redis && read_digits(text.ptr + 5, 4, &r->version)))
        return rdb_input_fail(&r->in, 0,
                              "not an RDB dump: it does not begin with REDIS or VALKEY and a "
                              "version");
    if (r->valkey ? r->version != VERSION_VALKEY
                  : r->version < VERSION_LEAST || r->version > VERSION_MOST)
        return rdb_input_fail(&r->in, 0,
                              "version %.9s of the format cannot be read, only REDIS0003 to "
                              "REDIS0012 and VALKEY080",
                              text.ptr);
    rdb_input_use(&r->in, HEADER_SIZE);
    r->stage = AT_RECORD;
    return true;
}

// Whether these are the 40 digits that a server sends after a dump when it has not announced the
// length of the dump. `redis-cli --rdb FILE` removes them, `redis-cli --rdb -` does not.
static bool is_end_mark(struct span left)
{
    bool digits = left.len == END_MARK_SIZE;
    for (size_t i = 0; i < left.len && digits; i++)
        digits = (left.ptr[i] >= '0' && left.ptr[i] <= '9') ||
                 (left.ptr[i] >= 'a' && left.ptr[i] <= 'f');
    return digits;
}

// Reads what follows the last record.
static bool read_end(struct rdb_reader *r)
{
    if (r->version >= VERSION_OF_CHECKSUM) {
        uint64_t known = rdb_input_crc(&r->in);
        uint64_t offset = rdb_input_offset(&r->in);
        uint64_t written;
        r->in.part = "its checksum";
        if (!rdb_input_number(&r->in, CHECKSUM_SIZE, &written))
            return false;
        // The server writes zeros if its configuration says rdbchecksum no.
        if (written != 0 && written != known)
            return rdb_input_fail(&r->in, offset,
                                  "the checksum is %016llx instead of %016llx: the dump is damaged",
                                  (unsigned long long)known, (unsigned long long)written);
    }
    struct span left = rdb_input_left(&r->in);
    if (r->in.failed)
        return false;
    if (left.len > 0 && !is_end_mark(left))
        return rdb_input_fail(&r->in, rdb_input_offset(&r->in),
                              "more bytes follow the end of the dump; in an append-only file these "
                              "are commands, which cannot be read");
    r->stage = AT_END;
    return true;
}

// ---- opcodes ------------------------------------------------------------------------------------

static bool skip_lengths(struct rdb_reader *r, unsigned count)
{
    uint64_t length;
    for (unsigned i = 0; i < count; i++)
        if (!rdb_length(&r->in, &length))
            return false;
    return true;
}

static bool skip_module_aux(struct rdb_reader *r)
{
    uint64_t part = MODULE_UNSIGNED;
    // The number of the module. Then an unsigned number, like other parts: when the data is loaded.
    if (!skip_lengths(r, 1))
        return false;
    do {
        uint64_t offset = rdb_input_offset(&r->in);
        bool good;
        if (!rdb_length(&r->in, &part))
            return false;
        switch (part) {
        case MODULE_END: good = true; break;
        case MODULE_SIGNED:
        case MODULE_UNSIGNED: good = skip_lengths(r, 1); break;
        case MODULE_FLOAT: good = rdb_input_skip(&r->in, 4); break;
        case MODULE_DOUBLE: good = rdb_input_skip(&r->in, 8); break;
        case MODULE_STRING: good = rdb_string_skip(&r->string, &r->in); break;
        default:
            good = rdb_input_fail(&r->in, offset, "%llu is not a part of a module's data",
                                  (unsigned long long)part);
        }
        if (!good)
            return false;
    } while (part != MODULE_END);
    return true;
}

static bool read_expiry(struct rdb_reader *r, unsigned size)
{
    uint64_t bits;
    if (!rdb_input_number(&r->in, size, &bits))
        return false;
    r->next.expires = true;
    r->next.expires_ms = size == 8 ? (int64_t)bits : (int64_t)(int32_t)bits * 1000;
    return true;
}

static bool read_opcode(struct rdb_reader *r, unsigned opcode, uint64_t offset)
{
    struct rdb_input *in = &r->in;
    in->part = "a record that is not a key";
    switch (opcode) {
    case OPCODE_END: return read_end(r);
    case OPCODE_DATABASE: return rdb_length(in, &r->next.database);
    case OPCODE_EXPIRES_S: return read_expiry(r, 4);
    case OPCODE_EXPIRES_MS: return read_expiry(r, 8);
    case OPCODE_SIZES: return skip_lengths(r, 2);
    case OPCODE_AUX: return rdb_string_skip(&r->string, in) && rdb_string_skip(&r->string, in);
    case OPCODE_FREQUENCY: return rdb_input_skip(in, 1);
    case OPCODE_IDLE: return skip_lengths(r, 1);
    case OPCODE_MODULE_AUX: return skip_module_aux(r);
    case OPCODE_FUNCTION: return rdb_string_skip(&r->string, in);
    case OPCODE_SLOT_INFO: return skip_lengths(r, 3);
    default: return rdb_input_fail(in, offset, "unknown opcode %u", opcode);
    }
}

// ---- keys and values ----------------------------------------------------------------------------

// Reads the key. Keeps the beginning of a long one.
static bool read_name(struct rdb_reader *r)
{
    struct span piece;
    size_t len = 0;
    r->in.part = "a key";
    if (!rdb_string_begin(&r->string, &r->in))
        return false;
    r->next.name_len = r->string.left;
    do {
        if (!rdb_string_next(&r->string, &r->in, &piece))
            return false;
        size_t kept = piece.len < RDB_NAME_MOST - len ? piece.len : RDB_NAME_MOST - len;
        memcpy(r->name + len, piece.ptr, kept);
        len += kept;
    } while (piece.len > 0);
    r->next.name = span_of(r->name, len);
    return true;
}

// Skips a number as text.
static bool skip_text(struct rdb_reader *r)
{
    uint64_t len;
    return rdb_input_number(&r->in, 1, &len) && (len > TEXT_MOST || rdb_input_skip(&r->in, len));
}

static bool skip_parts(struct rdb_reader *r, const char *parts)
{
    for (; *parts != '\0'; parts++) {
        bool good = *parts == 's'   ? rdb_string_skip(&r->string, &r->in)
                    : *parts == 'n' ? skip_lengths(r, 1)
                    : *parts == '8' ? rdb_input_skip(&r->in, 8)
                                    : skip_text(r);
        if (!good)
            return false;
    }
    return true;
}

// Skips the value of the last key. Each entry takes at least one byte of the dump, so a wrong
// number of entries ends with the dump.
static bool skip_value(struct rdb_reader *r)
{
    uint64_t entries = 0;
    if (r->type->head == NULL)
        return rdb_input_fail(&r->in, rdb_input_offset(&r->in), "a %s cannot be skipped",
                              r->type->name);
    if (!skip_parts(r, r->type->head) || (r->type->entry != NULL && !rdb_length(&r->in, &entries)))
        return false;
    for (; entries > 0; entries--)
        if (!skip_parts(r, r->type->entry))
            return false;
    return true;
}

// Skips the rest of the value of the last key.
static bool finish_value(struct rdb_reader *r)
{
    struct span piece = {0};
    if (r->stage == AT_VALUE && !skip_value(r))
        return false;
    while (r->stage == IN_STRING)
        if (!rdb_reader_value(r, &piece))
            return false;
    r->stage = AT_RECORD;
    return true;
}

static enum rdb_result read_key(struct rdb_reader *r, unsigned number, uint64_t offset,
                                struct rdb_key *key)
{
    r->type = rdb_type_of(number, r->valkey);
    if (r->type == NULL) {
        rdb_input_fail(&r->in, offset, "unknown type %u", number);
        return RDB_FAILED;
    }
    if (!read_name(r))
        return RDB_FAILED;
    *key = r->next;
    key->offset = offset;
    key->is_string = number == RDB_TYPE_STRING;
    key->can_be_skipped = r->type->head != NULL;
    key->type = r->type->name;
    r->next = (struct rdb_key){.database = key->database};
    r->in.part = "a value";
    r->stage = AT_VALUE;
    return RDB_KEY;
}

enum rdb_result rdb_reader_next(struct rdb_reader *r, struct rdb_key *key)
{
    assert(r->stage != AT_END);
    if (r->in.failed || (r->stage == AT_HEADER && !read_header(r)) || !finish_value(r))
        return RDB_FAILED;
    for (;;) {
        uint64_t offset = rdb_input_offset(&r->in);
        uint64_t first;
        r->in.part = "its records: the end is missing";
        if (!rdb_input_number(&r->in, 1, &first))
            return RDB_FAILED;
        if (first < OPCODES_FROM)
            return read_key(r, (unsigned)first, offset, key);
        if (!read_opcode(r, (unsigned)first, offset))
            return RDB_FAILED;
        if (r->stage == AT_END)
            return RDB_END;
    }
}

bool rdb_reader_value(struct rdb_reader *r, struct span *piece)
{
    assert(r->stage == AT_VALUE || r->stage == IN_STRING || r->stage == AT_RECORD);
    *piece = span_of("", 0);
    if (r->stage == AT_RECORD) // the value has ended
        return true;
    if (r->stage == AT_VALUE && !rdb_string_begin(&r->string, &r->in))
        return false;
    r->stage = IN_STRING;
    if (!rdb_string_next(&r->string, &r->in, piece))
        return false;
    if (piece->len == 0)
        r->stage = AT_RECORD;
    return true;
}
