// user/shell/main.c: where commands come from.
//
//     shell [-C COMMAND] [-S STATUS,LINE,NUMBER] [-eux]
//           [-c COMMAND [NAME [ARGUMENT...]] | FILE [ARGUMENT...]]
//
// -C is run first, and -S is its status, and the line that what comes is of;
// then come the command, the file, or standard input, in which a prompt is
// printed when it is a terminal.

#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool interactive;
const char *script_name = "shell";
int script_line;
char **arguments;
int argument_count;
int last_status;
int shell_number;

// A line of input with its newline; false at the end.
static bool
read_line(int fd, struct text *line)
{
    bool any = false;
    char c = 0;

    // Byte by byte: what follows may be for a program that we start.
    while (c != '\n' && read(fd, &c, 1) == 1) {
        text_char(line, c);
        any = true;
    }
    return any;
}

// The next line of input, added to `text`; `goes_on`: a command has begun.
static bool
next_line(int fd, struct text *text, bool goes_on)
{
    struct text prompt = {NULL, 0, 0};

    if (!interactive)
        return read_line(fd, text);
    interrupt(false);
    jobs_report(2, false);
    text_put(&prompt, goes_on ? "> " : variable_get("PWD"));
    text_put(&prompt, goes_on ? "" : " $ ");
    bool read = edit_line(text_get(&prompt), text);
    free(prompt.at);
    if (was_interrupted())
        last_status = STATUS_INTERRUPTED;
    return read;
}

// Whole commands, of one line or several, until the end.
static void
run_input(int fd)
{
    struct text text = {NULL, 0, 0};
    int line = 0;
    struct node *tree;
    const char *why = "";
    enum parsed parsed = PARSED_EMPTY;

    while (!leaving && next_line(fd, &text, parsed == PARSED_INCOMPLETE)) {
        line++;
        if (parsed != PARSED_INCOMPLETE)
            script_line = line;
        parsed = parse(text_get(&text), &tree, &why);
        if (parsed == PARSED_INCOMPLETE)
            continue;
        if (interactive)
            history_add(text_get(&text));
        if (parsed == PARSED) {
            terminal_mode(TYPED_AHEAD);
            run(tree);
            unwinding = UNWIND_NOT;
            parse_free(tree);
        } else if (parsed == PARSED_WRONG) {
            complain("syntax", why);
            last_status = STATUS_MISUSE;
        }
        text_clear(&text);
    }
    if (parsed == PARSED_INCOMPLETE) {
        complain("syntax", why);
        last_status = STATUS_MISUSE;
    }
    free(text.at);
}

static void
run_script(const char *path)
{
    int fd = open(path, O_RDONLY);

    script_name = path;
    if (fd < 0) {
        fprintf(stderr, "shell: %s: %s\n", path, strerror(errno));
        last_status = STATUS_NOT_FOUND;
        return;
    }
    run_input(fd);
    close(fd);
}

static int
misuse(void)
{
    fprintf(stderr, "usage: shell [-C COMMAND] [-S STATUS[,LINE]] [-eux] "
                    "[-c COMMAND [NAME [ARGUMENT...]] | FILE [ARGUMENT...]]\n");
    return STATUS_MISUSE;
}

static void
start_variables(void)
{
    char *now = getcwd(NULL, 0);

    variables_init();
    if (variable_get("PATH") == NULL)
        variable_set("PATH", "/bin");
    variable_export("PATH");
    variable_set("PWD", now != NULL ? now : "/");
    variable_export("PWD");
    free(now);
}

// What the options say.
struct start {
    const char *first, *command;
    int status; // of the first
    int line;   // of the command
};

static bool
read_options(int argc, char **argv, struct start *start)
{
    for (int c; (c = getopt(argc, argv, "+C:c:S:eux")) != -1;) {
        char word[] = {'-', (char)c, 0};
        if (c == 'C')
            start->first = optarg;
        else if (c == 'c')
            start->command = optarg;
        else if (c == 'S')
            sscanf(optarg, "%d,%d,%d", &start->status, &start->line,
                   &shell_number);
        else if (c == '?' || !options_set(word))
            return false;
    }
    return true;
}

static void
run_all(const struct start *start)
{
    if (start->first != NULL)
        run_text(start->first, NULL);
    last_status = leaving ? last_status : start->status;
    if (leaving)
        return;
    if (start->command != NULL) {
        if (argument_count > 0)
            script_name = arguments[0];
        script_line = start->line;
        int status = start->first != NULL ? run_again(start->command) :
                                            run_text(start->command, NULL);
        last_status = leaving ? last_status : status;
    } else if (argument_count > 0) {
        run_script(arguments[0]);
    } else {
        run_input(0);
    }
}

int
main(int argc, char **argv)
{
    struct start start = {NULL, NULL, 0, 1};

    getentropy(&shell_number, sizeof(shell_number));
    shell_number = 1 + (int)((unsigned)shell_number % 99999);
    if (!read_options(argc, argv, &start))
        return misuse();
    arguments = argv + optind;
    argument_count = argc - optind;
    start_variables();
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFL) < 0)
            shell_streams.fds[fd] = -1; // we were started without it
    interactive =
        start.command == NULL && argument_count == 0 && terminal_open();
    if (interactive)
        script_name = NULL;
    run_all(&start);
    run_exit_trap();
    return last_status;
}
