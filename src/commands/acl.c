// ACL: there is one user, "default", who may run every command. Clients can list users, but cannot
// change them. Writes are refused because the server is read-only, not because of a user's rules.
#include <stdio.h>
#include <sys/random.h>

#include "base/number.h"
#include "commands/groups.h"
#include "commands/reply.h"
#include "commands/rows.h"
#include "serve/session.h"

enum {
    PASSWORD_BITS = 256, // size of a generated password, if the client names none
    PASSWORD_BITS_MAX = 4096,
    RANDOM_MAX = 256, // bytes to request from one getrandom, which returns all of them or fails
    // Costs in units of work:
    CATEGORY_WORK = 32, // cost of finding all commands of a category
    RANDOM_WORK = 20,   // cost of one call of getrandom
};

static bool is_the_user(struct span name)
{
    return span_equal(name, span_text("default"));
}

static enum command_result acl_whoami_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_bulk_text(&s->reply, "default");
    return COMMAND_DONE;
}

static enum command_result acl_users_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_array(&s->reply, 1);
    resp_bulk_text(&s->reply, "default");
    return COMMAND_DONE;
}

// Returns true if clients must give a password. Replies show only this, never the password or its
// hash. With the hash, a client could guess passwords without asking the server.
static bool has_password(const struct session *s)
{
    return s->service->settings->requirepass != NULL;
}

static enum command_result acl_list_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_array(&s->reply, 1);
    resp_bulk_text(&s->reply, has_password(s) ? "user default on ~* &* +@all"
                                              : "user default on nopass ~* &* +@all");
    return COMMAND_DONE;
}

static enum command_result acl_getuser_command(struct session *s, const struct resp_request *r)
{
    struct resp_writer *w = &s->reply;
    if (!is_the_user(resp_arg(r, 2))) {
        resp_null(w);
        return COMMAND_DONE;
    }
    resp_map(w, 6);
    resp_bulk_text(w, "flags");
    resp_set(w, has_password(s) ? 1 : 2);
    resp_bulk_text(w, "on");
    if (!has_password(s))
        resp_bulk_text(w, "nopass");
    resp_bulk_text(w, "passwords");
    resp_array(w, 0);
    resp_bulk_text(w, "commands");
    resp_bulk_text(w, "+@all");
    resp_bulk_text(w, "keys");
    resp_bulk_text(w, "~*");
    resp_bulk_text(w, "channels");
    resp_bulk_text(w, "&*");
    resp_bulk_text(w, "selectors");
    resp_array(w, 0);
    return COMMAND_DONE;
}

// SETUSER, DELUSER, LOAD and SAVE are refused, because users cannot change.
static enum command_result acl_fixed_command(struct session *s, const struct resp_request *r)
{
    (void)r;
    resp_error(&s->reply, "ERR users cannot be changed: 'default' is the only user and may run "
                          "every command");
    return COMMAND_DONE;
}

// Replies with an error and returns true if a subcommand got more than one argument.
static bool refuse_extra_words(struct session *s, const struct resp_request *r)
{
    if (r->argc <= 3)
        return false;
    reply_wrong_subcommand(s, r, "ACL");
    return true;
}

static void reply_category(struct session *s, unsigned category)
{
    const struct command_index *commands = s->service->commands;
    unsigned count = 0;
    session_charge(s, CATEGORY_WORK);
    for (unsigned i = 0; i < commands->count; i++)
        count += (command_categories(commands->entries[i].command) & category) != 0;
    resp_array(&s->reply, count);
    for (unsigned i = 0; i < commands->count; i++)
        if ((command_categories(commands->entries[i].command) & category) != 0)
            resp_bulk_text(&s->reply, commands->entries[i].command->name);
}

