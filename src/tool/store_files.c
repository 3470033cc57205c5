#include "tool/store_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"

// A version that is being removed, so that a reader of the store no longer finds it.
#define OLD_NAME ".old"
#define NEW_LINK ".current.new"
#define NEW_SUFFIX ".new"

static bool fail(const char *path, struct error *error)
{
    error_set(error, "cannot change '%s': %s", path, strerror(errno));
    return false;
}

// Writes STORE/NAME at `to`.
static void path_in(const char *store, const char *name, char to[PATH_MAX])
{
    snprintf(to, PATH_MAX, "%s/%s", store, name);
}

// ---- the lock -----------------------------------------------------------------------------------

static void name_holder(int fd, const char *path, struct error *error)
{
    char pid[24] = "";
    ssize_t len = pread(fd, pid, sizeof pid - 1, 0);
    pid[len > 0 ? len : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    if (*pid != '\0')
        error_set(error, "process %s changes this store now: it has the lock '%s'", pid, path);
    else
        error_set(error, "another process changes this store now: it has the lock '%s'", path);
}

int store_files_lock(const char *store, struct error *error)
{
    char path[PATH_MAX];
    char pid[24];
    path_in(store, STORE_LOCK, path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        error_set(error, "cannot lock '%s': %s", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            name_holder(fd, path, error);
        else
            error_set(error, "cannot lock '%s': %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    // The number is only for the message of another process.
    if (ftruncate(fd, 0) == 0)
        (void)file_write(fd, pid, (size_t)len, 0);
    return fd;
}

// ---- the list -----------------------------------------------------------------------------------

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct store_version *)a)->manifest.version,
                  ((const struct store_version *)b)->manifest.version);
}

static int64_t rollback_time(const char *store, const char *version)
{
    char path[PATH_MAX];
    struct stat status;
    struct error error;
    if (!store_path(store, version, STORE_ROLLED_BACK, path, sizeof path, &error) ||
        stat(path, &status) != 0)
        return 0;
    return (int64_t)status.st_mtime;
}

// Appends the version. Returns false with a message if it has a wrong manifest.
static bool add(const char *store, const char *name, struct store_list *list, struct error *error)
{
    struct store_version version = {.current = false};
    if (!store_manifest_read(store, name, &version.manifest, error))
        return errno == ENOENT; // a folder without a manifest is no version
    struct store_version *more =
        realloc(list->versions, (list->count + 1) * sizeof *list->versions);
    if (more == NULL) {
        error_set(error, "%s", strerror(ENOMEM));
        return false;
    }
    version.rolled_back_at = rollback_time(store, name);
    list->versions = more;
    list->versions[list->count++] = version;
    return true;
}

bool store_files_list(const char *store, struct store_list *list, struct error *error)
{
    char path[PATH_MAX];
    char current[STORE_NAME_MAX + 1] = "";
    char pinned[STORE_NAME_MAX + 1];
    struct error ignored;
    bool good = true;
    const struct dirent *entry;
    *list = (struct store_list){0};
    path_in(store, STORE_VERSIONS, path);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        error_set(error, "cannot read '%s': %s", path, strerror(errno));
        return false;
    }
    while (good && (entry = readdir(folder)) != NULL)
        if (store_name_is_good(entry->d_name))
            good = add(store, entry->d_name, list, error);
    closedir(folder);
    good = good && store_pinned(store, pinned, error);
    if (good && !store_current(store, current, &ignored))
        *current = '\0';
    if (list->count > 0)
        qsort(list->versions, list->count, sizeof *list->versions, by_name);
    for (unsigned i = 0; good && i < list->count; i++) {
        struct store_version *v = &list->versions[i];
        v->current = strcmp(v->manifest.version, current) == 0;
        v->pinned = strcmp(v->manifest.version, pinned) == 0;
        if (v->current)
            v->rolled_back_at = 0;
    }
    return good;
}

void store_files_release(struct store_list *list)
{
    free(list->versions);
    *list = (struct store_list){0};
}

// ---- changes ------------------------------------------------------------------------------------

