// The index file from an operator's view: servers write, map and share it, and the tool makes and
// checks it.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/uuid_text.h"
#include "support/forge.h"
#include "support/server.h"
#include "support/table.h"
#include "support/talk.h"
#include "support/watch.h"

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const struct table table = {1, 500};
static const char *data;
static const char *path; // path of the index file of `data`

// ---- help ---------------------------------------------------------------------------------------

// Runs the tool, sets `*said` to all of its output, and returns its exit code.
static int tool(struct buf *said, const char *const *words)
{
    const char *argv[16] = {tool_program()};
    struct buf err = {0};
    buf_release(said);
    for (unsigned i = 0; words[i] != NULL; i++)
        argv[i + 1] = words[i];
    int code = run_program(argv, said, &err);
    buf_append(said, buf_span(&err));
    buf_append(said, SPAN("\0"));
    buf_release(&err);
    return code;
}

static void remove_index(void)
{
    unlink(path);
    unlink(test_path("table.data.idx.lock"));
}

// ---- servers ------------------------------------------------------------------------------------

// Waits until INFO says that lookups use the index file. Returns false when it takes too long.
static bool becomes_mapped(int port)
{
    int fd = connect_tcp(port);
    struct buf info = {0};
    bool mapped = false;
    for (unsigned i = 0; i < 1000 && !mapped; i++) {
        info.len = 0;
        send_all(fd, SPAN("INFO\r\n"));
        require(receive(fd, &info, 7), "no INFO");
        size_t head = (size_t)((char *)memchr(info.ptr, '\n', 7) - info.ptr) + 1;
        require(receive(fd, &info, head + (size_t)atoi(info.ptr + 1) + 2 - info.len),
                "half an INFO");
        mapped = occurrences(buf_span(&info), "dataset_index_status:mapped\r\n") == 1;
    }
    close(fd);
    buf_release(&info);
    return mapped;
}

static void check_restart(void)
{
    struct stat first;
    struct stat second;
    remove_index();
    struct server_process s = server_start(data, NULL);
    log_await(s.log_path, " * wrote '");
    ok(log_has(s.log_path, " * indexed 500 keys of ") && server_answers(s.port, &table),
       "the first start builds the index, then writes it");
    is_number(server_stop(&s), 0, "the server ends well");
    ok(stat(path, &first) == 0 && files_beside(test_path("table.data.idx")) == 0,
       "there is one index file");
    for (unsigned i = 0; i < 2; i++) {
        s = server_start(data, i == 0 ? NULL : WORDS("--index-pages", "huge"));
        ok(log_has(s.log_path, " * mapped the index of 500 keys of ") &&
               log_lacks(s.log_path, "indexed") && server_answers(s.port, &table),
           "the next start maps the index%s", i == 0 ? "" : ", --index-pages huge");
        ok(becomes_mapped(s.port), "INFO says so when the index is verified");
        is_number(server_stop(&s), 0, "the server ends well");
    }
    ok(stat(path, &second) == 0 && second.st_ino == first.st_ino, "the index file stays the same");

    const char *elsewhere = test_path("elsewhere.idx");
    remove_index();
    s = server_start(data, WORDS("--index", "none"));
    ok(server_answers(s.port, &table), "--index none serves");
    is_number(server_stop(&s), 0, "the server ends well");
    ok(!file_exists(path) && files_beside(test_path("table.data.idx")) == 0,
       "--index none leaves no file");
    s = server_start(data, WORDS("--index", elsewhere));
    log_await(s.log_path, " * wrote '");
    is_number(server_stop(&s), 0, "with --index PATH the server ends well");
    ok(file_exists(elsewhere) && !file_exists(path),
       "--index PATH writes the index there and nowhere else");
    s = server_start(data, WORDS("--index", elsewhere));
    ok(log_has(s.log_path, " * mapped the index") && server_answers(s.port, &table),
       "--index PATH maps the index from there");
    is_number(server_stop(&s), 0, "the server ends well");
}