// Without a category, lists all categories. Their names begin with an '@', which ACL CAT omits.
static enum command_result acl_cat_command(struct session *s, const struct resp_request *r)
{
    if (refuse_extra_words(s, r))
        return COMMAND_DONE;
    if (r->argc == 2) {
        resp_array(&s->reply, COMMAND_CATEGORIES);
        for (unsigned bit = 0; bit < COMMAND_CATEGORIES; bit++)
            resp_bulk_text(&s->reply, command_category_name(bit) + 1);
        return COMMAND_DONE;
    }
    struct span word = resp_arg(r, 2);
    unsigned bit = 0;
    while (bit < COMMAND_CATEGORIES && !span_is(word, command_category_name(bit) + 1))
        bit++;
    if (bit < COMMAND_CATEGORIES)
        reply_category(s, 1u << bit);
    else
        resp_error(&s->reply, "ERR Unknown category '%.*s'", session_echoed(word), word.ptr);
    return COMMAND_DONE;
}

// The log is always empty, because the server keeps none. RESET still needs the permission for
// administrative commands.
static enum command_result acl_log_command(struct session *s, const struct resp_request *r)
{
    int64_t count;
    if (refuse_extra_words(s, r))
        return COMMAND_DONE;
    bool reset = r->argc == 3 && span_is(resp_arg(r, 2), "reset");
    if (reset && !session_may_administer(s))
        session_refuse_administering(s);
    else if (reset)
        resp_status(&s->reply, "OK");
    else if (r->argc == 3 && !number_parse(resp_arg(r, 2), &count))
        reply_not_an_integer(s);
    else
        resp_array(&s->reply, 0);
    return COMMAND_DONE;
}

static enum command_result acl_genpass_command(struct session *s, const struct resp_request *r)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[PASSWORD_BITS_MAX / 8]; // two digits each
    char password[PASSWORD_BITS_MAX / 4];
    int64_t bits = PASSWORD_BITS;
    if (refuse_extra_words(s, r))
        return COMMAND_DONE;
    if (r->argc == 3 && !number_parse(resp_arg(r, 2), &bits)) {
        reply_not_an_integer(s);
        return COMMAND_DONE;
    }
    if (bits <= 0 || bits > PASSWORD_BITS_MAX) {
        resp_error(&s->reply, "ERR ACL GENPASS argument must be the number of bits for the output "
                              "password, a positive number up to 4096");
        return COMMAND_DONE;
    }
    size_t len = (size_t)(bits + 3) / 4;
    size_t bytes = (len + 1) / 2;
    // A password needs all of its random bytes, so one failed call is an error.
    for (size_t got = 0; got < bytes; got += RANDOM_MAX) {
        size_t part = bytes - got < RANDOM_MAX ? bytes - got : RANDOM_MAX;
        session_charge(s, RANDOM_WORK);
        if (getrandom(random + got, part, GRND_NONBLOCK) != (ssize_t)part) {
            resp_error(&s->reply, "ERR the system provides no random bytes");
            return COMMAND_DONE;
        }
    }
    for (size_t i = 0; i < len; i++)
        password[i] = digits[random[i / 2] >> 4 * (i % 2) & 15];
    resp_bulk(&s->reply, span_of(password, len));
    return COMMAND_DONE;
}

// Checks that the user and the command exist, and that the command accepts this number of words.
// The user may run any command.
static enum command_result acl_dryrun_command(struct session *s, const struct resp_request *r)
{
    const struct command_index *commands = s->service->commands;
    struct span user = resp_arg(r, 2);
    struct span name = resp_arg(r, 3);
    const struct command_entry *entry = command_find(commands, name);
    uint32_t argc = r->argc - 3;
    if (entry != NULL && entry->subcommands > 0 && argc >= 2)
        entry = command_find_sub(commands, entry, resp_arg(r, 4));
    if (!is_the_user(user))
        resp_error(&s->reply, "ERR User '%.*s' not found", session_echoed(user), user.ptr);
    else if (entry == NULL)
        resp_error(&s->reply, "ERR Command '%.*s' not found", session_echoed(name), name.ptr);
    else if (!command_takes(entry->command, argc))
        resp_error(&s->reply, "ERR wrong number of arguments for '%s' command",
                   entry->command->name);
    else
        resp_status(&s->reply, "OK");
    return COMMAND_DONE;
}

