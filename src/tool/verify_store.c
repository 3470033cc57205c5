#include "tool/verify_store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "tool/store_files.h"
#include "tool/sum_file.h"
#include "tool/tool.h"

typedef unsigned long long ull;

// Prints a number that differs from the manifest. Returns TOOL_NO if it does.
static int compare(const char *path, const char *what, uint64_t is, uint64_t wanted)
{
    if (is == wanted)
        return TOOL_OK;
    printf("%s: %llu %s instead of %llu\n", tool_name(path), (ull)is, what, (ull)wanted);
    return TOOL_NO;
}

// Compares the index of a version with its data and its manifest.
static int verify_index(const char *path, const struct store_manifest *m)
{
    struct error error = {""};
    struct dataset_settings settings = tool_settings();
    settings.index = DATASET_INDEX_ONLY;
    tool_step("verifying", path, true);
    struct dataset *d = dataset_open(path, &settings, NULL, &error);
    bool good = d != NULL && dataset_verify(d, &error);
    tool_step_hide();
    if (!good)
        printf("%s: the index: %s\n", tool_name(path), error.text);
    int code = good ? compare(path, "keys", dataset_figures(d)->keys, m->keys) : TOOL_NO;
    dataset_close(d);
    return code;
}

static int verify(const char *store, const char *version)
{
    char path[PATH_MAX];
    char checksum[CHECKSUM_TEXT_LEN + 1];
    struct store_manifest m;
    struct error error = {""};
    uint64_t bytes;
    if (!store_manifest_read(store, version, &m, &error) ||
        !store_path(store, version, STORE_DATA, path, sizeof path, &error) ||
        !sum_file(path, &bytes, checksum, &error)) {
        tool_say("%s", error.text);
        return TOOL_ERROR;
    }
    int code = compare(path, "bytes", bytes, m.bytes);
    if (code == TOOL_OK && strcmp(checksum, m.checksum) != 0) {
        printf("%s: checksum %s instead of %s\n", tool_name(path), checksum, m.checksum);
        code = TOOL_NO;
    }
    if (code == TOOL_OK)
        code = verify_index(path, &m);
    if (code == TOOL_OK)
        printf("%s: version %s is right, %llu keys, %llu bytes\n", tool_name(store), version,
               (ull)m.keys, (ull)m.bytes);
    return code;
}

int verify_store(const char *store)
{
    struct store_list list;
    struct error error = {""};
    int code = TOOL_OK;
    if (!store_files_list(store, &list, &error)) {
        tool_say("%s", error.text);
        code = TOOL_ERROR;
    }
    for (unsigned i = 0; i < list.count && code != TOOL_ERROR; i++) {
        int found = verify(store, list.versions[i].manifest.version);
        code = found > code ? found : code;
    }
    store_files_release(&list);
    return tool_finish(code);
}

bool verify_is_version(const char *folder)
{
    char path[PATH_MAX];
    struct stat status;
    return snprintf(path, sizeof path, "%s/" STORE_MANIFEST, folder) < (int)sizeof path &&
           stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

// The folder is STORE/versions/NAME, or a link to it.
int verify_version(const char *folder)
{
    char real[PATH_MAX];
    char *slash = realpath(folder, real) != NULL ? strrchr(real, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : "";
    if (slash != NULL)
        *slash = '\0';
    slash = strrchr(real, '/');
    if (slash == NULL || strcmp(slash + 1, STORE_VERSIONS) != 0) {
        tool_say("'%s' is not in the folder " STORE_VERSIONS " of a store", folder);
        return TOOL_ERROR;
    }
    *slash = '\0';
    return tool_finish(verify(real, name));
}