// Returns the sum of a field of /proc/PID/smaps over the mappings of the file `name`, in bytes.
static long long mapped_bytes(pid_t pid, const char *name, const char *field)
{
    char file[64];
    char line[512];
    bool inside = false;
    long long sum = 0;
    size_t len = strlen(field);
    snprintf(file, sizeof file, "/proc/%d/smaps", (int)pid);
    FILE *smaps = fopen(file, "r");
    require(smaps != NULL, "no smaps");
    while (fgets(line, sizeof line, smaps) != NULL) {
        unsigned long long from;
        unsigned long long to;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            inside = strstr(line, name) != NULL;
        else if (inside && strncmp(line, field, len) == 0 && line[len] == ':')
            sum += atoll(line + len + 1) * 1024;
    }
    fclose(smaps);
    return sum;
}

// Several servers share one copy of the index. The server that built it frees the memory in which
// it was built, and maps the file.
static void check_sharing(void)
{
    const struct table large = {3, SANITIZED ? 20000 : 1000000};
    const char *file = table_file(&large, "large.data");
    const char *index = test_path("large.data.idx");
    struct stat status;
    struct server_process s[3];
    s[2] = server_start(file, WORDS("--index", "none"));
    s[0] = server_start(file, NULL);
    log_await(s[0].log_path, " * wrote '");
    s[1] = server_start(file, NULL);
    ok(log_has(s[1].log_path, " * mapped the index"), "a second server maps the first one's index");
    ok(becomes_mapped(s[0].port) && becomes_mapped(s[1].port), "both use it");
    ok(server_answers(s[0].port, &large) && server_answers(s[1].port, &large) &&
           server_answers(s[2].port, &large),
       "all servers answer");
    require(stat(index, &status) == 0, "no index");
    long long pss[2];
    long long anonymous[3];
    for (unsigned i = 0; i < 3; i++)
        anonymous[i] = process_field(s[i].pid, "status", "RssAnon");
    for (unsigned i = 0; i < 2; i++) {
        pss[i] = mapped_bytes(s[i].pid, index, "Pss");
        long long resident = mapped_bytes(s[i].pid, index, "Rss");
        long long private = mapped_bytes(s[i].pid, index, "Anonymous");
        diag("server %u: index Rss %lld, Pss %lld, Anonymous %lld, RssAnon %lld", i, resident,
             pss[i], private, anonymous[i]);
        ok(resident > status.st_size / 2 && private == 0, "server %u has the index mapped", i);
    }
    diag("the file: %lld; without one: RssAnon %lld", (long long)status.st_size, anonymous[2]);
    ok(pss[0] + pss[1] <= status.st_size + 2 * 65536, "both servers together hold the index once");
    if (SANITIZED) {
        ok(true, "# SKIP the sanitizer's own memory says nothing");
    } else {
        ok(anonymous[1] <= 16 << 20, "a server that only maps the index holds little memory");
        ok(anonymous[0] <= anonymous[2] - status.st_size * 3 / 4,
           "the server that built the index has freed the memory for building");
    }
    for (unsigned i = 0; i < 3; i++)
        is_number(server_stop(&s[i]), 0, "server %u ends well", i);

    if (SANITIZED)
        return;
    s[0] = server_start(file, WORDS("--index-pages", "huge"));
    ok(process_field(s[0].pid, "status", "RssAnon") >= status.st_size * 3 / 4,
       "--index-pages huge: the server has a copy of the index");
    is_number(server_stop(&s[0]), 0, "the server ends well");
}

// With a proven index, opening does not read the data. A start then serves at once, and the data is
// read in the background. A reload reads it before it is served.
static void check_reload(void)
{
    const struct table large = {4, 200000};
    const char *file = table_file(&large, "reloaded.data");
    const char *index = test_path("reloaded.data.idx");
    struct buf said = {0};
    is_number(tool(&said, WORDS("index", file)), 0, "stele index");
    struct buf forged = file_content(index);
    forge_header(&forged)->facts.data.read_ns += 3600 * INT64_C(1000000000);
    forge_seal_header(&forged);
    forge_write(index, &forged);
    struct server_process s = server_start(file, NULL);
    struct stat status;
    require(stat(file, &status) == 0, "no file");
    is_number(server_stop(&s), 0, "the server ends well");
    ok(log_has(s.log_path, " * mapped the index of ") && log_lacks(s.log_path, "comparing '") &&
           log_lacks(s.log_path, "verified in"),
       "a start compares nothing with the data");
    // A file that is served already is not loaded again, so the server starts with another one.
    const char *name = test_path("current.data");
    const char *next = test_path("next.data");
    require(symlink(data, name) == 0 && symlink(file, next) == 0, "no links");
    s = server_start(name, NULL);
    require(rename(next, name) == 0 && kill(s.pid, SIGHUP) == 0, "no reload");
    log_await(s.log_path, " * reloaded ");
    ok(mapped_bytes(s.pid, file, "Rss") >= status.st_size,
       "a reload reads all of the data before it is served");
    is_number(server_stop(&s), 0, "the server ends well");
    buf_release(&forged);
    buf_release(&said);
}

