// Fuzz target: replies to INFO, from which `stele metrics` and `stele top` make their text.
// Whatever the server has sent, each line of the metrics is one of Prometheus, no page has more
// lines or longer ones than the terminal, and nothing controls the terminal.
//
// The first two bytes are the size of the terminal. Then come the last reply and, after a NUL, the
// one before.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "support/fuzz.h"
#include "tool/metrics_text.h"
#include "tool/top_page.h"

static bool has_control(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        unsigned char next = i + 1 < line.len ? (unsigned char)line.ptr[i + 1] : 0;
        if (c < ' ' || c == 0x7f || (c == 0xc2 && next < 0xa0))
            return true;
    }
    return false;
}

// Returns the characters of a line in UTF-8.
static size_t characters(struct span line)
{
    size_t count = 0;
    for (size_t i = 0; i < line.len; i++)
        count += (line.ptr[i] & 0xc0) != 0x80;
    return count;
}

static bool is_name(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || isdigit((unsigned char)c);
}

// Returns the text after the labels in braces, or NULL if they are malformed.
static const char *skip_labels(const char *at)
{
    do {
        at++; // the brace or the comma
        while (is_name(*at))
            at++;
        if (at[0] != '=' || at[1] != '"')
            return NULL;
        for (at += 2; *at != '"'; at++)
            if (*at == '\0' || (*at == '\\' && *++at != '\\' && *at != '"'))
                return NULL;
    } while (*++at == ',');
    return *at == '}' ? at + 1 : NULL;
}

// Whether the line is a metric: a name, perhaps labels, a space and a number.
static bool is_metric(const char *line)
{
    char *end;
    while (is_name(*line))
        line++;
    if (*line == '{')
        line = skip_labels(line);
    if (line == NULL || *line != ' ' || line[1] == ' ')
        return false;
    (void)strtod(line + 1, &end);
    return end > line + 1 && *end == '\0';
}

static void check_metrics(const char *line)
{
    must(!has_control(span_text(line)), "no metric has a control character");
    must(strncmp(line, "# HELP stele_", 13) == 0 || strncmp(line, "# TYPE stele_", 13) == 0 ||
             (strncmp(line, "stele_", 6) == 0 && is_metric(line)),
         "each line is one of Prometheus");
}

// Calls `check` with each line of the text, whose newlines it replaces by NULs. Returns their
// number.
static unsigned check_lines(struct buf *text, void (*check)(const char *line))
{
    unsigned count = 0;
    must(!text->oom && (text->len == 0 || text->ptr[text->len - 1] == '\n'), "whole lines");
    for (size_t at = 0; at < text->len; count++) {
        char *newline = memchr(text->ptr + at, '\n', text->len - at);
        must(memchr(text->ptr + at, '\0', (size_t)(newline - text->ptr) - at) == NULL, "no NUL");
        *newline = '\0';
        check(text->ptr + at);
        at = (size_t)(newline - text->ptr) + 1;
    }
    buf_release(text);
    return count;
}

static unsigned columns;

static void check_page(const char *line)
{
    must(!has_control(span_text(line)), "nothing controls the terminal");
    must(characters(span_text(line)) <= columns, "no line is longer than the terminal is wide");
}

// Returns a copy in a block of exactly its size.
static struct span copy(const uint8_t *data, size_t len)
{
    char *to = malloc(len > 0 ? len : 1);
    must(to != NULL, "memory for a copy");
    if (len > 0)
        memcpy(to, data, len);
    return span_of(to, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = {0};
    if (size < 2)
        return 0;
    const uint8_t *nul = memchr(data + 2, '\0', size - 2);
    size_t len = nul != NULL ? (size_t)(nul - data) - 2 : size - 2;
    struct span now = copy(data + 2, len);
    struct span before = {NULL, 0};
    if (nul != NULL)
        before = copy(nul + 1, size - len - 3);
    metrics_text(now, "server=\"a\"", &text);
    check_lines(&text, check_metrics);
    struct top_page page = {.address = "a:1", .now = now, .before = before, .seconds = 0.5};
    columns = page.columns = data[0] + 1u;
    page.rows = data[1];
    page.state = page.rows > 0 ? "q quits" : NULL;
    top_page(&page, &text);
    unsigned lines = check_lines(&text, check_page);
    must(page.rows == 0 || lines == page.rows, "the page has as many lines as the terminal");
    free((char *)(uintptr_t)now.ptr);
    free((char *)(uintptr_t)before.ptr);
    return 0;
}