bool store_files_write(const char *path, struct span text, struct error *error)
{
    char new[PATH_MAX];
    if (snprintf(new, sizeof new, "%s" NEW_SUFFIX, path) >= (int)sizeof new) {
        errno = ENAMETOOLONG;
        return fail(path, error);
    }
    (void)unlink(new);
    int fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool good = fd >= 0 && file_write(fd, text.ptr, text.len, 0) && fsync(fd) == 0;
    int reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    good = good && rename(new, path) == 0 && file_sync_folder(path);
    if (good)
        return true;
    (void)fail(path, error);
    (void)unlink(new);
    return false;
}

bool store_files_make_current(const char *store, const char *version, struct error *error)
{
    char target[sizeof STORE_VERSIONS "/" + STORE_NAME_MAX];
    char path[PATH_MAX];
    char new[PATH_MAX];
    snprintf(target, sizeof target, STORE_VERSIONS "/%s", version);
    path_in(store, STORE_CURRENT, path);
    path_in(store, NEW_LINK, new);
    (void)unlink(new);
    if (symlink(target, new) == 0 && rename(new, path) == 0 && file_sync_folder(path))
        return true;
    (void)fail(path, error);
    (void)unlink(new);
    return false;
}

bool store_files_pin(const char *store, const char *version, struct error *error)
{
    char path[PATH_MAX];
    char text[STORE_NAME_MAX + 2];
    path_in(store, STORE_PIN, path);
    if (version == NULL)
        return ((unlink(path) == 0 || errno == ENOENT) && file_sync_folder(path)) ||
               fail(path, error);
    snprintf(text, sizeof text, "%s\n", version);
    return store_files_write(path, span_text(text), error);
}

bool store_files_note_rollback(const char *store, const char *version, bool left,
                               struct error *error)
{
    char path[PATH_MAX];
    if (!store_path(store, version, STORE_ROLLED_BACK, path, sizeof path, error))
        return false;
    if (left)
        return store_files_write(path, span_text(""), error);
    return ((unlink(path) == 0 || errno == ENOENT) && file_sync_folder(path)) || fail(path, error);
}

// Removes a folder and the files in it. Folders in it, which the tool never makes, stay.
static bool remove_folder(const char *path, struct error *error)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool good = true;
    if (folder == NULL)
        return errno == ENOENT || fail(path, error);
    while (good && (entry = readdir(folder)) != NULL)
        good = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
               unlinkat(dirfd(folder), entry->d_name, 0) == 0;
    int reason = errno;
    closedir(folder);
    errno = reason;
    return (good && rmdir(path) == 0) || fail(path, error);
}

bool store_files_remove(const char *store, const char *name, struct error *error)
{
    char path[PATH_MAX];
    char old[PATH_MAX];
    if (!store_path(store, name, "", path, sizeof path, error) ||
        !store_path(store, OLD_NAME, "", old, sizeof old, error) || !remove_folder(old, error))
        return false;
    return (rename(path, old) == 0 || fail(path, error)) && remove_folder(old, error);
}

// Removes the folders of versions/ that are no versions.
static bool remove_remains(const char *store, struct error *error)
{
    char path[PATH_MAX];
    struct stat status;
    const struct dirent *entry;
    bool good = true;
    path_in(store, STORE_VERSIONS, path);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return fail(path, error);
    while (good && (entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        bool ours = strcmp(name, STORE_NEW) == 0 || strcmp(name, OLD_NAME) == 0;
        if (ours && fstatat(dirfd(folder), name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(status.st_mode))
            good =
                store_path(store, name, "", path, sizeof path, error) && remove_folder(path, error);
    }
    closedir(folder);
    return good;
}

bool store_files_recover(const char *store, struct error *error)
{
    char path[PATH_MAX];
    char pinned[STORE_NAME_MAX + 1];
    char current[STORE_NAME_MAX + 1];
    struct store_manifest manifest;
    struct error ignored;
    path_in(store, NEW_LINK, path);
    (void)unlink(path);
    path_in(store, STORE_PIN NEW_SUFFIX, path);
    (void)unlink(path);
    if (!remove_remains(store, error) || !store_pinned(store, pinned, error))
        return false;
    // A rollback pins a version and then makes it the current one.
    if (*pinned == '\0' || !store_manifest_read(store, pinned, &manifest, &ignored) ||
        (store_current(store, current, &ignored) && strcmp(current, pinned) == 0))
        return true;
    return store_files_make_current(store, pinned, error);
}
