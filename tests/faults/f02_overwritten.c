// Fault F2 (docs/faults.md): lines are appended to the data file, or bytes of it are overwritten.
// The server continues to serve it and logs once what has happened. A reload takes the appended
// lines.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data/dataset.h"
#include "faults/support/hammer.h"
#include "support/server.h"
#include "support/talk.h"
#include "support/tap.h"
#include "support/watch.h"

enum { RECORDS = 300 };

static struct held_file file;

static struct server_process start(const char *threads)
{
    const char *path = test_file("served.data", buf_span(&file.text));
    unlink(test_path("served.data.idx"));
    return server_start(path, WORDS("--threads", threads));
}

static void ends_well(struct server_process *s, const char *message, const char *name)
{
    is_number(server_stop(s), 0, "%s: the server ends well", name);
    struct buf log = file_content(s->log_path);
    is_number(occurrences(buf_span(&log), message), 1, "%s: the log reports it once", name);
    is_number(log_warnings(s->log_path), 1, "%s: there is no other warning", name);
    buf_release(&log);
}

static void write_at(off_t at, const char *text)
{
    int fd = open(test_path("served.data"), O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);
    require(pwrite(fd, text, len, at) == (ssize_t)len, "cannot write");
    close(fd);
}

static bool has_value(redisContext *c, const char *key, const char *wanted)
{
    redisReply *reply = redisCommand(c, "GET %s", key);
    bool same = reply != NULL && reply->str != NULL && strcmp(reply->str, wanted) == 0;
    freeReplyObject(reply);
    return same;
}

// After a reload, the appended lines are served: a new key, and a new value of record 3. All other
// values are served as before.
static void check_reloaded(const struct server_process *s, redisContext *c, const char *key)
{
    size_t exact = 0;
    kill(s->pid, SIGHUP);
    log_await(s->log_path, " * reloaded ");
    ok(has_value(c, key, "new"), "reloaded: the new key is served");
    ok(has_value(c, file.records[3].key, "newer"), "reloaded: the later value is served");
    for (size_t i = 0; i < file.count; i++) {
        redisReply *reply = redisCommand(c, "GET %s", file.records[i].key);
        exact += reply != NULL && held_is(&file, i, reply);
        freeReplyObject(reply);
    }
    is_number((int64_t)exact, RECORDS - 1, "reloaded: the other keys are served");
    redisReply *reply = redisCommand(c, "DBSIZE");
    is_number(reply != NULL ? reply->integer : -1, RECORDS + 1, "reloaded: DBSIZE");
    freeReplyObject(reply);
}

static void check_appended(void)
{
    static const char key[] = "00000000-0000-4000-8000-000000000001";
    char line[100];
    struct server_process s = start("2");
    log_await(s.log_path, "wrote '");
    snprintf(line, sizeof line, "%s new\n%s newer\n", key, file.records[3].key);
    write_at((off_t)file.text.len, line);
    log_await(s.log_path,
              "was appended to: the appended lines are not served until it is reloaded");
    ok(hammer_info(s.port, "dataset", "dataset_status:appended"), "appended: INFO reports it");
    hammer_check(s.port, &file, file.text.len, "appended");
    redisContext *c = hammer_connect(s.port);
    redisReply *reply = redisCommand(c, "GET %s", key);
    ok(reply != NULL && reply->type == REDIS_REPLY_NIL, "appended: the new key is not served yet");
    freeReplyObject(reply);
    check_reloaded(&s, c, key);
    redisFree(c);
    ends_well(&s, "was appended to", "appended");
}

static void check_overwritten(void)
{
    struct server_process s = start("1");
    struct held *r = &file.records[7];
    log_await(s.log_path, "wrote '");
    write_at((off_t)r->value, "X");
    log_await(s.log_path, "was overwritten in place: values served from it may be wrong; rename a "
                          "complete file to this path and reload it");
    ok(hammer_info(s.port, "dataset", "dataset_status:overwritten"),
       "overwritten: INFO reports it");
    file.text.ptr[r->value] = 'X';
    hammer_check(s.port, &file, file.text.len, "overwritten");
    // Overwrites the key of record 8 with another key. The old key is then not found.
    write_at((off_t)file.records[8].line, "00000000-0000-4000-8000-000000000002");
    redisContext *c = hammer_connect(s.port);
    redisReply *reply = redisCommand(c, "GET %s", file.records[8].key);
    ok(reply != NULL && reply->type == REDIS_REPLY_NIL,
       "overwritten: the replaced key answers nil");
    freeReplyObject(reply);
    redisFree(c);
    ends_well(&s, "was overwritten in place", "overwritten");
}

int main(void)
{
    held_make(&file, RECORDS, true);
    check_appended();
    check_overwritten();
    held_release(&file);
    return done_testing();
}