static void check_skipped_lines(void)
{
    struct buf text = {0};
    buf_append_text(&text, "nonsense\n");
    table_append(&table, &text);
    const char *file = test_file("odd.data", buf_span(&text));
    buf_release(&text);
    for (unsigned i = 0; i < 2; i++) {
        struct server_process s = server_start(file, WORDS("--skip-malformed"));
        if (i == 0)
            log_await(s.log_path, " * wrote '");
        struct buf log = file_content(s.log_path);
        ok(occurrences(buf_span(&log), i == 0 ? " * indexed " : " * mapped ") == 1 &&
               occurrences(buf_span(&log), "skipped 1 malformed lines of 501\n") == 1 &&
               server_answers(s.port, &table),
           "--skip-malformed, start %u: the line is counted, the others are served", i);
        is_number(occurrences(buf_span(&log), "odd.data:1: "), i == 0,
                  "the malformed line is shown if the data was read");
        ok(log.len > 0 && *log.ptr != '\n' && occurrences(buf_span(&log), "\n\n") == 0,
           "no empty lines are logged");
        buf_release(&log);
        is_number(server_stop(&s), 0, "the server ends well");
    }
    struct buf said = {0};
    is_number(tool(&said, WORDS("check", "--index", file)), 0, "check --index of such an index");
    const char *refusal[] = {server_program(), file, "--port", "0", NULL};
    struct buf out = {0};
    struct buf err = {0};
    is_number(run_program(refusal, &out, &err), 1,
              "without --skip-malformed the server does not start");
    ok(occurrences(buf_span(&err), "odd.data:1: byte 0: not a UUID: 'nonsense'\n") == 1,
       "it shows the malformed line");
    buf_release(&said);
    buf_release(&out);
    buf_release(&err);
}

// ---- tools --------------------------------------------------------------------------------------

