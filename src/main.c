// stele-server: options, dataset, server, exit code. The only file that knows all the others.
#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/version.h"
#include "data/dataset.h"
#include "net/server.h"
#include "options.h"

typedef unsigned long long ull;

static int fail(const struct error *error)
{
    fprintf(stderr, "stele-server: %s\n", error->text);
    return EXIT_FAILURE;
}

static struct dataset *open_dataset(const struct options *options, struct error *error)
{
    struct dataset_report report = {0};
    struct dataset *dataset =
        dataset_open(options->data_file,
                     options->skip_malformed ? DATASET_SKIP_MALFORMED : DATASET_REFUSE_MALFORMED,
                     &report, error);
    const struct dataset_figures *f = &report.figures;
    for (uint64_t i = 0; i < f->malformed && i < DATASET_MALFORMED_SHOWN; i++)
        fprintf(stderr, "%s\n", report.malformed[i]);
    if (dataset == NULL)
        return NULL;
    if (f->malformed > 0)
        log_write(LOG_WARNING, "%s: skipped %llu malformed lines of %llu", options->data_file,
                  (ull)f->malformed, (ull)f->lines);
    if (f->duplicates > 0)
        log_write(LOG_NOTICE, "%s: %llu lines are replaced by later ones of the same key",
                  options->data_file, (ull)f->duplicates);
    log_write(LOG_NOTICE, "indexed %llu keys of %s in %.3f s: %llu bytes, %.2f a key", (ull)f->keys,
              options->data_file, (double)f->build_ns / 1e9, (ull)f->index_bytes,
              f->keys > 0 ? (double)f->index_bytes / (double)f->keys : 0.0);
    return dataset;
}

static int serve(const struct options *options)
{
    uint64_t start = clock_monotonic_ns();
    struct error error = {""};
    struct server *server = NULL;
    struct dataset *dataset = NULL;
    int code = EXIT_FAILURE;
    if (!log_open(options->server.service.logfile, options->log_level, &error))
        return fail(&error);
    // Addresses come first: that one is in use should not show after minutes of indexing.
    server = server_open(&options->server, &error);
    if (server != NULL)
        dataset = open_dataset(options, &error);
    if (dataset == NULL || !server_listen(server, dataset, &error)) {
        fail(&error);
        goto out;
    }
    printf("ready %s %llu keys in %.3f seconds\n", server_address(server),
           (ull)dataset_figures(dataset)->keys, (double)(clock_monotonic_ns() - start) / 1e9);
    if (fflush(stdout) != 0) // whoever waited for the line is gone; the clients may not be
        log_write(LOG_WARNING, "cannot write to standard output: %s", strerror(errno));
    server_run(server);
    log_write(LOG_NOTICE, "stopped");
    code = EXIT_SUCCESS;
out:
    server_close(server);
    dataset_close(dataset);
    return code;
}

// Descriptors 0 to 2 that were closed lead to nowhere: a socket must not take the place that log
// lines are written to.
static void pin_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

// A client's large request or reply is given back to the system when it is done. By default the GNU
// allocator learns from each large block freed to keep the next ones, up to 64 MiB of them.
static void keep_no_large_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 512 * 1024); // larger blocks are mapped and unmapped singly
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}

int main(int argc, char *argv[])
{
    static struct options options;
    struct error error = {""};
    pin_standard_descriptors();
    keep_no_large_memory();
    if (!options_parse(&options, argc, argv, &error))
        return fail(&error);
    if (options.help) {
        char help[4096];
        options_help(help, sizeof help);
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    if (options.version) {
        printf("stele-server %s (speaks like Redis %s)\n", STELE_VERSION, STELE_REDIS_VERSION);
        return EXIT_SUCCESS;
    }
    return serve(&options);
}
