// Each address is copied into the struct of its family before its fields are read: the caller's
// memory may be aligned for a struct sockaddr only.
#include "net/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

unsigned address_port(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof v4);
        return ntohs(v4.sin_port);
    }
    if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof v6);
        return ntohs(v6.sin6_port);
    }
    return 0;
}

void address_format(const struct sockaddr *address, socklen_t len, char *text)
{
    char host[INET6_ADDRSTRLEN] = "";
    text[0] = '\0';
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT, "%s:%u", host, address_port(address));
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        snprintf(text, ADDRESS_TEXT, "[%s]:%u", host, address_port(address));
    } else if (address->sa_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path)) {
        // A path that fills sun_path has no NUL at its end, so its length is given.
        size_t path_len = len - offsetof(struct sockaddr_un, sun_path);
        snprintf(text, ADDRESS_TEXT, "%.*s", (int)path_len,
                 (const char *)address + offsetof(struct sockaddr_un, sun_path));
    }
}

bool address_is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_UNIX)
        return true;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
    }
    return false;
}

// Reads an address without a port into the 16 bytes of an IPv6 address. An IPv4 address is mapped
// into it. Returns false if the text is neither.
static bool parse(const char *text, unsigned char to[16])
{
    memset(to, 0, 16);
    to[10] = to[11] = 0xff;
    return inet_pton(AF_INET, text, to + 12) == 1 || inet_pton(AF_INET6, text, to) == 1;
}

bool address_is_same(const char *a, const char *b)
{
    unsigned char first[16];
    unsigned char second[16];
    return parse(a, first) && parse(b, second) && memcmp(first, second, sizeof first) == 0;
}

bool address_is_of_this_machine(const char *text)
{
    struct ifaddrs *all;
    char host[ADDRESS_TEXT];
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        if (i->ifa_addr == NULL)
            continue;
        host[0] = '\0';
        if (i->ifa_addr->sa_family == AF_INET) {
            memcpy(&v4, i->ifa_addr, sizeof v4);
            inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
        } else if (i->ifa_addr->sa_family == AF_INET6) {
            memcpy(&v6, i->ifa_addr, sizeof v6);
            inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
        }
        found = address_is_same(host, text);
    }
    freeifaddrs(all);
    return found;
}
