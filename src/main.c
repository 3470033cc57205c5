// The program stele-server: reads the options, opens the log, the addresses and the dataset, and
// runs the server. It is the only file that connects commands/ with net/.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/escape.h"
#include "base/log.h"
#include "base/mapping.h"
#include "base/progress.h"
#include "base/terminal.h"
#include "base/version.h"
#include "commands/groups.h"
#include "data/dataset.h"
#include "data/store.h"
#include "files.h"
#include "net/notify.h"
#include "net/publisher.h"
#include "net/reload_gate.h"
#include "net/server.h"
#include "options.h"

typedef unsigned long long ull;

// Prints the reason why the program ends and returns its exit status.
static int fail(const struct error *error)
{
    fprintf(stderr, "%sstele-server: %s\n", log_priority(LOG_FATAL), error->text);
    return EXIT_FAILURE;
}

// The context of open_dataset, which opens the data file at the start and for each reload. At the
// start the progress of building the index is a bar, if standard error is a terminal. Otherwise it
// is a log line every few seconds.
struct opening {
    const struct options *options;
    // True once the first dataset has been opened. After that, only the publisher thread calls
    // open_dataset, for a reload, while other threads may write to the terminal.
    bool started;
    const struct server *server;
    struct progress progress;
};

// Logs a line about the data file or the index file; see struct dataset_settings.
static void log_notice(void *context, bool warning, const char *text)
{
    const struct opening *opening = context;
    if (!opening->started && opening->progress.terminal)
        fputs("\r\033[K", stderr); // erases the bar
    log_write(warning ? LOG_WARNING : LOG_NOTICE, "%s", text);
}

static void show_progress(void *context, uint64_t done, uint64_t total)
{
    struct opening *opening = context;
    char text[PROGRESS_TEXT];
    if (!progress_due(&opening->progress, done, total, terminal_width(STDERR_FILENO), text))
        return;
    if (opening->progress.terminal)
        fprintf(stderr, "\r%s\033[K", text);
    else
        log_write(LOG_NOTICE, "%s", text);
}

static void log_figures(const struct opening *opening, const struct dataset *dataset,
                        const struct dataset_figures *f)
{
    const char *data_file = opening->options->data_file;
    if (f->malformed > 0)
        log_write(LOG_WARNING, "%s: skipped %llu malformed lines of %llu", data_file,
                  (ull)f->malformed, (ull)f->lines);
    if (f->duplicates > 0)
        log_write(LOG_NOTICE, "%s: %llu lines are replaced by later lines with the same key",
                  data_file, (ull)f->duplicates);
    double each = f->keys > 0 ? (double)f->index_bytes / (double)f->keys : 0.0;
    if (dataset_index_is_mapped(dataset))
        log_write(LOG_NOTICE, "mapped the index of %llu keys of %s: %llu bytes, %.2f a key",
                  (ull)f->keys, data_file, (ull)f->index_bytes, each);
    else
        log_write(LOG_NOTICE, "indexed %llu keys of %s in %.3f s: %llu bytes, %.2f a key",
                  (ull)f->keys, data_file, (double)f->build_ns / 1e9, (ull)f->index_bytes, each);
}

