// tool/complete.c: `nebulet completion`: what makes the shells bash, zsh and
// fish complete our command lines, from the tables of commands and options.
//
// After an option with a value "a|b" come these words, after K[=V] names of
// variables, else files.

#include "tool/tool.h"

#include <string.h>

// --- what completes ----------------------------------------------------------

// The words of "a|b" with blanks between them; false: it is no such list.
static bool
choices_of(const char *value, char *to, size_t size)
{
    if (value == NULL || strchr(value, '|') == NULL || value[0] == '[')
        return false;
    snprintf(to, size, "%s", value);
    for (char *at = to; (at = strchr(at, '|')) != NULL;)
        *at = ' ';
    return true;
}

static bool
is_variable(const struct option *o)
{
    return o->value != NULL && strncmp(o->value, "K[", 2) == 0;
}

// It has a value, and that may be the next word.
static bool
takes_word(const struct option *o)
{
    return o->value != NULL && !option_is_optional(o);
}

// What an option does in a few words: its help, up to the first stop.
static void
put_summary(const char *help, const char *escaped)
{
    static const char *const stops[] = {";", " (", ": ", ":\n", "\n("};
    size_t len = strlen(help);

    for (u32 i = 0; i < COUNT(stops); i++) {
        const char *at = strstr(help, stops[i]);
        if (at != NULL && (size_t)(at - help) < len)
            len = (size_t)(at - help);
    }
    for (size_t i = 0; i < len; i++) {
        if (strchr(escaped, help[i]) != NULL)
            putchar('\\');
        if (help[i] == '\'')
            printf("'\\''");
        else
            putchar(help[i] == '\n' ? ' ' : help[i]);
    }
}

static void
put_names(void)
{
    for (u32 i = 0; i < command_count; i++)
        printf("%s ", all_commands[i]->name);
}

// The words that `nebulet help` knows.
static void
put_topics(void)
{
    put_names();
    for (u32 i = 0; i < topic_count; i++)
        printf("%s ", topics[i].name);
}

#define SHELLS "bash|zsh|fish"

// --- bash --------------------------------------------------------------------

static void
bash_command(const struct command *c)
{
    printf("    %s)\n        options=\"", c->name);
    for (u32 i = 0; i < c->option_count; i++)
        printf("%s ", c->options[i].name);
    printf("-h --help\"\n        valued=\"");
    for (u32 i = 0; i < c->option_count; i++)
        if (takes_word(&c->options[i]))
            printf("%s ", c->options[i].name);
    printf("\"\n        stops=%s ;;\n", c->stops ? "yes" : "");
}

static void
bash_values(const struct command *c)
{
    char words[256];

    for (u32 i = 0; i < c->option_count; i++) {
        const struct option *o = &c->options[i];
        if (choices_of(o->value, words, sizeof(words)))
            printf("    \"%s %s\") words=\"%s\" ;;\n", c->name, o->name, words);
        else if (is_variable(o))
            printf("    \"%s %s\") words=$(compgen -e) ;;\n", c->name, o->name);
    }
}

// bash makes a word of each "=": --on = linux.
static void
print_bash(void)
{
    printf("# nebulet's words for bash, by `nebulet completion bash`.\n\n"
           "_nebulet()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
           "    local options= valued= stops= option= operand= words= at word\n"
           "    COMPREPLY=()\n"
           "    if [[ $COMP_CWORD -le 1 ]]; then\n"
           "        COMPREPLY=($(compgen -W \"");
    put_names();
    printf("--version -h --help\" -- \"$cur\"))\n        return\n    fi\n"
           "    case $command in\n");
    for (u32 i = 0; i < command_count; i++)
        bash_command(all_commands[i]);
    printf("    esac\n"
           "    for ((at = 2; at < COMP_CWORD; at++)); do\n"
           "        word=${COMP_WORDS[at]}\n"
           "        if [[ \" $valued\" == *\" $word \"* ]]; then\n"
           "            [[ ${COMP_WORDS[at + 1]} == = ]] && ((at++))\n"
           "            ((++at >= COMP_CWORD)) && option=$word\n"
           "        elif [[ $word == = ]]; then\n"
           "            ((at++))\n"
           "        elif [[ $word == -- || $word != -* ]]; then\n"
           "            operand=yes\n"
           "            [[ $stops || $word == -- ]] && break\n"
           "        fi\n"
           "    done\n"
           "    [[ $cur == = ]] && cur=\n"
           "    [[ $operand ]] && option=operand\n"
           "    case \"$command $option\" in\n");
    for (u32 i = 0; i < command_count; i++)
        bash_values(all_commands[i]);
    printf("    \"completion \") words=\"bash zsh fish\" ;;\n"
           "    \"help \") words=\"");
    put_topics();
    printf("\" ;;\n    esac\n"
           "    if [[ $option != -* && $cur == -* && "
           "! ( $operand && $stops ) ]]; then\n"
           "        words=$options\n"
           "    fi\n"
           "    [[ $words ]] && COMPREPLY=($(compgen -W \"$words\" -- "
           "\"$cur\"))\n"
           "}\n\n"
           "complete -o default -F _nebulet nebulet\n");
}

// --- zsh ---------------------------------------------------------------------

