// COMMAND and its subcommands, and HELP: what the command table says, as replies.
#include <stdio.h>

#include "serve/handlers.h"
#include "serve/session.h"

static unsigned count_bits(unsigned bits)
{
    return (unsigned)__builtin_popcount(bits);
}

// Words separated by single spaces, as an array (or set) of statuses or bulk strings.
static unsigned count_words(const char *words)
{
    unsigned count = *words != '\0';
    for (; *words != '\0'; words++)
        count += *words == ' ';
    return count;
}

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

static void reply_key_specification(struct resp_writer *w, const struct command *c)
{
    int last = c->keys.last < 0 ? c->keys.last : c->keys.last - c->keys.first;
    resp_map(w, 3);
    resp_bulk_text(w, "flags");
    resp_set(w, count_words(c->key_flags));
    reply_words(w, c->key_flags, resp_status);
    resp_bulk_text(w, "begin_search");
    resp_map(w, 2);
    resp_bulk_text(w, "type");
    resp_bulk_text(w, "index");
    resp_bulk_text(w, "spec");
    resp_map(w, 1);
    resp_bulk_text(w, "index");
    resp_integer(w, c->keys.first);
    resp_bulk_text(w, "find_keys");
    resp_map(w, 2);
    resp_bulk_text(w, "type");
    resp_bulk_text(w, "range");
    resp_bulk_text(w, "spec");
    resp_map(w, 3);
    resp_bulk_text(w, "lastkey");
    resp_integer(w, last);
    resp_bulk_text(w, "keystep");
    resp_integer(w, c->keys.step);
    resp_bulk_text(w, "limit");
    resp_integer(w, 0);
}

static unsigned subcommand_count(const struct command *c)
{
    unsigned count = 0;
    if (c->subcommands != NULL)
        while (c->subcommands[count].name != NULL)
            count++;
    return count;
}

// The ten elements of Redis 7 about one command.
static void reply_info(struct session *s, const struct command_entry *entry)
{
    struct resp_writer *w = &s->reply;
    const struct command *c = entry->command;
    unsigned categories = command_categories(c);
    unsigned subcommands = subcommand_count(c);
    char name[COMMAND_FULL_NAME_MAX];
    const char *tips = c->tips != NULL ? c->tips : "";
    resp_array(w, 10);
    resp_bulk_text(w, command_full_name(entry, name));
    resp_integer(w, c->arity);
    resp_set(w, count_bits(c->flags));
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
    resp_set(w, c->keys.first != 0);
    if (c->keys.first != 0)
        reply_key_specification(w, c);
    resp_set(w, subcommands);
    for (unsigned i = 0; i < subcommands; i++)
        reply_info(s, entry + 1 + i);
}

static void reply_arguments(struct resp_writer *w, const struct command_argument *arguments)
{
    uint64_t count = 0;
    while (arguments[count].name != NULL)
        count++;
    resp_array(w, count);
    for (const struct command_argument *a = arguments; a->name != NULL; a++) {
        unsigned flags = count_bits(a->flags);
        bool is_key = strcmp(a->type, "key") == 0;
        resp_map(w, 2u + is_key + (a->token != NULL) + (flags != 0) + (a->inner != NULL));
        resp_bulk_text(w, "name");
        resp_bulk_text(w, a->name);
        resp_bulk_text(w, "type");
        resp_bulk_text(w, a->type);
        if (is_key) {
            resp_bulk_text(w, "key_spec_index");
            resp_integer(w, 0);
        }
        if (a->token != NULL) {
            resp_bulk_text(w, "token");
            resp_bulk_text(w, a->token);
        }
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
            reply_arguments(w, a->inner);
        }
    }
}

static void reply_docs(struct session *s, const struct command_entry *entry)
{
    struct resp_writer *w = &s->reply;
    const struct command *c = entry->command;
    unsigned subcommands = subcommand_count(c);
    char name[COMMAND_FULL_NAME_MAX];
    resp_bulk_text(w, command_full_name(entry, name));
    resp_map(w, 3u + (c->complexity != NULL) + (c->arguments != NULL) + (subcommands > 0));
    resp_bulk_text(w, "summary");
    resp_bulk_text(w, c->summary != NULL ? c->summary : "Refused: the dataset is read-only");
    resp_bulk_text(w, "since");
    resp_bulk_text(w, c->since);
    resp_bulk_text(w, "group");
    resp_bulk_text(w, command_group_name(c->group));
    if (c->complexity != NULL) {
        resp_bulk_text(w, "complexity");
        resp_bulk_text(w, c->complexity);
    }
    if (c->arguments != NULL) {
        resp_bulk_text(w, "arguments");
        reply_arguments(w, c->arguments);
    }
    if (subcommands > 0) {
        resp_bulk_text(w, "subcommands");
        resp_map(w, subcommands);
        for (unsigned i = 0; i < subcommands; i++)
            reply_docs(s, entry + 1 + i);
    }
}

static void reply_every(struct session *s,
                        void (*reply)(struct session *s, const struct command_entry *entry))
{
    const struct command_index *commands = s->service->commands;
    for (unsigned i = 0; i < commands->count; i++)
        if (commands->entries[i].container == NULL)
            reply(s, &commands->entries[i]);
}

enum command_result command_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_array(&s->reply, s->service->commands->top_level);
    reply_every(s, reply_info);
    return COMMAND_DONE;
}

enum command_result command_count_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_integer(&s->reply, s->service->commands->top_level);
    return COMMAND_DONE;
}

enum command_result command_info_command(struct session *s, const struct resp_request *r)
{
    if (r->argc == 2)
        return command_command(s, r);
    if (s->cursor == 0) {
        resp_array(&s->reply, r->argc - 2);
        s->cursor = 2;
    }
    for (; s->cursor < r->argc; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        struct span name = resp_arg(r, (uint32_t)s->cursor);
        const struct command_entry *entry = command_find_full(s->service->commands, name);
        if (entry != NULL)
            reply_info(s, entry);
        else
            resp_null(&s->reply);
    }
    return COMMAND_DONE;
}

// With names, in two rounds over them, as the length of a map stands before its content: the
// cursor counts through the first round and on through the second.
enum command_result command_docs_command(struct session *s, const struct resp_request *r)
{
    const struct command_index *commands = s->service->commands;
    if (r->argc == 2) {
        resp_map(&s->reply, commands->top_level);
        reply_every(s, reply_docs);
        return COMMAND_DONE;
    }
    uint64_t names = r->argc - 2;
    for (; s->cursor < 2 * names; s->cursor++) {
        if (!session_may_go_on(s))
            return COMMAND_AGAIN;
        if (s->cursor == names)
            resp_map(&s->reply, s->sum);
        struct span name = resp_arg(r, (uint32_t)(2 + s->cursor % names));
        const struct command_entry *entry = command_find_full(commands, name);
        if (entry == NULL)
            continue;
        if (s->cursor < names)
            s->sum++;
        else
            reply_docs(s, entry);
    }
    return COMMAND_DONE;
}

// HELP of any container, from its rows.
enum command_result help_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    const struct command *container = s->running->container;
    char line[256];
    char word[COMMAND_NAME_MAX];
    resp_array(&s->reply, 1 + 2 * (uint64_t)subcommand_count(container));
    snprintf(line, sizeof line, "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
             command_upper_name(container, word));
    resp_status(&s->reply, line);
    for (const struct command *sub = container->subcommands; sub->name != NULL; sub++) {
        resp_status(&s->reply, command_upper_name(sub, word));
        snprintf(line, sizeof line, "    %s.", sub->summary);
        resp_status(&s->reply, line);
    }
    return COMMAND_DONE;
}