// Returns true if all lines of the file are malformed and its name ends like that of a
// configuration file. A user of redis-server may pass such a file as the first argument.
static bool looks_like_configuration(const char *path, const struct dataset_figures *f)
{
    static const char *const endings[] = {".conf", ".cfg", ".ini", ".toml", ".yaml", ".yml"};
    size_t len = strlen(path);
    if (f->malformed == 0 || f->malformed < f->lines)
        return false;
    for (unsigned i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (len > ending && strcmp(path + len - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

// Returns the bytes that building an index must leave for clients; 0 at the start, when there are
// no clients.
static uint64_t clients_memory_left(void *context)
{
    const struct opening *opening = context;
    return opening->started ? server_clients_memory_left(opening->server) : 0;
}

// Sets `path` to the data file. In a store, it is that of the current version, even if another one
// becomes current in the meantime; `settings` then get what `manifest` says. Returns false with a
// message on failure.
static bool find_version(const struct options *o, char path[PATH_MAX],
                         struct store_manifest *manifest, struct dataset_settings *settings,
                         struct error *error)
{
    char name[STORE_NAME_MAX + 1];
    snprintf(path, PATH_MAX, "%s", o->data_file);
    if (o->store == NULL)
        return true;
    if (!store_current(o->store, name, error) ||
        !store_manifest_read(o->store, name, manifest, error) ||
        !store_path(o->store, name, STORE_DATA, path, PATH_MAX, error))
        return false;
    settings->version = manifest->version;
    settings->made_at = manifest->made_at;
    return true;
}

// Opens the data file as the options say and logs its figures. Returns NULL with a message on
// failure. The main thread calls it at the start, the publisher thread for a reload.
static struct dataset *open_dataset(void *context, struct error *error)
{
    struct opening *opening = context;
    const struct options *options = opening->options;
    struct dataset_report report = {0};
    bool no_index = options->settings.index != NULL && *options->settings.index == '\0';
    struct dataset_settings settings = {
        .malformed =
            options->settings.skip_malformed ? DATASET_SKIP_MALFORMED : DATASET_REFUSE_MALFORMED,
        .index = no_index ? DATASET_INDEX_NONE : DATASET_INDEX_WRITE,
        .index_path = options->settings.index,
        .trust = options->settings.sampled_trust ? DATASET_TRUST_SAMPLED : DATASET_TRUST_PROVEN,
        .verify_at_once = options->settings.index_verify,
        .huge_pages = options->settings.huge_pages,
        .lock_index = options->settings.lock_index,
        .build_memory = options->settings.build_memory,
        .reserved = clients_memory_left,
        .notice = log_notice,
        .progress = show_progress,
        .context = opening,
    };
    struct store_manifest manifest;
    char path[PATH_MAX];
    if (!find_version(options, path, &manifest, &settings, error))
        return NULL;
    progress_begin(&opening->progress, "indexing", options->data_file, true,
                   !opening->started && *options->settings.logfile == '\0' &&
                       isatty(STDERR_FILENO));
    struct dataset *dataset = dataset_open(path, &settings, &report, error);
    if (opening->progress.terminal && progress_was_shown(&opening->progress))
        fputs("\r\033[K", stderr);
    opening->progress.terminal = false; // the bar is gone, so log lines need not erase it
    if (dataset == NULL && looks_like_configuration(options->data_file, &report.figures)) {
        // Malformed lines are not shown here, because one of them may be a password.
        error_set(error,
                  "'%s' looks like a configuration file, not a data file; options are given on the "
                  "command line only",
                  options->data_file);
        return NULL;
    }
    // Shows malformed lines. When the index was mapped instead of built, there are none to show: an
    // index file stores only the number of malformed lines.
    for (unsigned i = 0; i < DATASET_MALFORMED_SHOWN && *report.malformed[i] != '\0'; i++) {
        if (opening->started)
            log_write(LOG_WARNING, "%s", report.malformed[i]);
        else
            fprintf(stderr, "%s%s\n", log_priority(LOG_WARNING), report.malformed[i]);
    }
    if (dataset != NULL)
        log_figures(opening, dataset, &report.figures);
    return dataset;
}

// Prints a line to standard output, for a program that waits until the server is ready. Never
// blocks, because clients are connecting already: a line that standard output does not take at once
// is dropped with a warning.
__attribute__((format(printf, 1, 2))) static void print_ready_line(const char *format, ...)
{
    char line[512];
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    size_t len = escape_in_place(line, sizeof line - 1); // keeps room for the newline
    line[len++] = '\n';
    if (poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0)
        log_write(LOG_WARNING, "cannot write to standard output: its reader does not read");
    else if (write(STDOUT_FILENO, line, len) != (ssize_t)len)
        log_write(LOG_WARNING, "cannot write to standard output: %s", strerror(errno));
}

// Starts and runs the server. Returns the exit status.
static int serve(const struct options *options)
{
    uint64_t start = clock_monotonic_ns();
    struct error error = {""};
    struct server *server = NULL;
    struct dataset *dataset = NULL;
    static struct opening opening; // static, because datasets refer to it until the process ends
    opening.options = options;
    const struct reload_gate gate = {options->settings.reload_max_shrink,
                                     options->settings.reload_verify,
                                     options->settings.reload_verify_timeout};
    const struct dataset_source source = {open_dataset, &opening, options->data_file, &gate};
    int code = EXIT_FAILURE;
    if (!files_are_distinct(options, &error)) {
        // Standard error may be the data file, the password file, the index file or its lock. The
        // message would damage that file, so it then goes to standard output. If standard output is
        // such a file too, the message is not written.
        FILE *to = files_log_fault("", STDERR_FILENO) == NULL ? stderr : stdout;
        if (files_log_fault("", fileno(to)) == NULL)
            fprintf(to, "stele-server: %s\n", error.text);
        return EXIT_FAILURE;
    }
    log_check(files_log_fault);
    if (!log_open(options->settings.logfile,
                  (enum log_level)runtime_get(&options->settings.runtime.loglevel), &error))
        return fail(&error);
    // Opens the addresses before the dataset: indexing may take minutes, and an address in use
    // should be reported at once.
    server = server_open(&options->settings, command_groups, &error);
    opening.server = server;
    if (server != NULL)
        dataset = open_dataset(&opening, &error);
    opening.started = true;
    uint64_t keys = dataset != NULL ? dataset_figures(dataset)->keys : 0;
    if (dataset == NULL || !server_listen(server, &source, dataset, &error)) {
        fail(&error);
        goto out;
    }
    print_ready_line("ready %s %llu keys in %.3f seconds", server_address(server), (ull)keys,
                     (double)(clock_monotonic_ns() - start) / 1e9);
    notify_ready("serving %llu keys of %s", (ull)keys, options->data_file);
    server_run(server);
    log_write(LOG_NOTICE, "stopped");
    code = EXIT_SUCCESS;
out:
    server_close(server);
    // The publisher thread may not have ended in time. Its temporary files must not stay behind.
    ending_remove_files();
    return code;
}

// Opens /dev/null on those of the descriptors 0 to 2 that are closed. Otherwise a socket would get
// such a number, and log lines would be written to it.
static void pin_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

// Makes the allocator return large blocks to the system when they are freed, so that a large
// request or reply takes no memory afterwards. By default the GNU allocator raises its thresholds
// when a large block is freed, and then keeps up to 64 MiB of freed memory.
static void tune_allocator(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 256 * 1024); // larger blocks get a mapping of their own
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}

// Sets the actions of signals until the server handles them. SIGHUP and SIGUSR1 are ignored, so
// that neither a closing terminal nor log rotation ends the server. With SIGXFSZ ignored, a write
// beyond the limit of file sizes fails like a write to a full disk.
static void begin_signals(void)
{
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGIO, SIG_IGN); // may come from file_is_written (base/file.h)
    // A script's shell starts background programs with SIGINT ignored. But SIGTERM and SIGINT must
    // always end the server. ending_catch installs no handler for a signal that is ignored, so both
    // are set to SIG_DFL first. Later server_listen replaces the handlers of ending_catch.
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    ending_catch();
}

int main(int argc, char *argv[])
{
    static struct options options;
    struct error error = {""};
    begin_signals();
    pin_standard_descriptors();
    notify_init();
    tune_allocator();
    mapping_catch_faults();
    if (!options_parse(&options, argc, argv, &error) || !options_read_password(&options, &error))
        return fail(&error);
    if (options.help) {
        struct buf help = {0};
        options_help(terminal_width(STDOUT_FILENO), &help);
        bool printed = !help.oom && fwrite(help.ptr, 1, help.len, stdout) == help.len;
        buf_release(&help);
        return printed && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (options.version) {
        printf("stele-server %s (speaks like Redis %s)\n", STELE_VERSION, STELE_REDIS_VERSION);
        return EXIT_SUCCESS;
    }
    return serve(&options);
}
