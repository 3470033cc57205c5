// The program of hiredis, see `run`. A context connects to one address, so the program makes a new
// one when a request fails. It reads and writes just enough JSON: keys have no quotes, and values
// are printed with escapes where JSON needs them.
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { TRIES = 20, KEY_LEN = 36 };

static char **ports;
static int count;
static int at; // the server in use
static redisContext *context;
static unsigned failed;

// Returns the reply of the first server that answers. The caller frees it.
static redisReply *get(const char *key, size_t len)
{
    const struct timeval second = {1, 0};
    for (int tries = 0; tries < TRIES; tries++) {
        if (context == NULL) {
            context = redisConnectWithTimeout("127.0.0.1", atoi(ports[at]), second);
            if (context != NULL && context->err == 0)
                redisSetTimeout(context, second); // for a server that stands still
        }
        redisReply *reply = NULL;
        if (context != NULL && context->err == 0)
            reply = redisCommand(context, "GET %b", key, len);
        if (reply != NULL)
            return reply;
        failed++;
        redisFree(context);
        context = NULL;
        at = (at + 1) % count;
    }
    fprintf(stderr, "no server answers\n");
    exit(1);
}

static void print(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING) {
        printf("null");
        return;
    }
    putchar('"');
    for (size_t i = 0; i < (size_t)reply->len; i++) {
        unsigned char c = (unsigned char)reply->str[i];
        if (c == '"' || c == '\\' || c < ' ')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

int main(int argc, char *argv[])
{
    static char line[1 << 20];
    ports = argv + 1;
    count = argc - 1;
    while (count > 0 && fgets(line, sizeof line, stdin) != NULL) {
        const char *before = "[[";
        failed = 0;
        // What stands between quotes, and is as long as a UUID, is a key.
        for (char *word = strtok(line, "\""); word != NULL; word = strtok(NULL, "\"")) {
            if (strlen(word) != KEY_LEN)
                continue;
            redisReply *reply = get(word, KEY_LEN);
            printf("%s", before);
            print(reply);
            freeReplyObject(reply);
            before = ", ";
        }
        printf("], %u]\n", failed);
        fflush(stdout);
    }
    redisFree(context);
    return 0;
}
