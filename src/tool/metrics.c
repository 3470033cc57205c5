// `stele metrics` asks a server for INFO and prints its figures for Prometheus. A timer runs it for
// the textfile collector of node_exporter.
//
// The collector may read the file at any moment, so it is replaced by a rename. It is not synced:
// after a crash of the machine, figures of that time are worth nothing.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ending.h"
#include "base/error.h"
#include "base/file.h"
#include "base/temporary.h"
#include "tool/ask_server.h"
#include "tool/metrics_text.h"

enum { TIMEOUT_SECONDS = 5 };

static bool fail(const char *path, struct error *error)
{
    error_set(error, "cannot write '%s': %s", path, strerror(errno));
    return false;
}

// Whether there is no file at `path`, or one that is empty or was written by this subcommand.
// Otherwise returns false with a message: a file of the user is not replaced.
static bool may_replace(const char *path, struct error *error)
{
    char begin[sizeof METRICS_TEXT_BEGIN - 1];
    struct stat status;
    bool may = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || fail(path, error);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        error_set(error, "'%s' is not a regular file and is not replaced", path);
    else if (status.st_size > 0 && (!file_read(fd, begin, sizeof begin, 0) ||
                                    memcmp(begin, METRICS_TEXT_BEGIN, sizeof begin) != 0))
        error_set(error, "the file '%s' has no metrics and is not replaced", path);
    else
        may = true;
    close(fd);
    return may;
}

// Replaces the file by one with this text. Returns false with a message on failure.
static bool write_file(const char *path, struct span text, struct error *error)
{
    char *name = NULL;
    struct stat status;
    unsigned number = 0;
    sigset_t signals;
    if (!may_replace(path, error))
        return false;
    temporary_sweep(path);
    ending_block_signals(&signals); // until the file is registered
    int fd = temporary_new(path, &name, error);
    if (fd >= 0 && fstat(fd, &status) == 0)
        number = ending_register(name, &status);
    ending_restore_signals(&signals);
    if (fd < 0)
        return false;
    mode_t mask = umask(0);
    umask(mask);
    bool good = file_write(fd, text.ptr, text.len, 0) && fchmod(fd, 0666 & ~mask) == 0 &&
                rename(name, path) == 0;
    if (!good) {
        (void)fail(path, error);
        (void)unlink(name);
    }
    ending_unregister(number);
    close(fd);
    free(name);
    return good;
}

// Appends the metrics of the server. Returns the exit code, and a message unless it is TOOL_OK.
static int ask_for_metrics(const struct options *o, const char *label, struct buf *to,
                           struct error *error)
{
    struct remote c;
    struct span info = {NULL, 0};
    if (ask_server_open(&c, o, TIMEOUT_SECONDS, error) == TOOL_OK &&
        ask_server_send_info(&c, error))
        info = remote_receive(&c, error);
    metrics_text(info, label, to);
    bool answered = info.ptr != NULL;
    remote_close(&c);
    return answered ? TOOL_OK : TOOL_ERROR;
}

static int print_metrics(const struct options *o)
{
    struct buf text = {0};
    struct error error = {""};
    struct error file_error = {""};
    char label[METRICS_LABEL_TEXT] = "";
    if (o->server.label != NULL && !metrics_label(o->server.label, label)) {
        tool_say("'%s' cannot be a label: it must be a new name of at most 63 bytes, '=' and a "
                 "value of at most 100, like server=devices",
                 o->server.label);
        return TOOL_ERROR;
    }
    int code = ask_for_metrics(o, label, &text, &error);
    if (text.oom)
        tool_say("no memory for the metrics");
    else if (o->server.textfile == NULL)
        fwrite(text.ptr, 1, text.len, stdout);
    else if (!write_file(o->server.textfile, buf_span(&text), &file_error))
        tool_say("%s", file_error.text);
    if (text.oom || *file_error.text != '\0')
        code = TOOL_ERROR;
    if (*error.text != '\0')
        tool_say("%s", error.text);
    buf_release(&text);
    return tool_finish(code);
}

static const char *set_textfile(struct options *o, const char *value)
{
    o->server.textfile = value;
    return *value != '\0' ? NULL : "must be the name of a file";
}

static const char *set_label(struct options *o, const char *value)
{
    o->server.label = value;
    return NULL;
}

static const struct option_row rows[] = {
    {"--textfile", "FILE",
     "write the metrics to FILE instead of printing them. A rename replaces FILE as a whole. A "
     "file "
     "that holds anything else is not replaced",
     set_textfile},
    {"--label", "NAME=VALUE",
     "add this label to each metric, to distinguish several servers on a machine", set_label},
    {"--timeout", "S", "seconds to wait for the connection, and then for the reply (default: 5)",
     ask_server_set_timeout},
    TOOL_HELP_ROW,
};

const struct tool_command tool_metrics = {
    .name = "metrics",
    .words = "ADDRESS [--textfile FILE] [--label NAME=VALUE] [--timeout S]",
    .help = "print the figures of the server at ADDRESS (HOST:PORT or the path of a Unix socket) "
            "for Prometheus; if it cannot be reached, stele_up is 0, and the exit status is 2; "
            "the variable REDISCLI_AUTH has the password",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = print_metrics,
    .takes_store = true,
    .example = "stele metrics 127.0.0.1:6379 --textfile stele.prom",
};
