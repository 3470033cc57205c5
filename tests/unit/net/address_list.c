// Tests of lists of addresses and networks: which texts are accepted, and which peers belong to
// them.
#include "net/address_list.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "support/tap.h"

// Returns whether a list with `item` alone has the peer: an address, or "unix".
static bool has(const char *item, const char *peer)
{
    struct address_list list = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    require(address_list_add(&list, item), "cannot add %s", item);
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1)
        return address_list_has(&list, (const struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1)
        return address_list_has(&list, (const struct sockaddr *)&v6);
    return address_list_has(&list, (const struct sockaddr *)&un);
}

static void check_members(void)
{
    static const struct {
        const char *item;
        const char *inside[4];
        const char *outside[4];
    } cases[] = {
        {"10.0.0.1", {"10.0.0.1", "::ffff:10.0.0.1"}, {"10.0.0.0", "10.0.0.2", "::a00:1", "unix"}},
        {"10.0.0.0/8", {"10.0.0.0", "10.255.255.255"}, {"9.255.255.255", "11.0.0.0", "::1"}},
        {"10.64.0.0/10", {"10.64.0.0", "10.127.255.255"}, {"10.63.255.255", "10.128.0.0"}},
        {"192.0.2.4/30", {"192.0.2.4", "192.0.2.7"}, {"192.0.2.3", "192.0.2.8"}},
        {"192.0.2.4/32", {"192.0.2.4"}, {"192.0.2.5"}},
        {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::1", "2001:db8::1", "unix"}},
        {"::1", {"::1"}, {"127.0.0.1", "::2"}},
        {"fd00::/8", {"fd00::", "fdff:ffff::1"}, {"fc00::1", "fe00::"}},
        {"2001:db8::8/125", {"2001:db8::8", "2001:db8::f"}, {"2001:db8::7", "2001:db8::10"}},
        {"::/0", {"::1", "10.0.0.1", "fd00::1"}, {"unix"}},
        {"::ffff:10.0.0.1", {"10.0.0.1"}, {"10.0.0.2"}},
        {"unix", {"unix"}, {"127.0.0.1", "::1"}},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned j = 0; j < 4 && cases[i].inside[j] != NULL; j++)
            ok(has(cases[i].item, cases[i].inside[j]), "%s has %s", cases[i].item,
               cases[i].inside[j]);
        for (unsigned j = 0; j < 4 && cases[i].outside[j] != NULL; j++)
            ok(!has(cases[i].item, cases[i].outside[j]), "%s does not have %s", cases[i].item,
               cases[i].outside[j]);
    }
}

static void check_texts(void)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "10.0.0",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/a",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8/",
        "/8",
        "fd00::1/8",
        "fd00::/129",
        "[::1]",
        "::1%lo",
        "*",
        "Unix",
        "unix ",
        "10.0.0.1 ",
        "10.0.0.1:6379",
        "10.0.0.1,10.0.0.2",
        "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.255.255/8",
    };
    struct address_list list = {0};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(!address_list_add(&list, bad[i]), "'%s' is refused", bad[i]);
    ok(list.count == 0 && !list.has_unix, "the list is still empty");
    struct sockaddr_in any = {.sin_family = AF_INET};
    ok(!address_list_has(&list, (const struct sockaddr *)&any), "an empty list has no address");
    for (unsigned i = 0; i < ADDRESS_LIST_MAX; i++)
        require(address_list_add(&list, "10.0.0.1"), "cannot add");
    ok(!address_list_add(&list, "10.0.0.2"), "a full list refuses one more");
}

int main(void)
{
    check_members();
    check_texts();
    return done_testing();
}
