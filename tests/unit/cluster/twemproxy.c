// Tests of cluster/twemproxy.h.
#include "cluster/twemproxy.h"

#include <stdio.h>

#include "base/error.h"
#include "support/tap.h"

static const char example[] = "# the pools of one proxy\n"
                              "alpha:\n"
                              "  listen: 127.0.0.1:22121\n"
                              "  hash: crc32a\n"
                              "  hash_tag: \"{}\"\n"
                              "  distribution: modula\n"
                              "  auto_eject_hosts: false # see below\n"
                              "  servers:\n"
                              "   - 127.0.0.1:6379:1\n"
                              "   - 127.0.0.1:11211:2\n"
                              "   - \"127.0.0.1:6381:3 third\"\n"
                              "  timeout: 400\n"
                              "\n"
                              "beta:\n"
                              "  listen: 127.0.0.1:22122\n"
                              "  servers:\n"
                              "  - /run/a.sock:1 a\r\n"
                              "  - [::1]:6380:10 b\n";

static void server_is(const struct twemproxy_pool *pool, unsigned i, const char *name,
                      unsigned weight)
{
    require(i < pool->count, "server %u is missing", i);
    is_text(pool->servers[i].name, name, "name of server %u", i);
    is_number(pool->servers[i].weight, weight, "weight of '%s'", name);
}

static void lists(void)
{
    static const char *const wrong[] = {
        "",
        "a",
        "a:1",
        "a:1:",
        "a:1:0",
        "a:1:-1",
        "a:0:1",
        ":1:1",
        "a:65536:1",
        "a:x:1 n",
        "a:1:1,",
        ",a:1:1",
        "a:1:x n",
        "/sock:1",
        "a:1:1 n ,b:1:1,,",
        "a:1:1000001",
        "a\x01:1:1",
        ("a:1:1 "
         "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"),
    };
    struct twemproxy_pool pool;
    struct error error = {""};
    ok(twemproxy_parse_list(&pool, span_text("10.0.0.1:7001:1 a, b.example:11211:2,c:7:30"),
                            &error),
       "a list: %s", error.text);
    is_number(pool.count, 3, "three servers");
    server_is(&pool, 0, "a", 1);
    server_is(&pool, 1, "b.example", 2);
    server_is(&pool, 2, "c:7", 30);
    twemproxy_release(&pool);
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ok(!twemproxy_parse_list(&pool, span_text(wrong[i]), &error), "wrong: '%s': %s", wrong[i],
           error.text);
}

static bool parse(struct twemproxy_pool *pool, const char *text, const char *name,
                  struct error *error)
{
    return twemproxy_parse(pool, span_text(text), name, "f.yml", error);
}

static void refused(const char *text, const char *name, const char *message)
{
    struct twemproxy_pool pool;
    struct error error = {""};
    ok(!parse(&pool, text, name, &error), "refused");
    is_text(error.text, message, "%s", message);
}

static void files(void)
{
    struct twemproxy_pool pool;
    struct error error = {""};
    require(parse(&pool, example, "alpha", &error), "%s", error.text);
    is_number(pool.hash, PARTITION_CRC32A, "hash");
    is_number(pool.distribution, PARTITION_MODULA, "distribution");
    is_number(pool.count, 3, "three servers");
    server_is(&pool, 0, "127.0.0.1:6379", 1);
    server_is(&pool, 1, "127.0.0.1", 2);
    server_is(&pool, 2, "third", 3);
    twemproxy_release(&pool);
    require(parse(&pool, example, "beta", &error), "%s", error.text);
    is_number(pool.hash, PARTITION_FNV1A_64, "default of the hash");
    is_number(pool.distribution, PARTITION_KETAMA, "default of the distribution");
    is_number(pool.count, 2, "two servers");
    server_is(&pool, 0, "a", 1);
    server_is(&pool, 1, "b", 10);
    twemproxy_release(&pool);

    refused(example, NULL, "f.yml:14: a second pool: choose one with --pool");
    refused(example, "gamma", "f.yml: there is no pool gamma");
    refused("", NULL, "f.yml: there is no pool");
    refused("a:\n  hash: md5\n", NULL, "f.yml: the pool has no servers");
    refused("a:\n  hash: hsieh\n", NULL, "f.yml:2: unknown hash 'hsieh'");
    refused("a:\n  distribution: random\n", NULL,
            "f.yml:2: the distribution 'random' is neither modula nor ketama");
    refused("a:\n  hash_tag: \"--\"\n", NULL,
            "f.yml:2: the hash_tag '--' can be a part of a UUID, which is not supported");
    refused("a:\n  servers: [a:1:1]\n", NULL,
            "f.yml:2: expected nothing after 'servers:', and each server in a line of its own");
    refused("a:\n  servers:\n  - a:1\n", NULL,
            "f.yml:3: the server 'a:1' has no port from 1 to 65535: write HOST:PORT:WEIGHT or "
            "HOST:PORT:WEIGHT NAME");
    refused("a: {hash: md5}\n", NULL, "f.yml:1: expected the name of a pool and a colon");
    refused("a:\n  hash\n", NULL, "f.yml:2: expected a setting and a colon, or '- ' and a server");
    ok(!twemproxy_read(&pool, "/nonexistent", NULL, &error), "no file: %s", error.text);
}

int main(void)
{
    lists();
    files();
    return done_testing();
}
