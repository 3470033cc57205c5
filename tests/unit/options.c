// Tests of the command line: each option with good and bad values in both forms, the messages, the
// defaults, and the help, which lists all options. A case names the settings that a command line
// must change from their defaults.
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "support/tap.h"

enum { WORDS_MAX = 48 };

// Parses the command line of the program's name and `words`, which end with NULL.
static bool parse(struct options *o, const char *const *words, struct error *error)
{
    char *argv[WORDS_MAX + 2] = {(char *)(uintptr_t) "stele-server"};
    int argc = 1;
    for (; argc <= WORDS_MAX && words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    argv[argc] = (char *)(uintptr_t) "--beyond-argc";
    error_set(error, "%s", "");
    return options_parse(o, argc, argv, error);
}

static void add_text(struct buf *to, const char *name, const char *value, const char *usual)
{
    if (strcmp(value, usual) != 0)
        buf_printf(to, "%s%s=%s", to->len > 0 ? " " : "", name, value);
}

static void add_number(struct buf *to, const char *name, unsigned value, unsigned usual)
{
    if (value != usual)
        buf_printf(to, "%s%s=%u", to->len > 0 ? " " : "", name, value);
}

// Returns the value of an option as CONFIG GET shows it.
static const char *shown(const char *name, const struct settings *s, char text[SETTING_VALUE_MAX])
{
    unsigned i = 0;
    while (settings_table[i].name == NULL || strcmp(settings_table[i].name, name) != 0)
        i++;
    return setting_format(&settings_table[i], s, &s->runtime, text);
}

// Returns the settings that differ from the defaults, as "name=value name=value".
static struct buf differences(const struct options *o)
{
    static const char *const enable[] = {"no", "local", "yes"};
    static const char *const write_error[] = {"readonly", "noperm", "err"};
    const struct settings *s = &o->settings;
    char text[SETTING_VALUE_MAX];
    struct buf b = {0};
    add_text(&b, "file", o->data_file != NULL ? o->data_file : "none", "f");
    add_number(&b, "tcp", s->tcp, 1);
    add_number(&b, "port", s->port, 6379);
    add_text(&b, "bind", shown("bind", s, text), "127.0.0.1 -::1");
    add_number(&b, "protected-mode", s->protected_mode, 1);
    add_text(&b, "unixsocket", s->unixsocket, "");
    add_number(&b, "unixsocketperm", s->unixsocketperm, 0);
    add_number(&b, "threads", s->threads, 0);
    add_number(&b, "read-threads", s->read_threads, 16);
    add_number(&b, "maxclients", (unsigned)s->runtime.maxclients, 10000);
    add_number(&b, "timeout", (unsigned)s->runtime.timeout, 0);
    add_number(&b, "request-timeout", (unsigned)s->runtime.request_timeout, 30);
    add_number(&b, "write-timeout", (unsigned)s->runtime.write_timeout, 60);
    if (s->runtime.maxmemory_clients != -25)
        buf_printf(&b, "%smaxmemory-clients=%lld", b.len > 0 ? " " : "",
                   (long long)s->runtime.maxmemory_clients);
    add_number(&b, "tcp-backlog", s->tcp_backlog, 511);
    add_text(&b, "proxy-protocol", shown("proxy-protocol", s, text), "");
    add_number(&b, "skip-malformed", s->skip_malformed, 0);
    add_text(&b, "index", s->index != NULL ? (*s->index != '\0' ? s->index : "none") : "default",
             "default");
    add_number(&b, "sampled-trust", s->sampled_trust, 0);
    add_number(&b, "index-verify", (unsigned)s->index_verify, 256 << 20);
    add_number(&b, "huge-pages", s->huge_pages, 0);
    add_number(&b, "lock-index", s->lock_index, DATASET_LOCK_AUTO);
    add_number(&b, "build-memory", (unsigned)s->build_memory, 0);
    add_number(&b, "watch", s->watch, 0);
    add_number(&b, "push+close", s->close_tracking, 0);
    add_text(&b, "loglevel", shown("loglevel", s, text), "notice");
    add_text(&b, "logfile", s->logfile, "");
    add_text(&b, "requirepass", s->requirepass != NULL ? s->requirepass : "none", "none");
    add_text(&b, "requirepass-file", s->requirepass_file != NULL ? s->requirepass_file : "none",
             "none");
    add_text(&b, "redis-version", s->redis_version, "7.4.0");
    add_text(&b, "key-prefix", s->key_prefix != NULL ? s->key_prefix : "none", "none");
    add_number(&b, "key-forms", s->any_key_form, 0);
    add_number(&b, "announce-role", s->announce_replica, 0);
    add_text(&b, "write-error", write_error[s->write_error], "readonly");
    add_number(&b, "cluster-enabled", s->cluster_enabled, 0);
    add_text(&b, "cluster-config", s->cluster_config != NULL ? s->cluster_config : "none", "none");
    add_text(&b, "cluster-node", s->cluster_node != NULL ? s->cluster_node : "none", "none");
    add_number(&b, "cluster-node-timeout", (unsigned)s->cluster_node_timeout, 3000);
    add_text(&b, "cluster-auth-file", s->cluster_auth_file != NULL ? s->cluster_auth_file : "none",
             "none");
    add_number(&b, "cluster-crossslot", s->cluster_crossslot, 1);
    add_number(&b, "cluster-preferred-endpoint-type", s->cluster_hostnames, 0);
    add_text(&b, "cluster-announce-ip",
             s->cluster_announce_ip != NULL ? s->cluster_announce_ip : "none", "none");
    add_number(&b, "cluster-announce-port", s->cluster_announce_port, 0);
    add_text(&b, "admin-commands", enable[s->admin_commands], "local");
    add_text(&b, "enable-debug-command", enable[s->enable_debug_command], "no");
    add_number(&b, "enable-shutdown-command", s->enable_shutdown_command, 0);
    add_number(&b, "help", o->help, 0);
    add_number(&b, "version", o->version, 0);
    buf_append(&b, span_of("", 1));
    return b;
}

static struct options options;

// Compares what a command line means with `wanted`: the settings that differ from the defaults, or
// '!' and the error message.
static bool means(const char *const *words, const char *wanted, const char *name)
{
    struct error error;
    if (!parse(&options, words, &error)) {
        char text[sizeof error.text + 1];
        snprintf(text, sizeof text, "!%s", error.text);
        return is_text(text, wanted, "%s", name);
    }
    struct buf got = differences(&options);
    bool same = is_text(got.ptr, wanted, "%s", name);
    buf_release(&got);
    return same;
}

struct value_case {
    const char *option;
    const char *value;
    const char *wanted;
};

static const struct value_case values[] = {
    {"--port", "0", "port=0"},
    {"--port", "1", "port=1"},
    {"--port", "6379", ""},
    {"--port", "65535", "port=65535"},
    {"--bind", "0.0.0.0", "bind=0.0.0.0"},
    {"--bind", "*", "bind=*"},
    {"--bind", "-::1", "bind=-::1"},
    {"--protected-mode", "yes", ""},
    {"--protected-mode", "no", "protected-mode=0"},
    {"--unixsocket", "/tmp/s", "unixsocket=/tmp/s"},
    {"--unixsocket", "a=b", "unixsocket=a=b"},
    {"--unixsocketperm", "770", "unixsocketperm=504"},
    {"--unixsocketperm", "0600", "unixsocketperm=384"},
    {"--unixsocketperm", "777", "unixsocketperm=511"},
    {"--unixsocketperm", "1", "unixsocketperm=1"},
    {"--threads", "1", "threads=1"},
    {"--threads", "128", "threads=128"},
    {"--read-threads", "0", "read-threads=0"},
    {"--read-threads", "256", "read-threads=256"},
    {"--maxclients", "1", "maxclients=1"},
    {"--maxclients", "1000000", "maxclients=1000000"},
    {"--timeout", "0", ""},
    {"--timeout", "2147483647", "timeout=2147483647"},
    {"--request-timeout", "0", "request-timeout=0"},
    {"--request-timeout", "2147483647", "request-timeout=2147483647"},
    {"--write-timeout", "0", "write-timeout=0"},
    {"--write-timeout", "1", "write-timeout=1"},
    {"--maxmemory-clients", "0", "maxmemory-clients=0"},
    {"--maxmemory-clients", "1gb", "maxmemory-clients=1073741824"},
    {"--maxmemory-clients", "9223372036854775807", "maxmemory-clients=9223372036854775807"},
    {"--maxmemory-clients", "100%", "maxmemory-clients=-100"},
    {"--maxmemory-clients", "1%", "maxmemory-clients=-1"},
    {"--maxmemory-clients", "0%", "maxmemory-clients=0"},
    {"--tcp-backlog", "1", "tcp-backlog=1"},
    {"--tcp-backlog", "65535", "tcp-backlog=65535"},
    {"--proxy-protocol", "10.0.0.0/8", "proxy-protocol=10.0.0.0/8"},
    {"--proxy-protocol", "", "!--proxy-protocol '' must be an address"},
    {"--index", "none", "index=none"},
    {"--index", "/tmp/i", "index=/tmp/i"},
    {"--index", "", "!--index '' must be a path, or none"},
    {"--index-trust", "sampled", "sampled-trust=1"},
    {"--index-verify", "1mb", "index-verify=1048576"},
    {"--index-verify", "0", "!--index-verify '0' must be a size like 512mb or 1gb"},
    {"--index-pages", "huge", "huge-pages=1"},
    {"--swap-tracking", "push", ""},
    {"--swap-tracking", "push+close", "push+close=1"},
    {"--swap-tracking", "close", "!--swap-tracking 'close' must be push or push+close"},
    {"--build-memory", "1gb", "build-memory=1073741824"},
    {"--build-memory", "512MB", "build-memory=536870912"},
    {"--build-memory", "3k", "build-memory=3000"},
    {"--build-memory", "0", "!--build-memory '0' must be a size like 512mb or 1gb"},
    {"--build-memory", "1tb", "!--build-memory '1tb' must be a size like 512mb or 1gb"},
    {"--build-memory", "gb", "!--build-memory 'gb' must be a size like 512mb or 1gb"},
    {"--build-memory", "99999999999gb",
     "!--build-memory '99999999999gb' must be a size like 512mb or 1gb"},
    {"--index-trust", "proven", ""},
    {"--index-trust", "no", "!--index-trust 'no' must be proven or sampled"},
    {"--index-pages", "shared", ""},
    {"--lock-index", "yes", "lock-index=2"},
    {"--lock-index", "no", "lock-index=0"},
    {"--lock-index", "auto", ""},
    {"--lock-index", "maybe", "!--lock-index 'maybe' must be no, auto or yes"},
    {"--index-pages", "small", "!--index-pages 'small' must be shared or huge"},
    {"--loglevel", "debug", "loglevel=debug"},
    {"--loglevel", "verbose", "loglevel=verbose"},
    {"--loglevel", "notice", ""},
    {"--loglevel", "warning", "loglevel=warning"},
    {"--logfile", "/tmp/log", "logfile=/tmp/log"},
    {"--logfile", "", ""},
    {"--requirepass", "secret word", "requirepass=secret word"},
    {"--requirepass-file", "/run/password", "requirepass-file=/run/password"},
    {"--redis-version", "8.0.1", "redis-version=8.0.1"},
    {"--redis-version", "7.4.0", ""},
    {"--write-error", "readonly", ""},
    {"--write-error", "noperm", "write-error=noperm"},
    {"--write-error", "err", "write-error=err"},
    {"--cluster-enabled", "yes", "write-error=noperm cluster-enabled=1"},
    {"--cluster-enabled", "no", ""},
    {"--key-prefix", "user:", "key-prefix=user:"},
    {"--key-prefix", "", "!--key-prefix '' must have 1 to 64 bytes"},
    {"--key-forms", "any", "key-forms=1"},
    {"--key-forms", "strict", ""},
    {"--announce-role", "replica", "announce-role=1"},
    {"--announce-role", "slave", "!--announce-role 'slave' must be master or replica"},
    {"--key-forms", "Any", "!--key-forms 'Any' must be strict or any"},
    {"--cluster-config", "a.conf", "write-error=noperm cluster-enabled=1 cluster-config=a.conf"},
    {"--cluster-node-timeout", "0", "cluster-node-timeout=0"},
    {"--cluster-node-timeout", "2147483647", "cluster-node-timeout=2147483647"},
    {"--cluster-auth-file", "/run/password", "cluster-auth-file=/run/password"},
    {"--cluster-crossslot", "no", "cluster-crossslot=0"},
    {"--cluster-crossslot", "yes", ""},
    {"--cluster-preferred-endpoint-type", "hostname", "cluster-preferred-endpoint-type=1"},
    {"--cluster-preferred-endpoint-type", "ip", ""},
    {"--cluster-announce-ip", "10.0.0.7", "cluster-announce-ip=10.0.0.7"},
    {"--cluster-announce-port", "7000", "cluster-announce-port=7000"},
    {"--enable-debug-command", "no", ""},
    {"--enable-debug-command", "local", "enable-debug-command=local"},
    {"--enable-debug-command", "yes", "enable-debug-command=yes"},
    {"--enable-shutdown-command", "no", ""},
    {"--enable-shutdown-command", "yes", "enable-shutdown-command=1"},

#define BAD_PORT "must be a number from 0 to 65535, or none"
    {"--port", "65536", "!--port '65536' " BAD_PORT},
    {"--port", "-1", "!--port '-1' " BAD_PORT},
    {"--port", "", "!--port '' " BAD_PORT},
    {"--port", "+1", "!--port '+1' " BAD_PORT},
    {"--port", " 1", "!--port ' 1' " BAD_PORT},
    {"--port", "01", "!--port '01' " BAD_PORT},
    {"--port", "0x10", "!--port '0x10' " BAD_PORT},
    {"--port", "4294967297", "!--port '4294967297' " BAD_PORT},
    {"--port", "18446744073709551617", "!--port '18446744073709551617' " BAD_PORT},
    {"--port", "NONE", "!--port 'NONE' " BAD_PORT},
    {"--port", "none", "!--port none without --unixsocket leaves nowhere to listen"},
    {"--bind", "", "!--bind '' must be an address"},
    {"--protected-mode", "maybe", "!--protected-mode 'maybe' must be yes or no"},
    {"--protected-mode", "", "!--protected-mode '' must be yes or no"},
    {"--protected-mode", "YES", "!--protected-mode 'YES' must be yes or no"},
    {"--unixsocket", "", "!--unixsocket '' must be a path"},
#define BAD_MODE "must be octal permissions like 770"
#define BAD_MEMORY "must be a size like 512mb, a percentage like 25%, or 0 for no limit"
    {"--unixsocketperm", "0", "!--unixsocketperm '0' " BAD_MODE},
    {"--unixsocketperm", "", "!--unixsocketperm '' " BAD_MODE},
    {"--unixsocketperm", "1000", "!--unixsocketperm '1000' " BAD_MODE},
    {"--unixsocketperm", "778", "!--unixsocketperm '778' " BAD_MODE},
    {"--unixsocketperm", "800", "!--unixsocketperm '800' " BAD_MODE},
    {"--unixsocketperm", "-7", "!--unixsocketperm '-7' " BAD_MODE},
    {"--unixsocketperm", "+7", "!--unixsocketperm '+7' " BAD_MODE},
    {"--unixsocketperm", " 7", "!--unixsocketperm ' 7' " BAD_MODE},
    {"--unixsocketperm", "7 ", "!--unixsocketperm '7 ' " BAD_MODE},
    {"--unixsocketperm", "0x7", "!--unixsocketperm '0x7' " BAD_MODE},
    {"--unixsocketperm", "2000000000000000000000770",
     "!--unixsocketperm '2000000000000000000000770' " BAD_MODE},
    {"--threads", "0", "!--threads '0' must be a number from 1 to 128"},
    {"--threads", "129", "!--threads '129' must be a number from 1 to 128"},
    {"--read-threads", "257", "!--read-threads '257' must be a number from 0 to 256"},
    {"--threads", "", "!--threads '' must be a number from 1 to 128"},
    {"--maxclients", "0", "!--maxclients '0' must be a number from 1 to 1000000"},
    {"--maxclients", "1000001", "!--maxclients '1000001' must be a number from 1 to 1000000"},
    {"--maxclients", "-1", "!--maxclients '-1' must be a number from 1 to 1000000"},
    {"--maxclients", "many", "!--maxclients 'many' must be a number from 1 to 1000000"},
    {"--timeout", "-1", "!--timeout '-1' must be a number of seconds, or 0 for never"},
    {"--timeout", "2147483648",
     "!--timeout '2147483648' must be a number of seconds, or 0 for never"},
    {"--timeout", "1.5", "!--timeout '1.5' must be a number of seconds, or 0 for never"},
    {"--request-timeout", "-1",
     "!--request-timeout '-1' must be a number of seconds, or 0 for never"},
    {"--write-timeout", "x", "!--write-timeout 'x' must be a number of seconds, or 0 for never"},
    {"--maxmemory-clients", "101%", "!--maxmemory-clients '101%' " BAD_MEMORY},
    {"--maxmemory-clients", "-1%", "!--maxmemory-clients '-1%' " BAD_MEMORY},
    {"--maxmemory-clients", "-1", "!--maxmemory-clients '-1' " BAD_MEMORY},
    {"--maxmemory-clients", "%", "!--maxmemory-clients '%' " BAD_MEMORY},
    {"--maxmemory-clients", "", "!--maxmemory-clients '' " BAD_MEMORY},
    {"--maxmemory-clients", "9223372036854775807k",
     "!--maxmemory-clients '9223372036854775807k' " BAD_MEMORY},
    {"--maxmemory-clients", "8589934592gb", "!--maxmemory-clients '8589934592gb' " BAD_MEMORY},
    {"--tcp-backlog", "0", "!--tcp-backlog '0' must be a number from 1 to 65535"},
    {"--tcp-backlog", "65536", "!--tcp-backlog '65536' must be a number from 1 to 65535"},
    {"--loglevel", "", "!--loglevel '' must be debug, verbose, notice or warning"},
    {"--loglevel", "loud", "!--loglevel 'loud' must be debug, verbose, notice or warning"},
    {"--requirepass", "", "!--requirepass must have 1 to 512 bytes"},
    {"--requirepass-file", "", "!--requirepass-file '' must be a path"},
    {"--redis-version", "7.4", "!--redis-version '7.4' must be a version like 7.4.0"},
    {"--redis-version", "7..4", "!--redis-version '7..4' must be a version like 7.4.0"},
    {"--redis-version", "7.4.x", "!--redis-version '7.4.x' must be a version like 7.4.0"},
    {"--redis-version", "7.4.0.", "!--redis-version '7.4.0.' must be a version like 7.4.0"},
    {"--redis-version", "7.4.0 ", "!--redis-version '7.4.0 ' must be a version like 7.4.0"},
    {"--write-error", "none", "!--write-error 'none' must be readonly, noperm or err"},
    {"--cluster-enabled", "1", "!--cluster-enabled '1' must be yes or no"},
    {"--cluster-announce-ip", "",
     "!--cluster-announce-ip '' must be an address or a name of at most 64 bytes"},
    {"--cluster-announce-ip", "a b",
     "!--cluster-announce-ip 'a b' must be an address or a name of at most 64 bytes"},
    {"--cluster-announce-port", "0",
     "!--cluster-announce-port '0' must be a number from 1 to 65535"},
    {"--admin-commands", "yes", "admin-commands=yes"},
    {"--admin-commands", "local", ""},
    {"--admin-commands", "no", "admin-commands=no"},
    {"--admin-commands", "", "!--admin-commands '' must be no, local or yes"},
    {"--enable-debug-command", "on", "!--enable-debug-command 'on' must be no, local or yes"},
    {"--enable-shutdown-command", "local", "!--enable-shutdown-command 'local' must be yes or no"},
};

static void test_values(void)
{
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        const struct value_case *c = &values[i];
        char joined[128];
        char name[160];
        snprintf(joined, sizeof joined, "%s=%s", c->option, c->value);
        snprintf(name, sizeof name, "%s '%s'", c->option, c->value);
        means((const char *const[]){"f", c->option, c->value, NULL}, c->wanted, name);
        snprintf(name, sizeof name, "%s before the file", joined);
        means((const char *const[]){joined, "f", NULL}, c->wanted, name);
    }
}

