// Writes the shell completion in docs/packaging/completion/, from the tables of options and
// subcommands: `completion bash-server`, `completion bash-tool` and `completion zsh` print one file
// each. `make docs` runs it, and `make check-docs` compares.
//
// A value of an option is completed by its placeholder: `yes|no` are words to choose from, PATH is
// a file, and PORT cannot be completed.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "programs.h"

enum { CHOICES_MAX = 256 }; // bytes of the words of an option, with the NUL

// What may be the value of an option.
struct value {
    bool none;                 // the option has no value
    bool file;                 // a file
    char choices[CHOICES_MAX]; // words, with a space between them
};

static void add_choice(struct value *v, const char *word, size_t len)
{
    size_t n = strlen(v->choices);
    snprintf(v->choices + n, CHOICES_MAX - n, "%s%.*s", n > 0 ? " " : "", (int)len, word);
}

static bool names_file(const char *word, size_t len)
{
    static const char *const names[] = {"PATH", "FILE", "OUT", "DIR", "CONFIG", "MANIFEST"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
            return true;
    return false;
}

// `words` are those of the table, or NULL. Then they are the words of the placeholder in lower
// case.
static struct value value_of(const struct option_row *row, const char *const *words)
{
    struct value v = {.none = row->value == NULL};
    const char *at = row->value;
    for (; words != NULL && *words != NULL; words++)
        add_choice(&v, *words, strlen(*words));
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, "|");
        v.file |= names_file(at, len);
        if (words == NULL && islower((unsigned char)*at))
            add_choice(&v, at, len);
        at += len + (at[len] == '|');
    }
    return v;
}

typedef const char *const *words_of(const struct option_row *row);

static const char *const *no_words(const struct option_row *row)
{
    (void)row;
    return NULL;
}

// ---- bash ---------------------------------------------------------------------------------------

// Prints the patterns of all options whose values are completed in one way: not at all, or as
// files.
static void print_bash_names(const struct program *p, words_of *words, bool file,
                             const char *indent)
{
    bool any = false;
    for (unsigned i = 0; i < p->count; i++) {
        const struct option_row *row = &p->rows[i];
        struct value v =
            row->name != NULL ? value_of(row, words(row)) : (struct value){.none = true};
        if (v.none || *v.choices != '\0' || v.file != file)
            continue;
        printf("%s%s", any ? "|" : indent, row->name);
        any = true;
    }
    if (any)
        printf(file ? ") return ;;\n" : ") compopt +o default; return ;;\n");
}

// Prints commands that set `words` to the values of the option before the cursor, `files` if a file
// is a value too, and `options` to all options. They return if there are no words for that value.
static void print_bash_program(const struct program *p, words_of *words, const char *indent)
{
    bool any = false;
    for (unsigned i = 0; i < p->count; i++)
        any |= p->rows[i].value != NULL;
    if (any)
        printf("%scase $previous in\n", indent);
    for (unsigned i = 0; i < p->count; i++) {
        const struct option_row *row = &p->rows[i];
        struct value v =
            row->name != NULL ? value_of(row, words(row)) : (struct value){.none = true};
        if (!v.none && *v.choices != '\0')
            printf("%s%s) words='%s'%s ;;\n", indent, row->name, v.choices,
                   v.file ? " files=yes" : "");
    }
    print_bash_names(p, words, true, indent);
    print_bash_names(p, words, false, indent);
    if (any)
        printf("%sesac\n", indent);
    printf("%soptions='", indent);
    for (unsigned i = 0; i < p->count; i++)
        if (p->rows[i].name != NULL)
            printf("%s%s",
                   i > 0 && p->rows[i - 1].name != NULL ? " "
                   : i > 0                              ? "\n            "
                                                        : "",
                   p->rows[i].name);
    printf("'\n");
}

// Bash takes the equals sign of --option=value for a word.
static const char bash_begin[] =
    "%s()\n"
    "{\n"
    "    local current=$2 previous=$3 words= files= options=\n"
    "    COMPREPLY=()\n"
    "    [[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}\n";

// An empty list makes bash complete a file (-o default).
static const char bash_end[] =
    "    if [[ -z $words ]]; then\n"
    "        [[ $current == -* ]] || return\n"
    "        words=$options\n"
    "    fi\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\"\n"
    "        [[ -z $files ]] || compgen -f -- \"$current\")\n"
    "    [[ -z $files ]] || compopt -o filenames\n"
    "}\n"
    "complete -o default -F %s\n";

static void print_bash_server(void)
{
    printf("# Completion of stele-server in bash. `make docs` writes this file from the table of "
           "options.\n\n");
    printf(bash_begin, "_stele_server");
    print_bash_program(programs_server(), programs_server_words, "    ");
    printf(bash_end, "_stele_server stele-server");
}

