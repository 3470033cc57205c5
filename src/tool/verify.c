// `stele verify` reads the parts that `stele split` has written, or the versions of a store, and
// compares them with their manifests.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "data/store.h"
#include "tool/manifest.h"
#include "tool/sum_file.h"
#include "tool/tool.h"
#include "tool/verify_store.h"

typedef unsigned long long ull;

// Compares a part with the manifest. Prints what is wrong and returns the exit code.
static int verify_part(const struct manifest_part *part, const char *path)
{
    struct error error = {""};
    char checksum[CHECKSUM_TEXT_LEN + 1];
    uint64_t bytes;
    if (!sum_file(path, &bytes, checksum, &error)) {
        int code = errno == ENOENT ? TOOL_NO : TOOL_ERROR;
        tool_say("%s", error.text);
        return code;
    }
    if (bytes != part->bytes)
        printf("%s: %llu bytes instead of %llu\n", tool_name(path), (ull)bytes, (ull)part->bytes);
    else if (strcmp(checksum, part->checksum) != 0)
        printf("%s: checksum %s instead of %s\n", tool_name(path), checksum, part->checksum);
    else
        return TOOL_OK;
    return TOOL_NO;
}

static int worse(int a, int b)
{
    return a > b ? a : b;
}

// Compares the parts of one manifest with it.
static int verify_manifest(const char *folder, const char *name)
{
    struct error error = {""};
    struct manifest m = {0};
    char *path = NULL;
    int code = TOOL_OK;
    ull bytes = 0;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        tool_say("%s", strerror(ENOMEM));
        return TOOL_ERROR;
    }
    if (!manifest_read(&m, path, &error)) {
        tool_say("%s", error.text);
        code = TOOL_ERROR;
    }
    for (unsigned i = 0; i < m.count && code != TOOL_ERROR; i++) {
        char *part = NULL;
        if (asprintf(&part, "%s/%s", folder, m.parts[i].name) < 0) {
            tool_say("%s", strerror(ENOMEM));
            code = TOOL_ERROR;
            break;
        }
        code = worse(code, verify_part(&m.parts[i], part));
        bytes += m.parts[i].bytes;
        free(part);
    }
    if (code == TOOL_OK)
        printf("%s: all of its %u parts are right, %llu bytes\n", tool_name(path), m.count, bytes);
    manifest_release(&m);
    free(path);
    return code;
}

static bool is_manifest(const char *name)
{
    size_t len = strlen(name);
    size_t suffix = strlen(MANIFEST_SUFFIX);
    return len > suffix && strcmp(name + len - suffix, MANIFEST_SUFFIX) == 0;
}

static int verify(const struct options *o)
{
    if (store_is_store(o->file))
        return verify_store(o->file);
    if (verify_is_version(o->file))
        return verify_version(o->file);
    DIR *folder = opendir(o->file);
    const struct dirent *entry;
    int code = TOOL_OK;
    bool any = false;
    if (folder == NULL) {
        tool_say("cannot open '%s': %s", o->file, strerror(errno));
        return TOOL_ERROR;
    }
    while ((entry = readdir(folder)) != NULL)
        if (is_manifest(entry->d_name)) {
            code = worse(code, verify_manifest(o->file, entry->d_name));
            any = true;
        }
    closedir(folder);
    if (!any) {
        tool_say("no manifest in '%s'", o->file);
        return TOOL_ERROR;
    }
    return tool_finish(code);
}

static const struct option_row rows[] = {TOOL_HELP_ROW};

const struct tool_command tool_verify = {
    .name = "verify",
    .words = "STORE|VERSION|DIR",
    .help =
        "read the data of a store, of one version in it, or the parts that split has written to "
        "DIR, and compare them with their manifests and indexes",
    .rows = rows,
    .count = sizeof rows / sizeof *rows,
    .run = verify,
    .takes_store = true,
    .example = "stele verify /var/lib/stele/devices",
};