#define UNKNOWN(name) "!unknown option '" name "'; "
#define NO_TLS                                                                                     \
    "there is no TLS; HAProxy, nginx or stunnel accepts it in front of the server: see "           \
    "docs/tls.md"

static void test_lines(void)
{
    static const struct {
        const char *name;
        const char *words[8];
        const char *wanted;
    } cases[] = {
        {"a data file alone: all defaults", {"f"}, ""},
        {"no words", {NULL}, "!no data file given; --help shows how"},
        {"no data file", {"--port", "1"}, "!no data file given; --help shows how"},
        {"two data files", {"f", "g"}, "!more than one data file: 'f' and 'g'"},
        {"the same one twice", {"f", "f"}, "!more than one data file: 'f' and 'f'"},
        {"options on both sides of the file",
         {"--port", "1", "f", "--timeout=2"},
         "port=1 timeout=2"},
        {"- is a file", {"-"}, "file=-"},
        {"behind -- all words are files", {"--", "--port"}, "file=--port"},
        {"-- twice is a file the second time", {"--", "--"}, "file=--"},
        {"options before -- count", {"--port", "1", "--", "-x"}, "file=-x port=1"},
        {"-- and no file", {"--"}, "!no data file given; --help shows how"},
        {"two files around --", {"f", "--", "g"}, "!more than one data file: 'f' and 'g'"},
        {"-- as a value is a value", {"--logfile", "--", "f"}, "logfile=--"},
        {"an option as a value is a value", {"f", "--logfile", "--help"}, "logfile=--help"},
        {"an unknown option",
         {"f", "--nope"},
         "!unknown option '--nope'; --help lists all options"},
        {"an unknown option with a value",
         {"--nope=%s", "f"},
         "!unknown option '--nope'; --help lists all options"},
        {"a single dash", {"-port", "1"}, "!unknown option '-port'; did you mean --port?"},
        {"a shortened option",
         {"f", "--por", "1"},
         "!unknown option '--por'; did you mean --port?"},
        {"a lengthened option",
         {"f", "--ports"},
         "!unknown option '--ports'; did you mean --port?"},
        {"another case", {"f", "--PORT=1"}, "!unknown option '--PORT'; did you mean --port?"},
        {"= alone", {"f", "--=1"}, "!unknown option '--'; --help lists all options"},
        {"a missing value", {"f", "--port"}, "!option --port needs a value"},
        {"a value too many",
         {"f", "--skip-malformed=yes"},
         "!option --skip-malformed takes no value"},
        {"an empty value too many", {"f", "--help="}, "!option --help takes no value"},
        {"--skip-malformed takes no word", {"--skip-malformed", "f"}, "skip-malformed=1"},
        {"of an option given twice the last counts", {"f", "--port=1", "--port=2"}, "port=2"},
        {"--port none with a unix socket",
         {"f", "--port", "none", "--unixsocket=s"},
         "tcp=0 port=0 unixsocket=s"},
        {"--port none, the socket named first",
         {"f", "--unixsocket", "s", "--port=none"},
         "tcp=0 port=0 unixsocket=s"},
        {"--port none taken back", {"f", "--port=none", "--port=7"}, "port=7"},
        {"a port taken back",
         {"f", "--port=7", "--port=none", "--unixsocket=s"},
         "tcp=0 port=0 unixsocket=s"},
        {"an error of writes that is named holds in a cluster, the default one too",
         {"f", "--cluster-enabled=yes", "--write-error=readonly"},
         "cluster-enabled=1"},
        {"whichever of the two comes first",
         {"f", "--write-error=readonly", "--cluster-enabled=yes"},
         "cluster-enabled=1"},
        {"and the last of several",
         {"f", "--write-error=err", "--cluster-enabled=yes", "--write-error=readonly"},
         "cluster-enabled=1"},
        {"a prefix in a cluster",
         {"f", "--key-prefix", "user:", "--cluster-config=a.conf"},
         "!--key-prefix and --cluster-config exclude each other"},
        {"a prefix and one node that owns all slots",
         {"f", "--key-prefix", "user:", "--cluster-enabled=yes"},
         "key-prefix=user: write-error=noperm cluster-enabled=1"},
        {"a role in a cluster",
         {"f", "--announce-role=replica", "--cluster-enabled=yes"},
         "!--announce-role replica is not for a cluster"},
        {"addresses add up", {"f", "--bind", "::1", "--bind=*"}, "bind=::1 *"},
        {"a misspelt password option",
         {"f", "--requirepas=SECRET"},
         "!unknown option '--requirepas'; did you mean --requirepass?"},
        {"one dash",
         {"f", "-requirepass=SECRET"},
         "!unknown option '-requirepass'; did you mean --requirepass?"},
        {"a password with spaces and no quotes",
         {"f", "--requirepass", "my", "SECRET"},
         "!more than one data file; a value with spaces needs quotes"},
        {"the same, = and the file last",
         {"--requirepass=my", "SECRET", "f"},
         "!more than one data file; a value with spaces needs quotes"},
        {"a password as in redis.conf",
         {"requirepass", "SECRET", "f"},
         "!more than one data file; a value with spaces needs quotes"},
        {"the same behind the file",
         {"f", "RequirePass", "SECRET"},
         "!more than one data file; a value with spaces needs quotes"},
        {"_ for -",
         {"f", "--write_timeout=1"},
         UNKNOWN("--write_timeout") "did you mean --write-timeout?"},
        {"a letter too few", {"f", "--treads", "2"}, UNKNOWN("--treads") "did you mean --threads?"},
        {"a hyphen too many",
         {"f", "--max-clients=2"},
         UNKNOWN("--max-clients") "did you mean --maxclients?"},
        {"swapped letters",
         {"f", "--lgofile=SECRET"},
         UNKNOWN("--lgofile") "did you mean --logfile?"},
        {"the short name of redis-cli",
         {"f", "-p", "1"},
         "!unknown option '-p': did you mean --port?"},
        {"maxmemory",
         {"f", "--maxmemory", "1gb"},
         "!unknown option '--maxmemory': the data stays in its file and no key is evicted, so "
         "there "
         "is nothing to limit; --maxmemory-clients limits the memory of clients"},
        {"daemonize",
         {"f", "--daemonize=yes"},
         "!unknown option '--daemonize': the server stays in the foreground; "
         "docs/stele-server@.service "
         "lets systemd start it"},
        {"tls", {"f", "--tls-port", "1"}, "!unknown option '--tls-port': " NO_TLS},
        {"all of tls",
         {"f", "--tls-key-file-pass=SECRET"},
         "!unknown option '--tls-key-file-pass': " NO_TLS},
        {"the message is about the first bad word",
         {"f", "--port=x", "--nope"},
         "!--port 'x' " BAD_PORT},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        means(cases[i].words, cases[i].wanted, cases[i].name);
}

static void test_help_and_version(void)
{
    static const struct {
        const char *words[4];
        bool help;
        bool version;
    } cases[] = {
        {{"--help"}, true, false},
        {{"--version"}, false, true},
        {{"f", "--help"}, true, false},
        {{"--version", "f"}, false, true},
        {{"--help", "--version"}, true, true},
        {{"-h"}, true, false},
        {{"f", "-v"}, false, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error;
        ok(parse(&options, cases[i].words, &error) && options.help == cases[i].help &&
               options.version == cases[i].version,
           "%s %s needs nothing else", cases[i].words[0],
           cases[i].words[1] != NULL ? cases[i].words[1] : "");
    }
    means((const char *const[]){"--help", "--nope", NULL},
          "!unknown option '--nope'; --help lists all options",
          "a bad word is an error even with --help");
}

static void test_binds(void)
{
    const char *words[WORDS_MAX] = {"f"};
    char long_address[100];
    char text[SETTING_VALUE_MAX];
    unsigned count = 1;
    memset(long_address, 'a', sizeof long_address - 1);
    long_address[sizeof long_address - 1] = '\0';
    for (unsigned i = 0; i < SETTING_ITEMS_MAX; i++) {
        words[count++] = "--bind";
        words[count++] = long_address;
    }
    struct error error;
    ok(parse(&options, words, &error), "16 addresses are accepted");
    is_number(options.settings.bind.count, SETTING_ITEMS_MAX, "16 addresses are counted");
    ok(options.settings.bind.items[15] == long_address, "a long address is not changed");
    is_number((int64_t)strlen(shown("bind", &options.settings, text)),
              SETTING_ITEMS_MAX * sizeof long_address - 1,
              "CONFIG GET shows 16 addresses with spaces between them");
    words[count++] = "--bind=b";
    means(words, "!--bind 'b' is given more than 16 times", "a 17th is refused");
}

static void test_defaults(void)
{
    char text[SETTING_VALUE_MAX];
    struct error error;
    memset(&options, 0xff, sizeof options);
    ok(parse(&options, (const char *const[]){"f", NULL}, &error),
       "a struct with any content is accepted");
    struct buf got = differences(&options);
    is_text(got.ptr, "", "the defaults replace that content");
    buf_release(&got);
    is_number(options.settings.bind.count, 2, "two addresses by default");
    is_text(options.settings.bind.items[0], "127.0.0.1",
            "the first is the loopback address of IPv4");
    is_text(options.settings.bind.items[1], "-::1", "the second is that of IPv6, and is optional");
    is_text(options.settings.executable, "stele-server", "the program's name is kept");
    is_text(shown("loglevel", &options.settings, text), "notice", "the log level has its word");
    parse(&options, (const char *const[]){"f", "--loglevel=WARNING", NULL}, &error);
    is_text(shown("loglevel", &options.settings, text), "warning",
            "Redis's word, however it was written");
    ok(!options_parse(&options, 0, (char *[]){NULL}, &error), "no argv at all is no data file");
}

// Returns the text of --help, which ends with a NUL.
static struct buf help_text(unsigned width)
{
    struct buf help = {0};
    options_help(width, &help);
    buf_append(&help, span_of("", 1));
    require(!help.oom, "no memory");
    return help;
}

static size_t longest_line(const char *text)
{
    size_t longest = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        longest = len > longest ? len : longest;
        text += len + (text[len] == '\n');
    }
    return longest;
}

static bool same_words(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, " \n");
        b += strspn(b, " \n");
        size_t len = strcspn(a, " \n");
        if (len != strcspn(b, " \n") || memcmp(a, b, len) != 0)
            return false;
        if (len == 0)
            return true;
        a += len;
        b += len;
    }
}

