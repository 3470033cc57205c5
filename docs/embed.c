// A table in your own process: cc embed.c -lstele -pthread, then ./a.out FILE KEY
#include <stdio.h>
#include <stele.h>

int main(int argc, char *argv[])
{
    char error[512];
    struct stele_value value;
    struct stele *table = argc == 3 ? stele_open(argv[1], error, sizeof error) : NULL;
    if (table == NULL) {
        fprintf(stderr, "%s\n", argc == 3 ? error : "usage: embed FILE KEY");
        return 2;
    }
    if (stele_get(table, argv[2], &value))
        printf("%.*s\n", (int)value.len, value.ptr);
    // Whatever the outcome, the three keys from there on, in order.
    char key[STELE_KEY_LEN + 1];
    uint64_t rank = stele_seek(table, argv[2]);
    for (uint64_t end = rank + 3; rank < end && stele_at(table, rank, key, &value); rank++)
        printf("%s has %zu bytes\n", key, value.len);
    stele_close(table);
    return 0;
}
