// COMMAND and its subcommands: describe the commands of the server. The replies come from the rows
// of the command table.
#include <stdio.h>

#include "base/glob.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/key_specs.h"
#include "serve/session.h"

// Bytes of a reply that are written in one unit of work. They are few, because the replies consist
// of short words, each written by a call of its own.
enum { BYTES_PER_WORK = 32 };

static unsigned count_bits(unsigned bits)
{
    return (unsigned)__builtin_popcount(bits);
}

// Returns the number of words in `words`. Single spaces separate the words.
static unsigned count_words(const char *words)
{
    unsigned count = *words != '\0';
    for (; *words != '\0'; words++)
        count += *words == ' ';
    return count;
}

// Splits `words` at single spaces, and writes each word with the function `reply`.
static void reply_words(struct resp_writer *w, const char *words,
                        void (*reply)(struct resp_writer *w, const char *text))
{
    char word[64];
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, words);
        reply(w, word);
        words += len + (words[len] == ' ');
    }
}

static void reply_number_field(struct resp_writer *w, const char *name, int number)
{
    resp_bulk_text(w, name);
    resp_integer(w, number);
}

// Writes the head of one part of a key specification: its name, its type, and the length of the map
// of details, which the caller writes next.
static void reply_part(struct resp_writer *w, const char *part, const char *type, unsigned count)
{
    resp_bulk_text(w, part);
    resp_map(w, 2);
    resp_bulk_text(w, "type");
    resp_bulk_text(w, type);
    resp_bulk_text(w, "spec");
    resp_map(w, count);
}

static void reply_key_specification(struct resp_writer *w, const struct command_key_spec *spec)
{
    resp_map(w, 3u + (spec->notes != NULL));
    if (spec->notes != NULL) {
        resp_bulk_text(w, "notes");
        resp_bulk_text(w, spec->notes);
    }
    resp_bulk_text(w, "flags");
    resp_set(w, count_words(spec->flags));
    reply_words(w, spec->flags, resp_status);
    if (spec->keyword != NULL) {
        reply_part(w, "begin_search", "keyword", 2);
        resp_bulk_text(w, "keyword");
        resp_bulk_text(w, spec->keyword);
        reply_number_field(w, "startfrom", spec->from);
    } else if (spec->from != 0) {
        reply_part(w, "begin_search", "index", 1);
        reply_number_field(w, "index", spec->from);
    } else {
        reply_part(w, "begin_search", "unknown", 0);
        reply_part(w, "find_keys", "unknown", 0);
        return;
    }
    reply_part(w, "find_keys", spec->counted ? "keynum" : "range", 3);
    reply_number_field(w, spec->counted ? "keynumidx" : "lastkey", spec->last);
    if (spec->counted)
        reply_number_field(w, "firstkey", 1);
    reply_number_field(w, "keystep", spec->step);
    if (!spec->counted)
        reply_number_field(w, "limit", spec->limit);
}

// Returns the number of key specifications of the row.
static unsigned count_specifications(const struct command *c)
{
    struct command_key_spec room[2];
    const struct command_key_spec *specs = command_key_specs(c, room);
    unsigned count = 0;
    while (specs[count].flags != NULL)
        count++;
    return count;
}

static void reply_key_specifications(struct resp_writer *w, const struct command *c)
{
    struct command_key_spec room[2];
    resp_set(w, count_specifications(c));
    for (const struct command_key_spec *s = command_key_specs(c, room); s->flags != NULL; s++)
        reply_key_specification(w, s);
}

// Returns the tips of a command. Clients that read tips send an MGET in one piece to each shard
// only if no tip says that its keys may be on several shards. A cluster with one shard leaves that
// out.
static const char *tips_of(const struct session *s, const struct command *c)
{
    static const char several[] = "request_policy:multi_shard";
    const struct cluster_view *view = s->service->view;
    const char *tips = c->tips != NULL ? c->tips : "";
    size_t len = sizeof several - 1;
    if (view == NULL || view->topology->shard_count > 1 || (c->flags & READONLY) == 0 ||
        strncmp(tips, several, len) != 0)
        return tips;
    return tips + len + (tips[len] == ' ');
}