static void check_tools(void)
{
    struct buf said = {0};
    struct stat first;
    struct stat second;
    char wanted[256];
    remove_index();
    is_number(tool(&said, WORDS("check", "--index", data)), 1, "check --index without an index");
    snprintf(wanted, sizeof wanted, "stele: cannot open '%s': No such file or directory\n", path);
    is_text(said.ptr, wanted, "the message says that there is no index");
    is_number(tool(&said, WORDS("index", data)), 0, "stele index");
    snprintf(wanted, sizeof wanted,
             "index      %s\nkeys       500\nduplicates 0\nmalformed  0\nbytes      ", path);
    ok(memcmp(said.ptr, wanted, strlen(wanted)) == 0 && strstr(said.ptr, "stele: wrote '") != NULL,
       "stele index prints the figures: %.20s…", said.ptr);
    require(stat(path, &first) == 0, "no index");
    is_number(tool(&said, WORDS("index", data)), 0, "stele index again");
    ok(memcmp(said.ptr, wanted, strlen(wanted)) == 0 && strstr(said.ptr, "wrote") == NULL &&
           stat(path, &second) == 0 && second.st_ino == first.st_ino,
       "stele index has nothing to do");
    is_number(tool(&said, WORDS("check", "--index", data)), 0, "check --index");
    ok(strstr(said.ptr, "keys       500\n") != NULL && strstr(said.ptr, "trie       ") != NULL,
       "check --index prints figures");

    // A changed byte of the image: the check finds it, other tools work all the same.
    struct buf file = file_content(path);
    char flipped = (char)(file.ptr[4096 + 700] ^ 4);
    file_patch(path, 4096 + 700, span_of(&flipped, 1));
    is_number(tool(&said, WORDS("check", "--index", data)), 1, "check --index of a damaged index");
    ok(strstr(said.ptr, "is damaged: block 0 of 1 differs from its checksum") != NULL,
       "the message says what is damaged");
    char key[UUID_TEXT_LEN + 1] = "";
    uuid_format(table_key(&table, 7), key);
    is_number(tool(&said, WORDS("get", data, key)), 0, "stele get with a damaged index");
    is_text(said.ptr, "001-00000007\n", "it prints the value and no message");
    is_number(tool(&said, WORDS("index", data)), 0, "stele index of a damaged index");
    ok(strstr(said.ptr, ": building\n") != NULL && strstr(said.ptr, "stele: wrote '") != NULL,
       "it builds the index again and says so");
    is_number(tool(&said, WORDS("check", "--index", data)), 0, "then check --index succeeds");
    buf_release(&file);

    const char *odd = test_path("odd.data");
    const char *index = test_path("made.idx");
    is_number(tool(&said, WORDS("index", odd, "--index", index)), 2, "stele index: malformed");
    ok(strstr(said.ptr, "odd.data:1: byte 0: not a UUID") != NULL && !file_exists(index) &&
           files_beside(test_path("made.idx")) == 0,
       "it shows the line and leaves no file");
    is_number(tool(&said, WORDS("index", odd, "--index", index, "--skip-malformed")), 0,
              "stele index --index PATH --skip-malformed");
    ok(strstr(said.ptr, "malformed  1\n") != NULL && file_exists(index),
       "it counts the line and writes the index");
    is_number(tool(&said, WORDS("index", data, "--index", index)), 0, "an index of other data");
    ok(strstr(said.ptr, "bytes of data, not 25000: building\n") != NULL &&
           strstr(said.ptr, "wrote '") != NULL,
       "it is built again");
    static const struct {
        const char *words[6];
        const char *said;
    } wrong[] = {
        {{"index"}, "usage: stele index FILE [--index PATH] "},
        {{"index", "a", "more"}, "stele: more than one file: 'a' and 'more'\n"},
        {{"index", "a", "--index"}, "stele: option --index needs a value\n"},
        {{"index", "a", "--index", "none"}, "stele: --index 'none' must be a path\n"},
        {{"index", "--index=none", "a"}, "stele: --index 'none' must be a path\n"},
        {{"index", "--nope", "a"}, "stele: unknown option '--nope'; --help lists all options\n"},
        {{"index", "--indx=x", "a"}, "stele: unknown option '--indx'; did you mean --index?\n"},
        {{"check", "--index"}, "usage: stele check FILE [--all | --index] [--strict]\n"},
        {{"check", "--index", "--all", "a"}, "stele: --all and --index exclude each other\n"},
        {{"chek", "a"}, "stele: unknown subcommand 'chek'; did you mean check?\n"},
        {{"serve", "a"}, "stele: unknown subcommand 'serve'; `stele help` lists all subcommands\n"},
        {{"help", "idnex"}, "stele: unknown subcommand 'idnex'; did you mean index?\n"},
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        is_number(tool(&said, wrong[i].words), 2, "wrong command line %u", i);
        ok(strncmp(said.ptr, wrong[i].said, strlen(wrong[i].said)) == 0, "its message is '%s'",
           wrong[i].said);
    }
    is_number(tool(&said, WORDS("index", "/no/such/file")), 2, "stele index of no file");
    is_number(tool(&said, WORDS("index", data, "--index", "/no/such/folder/i")), 2,
              "stele index that cannot write fails");
    const char *linked = test_path("linked.idx");
    require(symlink(test_path("nowhere"), linked) == 0, "no link");
    const char *const unwritable[] = {linked, "/dev/null", test_folder(), "/no/such/folder/i"};
    for (unsigned i = 0; i < sizeof unwritable / sizeof *unwritable; i++) {
        is_number(tool(&said, WORDS("index", data, "--index", unwritable[i])), 2,
                  "stele index to %s", unwritable[i]);
        ok(strncmp(said.ptr, "stele: cannot write '", 21) == 0 &&
               strchr(said.ptr, '\n') == said.ptr + strlen(said.ptr) - 1 &&
               strstr(said.ptr, "memory") == NULL,
           "it says why, and nothing else: %s", said.ptr);
    }
    is_number(tool(&said, WORDS("index", data, "--index", odd)), 2, "stele index over a data file");
    ok(strstr(said.ptr, "is not an index and is not replaced") != NULL, "it is refused");
    buf_release(&said);
}

int main(void)
{
    data = table_file(&table, "table.data");
    path = test_path("table.data.idx");
    check_restart();
    check_sharing();
    check_reload();
    check_skipped_lines();
    check_tools();
    return done_testing();
}
