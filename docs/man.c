// Writes parts of the manual pages in docs/man/, from the tables of options and subcommands and
// from src/data/stele.h. It copies standard input to standard output. The text between the lines
// `.\" BEGIN PART` and `.\" END PART` is made anew. `make docs` runs it for each page, and `make
// check-docs` compares.
//
// The pages are in mdoc, a language of macros for manual pages: mdoc(7).
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/version.h"
#include "programs.h"

#define HEADER "src/data/stele.h"
#define BEGIN_MARK ".\\\" BEGIN "
#define END_MARK ".\\\" END "

enum {
    WIDTH = 78,      // longest line of text; mandoc complains about more than 80
    WORD_MAX = 256,  // bytes of a word after it was escaped, with its NUL
    TEXT_MAX = 2048, // bytes of a help text, with its NUL
};

// ---- text ---------------------------------------------------------------------------------------

// Writes the word at `to` so that the formatter changes none of its characters: no hyphen of an
// option becomes a typographic one, and no word is taken for a macro. Backticks become quotes.
// `*quoted` says whether a quotation is open.
static void escape(const char *word, size_t len, bool *quoted, char to[WORD_MAX])
{
    bool exact = (len > 1 && word[0] == '-') || memmem(word, len, "--", 2) != NULL;
    size_t n = 0;
    if (word[0] == '.' || word[0] == '\'')
        n += (size_t)sprintf(to, "\\&");
    for (size_t i = 0; i < len && n < WORD_MAX - 8; i++) {
        if (word[i] == '\\') {
            n += (size_t)sprintf(to + n, "\\e");
        } else if (word[i] == '-' && exact) {
            n += (size_t)sprintf(to + n, "\\-");
        } else if (word[i] == '`') {
            n += (size_t)sprintf(to + n, *quoted ? "\\(cq" : "\\(oq");
            *quoted = !*quoted;
        } else {
            to[n++] = word[i];
        }
    }
    to[n] = '\0';
}

static bool ends_sentence(const char *word, size_t len)
{
    while (len > 1 && (word[len - 1] == ')' || word[len - 1] == '"' || word[len - 1] == '`'))
        len--;
    return len > 1 && strchr(".!?", word[len - 1]) != NULL;
}

// Prints text in lines. A sentence begins on a line of its own, as mdoc wants it. An empty line
// begins a paragraph.
static void print_text(const char *text)
{
    char escaped[WORD_MAX];
    bool quoted = false;
    bool ended = true; // the next word begins a line
    size_t column = 0;
    while (*(text += strspn(text, " \n")) != '\0') {
        size_t len = strcspn(text, " \n");
        escape(text, len, &quoted, escaped);
        if (!ended && column + 1 + strlen(escaped) > WIDTH)
            ended = true;
        if (column > 0)
            putchar(ended ? '\n' : ' ');
        column = (ended ? 0 : column + 1) + strlen(escaped);
        fputs(escaped, stdout);
        ended = ends_sentence(text, len);
        text += len;
        text += strspn(text, " ");
        if (strncmp(text, "\n\n", 2) == 0 && text[2] != '\0') {
            printf("\n.Pp");
            ended = true;
        }
    }
    printf("\n");
}

// Prints a help text as a sentence: with a capital letter, unless the first word is a value that
// the text explains ("yes: ..."), and a full stop.
static void print_sentence(const char *text)
{
    char sentence[TEXT_MAX];
    size_t first = strcspn(text, " ");
    int len = snprintf(sentence, sizeof sentence - 1, "%s", text);
    if (len <= 0 || (size_t)len >= sizeof sentence - 1)
        return;
    if (text[first - 1] != ':')
        sentence[0] = (char)toupper((unsigned char)sentence[0]);
    if (sentence[len - 1] != '.')
        strcat(sentence, ".");
    print_text(sentence);
}

// ---- command lines ------------------------------------------------------------------------------

// Prints a word of a usage as macros: `[--index` as `Oo Fl \-index`, and `KEY...` as `Ar KEY Ns
// ...`.
static void print_usage_word(const char *word, size_t len)
{
    static const char dots[] = "...";
    char escaped[WORD_MAX];
    bool quoted = false;
    while (len > 1 && (*word == '[' || *word == '(')) {
        printf(*word == '[' ? " Oo" : " Po");
        word++;
        len--;
    }
    size_t end = len;
    while (end > 0 && strchr("]).", word[end - 1]) != NULL)
        end--;
    if (end > 1 && word[0] == '-')
        printf(" Fl");
    else if (end > 0 && word[0] != '|')
        printf(isupper((unsigned char)word[0]) ? " Ar" : " Cm");
    if (end > 0) {
        escape(word, end, &quoted, escaped);
        // The macro Fl prints the first hyphen.
        printf(" %s", end > 1 && word[0] == '-' ? escaped + strlen("\\-") : escaped);
    }
    while (end < len) {
        bool repeated = len - end >= strlen(dots) && memcmp(word + end, dots, strlen(dots)) == 0;
        if (repeated)
            printf(end > 0 ? " Ns No \\&..." : " No \\&...");
        else
            printf(word[end] == ']' ? " Oc" : " Pc");
        end += repeated ? strlen(dots) : 1;
    }
}

