// Starts programs under test and exchanges bytes with them.
#include "support/server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/tap.h"

enum { PATIENCE_SECONDS = 60, READ_TIMEOUT_SECONDS = 20, WORDS_MAX = 40 };

static char folder[64];

// Returns formatted text that is valid until the test ends. The same text is kept once, so that a
// test can ask for a path again and again. A static array points to it, so that the leak checker
// does not report it.
static const char *kept_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *kept_text(const char *format, ...)
{
    static char *texts[1024];
    static unsigned count;
    va_list args;
    char *text;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    require(len >= 0, "no memory");
    for (unsigned i = 0; i < count; i++)
        if (strcmp(texts[i], text) == 0) {
            free(text);
            return texts[i];
        }
    require(count < sizeof texts / sizeof *texts, "too many kept texts");
    return texts[count++] = text;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

// Shows the ends of the servers' logs. prove shows what a test writes to standard error, also of a
// test that bails out.
static void show_logs(void)
{
    fprintf(stderr, "# the servers' logs:\n");
    if (system(kept_text("tail -n 40 %s/*.log 2>&1 | sed 's/^/# /' >&2", folder)) != 0)
        fprintf(stderr, "# (none)\n");
}

static void remove_folder(void)
{
    if (is_bailing_out())
        show_logs();
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_folder(void)
{
    if (*folder == '\0') {
        snprintf(folder, sizeof folder, "/tmp/stele-test-XXXXXX");
        require(mkdtemp(folder) != NULL, "no temporary folder");
        atexit(remove_folder);
    }
    return folder;
}

const char *test_path(const char *name)
{
    return kept_text("%s/%s", test_folder(), name);
}

const char *test_file(const char *name, struct span content)
{
    const char *path = test_path(name);
    FILE *file = fopen(path, "w");
    require(file != NULL, "cannot write %s", path);
    fwrite(content.ptr, 1, content.len, file);
    require(fclose(file) == 0, "cannot write %s", path);
    return path;
}

static const char *program(const char *name)
{
    const char *build = getenv("STELE_BUILD");
    return kept_text("%s/%s", build != NULL ? build : "build/release", name);
}

const char *server_program(void)
{
    return program("stele-server");
}

const char *tool_program(void)
{
    return program("stele");
}

static int exit_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// Reads a line from `fd`. Returns false at the end of the file, or when no line comes within 60 s.
static bool read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    struct pollfd waiting = {fd, POLLIN, 0};
    while (len + 1 < size && poll(&waiting, 1, PATIENCE_SECONDS * 1000) == 1) {
        if (read(fd, line + len, 1) != 1)
            return false;
        if (line[len] == '\n') {
            line[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

struct server_process server_start(const char *data_file, const char *const *options)
{
    return server_start_program(server_program(), data_file, options);
}

struct server_process server_start_program(const char *program_path, const char *data_file,
                                           const char *const *options)
{
    static unsigned count;
    struct server_process s = {0};
    const char *words[WORDS_MAX] = {program_path, data_file, "--port", "0"};
    int used = 4;
    const char *threads = getenv("STELE_TEST_THREADS");
    if (threads != NULL) {
        words[used++] = "--threads";
        words[used++] = threads;
    }
    for (; options != NULL && *options != NULL; options++)
        words[used++] = *options;
    int pipes[2];
    snprintf(s.log_path, sizeof s.log_path, "%s/server-%u.log", test_folder(), count++);
    require(pipe2(pipes, O_CLOEXEC) == 0, "no pipe");
    fflush(stdout);
    s.pid = fork();
    require(s.pid >= 0, "cannot fork");
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // so that the server ends when the test fails
        int log = open(s.log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(pipes[1], STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    close(pipes[1]);
    bool ready = read_line(pipes[0], s.ready, sizeof s.ready);
    close(pipes[0]);
    if (!ready)
        kill(s.pid, SIGKILL);
    require(ready, "no ready line from %s %s", words[0], data_file);
    const char *colon = strchr(s.ready, ']');
    colon = strchr(colon != NULL ? colon : s.ready, ':');
    s.port = colon != NULL ? atoi(colon + 1) : 0;
    return s;
}

int server_stop(struct server_process *s)
{
    int status = 0;
    pid_t ended = 0;
    kill(s->pid, SIGTERM);
    // If the server does not stop, the test fails instead of waiting for ever.
    for (int waits = 0; ended == 0 && waits < PATIENCE_SECONDS * 100; waits++) {
        ended = waitpid(s->pid, &status, WNOHANG);
        if (ended == 0)
            poll(NULL, 0, 10);
    }
    if (ended == 0) {
        kill(s->pid, SIGKILL);
        ended = waitpid(s->pid, &status, 0);
    }
    require(ended == s->pid, "the server is not our child");
    s->pid = 0;
    return exit_code(status);
}

// Whether a thread waits for something, or has ended.
static bool is_asleep(pid_t pid, const char *thread)
{
    char stat_path[128];
    char line[256] = "";
    snprintf(stat_path, sizeof stat_path, "/proc/%d/task/%s/stat", (int)pid, thread);
    FILE *status = fopen(stat_path, "r");
    if (status == NULL)
        return true; // the thread has ended
    bool has_line = fgets(line, sizeof line, status) != NULL;
    fclose(status);
    const char *state = strrchr(line, ')'); // the state follows the thread's name
    return !has_line || (state != NULL && state[1] == ' ' && (state[2] == 'S' || state[2] == 'Z'));
}

static bool all_asleep(pid_t pid)
{
    char threads_path[64];
    char first[16];
    struct dirent *entry;
    snprintf(threads_path, sizeof threads_path, "/proc/%d/task", (int)pid);
    snprintf(first, sizeof first, "%d", (int)pid);
    // The main thread first, because it gives work to the other threads, but they give none to it.
    bool asleep = is_asleep(pid, first);
    DIR *threads = opendir(threads_path);
    require(threads != NULL, "the server is gone");
    while (asleep && (entry = readdir(threads)) != NULL)
        if (*entry->d_name != '.')
            asleep = is_asleep(pid, entry->d_name);
    closedir(threads);
    return asleep;
}

void server_await_idle(const struct server_process *s)
{
    // Looks until all threads sleep five times in a row, 2 ms apart. One look is not enough: a
    // thread may sleep for a moment while it waits for memory or the log. And the publisher and its
    // helpers wake each other, so a look may find each of them asleep in turn.
    unsigned asleep = 0;
    for (unsigned looks = 0; asleep < 5; looks++) {
        require(looks < PATIENCE_SECONDS * 500, "the server does not come to rest");
        asleep = all_asleep(s->pid) ? asleep + 1 : 0;
        poll(NULL, 0, 2);
    }
}

int run_program(const char *const *argv, struct buf *out, struct buf *err)
{
    int pipes[2][2];
    struct buf *to[2] = {out, err};
    int status = 0;
    require(pipe2(pipes[0], O_CLOEXEC) == 0 && pipe2(pipes[1], O_CLOEXEC) == 0, "no pipe");
    fflush(stdout);
    pid_t pid = fork();
    require(pid >= 0, "cannot fork");
    if (pid == 0) {
        dup2(pipes[0][1], STDOUT_FILENO);
        dup2(pipes[1][1], STDERR_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    struct pollfd waiting[2];
    for (int i = 0; i < 2; i++) {
        close(pipes[i][1]);
        waiting[i] = (struct pollfd){pipes[i][0], POLLIN, 0};
    }
    while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
        if (poll(waiting, 2, PATIENCE_SECONDS * 1000) <= 0) {
            kill(pid, SIGKILL);
            break;
        }
        for (int i = 0; i < 2; i++) {
            if (waiting[i].fd < 0 || waiting[i].revents == 0)
                continue;
            char *room = buf_reserve(to[i], 65536);
            require(room != NULL, "no memory");
            ssize_t got = read(waiting[i].fd, room, 65536);
            if (got > 0)
                to[i]->len += (size_t)got;
            else
                waiting[i].fd = -1;
        }
    }
    close(pipes[0][0]);
    close(pipes[1][0]);
    require(waitpid(pid, &status, 0) == pid, "the program is not our child");
    return exit_code(status);
}

static int connected(int fd, const struct sockaddr *address, socklen_t len)
{
    struct timeval patience = {READ_TIMEOUT_SECONDS, 0};
    require(fd >= 0 && connect(fd, address, len) == 0, "cannot connect: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

int connect_tcp(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
                     sizeof address);
}

// TCP segments must be small too: TCP delays a segment that is larger than the receive
// buffer by 200 ms.
int connect_narrow(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int room = 4 * 1024, segment = 536;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) == 0 &&
                setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0,
            "no socket");
    return connected(fd, (struct sockaddr *)&address, sizeof address);
}

int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connected(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
                     sizeof address);
}

bool send_all(int fd, struct span bytes)
{
    size_t sent = 0;
    while (sent < bytes.len) {
        ssize_t count = send(fd, bytes.ptr + sent, bytes.len - sent, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        sent += (size_t)count;
    }
    return true;
}

bool receive(int fd, struct buf *to, size_t count)
{
    char *room = buf_reserve(to, count);
    require(room != NULL, "no memory");
    while (count > 0) {
        ssize_t got = recv(fd, to->ptr + to->len, count, 0);
        if (got <= 0)
            return false;
        to->len += (size_t)got;
        count -= (size_t)got;
    }
    return true;
}

bool receive_to_end(int fd, struct buf *to)
{
    for (;;) {
        char *room = buf_reserve(to, 65536);
        require(room != NULL, "no memory");
        ssize_t got = recv(fd, room, 65536, 0);
        if (got == 0)
            return true;
        if (got < 0)
            return errno == ECONNRESET;
        to->len += (size_t)got;
    }
}

long long process_field(pid_t pid, const char *file, const char *field)
{
    char path[64];
    char line[256];
    long long bytes = -1;
    size_t len = strlen(field);
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        return -1;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, field, len) == 0 && line[len] == ':')
            bytes = atoll(line + len + 1) * 1024;
    fclose(status);
    return bytes;
}