// Describes a command, and its subcommands, by the ten elements of Redis 7.
static void reply_info(struct session *s, const struct command_entry *entry)
{
    struct resp_writer *w = &s->reply;
    const struct command *c = entry->command;
    unsigned categories = command_categories(c);
    unsigned subcommands = entry->subcommands;
    const char *tips = tips_of(s, c);
    resp_array(w, 10);
    resp_bulk_text(w, c->name);
    resp_integer(w, c->arity);
    resp_set(w, count_bits(c->flags & COMMAND_FLAGS_REPORTED));
    for (unsigned bit = 0; bit < COMMAND_FLAGS; bit++)
        if ((c->flags >> bit & 1) != 0)
            resp_status(w, command_flag_name(bit));
    resp_integer(w, c->keys.first);
    resp_integer(w, c->keys.last);
    resp_integer(w, c->keys.step);
    resp_set(w, count_bits(categories));
    for (unsigned bit = 0; bit < COMMAND_CATEGORIES; bit++)
        if ((categories >> bit & 1) != 0)
            resp_status(w, command_category_name(bit));
    resp_set(w, count_words(tips));
    reply_words(w, tips, resp_bulk_text);
    reply_key_specifications(w, c);
    // As in Redis, a list of subcommands is an array, but an empty one is a set in RESP3.
    if (subcommands == 0)
        resp_set(w, 0);
    else
        resp_array(w, subcommands);
    for (unsigned i = 0; i < subcommands; i++)
        reply_info(s, entry + 1 + i);
}

// Writes one field of a map; nothing if `text` is NULL.
static void reply_text_field(struct resp_writer *w, const char *name, const char *text)
{
    if (text == NULL)
        return;
    resp_bulk_text(w, name);
    resp_bulk_text(w, text);
}

// Describes formal arguments. The next argument that is a key belongs to the key specification
// with the number `*spec`, and each such argument adds 1 to `*spec`. If there are more of them than
// specifications, the remaining ones belong to the last specification.
static void reply_arguments(struct resp_writer *w, const struct command_argument *arguments,
                            unsigned specs, unsigned *spec)
{
    uint64_t count = 0;
    while (arguments[count].name != NULL)
        count++;
    resp_array(w, count);
    for (const struct command_argument *a = arguments; a->name != NULL; a++) {
        unsigned flags = count_bits(a->flags);
        bool is_key = strcmp(a->type, "key") == 0;
        // Blocks and choices have the field `arguments`, all others `display_text`.
        resp_map(w, 3u + is_key + (a->token != NULL) + (a->since != NULL) + (flags != 0));
        reply_text_field(w, "name", a->name);
        reply_text_field(w, "type", a->type);
        if (a->inner == NULL)
            reply_text_field(w, "display_text", a->name);
        if (is_key) {
            reply_number_field(w, "key_spec_index", (int)*spec);
            *spec += *spec + 1 < specs;
        }
        reply_text_field(w, "token", a->token);
        reply_text_field(w, "since", a->since);
        if (flags != 0) {
            resp_bulk_text(w, "flags");
            resp_set(w, flags);
            if ((a->flags & ARGUMENT_OPTIONAL) != 0)
                resp_status(w, "optional");
            if ((a->flags & ARGUMENT_MULTIPLE) != 0)
                resp_status(w, "multiple");
            if ((a->flags & ARGUMENT_MULTIPLE_TOKEN) != 0)
                resp_status(w, "multiple_token");
        }
        if (a->inner != NULL) {
            resp_bulk_text(w, "arguments");
            reply_arguments(w, a->inner, specs, spec);
        }
    }
}

static void reply_history(struct resp_writer *w, const struct command_change *history)
{
    unsigned count = 0;
    while (history[count].since != NULL)
        count++;
    resp_bulk_text(w, "history");
    resp_set(w, count);
    for (unsigned i = 0; i < count; i++) {
        resp_array(w, 2);
        resp_bulk_text(w, history[i].since);
        resp_bulk_text(w, history[i].change);
    }
}

// Returns the number of fields that reply_docs writes.
static unsigned count_doc_fields(const struct command_entry *entry)
{
    const struct command *c = entry->command;
    return 3u + (c->complexity != NULL) + ((c->flags & MODULE) != 0) + (c->doc_flags != NULL) +
           (c->deprecated_since != NULL) + (c->replaced_by != NULL) + (c->history != NULL) +
           (c->arguments != NULL) + (entry->subcommands > 0);
}