static void test_help(void)
{
    struct buf help = help_text(1000);
    unsigned listed = 0;
    unsigned wanted = 2; // --help and --version are not in the table
    for (const char *at = strstr(help.ptr, "\n  --"); at != NULL; at = strstr(at + 1, "\n  --"))
        listed++;
    for (unsigned i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        char line[128];
        if (row->option == NULL)
            continue;
        wanted++;
        snprintf(line, sizeof line, "\n  %s%s%s ", row->option, row->argument != NULL ? " " : "",
                 row->argument != NULL ? row->argument : "");
        ok(strstr(help.ptr, line) != NULL, "the help has '%s'", row->option);
    }
    is_number(listed, wanted, "and no other option than --help and --version");
    ok(strncmp(help.ptr, "usage: stele-server DATAFILE [OPTION...]\n", 41) == 0 &&
           strstr(help.ptr, "\n  --help ") != NULL && strstr(help.ptr, "\n  --version ") != NULL,
       "these, and the usage");
    unsigned wide = 0;
    unsigned other = 0;
    for (unsigned width = 0; width <= 250; width++) {
        struct buf wrapped = help_text(width);
        wide += longest_line(wrapped.ptr) > (width < 40 ? 40 : width);
        other += !same_words(wrapped.ptr, help.ptr);
        buf_release(&wrapped);
    }
    is_number(wide, 0, "no line of the help is too long, at any width");
    is_number(other, 0, "the words of the help are the same at each width");
    buf_release(&help);
}

