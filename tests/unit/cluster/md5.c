// Tests of cluster/md5.h: the test suite of RFC 1321, and texts that end near the end of a block.
#include "cluster/md5.h"

#include <stdio.h>

#include "support/tap.h"

static const struct {
    const char *text;
    const char *digest;
} suite[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e"},
    {"a", "0cc175b9c0f1b6a831c399e269772661"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
     "d174ab98d277d9f5a5611c2c9f419d9f"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "57edf4a22be3c955ac49da2e2107b67a"},
};

// The digests of as many letters 'x', computed with Python's hashlib.
static const struct {
    size_t len;
    const char *digest;
} lengths[] = {
    {55, "04364420e25c512fd958a70738aa8f72"},  {56, "668a72d5ba17f08e62dabcafad6db14b"},
    {57, "693037871c4a9d3d8685018905cb530a"},  {63, "7dc2ca208106a2f703567bdff99d8981"},
    {64, "c1bb4f81d892b2d57947682aeb252456"},  {65, "1bc932052302d074bdec39795fe00cf6"},
    {119, "ab347a5f68c8a443cfcddc633f12c24f"}, {120, "fb98667f98096de92620b64f46e1c5b5"},
    {128, "d69cb61a6ee87200676eb0d4b90edbcb"}, {200, "30a83621ce5422fbdfdd539777458c78"},
};

static void digest_is(struct span text, const char *wanted, const char *name)
{
    unsigned char digest[MD5_LEN];
    char hex[2 * MD5_LEN + 1];
    md5(text, digest);
    for (unsigned i = 0; i < MD5_LEN; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    is_text(hex, wanted, "%s", name);
}

int main(void)
{
    char text[200];
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < sizeof suite / sizeof *suite; i++)
        digest_is(span_text(suite[i].text), suite[i].digest, suite[i].text);
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char name[40];
        snprintf(name, sizeof name, "%zu letters", lengths[i].len);
        digest_is(span_of(text, lengths[i].len), lengths[i].digest, name);
    }
    return done_testing();
}