static void reply_docs(struct session *s, const struct command_entry *entry)
{
    struct resp_writer *w = &s->reply;
    const struct command *c = entry->command;
    unsigned subcommands = entry->subcommands;
    unsigned spec = 0;
    resp_bulk_text(w, c->name);
    resp_map(w, count_doc_fields(entry));
    reply_text_field(w, "summary", c->summary != NULL ? c->summary : COMMAND_REFUSED);
    reply_text_field(w, "since", c->since);
    reply_text_field(w, "group", command_group_name(c->group));
    reply_text_field(w, "complexity", c->complexity);
    reply_text_field(w, "module", (c->flags & MODULE) != 0 ? COMMAND_MODULE : NULL);
    if (c->doc_flags != NULL) {
        resp_bulk_text(w, "doc_flags");
        resp_set(w, count_words(c->doc_flags));
        reply_words(w, c->doc_flags, resp_status);
    }
    reply_text_field(w, "deprecated_since", c->deprecated_since);
    reply_text_field(w, "replaced_by", c->replaced_by);
    if (c->history != NULL)
        reply_history(w, c->history);
    if (c->arguments != NULL) {
        resp_bulk_text(w, "arguments");
        reply_arguments(w, c->arguments, count_specifications(c), &spec);
    }
    if (subcommands > 0) {
        resp_bulk_text(w, "subcommands");
        resp_map(w, subcommands);
        for (unsigned i = 0; i < subcommands; i++)
            reply_docs(s, entry + 1 + i);
    }
}

// Writes the entry with the function `reply`, and charges the turn for the bytes written.
static void reply_one(struct session *s, const struct command_entry *entry,
                      void (*reply)(struct session *s, const struct command_entry *entry))
{
    size_t before = output_pending(s->reply.out);
    reply(s, entry);
    session_charge(s, (output_pending(s->reply.out) - before) / BYTES_PER_WORK);
}

// Writes all commands with the function `reply`, after `begin` has written their number.
// `s->request.cursor` is 0 until `begin` has been called, then 1 + the number of rows visited.
static enum command_result
reply_every(struct session *s, void (*begin)(struct resp_writer *w, uint64_t count),
            void (*reply)(struct session *s, const struct command_entry *entry))
{
    const struct command_index *commands = s->service->commands;
    if (s->request.cursor == 0) {
        begin(&s->reply, commands->top_level);
        s->request.cursor = 1;
    }
    for (; s->request.cursor <= commands->count; s->request.cursor++) {
        const struct command_entry *entry = &commands->entries[s->request.cursor - 1];
        if (entry->container != NULL)
            continue;
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        reply_one(s, entry, reply);
    }
    return COMMAND_DONE;
}

static enum command_result command_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    return reply_every(s, resp_array, reply_info);
}

static enum command_result command_count_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_integer(&s->reply, s->service->commands->top_level);
    return COMMAND_DONE;
}

static enum command_result command_info_command(struct session *s, const struct resp_request *r)
{
    if (r->argc == 2)
        return command_command(s, r);
    if (s->request.cursor == 0) {
        resp_array(&s->reply, r->argc - 2);
        s->request.cursor = 2;
    }
    for (; s->request.cursor < r->argc; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        struct span name = resp_arg(r, (uint32_t)s->request.cursor);
        const struct command_entry *entry = command_find_full(s->service->commands, name);
        if (entry != NULL)
            reply_one(s, entry, reply_info);
        else
            resp_null(&s->reply);
    }
    return COMMAND_DONE;
}

// With names, passes over them twice: first to count those that exist, as the reply begins with
// their number, then to describe them. `s->request.cursor` counts the names of both passes.
static enum command_result command_docs_command(struct session *s, const struct resp_request *r)
{
    const struct command_index *commands = s->service->commands;
    if (r->argc == 2)
        return reply_every(s, resp_map, reply_docs);
    uint64_t names = r->argc - 2;
    for (; s->request.cursor < 2 * names; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (s->request.cursor == names)
            resp_map(&s->reply, s->request.sum);
        struct span name = resp_arg(r, (uint32_t)(2 + s->request.cursor % names));
        const struct command_entry *entry = command_find_full(commands, name);
        if (entry == NULL)
            continue;
        if (s->request.cursor < names)
            s->request.sum++;
        else
            reply_one(s, entry, reply_docs);
    }
    return COMMAND_DONE;
}

// ---- COMMAND LIST -------------------------------------------------------------------------------

enum {
    // Most bytes of a pattern. It is bounded, because matching a name takes up to as many steps as
    // the length of the pattern times the length of the name.
    LIST_PATTERN_MAX = 1024,
    // Bytes of a pattern that are matched with a name in one unit of work.
    LIST_PATTERN_PER_WORK = 16,
};