static void print_usage(const char *words)
{
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        print_usage_word(words, len);
        words += len + (words[len] == ' ');
    }
    printf("\n");
}

static void print_option(const struct option_row *row)
{
    char text[TEXT_MAX];
    printf(".It");
    print_usage_word(row->name, strlen(row->name));
    if (row->value != NULL)
        printf(" Ar %s", row->value);
    printf("\n");
    command_line_explain(row, text, sizeof text);
    print_sentence(text);
}

static void print_options(void)
{
    const struct program *server = programs_server();
    bool in_list = false;
    for (unsigned i = 0; i < server->count; i++) {
        const struct option_row *row = &server->rows[i];
        if (row->name != NULL) {
            print_option(row);
            continue;
        }
        printf("%s.Ss %s\n.Bl -tag -width Ds\n", in_list ? ".El\n" : "", row->help);
        in_list = true;
    }
    printf(".El\n");
}

// Every subcommand has the option --help. The page explains it once.
static void print_subcommands(void)
{
    const struct program *c;
    printf(".Bl -tag -width Ds\n");
    for (unsigned i = 0; (c = programs_subcommand(i)) != NULL; i++) {
        printf(".It Cm %s", c->name);
        print_usage(c->words);
        print_sentence(c->help);
        bool in_list = false;
        for (unsigned k = 0; k < c->count; k++) {
            if (strcmp(c->rows[k].name, "--help") == 0)
                continue;
            if (!in_list)
                printf(".Pp\n.Bl -tag -width Ds -compact\n");
            in_list = true;
            print_option(&c->rows[k]);
        }
        if (in_list)
            printf(".El\n");
    }
    printf(".El\n");
}

// ---- the header of the library ------------------------------------------------------------------

enum declaration { TYPE, FUNCTION, COMMENT_ALONE };

// A declaration of the header with the comment above it. The strings are owned.
struct entry {
    enum declaration kind;
    struct buf comment; // paragraphs with an empty line between them
    struct buf text;    // a function is on one line, a type on as many as in the header
};

enum { ENTRIES_MAX = 64 };

static struct entry entries[ENTRIES_MAX];
static unsigned entry_count;

static void add_comment(struct entry *e, const char *line)
{
    line += strlen("//");
    line += *line == ' ';
    if (*line == '\n')
        buf_append_text(&e->comment, "\n\n");
    else
        buf_append(&e->comment, span_of(line, strcspn(line, "\n")));
    buf_append_text(&e->comment, *line == '\n' ? "" : " ");
}

// Adds a line of a declaration. Returns whether it is the last one.
static bool add_declaration(struct entry *e, const char *line)
{
    size_t len = strcspn(line, "\n");
    bool type = e->text.len == 0 ? strncmp(line, "enum", 4) == 0 || strchr(line, '(') == NULL
                                 : e->kind == TYPE;
    e->kind = type ? TYPE : FUNCTION;
    if (!type)
        line += strspn(line, " ");
    if (e->text.len > 0)
        buf_append_text(&e->text, type ? "\n" : " ");
    buf_append(&e->text, span_of(line, strcspn(line, "\n")));
    if (len == 0 || e->text.ptr[e->text.len - 1] == '{')
        return false;
    if (type && memchr(e->text.ptr, '\n', e->text.len) != NULL)
        return *line == '}';
    return strchr(line, ';') != NULL;
}

static void end_entry(enum declaration kind)
{
    struct entry *e = &entries[entry_count];
    if (kind == COMMENT_ALONE)
        e->kind = kind;
    buf_append(&e->comment, span_of("", 1));
    buf_append(&e->text, span_of("", 1));
    if (e->comment.oom || e->text.oom || ++entry_count == ENTRIES_MAX) {
        fprintf(stderr, "docs/man: no room for all declarations of %s\n", HEADER);
        exit(EXIT_FAILURE);
    }
}

// Reads the header. Its first entry is the comment at its top.
static void read_header(void)
{
    FILE *file = fopen(HEADER, "r");
    char *line = NULL;
    size_t room = 0;
    bool open = false; // in a declaration
    if (file == NULL) {
        perror(HEADER);
        exit(EXIT_FAILURE);
    }
    for (bool conditional = false; entry_count < ENTRIES_MAX && getline(&line, &room, file) >= 0;) {
        struct entry *e = &entries[entry_count];
        if (*line == '#') {
            conditional = strncmp(line, "#ifdef __cplusplus", 18) == 0;
            if (entry_count == 0)
                end_entry(COMMENT_ALONE);
        } else if (!conditional && !open && strncmp(line, "//", 2) == 0) {
            add_comment(e, line);
        } else if (!conditional && (open || *line != '\n')) {
            open = !add_declaration(e, line);
            if (!open)
                end_entry(e->kind);
        }
    }
    free(line);
    fclose(file);
}