// Reads a password file with these bytes. `wanted` is the password, or the end of the error
// message.
static void test_password_file(const char *content, size_t len, const char *wanted)
{
    char path[] = "/tmp/stele-password-XXXXXX";
    struct error error = {""};
    int fd = mkstemp(path);
    require(fd >= 0 && write(fd, content, len) == (ssize_t)len, "cannot write %s", path);
    close(fd);
    const char *words[] = {"f", "--requirepass-file", path, NULL};
    require(parse(&options, words, &error), "%s", error.text);
    bool read = options_read_password(&options, &error);
    const char *got = read ? options.settings.requirepass : error.text + strlen(path);
    is_text(got, wanted, "a password file of %zu bytes", len);
    unlink(path);
}

static void test_password_files(void)
{
    char longest[PASSWORD_MAX + 3];
    static const char complaint[] = ":1: a password must have 1 to 512 bytes";
    memset(longest, 'x', sizeof longest);
    longest[PASSWORD_MAX] = '\0';
    test_password_file("secret word\n", 12, "secret word");
    test_password_file("secret", 6, "secret");
    test_password_file("secret\r\nmore\n", 14, "secret");
    test_password_file("", 0, complaint);
    test_password_file("\nsecret\n", 8, complaint);
    test_password_file(longest, PASSWORD_MAX, longest);
    longest[PASSWORD_MAX] = 'x';
    test_password_file(longest, PASSWORD_MAX + 1, complaint);
    test_password_file(longest, PASSWORD_MAX + 3, complaint);

    // Passwords that would be cut, or that are not what an editor shows.
    static const char nul[] = ":1: the password has a NUL byte (is the file UTF-16?); save it as "
                              "plain text";
    static const char utf16[] = ":1: the file is UTF-16; save it as plain text";
    static const char carriage[] = ":1: the password has a carriage return inside";
    test_password_file("sec\0ret\n", 8, nul);
    test_password_file("secret\0", 7, nul);
    test_password_file("s\0e\0c\0\n\0", 8, nul);
    test_password_file("\0s\0e\0c\0\n", 8, nul);
    test_password_file("secret\n\0", 8, "secret");
    test_password_file("\xff\xfes\0e\0\n\0", 8, utf16);
    test_password_file("\xfe\xff\0s\0e\0\n", 8, utf16);
    test_password_file("\xef\xbb\xbfsecret\n", 10,
                       ":1: a byte order mark precedes the password; save the file without "
                       "one");
    test_password_file("sec\rret\n", 8, carriage);
    test_password_file("secret\r\r\n", 9, carriage);
    test_password_file("secret\r", 7, "secret");
    test_password_file("p\xc3\xa4ss \n", 7, "p\xc3\xa4ss ");

    struct error error = {""};
    // A path at which there is no file may be the password, given to the wrong option. So the
    // message does not show it, unless the folder in the path exists.
    static const struct {
        const char *name;
        const char *named; // how the message names the file
    } missing[] = {
        {"/nowhere/SECRET", "the password file"}, {"SECRET", "the password file"},
        {"U0VD/UkVU", "the password file"},       {"/SECRET", "'/SECRET'"},
        {"/tmp/SECRET", "'/tmp/SECRET'"},
    };
    for (unsigned i = 0; i < sizeof missing / sizeof *missing; i++) {
        const char *words[] = {"f", "--requirepass-file", missing[i].name, NULL};
        char wanted[200];
        snprintf(wanted, sizeof wanted, "cannot read %s: No such file or directory%s",
                 missing[i].named,
                 *missing[i].named == '\'' ? ""
                                           : " (its name is not shown, as it may be the password "
                                             "itself)");
        require(parse(&options, words, &error), "%s", error.text);
        ok(!options_read_password(&options, &error),
           "a password file that does not exist is refused");
        is_text(error.text, wanted, "the message about a missing password file");
    }
    const char *long_one[] = {"f", "--requirepass", longest, NULL};
    longest[PASSWORD_MAX + 1] = '\0';
    ok(!parse(&options, long_one, &error), "a password that is too long is refused");
    is_text(error.text, "--requirepass must have 1 to 512 bytes",
            "the message does not show a password that is too long");
    char folder[] = "/tmp/stele-password-XXXXXX";
    require(mkdtemp(folder) != NULL, "no folder");
    ok(!password_read(folder, options.password, &error) && strstr(error.text, "Is a directory"),
       "a folder: %s", error.text);
    ok(!password_read_again("/dev/null", options.password, &error) &&
           strstr(error.text, "not a regular file") != NULL,
       "nothing but a regular file is read again: %s", error.text);
    rmdir(folder);
    const char *both[] = {"f", "--requirepass-file", "p", "--requirepass", "q", NULL};
    ok(!parse(&options, both, &error), "a password and a file of one");
    is_text(error.text, "--requirepass and --requirepass-file exclude each other", "says so");
}

int main(void)
{
    test_password_files();
    test_defaults();
    test_values();
    test_lines();
    test_help_and_version();
    test_binds();
    test_help();
    return done_testing();
}