// Which commands COMMAND LIST lists.
struct list_filter {
    enum { LIST_ALL, LIST_MODULE, LIST_CATEGORY, LIST_PATTERN } kind;
    struct span word; // module, category or pattern
};

// Reads the filter. Replies with an error and returns false if the request is invalid.
static bool parse_list(struct session *s, const struct resp_request *r, struct list_filter *filter)
{
    *filter = (struct list_filter){.kind = LIST_ALL};
    if (r->argc == 2)
        return true;
    if (r->argc == 5 && span_is(resp_arg(r, 2), "filterby")) {
        struct span kind = resp_arg(r, 3);
        filter->word = resp_arg(r, 4);
        filter->kind = span_is(kind, "module")    ? LIST_MODULE
                       : span_is(kind, "aclcat")  ? LIST_CATEGORY
                       : span_is(kind, "pattern") ? LIST_PATTERN
                                                  : LIST_ALL;
    }
    if (filter->kind == LIST_ALL) {
        reply_syntax_error(s);
        return false;
    }
    if (filter->kind == LIST_PATTERN && filter->word.len > LIST_PATTERN_MAX) {
        resp_error(&s->reply, "ERR pattern exceeds %d bytes", LIST_PATTERN_MAX);
        return false;
    }
    return true;
}

static bool is_in_category(const struct command *c, struct span word)
{
    unsigned categories = command_categories(c);
    for (unsigned bit = 0; bit < COMMAND_CATEGORIES; bit++)
        if (span_is(word, command_category_name(bit) + 1))
            return (categories >> bit & 1) != 0;
    return false;
}

static bool is_listed(struct session *s, const struct list_filter *filter,
                      const struct command_entry *entry)
{
    switch (filter->kind) {
    case LIST_ALL: break;
    case LIST_MODULE:
        return (entry->command->flags & MODULE) != 0 &&
               span_equal(filter->word, span_text(COMMAND_MODULE));
    case LIST_CATEGORY: return is_in_category(entry->command, filter->word);
    case LIST_PATTERN:
        session_charge(s, filter->word.len / LIST_PATTERN_PER_WORK);
        return glob_match(filter->word, span_text(entry->command->name), GLOB_CASE_INSENSITIVE);
    }
    return true;
}

// Passes over the commands twice, like COMMAND DOCS: first to count them, then to list them.
static enum command_result command_list_command(struct session *s, const struct resp_request *r)
{
    const struct command_index *commands = s->service->commands;
    struct list_filter filter;
    if (!parse_list(s, r, &filter))
        return COMMAND_DONE;
    for (; s->request.cursor < 2 * (uint64_t)commands->count; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (s->request.cursor == commands->count)
            resp_array(&s->reply, s->request.sum);
        const struct command_entry *entry = &commands->entries[s->request.cursor % commands->count];
        if (!is_listed(s, &filter, entry))
            continue;
        if (s->request.cursor < commands->count)
            s->request.sum++;
        else
            resp_bulk_text(&s->reply, entry->command->name);
    }
    return COMMAND_DONE;
}

// ---- COMMAND GETKEYS ----------------------------------------------------------------------------

// Returns the row for a complete command line, or NULL if there is no such command.
static const struct command *find_line(const struct command_index *commands,
                                       const struct resp_request *line)
{
    const struct command_entry *entry = command_find(commands, resp_arg(line, 0));
    if (entry != NULL && entry->subcommands > 0 && line->argc > 1)
        entry = command_find_sub(commands, entry, resp_arg(line, 1));
    return entry != NULL ? entry->command : NULL;
}

// Finds the keys of a command line. Returns false if it has written the whole reply: an error, or
// an empty list.
static bool find_keys(struct session *s, const struct resp_request *line, struct key_runs *runs)
{
    const struct command *c = find_line(s->service->commands, line);
    if (c == NULL) {
        resp_error(&s->reply, "ERR Invalid command specified");
    } else if (!keys_possible(c)) {
        resp_error(&s->reply, "ERR The command has no key arguments");
    } else if (!command_takes(c, line->argc)) {
        resp_error(&s->reply, "ERR Invalid number of arguments specified for command");
    } else if (keys_need_search(c) && line->argc > KEYS_SEARCHED_MAX) {
        resp_error(&s->reply,
                   "ERR more than %d words, too many to search for the keys of this command",
                   KEYS_SEARCHED_MAX);
    } else {
        keys_find(c, line, runs);
        if (runs->keys > 0)
            return true;
        if ((c->flags & NO_MANDATORY_KEYS) != 0)
            resp_array(&s->reply, 0);
        else
            resp_error(&s->reply, "ERR Invalid arguments specified for command");
    }
    return false;
}

