// A last line without a newline may belong to a file that was cut. The tool warns of it, and so
// does the server: in the log at the start and at a reload, and in INFO. That also holds for a
// mapped index.
#include <stdio.h>
#include <unistd.h>

#include "support/control.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

#define KEY "00000000-0000-4000-8000-00000000000"
#define WARNING "does not end in a newline: it may have been cut"

static const char *cut, *alone, *whole, *empty;

// Runs the tool and checks its warnings on standard error, and its exit status.
static void check_output(const char *const *words, bool warns, int code, const char *name)
{
    const char *argv[8] = {tool_program()};
    struct buf out = {0};
    struct buf err = {0};
    for (unsigned i = 0; words[i] != NULL; i++)
        argv[i + 1] = words[i];
    is_number(run_program(argv, &out, &err), code, "%s: status", name);
    is_number(occurrences(buf_span(&err), WARNING), warns, "%s: warnings", name);
    buf_release(&out);
    buf_release(&err);
}

static void check_tool(void)
{
    check_output(WORDS("check", cut), true, 0, "check");
    check_output(WORDS("check", cut, "--strict"), true, 1, "check --strict");
    check_output(WORDS("check", alone), true, 0, "check, one line");
    check_output(WORDS("check", alone, "--strict"), true, 1, "check --strict, one line");
    check_output(WORDS("check", whole, "--strict"), false, 0, "check --strict, a whole file");
    check_output(WORDS("check", empty, "--strict"), false, 0, "check --strict, an empty file");
    check_output(WORDS("index", cut), true, 0, "index");
    check_output(WORDS("index", cut), true, 0, "index, mapped");
    check_output(WORDS("check", cut, "--index"), true, 0, "check --index");
    check_output(WORDS("check", cut, "--index", "--strict"), true, 1, "check --index --strict");
    check_output(WORDS("get", cut, KEY "1"), true, 0, "get");
}

static void check_server(const char *index)
{
    const char *served = test_path("served");
    unlink(served);
    require(link(cut, served) == 0, "cannot link");
    struct server_process s =
        server_start(served, WORDS("--requirepass", CONTROL_PASSWORD, "--index", index));
    int control = control_open(s.port);
    ok(log_has(s.log_path, WARNING), "--index %s: the log warns at the start", index);
    is_text(control_info(control, "dataset_last_line_unterminated"), "1", "INFO shows it");
    require(unlink(served) == 0 && link(whole, served) == 0, "cannot link");
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "a whole file is loaded");
    is_text(control_info(control, "dataset_last_line_unterminated"), "0", "INFO follows");
    require(unlink(served) == 0 && link(empty, served) == 0, "cannot link");
    is_text(control_line(control, "STELE.RELOAD"), "+OK", "an empty file is loaded");
    is_text(control_info(control, "dataset_last_line_unterminated"), "0", "INFO follows");
    require(unlink(served) == 0 && link(alone, served) == 0, "cannot link");
    is_text(control_line(control, "STELE.RELOAD"), "+OK",
            "a file of one unterminated line is loaded");
    is_text(control_info(control, "dataset_last_line_unterminated"), "1", "INFO follows");
    close(control);
    is_number(server_stop(&s), 0, "exit code");
    FILE *log = fopen(s.log_path, "re");
    struct buf text = {0};
    char block[4096];
    for (size_t len; (len = fread(block, 1, sizeof block, log)) > 0;)
        buf_append(&text, span_of(block, len));
    fclose(log);
    is_number(occurrences(buf_span(&text), WARNING), 2, "the log warns at each of the two loads");
    buf_release(&text);
}

int main(void)
{
    cut = test_file("cut", SPAN(KEY "1 first\n" KEY "2 the nil U"));
    alone = test_file("alone", SPAN(KEY "3 val"));
    whole = test_file("whole", SPAN(KEY "1 first\n" KEY "2 the nil UUID\n"));
    empty = test_file("empty", SPAN(""));
    check_tool();
    check_server("none");
    check_server(test_path("index"));
    return done_testing();
}