static void print_bash_tool(void)
{
    const struct program *p;
    printf("# Completion of stele in bash. `make docs` writes this file from the table of "
           "subcommands.\n\n");
    printf(bash_begin, "_stele");
    printf("    local subcommands='help version");
    for (unsigned i = 0; (p = programs_subcommand(i)) != NULL; i++)
        printf(" %s", p->name);
    printf("'\n"
           "    if ((COMP_CWORD == 1)) && [[ $current == -* ]]; then\n"
           "        options='--help --version'\n"
           "    elif ((COMP_CWORD == 1)) || { ((COMP_CWORD == 2)) && [[ $previous == help ]]; }; "
           "then\n"
           "        words=$subcommands\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (unsigned i = 0; (p = programs_subcommand(i)) != NULL; i++) {
        printf("    %s)\n", p->name);
        print_bash_program(p, no_words, "        ");
        printf("        ;;\n");
    }
    printf("    esac\n");
    printf(bash_end, "_stele stele");
}

// ---- zsh ----------------------------------------------------------------------------------------

// Prints the text up to its first semicolon or full stop, as part of a word in single quotes. A
// backslash protects the characters of `special`.
static void print_zsh_text(const char *text, const char *special)
{
    size_t len = strcspn(text, ";");
    const char *stop = strstr(text, ". ");
    if (stop != NULL && (size_t)(stop - text) < len)
        len = (size_t)(stop - text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\'')
            printf("'\\''");
        else
            printf(strchr(special, text[i]) != NULL ? "\\%c" : "%c", text[i]);
    }
}

static void print_zsh_option(const struct option_row *row, const char *const *words)
{
    struct value v = value_of(row, words);
    printf("        '*%s%s[", row->name, v.none ? "" : "=");
    print_zsh_text(row->help, "\\[]");
    printf("]");
    if (!v.none)
        printf(":%s:", row->value);
    if (v.file && *v.choices != '\0')
        printf("{compadd %s; _files}", v.choices);
    else if (v.file)
        printf("_files");
    else if (*v.choices != '\0')
        printf("(%s)", v.choices);
    printf("' \\\n");
}

static void print_zsh_program(const struct program *p, words_of *words)
{
    printf("_arguments \\\n");
    for (unsigned i = 0; i < p->count; i++)
        if (p->rows[i].name != NULL)
            print_zsh_option(&p->rows[i], words(&p->rows[i]));
    printf("        '*:file:_files'");
}

static void print_zsh(void)
{
    const struct program *p;
    printf("#compdef stele stele-server\n"
           "# Completion of stele and stele-server in zsh. `make docs` writes this file from the "
           "tables "
           "of\n# options and subcommands.\n\n"
           "_stele_server()\n{\n    ");
    print_zsh_program(programs_server(), programs_server_words);
    printf("\n}\n\n_stele_subcommands()\n{\n    local -a subcommands=(\n"
           "        'help:explain a subcommand'\n        'version:show the version'\n");
    for (unsigned i = 0; (p = programs_subcommand(i)) != NULL; i++) {
        printf("        '%s:", p->name);
        print_zsh_text(p->help, "");
        printf("'\n");
    }
    printf("    )\n    _describe subcommand subcommands\n}\n\n"
           "_stele_tool()\n{\n"
           "    local context state state_descr line\n"
           "    typeset -A opt_args\n"
           "    _arguments -C '(- *)--help[list the subcommands and exit]' \\\n"
           "        '(- *)--version[show the version and exit]' \\\n"
           "        '1: :_stele_subcommands' '*:: :->rest' && return\n"
           "    [[ $state == rest ]] || return\n"
           "    case $words[1] in\n"
           "    help) _arguments '1: :_stele_subcommands' ;;\n");
    for (unsigned i = 0; (p = programs_subcommand(i)) != NULL; i++) {
        printf("    %s) ", p->name);
        print_zsh_program(p, no_words);
        printf(" ;;\n");
    }
    printf("    esac\n}\n\ncase $service in\nstele-server) _stele_server ;;\n*) _stele_tool "
           ";;\nesac\n");
}

int main(int argc, char *argv[])
{
    const char *what = argc == 2 ? argv[1] : "";
    if (strcmp(what, "bash-server") == 0) {
        print_bash_server();
    } else if (strcmp(what, "bash-tool") == 0) {
        print_bash_tool();
    } else if (strcmp(what, "zsh") == 0) {
        print_zsh();
    } else {
        fputs("usage: completion bash-server|bash-tool|zsh\n", stderr);
        return EXIT_FAILURE;
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