// The variants of COMMAND GETKEYS.
enum {
    KEYS_ALONE,     // COMMAND GETKEYS
    KEYS_AND_FLAGS, // COMMAND GETKEYSANDFLAGS
};

// `s->request.cursor` is 0 until the number of keys is written, then 1 + the number of keys
// written.
static enum command_result command_getkeys_command(struct session *s, const struct resp_request *r)
{
    bool with_flags = s->request.running->command->variant == KEYS_AND_FLAGS;
    const struct resp_request line = {r->base, r->args + 2, r->argc - 2};
    const struct key_run *run;
    struct key_runs runs;
    if (!find_keys(s, &line, &runs))
        return COMMAND_DONE;
    if (s->request.cursor == 0) {
        resp_array(&s->reply, runs.keys);
        s->request.cursor = 1;
    }
    for (; s->request.cursor <= runs.keys; s->request.cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        struct span key = resp_arg(&line, keys_at(&runs, s->request.cursor - 1, &run));
        if (with_flags)
            resp_array(&s->reply, 2);
        resp_bulk(&s->reply, key);
        if (with_flags) {
            resp_set(&s->reply, count_words(run->flags));
            reply_words(&s->reply, run->flags, resp_status);
        }
    }
    return COMMAND_DONE;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument command_names[] = {
    {"command-name", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL}, {0}};
static const struct command_argument command_line[] = {
    {"command", "string", NULL, 0, NULL},
    {"arg", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL},
    {0}};
static const struct command_argument list_filters[] = {{"module-name", "string", "MODULE", 0, NULL},
                                                       {"category", "string", "ACLCAT", 0, NULL},
                                                       {"pattern", "pattern", "PATTERN", 0, NULL},
                                                       {0}};
static const struct command_argument list_words[] = {
    {"filterby", "oneof", "FILTERBY", ARGUMENT_OPTIONAL, list_filters}, {0}};
static const struct command_change command_info_history[] = {
    {"7.0.0", "Without names, returns all commands"}, {0}};

const struct command command_commands[] = {
    {"command", -1, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_command, "Returns the arity, flags and keys of all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order",
     .deviation = "The commands are those of Stele. Refused writes are among them, so that cluster "
                  "clients can find out which words of a write are keys."},
    {"command|count", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_count_command, "Returns the number of commands", "O(1)"},
    {"command|docs", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "7.0.0", IN_CONNECTION,
     command_docs_command, "Returns the documentation of some or all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order", command_names,
     .deviation = "The texts are Stele's own. The text of a refused write says only that it is "
                  "refused. As in Redis 7.2, each argument has a `display_text`."},
    {"command|getkeys", -4, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_getkeys_command, "Returns the keys among the words of a command",
     "O(N) where N is the number of words", NULL, command_line,
     .deviation =
         "Accepts only the commands of Stele. For some commands, the server must "
         "search the words to find the keys. An example is `XREAD`, whose keys follow the word "
         "`STREAMS`. Such a command has at most 4,096 words.",
     .variant = KEYS_ALONE},
    {"command|getkeysandflags", -4, LOADING | STALE, NO_KEYS, GROUP_SERVER, "7.0.0", IN_CONNECTION,
     command_getkeys_command,
     "Returns the keys among the words of a command, and how the command accesses each key",
     "O(N) where N is the number of words", NULL, command_line,
     .deviation = "The same as for `COMMAND GETKEYS`.", .variant = KEYS_AND_FLAGS},
    {"command|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "5.0.0", IN_CONNECTION,
     help_command, "Returns a description of each subcommand", "O(1)"},
    {"command|info", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "2.8.13", IN_CONNECTION,
     command_info_command, "Returns the arity, flags and keys of some or all commands",
     "O(N) where N is the number of commands", "nondeterministic_output_order", command_names,
     .history = command_info_history},
    {"command|list", -2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "7.0.0", IN_CONNECTION,
     command_list_command, "Returns the names of all commands, or of those that match a filter",
     "O(N) where N is the number of commands", "nondeterministic_output_order", list_words,
     .deviation = "A pattern has at most 1,024 bytes, as the time of a match grows with its "
                  "length. `FILTERBY MODULE stele` lists the commands that Redis does not have."},
    {0},
};