static void
zsh_option(const struct option *o)
{
    char words[256];

    printf(" \\\n            '*%s%s[", o->name,
           takes_word(o) && o->name[1] == '-' ? "=" :
           option_is_optional(o)              ? "=-" :
                                                "");
    put_summary(o->help, "[]:\\");
    printf("]");
    if (choices_of(o->value, words, sizeof(words)))
        printf(":value:(%s)", words);
    else if (is_variable(o))
        printf(":variable:_parameters -g \"*export*\"");
    else if (takes_word(o))
        printf(":value:_files");
    else if (option_is_optional(o))
        printf("::value:");
    printf("'");
}

static void
zsh_command(const struct command *c)
{
    printf("    %s)\n        _arguments -S%s", c->name,
           c->stops ? " -A \"-*\"" : "");
    for (u32 i = 0; i < c->option_count; i++)
        zsh_option(&c->options[i]);
    printf(" \\\n            '(-h --help)'{-h,--help}'[this text]'");
    if (strcmp(c->name, "completion") == 0) {
        printf(" \\\n            '1:shell:(bash zsh fish)' ;;\n");
    } else if (strcmp(c->name, "help") == 0) {
        printf(" \\\n            '1:topic:(");
        put_topics();
        printf(")' ;;\n");
    } else {
        printf(" \\\n            '*:file:_files' ;;\n");
    }
}

static void
print_zsh(void)
{
    printf("#compdef nebulet\n"
           "# nebulet's words for zsh, by `nebulet completion zsh`.\n\n"
           "_nebulet() {\n"
           "    local -a commands\n"
           "    commands=(\n");
    for (u32 i = 0; i < command_count; i++) {
        printf("        '%s:", all_commands[i]->name);
        put_summary(all_commands[i]->summary, ":\\");
        printf("'\n");
    }
    printf("        '--version:which nebulet this is'\n"
           "        '--help:what there is'\n"
           "    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $words[1] in\n");
    for (u32 i = 0; i < command_count; i++)
        zsh_command(all_commands[i]);
    printf("    esac\n"
           "}\n\n"
           "_nebulet \"$@\"\n");
}

// --- fish --------------------------------------------------------------------

static void
fish_option(const struct command *c, const struct option *o)
{
    char words[256];
    bool lengthy = o->name[1] == '-';

    printf("complete -c nebulet -n '__fish_seen_subcommand_from %s' -%s %s",
           c->name, lengthy ? "l" : "s", o->name + (lengthy ? 2 : 1));
    if (choices_of(o->value, words, sizeof(words)))
        printf(" -x -a '%s'", words);
    else if (is_variable(o))
        printf(" -x -a '(set -nx)'");
    else if (takes_word(o))
        printf(" -r");
    printf(" -d '");
    put_summary(o->help, "\\");
    printf("'\n");
}

static void
fish_command(const struct command *c)
{
    printf("complete -c nebulet -n __fish_use_subcommand -f -a %s -d '",
           c->name);
    put_summary(c->summary, "\\");
    printf("'\n");
    for (u32 i = 0; i < c->option_count; i++)
        fish_option(c, &c->options[i]);
    printf("complete -c nebulet -n '__fish_seen_subcommand_from %s' -s h -l "
           "help -d 'this text'\n",
           c->name);
}

static void
print_fish(void)
{
    printf("# nebulet's words for fish, by `nebulet completion fish`.\n\n"
           "complete -c nebulet -n __fish_use_subcommand -f -l version -d "
           "'which nebulet this is'\n"
           "complete -c nebulet -n __fish_use_subcommand -f -s h -l help -d "
           "'what there is'\n");
    for (u32 i = 0; i < command_count; i++)
        fish_command(all_commands[i]);
    printf("complete -c nebulet -n '__fish_seen_subcommand_from completion' -f "
           "-a 'bash zsh fish'\n"
           "complete -c nebulet -n '__fish_seen_subcommand_from help' -f -a '");
    put_topics();
    printf("'\n");
}

// --- the command -------------------------------------------------------------

static int
run_completion(struct words words)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {
        {"bash", print_bash},
        {"zsh",  print_zsh },
        {"fish", print_fish},
    };
    struct words given;
    int status = options_read(&command_completion, NULL, words, &given);

    if (status != OPTIONS_READ)
        return status;
    if (given.count == 0)
        return misuse(&command_completion, "which shell? bash, zsh or fish");
    if (given.count > 1)
        return misuse(&command_completion, "%s: one too many", given.list[1]);
    for (u32 i = 0; i < COUNT(shells); i++) {
        if (strcmp(given.list[0], shells[i].shell) != 0)
            continue;
        shells[i].print();
        return 0;
    }
    return misuse(&command_completion, "%s: not bash, zsh or fish",
                  given.list[0]);
}

const struct command command_completion = {
    .name = "completion",
    .operands = SHELLS,
    .summary = "print what makes a shell complete our words",
    .text = "Prints a script for this shell, which then completes commands, "
            "options and their\nvalues.  `make install` puts all three where "
            "the shells look for them.",
    .examples = "nebulet completion bash >nebulet.bash\n"
                "nebulet completion zsh >_nebulet\n"
                "nebulet completion fish >nebulet.fish",
    .run = run_completion,
};