static void print_overview(void)
{
    // The first paragraph says what the section NAME of the page says.
    const char *rest = strstr(entries[0].comment.ptr, "\n\n");
    print_text(rest != NULL ? rest : entries[0].comment.ptr);
}

// Calls `argument` for each argument of a function, with its type and name.
static void each_argument(const char *function, void (*argument)(const char *text, size_t len))
{
    const char *at = strchr(function, '(') + 1;
    while (*at != '\0' && *at != ')') {
        size_t len = strcspn(at, ",)");
        argument(at, len);
        at += len;
        at += strspn(at, ", ");
    }
}

static void print_argument(const char *text, size_t len)
{
    printf(" \"%.*s\"", (int)len, text);
}

static void print_argument_name(const char *text, size_t len)
{
    if (len == strlen("void") && memcmp(text, "void", len) == 0)
        return;
    const char *bracket = memchr(text, '[', len);
    size_t end = bracket != NULL ? (size_t)(bracket - text) : len;
    size_t begin = end;
    while (begin > 0 && (isalnum((unsigned char)text[begin - 1]) || text[begin - 1] == '_'))
        begin--;
    printf(" %.*s", (int)(end - begin), text + begin);
}

// Returns the name of a function, and sets `*len` to the name's length.
static const char *function_name(const char *function, size_t *len)
{
    const char *end = strchr(function, '(');
    const char *name = end;
    while (name > function && (isalnum((unsigned char)name[-1]) || name[-1] == '_'))
        name--;
    *len = (size_t)(end - name);
    return name;
}

static void print_synopsis(void)
{
    printf(".In stele.h\n");
    for (unsigned i = 0; i < entry_count; i++) {
        if (entries[i].kind != FUNCTION)
            continue;
        const char *function = entries[i].text.ptr;
        size_t len;
        const char *name = function_name(function, &len);
        size_t type = (size_t)(name - function);
        while (type > 0 && function[type - 1] == ' ')
            type--;
        printf(".Ft \"%.*s\"\n.Fn %.*s", (int)type, function, (int)len, name);
        each_argument(function, print_argument);
        printf("\n");
    }
}

static void print_types(void)
{
    for (unsigned i = 0; i < entry_count; i++) {
        if (entries[i].kind != TYPE || strchr(entries[i].text.ptr, '{') == NULL)
            continue;
        printf(".Bd -literal -offset indent\n%s\n.Ed\n", entries[i].text.ptr);
        if (*entries[i].comment.ptr != '\0') {
            printf(".Pp\n");
            print_text(entries[i].comment.ptr);
        }
    }
}

static void print_functions(void)
{
    printf(".Bl -tag -width Ds\n");
    for (unsigned i = 0; i < entry_count; i++) {
        if (entries[i].kind != FUNCTION)
            continue;
        size_t len;
        const char *name = function_name(entries[i].text.ptr, &len);
        printf(".It Fn %.*s", (int)len, name);
        each_argument(entries[i].text.ptr, print_argument_name);
        printf("\n");
        print_text(entries[i].comment.ptr);
    }
    printf(".El\n");
}

static void print_version(void)
{
    printf("This page describes version %s of Stele.\n", STELE_VERSION);
}

// ---- pages --------------------------------------------------------------------------------------

static const struct {
    const char *name;
    void (*print)(void);
} parts[] = {
    {"options", print_options},   {"subcommands", print_subcommands},
    {"overview", print_overview}, {"synopsis", print_synopsis},
    {"types", print_types},       {"functions", print_functions},
    {"version", print_version},
};

// Prints the part that a BEGIN line names. Returns false with a message if there is no such part.
static bool print_part(const char *name)
{
    size_t len = strcspn(name, "\n");
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strlen(parts[i].name) == len && memcmp(parts[i].name, name, len) == 0) {
            parts[i].print();
            return true;
        }
    }
    fprintf(stderr, "docs/man: no part is called %s", name);
    return false;
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    bool in_part = false;
    bool good = true;
    read_header();
    while (good && getline(&line, &room, stdin) >= 0) {
        if (strncmp(line, END_MARK, strlen(END_MARK)) == 0)
            in_part = false;
        if (!in_part)
            fputs(line, stdout);
        if (strncmp(line, BEGIN_MARK, strlen(BEGIN_MARK)) == 0) {
            in_part = true;
            good = print_part(line + strlen(BEGIN_MARK));
        }
    }
    free(line);
    for (unsigned i = 0; i < entry_count; i++) {
        buf_release(&entries[i].comment);
        buf_release(&entries[i].text);
    }
    return good && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