// As in Redis, the slow log hides the user and all rules, because a rule may contain a password.
static bool is_setuser_secret(const struct resp_request *r, uint32_t i)
{
    (void)r;
    return i >= 2;
}

// ---- rows of the command table ------------------------------------------------------------------

static const struct command_argument acl_cat_words[] = {
    {"categoryname", "string", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument acl_dryrun_words[] = {
    {"username", "string", NULL, 0, NULL},
    {"command", "string", NULL, 0, NULL},
    {"arg", "string", NULL, ARGUMENT_OPTIONAL | ARGUMENT_MULTIPLE, NULL},
    {0}};
static const struct command_argument acl_genpass_words[] = {
    {"bits", "integer", NULL, ARGUMENT_OPTIONAL, NULL}, {0}};
static const struct command_argument one_user[] = {{"username", "string", NULL, 0, NULL}, {0}};
static const struct command_argument count_or_reset[] = {
    {"count", "integer", NULL, 0, NULL}, {"reset", "pure-token", "RESET", 0, NULL}, {0}};
static const struct command_argument acl_log_words[] = {
    {"operation", "oneof", NULL, ARGUMENT_OPTIONAL, count_or_reset}, {0}};

const struct command acl_commands[] = {
    {"acl", -2, 0, NO_KEYS, GROUP_SERVER, "6.0.0", 0, NULL,
     "A container for the commands about users and their permissions. There is one user, which "
     "cannot be changed",
     NULL},
    {"acl|cat", -2, SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_cat_command,
     "Returns the categories of commands, or the commands of one category",
     "O(N) where N is the number of commands", NULL, acl_cat_words,
     .deviation = "The commands of a category are returned in the order of their names."},
    {"acl|deluser", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Returns an error, as the only user cannot be changed", "O(1)",
     .deviation = "Always an error, as the only user cannot be changed."},
    {"acl|dryrun", -4, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "7.0.0", 0, acl_dryrun_command,
     "Returns whether a user may run a command; the only user may run any", "O(1)", NULL,
     acl_dryrun_words},
    {"acl|genpass", -2, SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_genpass_command,
     "Returns a random hexadecimal password of a number of bits, 256 by default", "O(1)", NULL,
     acl_genpass_words},
    {"acl|getuser", 3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_getuser_command,
     "Returns the rules of a user", "O(1)", NULL, one_user,
     .deviation = "The hash of the password is not shown."},
    {"acl|help", 2, LOADING | STALE, NO_KEYS, GROUP_SERVER, "6.0.0", 0, help_command,
     "Returns a description of each subcommand", "O(1)"},
    {"acl|list", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_list_command,
     "Returns the rules of all users, of which there is one", "O(1)",
     .deviation = "The hash of the password is not shown."},
    {"acl|load", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Returns an error, as the only user cannot be changed", "O(1)",
     .deviation = "Always an error, as the only user cannot be changed."},
    {"acl|log", -2, ADMIN | SUBCOMMAND | ADMINISTRATIVE_IN_PART, NO_KEYS, GROUP_SERVER, "6.0.0", 0,
     acl_log_command, "Returns an empty list, as the server keeps no list of denied commands",
     "O(1)", NULL, acl_log_words,
     .deviation = "The server reports a denied administrative command in its log file instead. "
                  "`RESET` is administrative, although there is nothing to remove."},
    {"acl|save", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Returns an error, as the only user cannot be changed", "O(1)",
     .deviation = "Always an error, as the only user cannot be changed."},
    {"acl|setuser", -3, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_fixed_command,
     "Returns an error, as the only user cannot be changed", "O(1)",
     .deviation = "Always an error, as the only user cannot be changed.",
     .is_secret = is_setuser_secret},
    {"acl|users", 2, ADMIN | SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_users_command,
     "Returns the names of all users", "O(1)"},
    {"acl|whoami", 2, SUBCOMMAND, NO_KEYS, GROUP_SERVER, "6.0.0", 0, acl_whoami_command,
     "Returns the name of the user of this connection", "O(1)"},
    {0},
};
