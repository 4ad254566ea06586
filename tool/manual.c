// tool/manual.c: `nebulet manual`: the manual page nebulet(1), in roff, from
// the tables of commands, options and topics.

#include "tool/tool.h"

#include <ctype.h>
#include <string.h>

// Text as it is: nothing in it means something to roff.
static void
put(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool first = i == 0 || text[i - 1] == '\n';
        if (first && (text[i] == '.' || text[i] == '\''))
            printf("\\&");
        if (text[i] == '\\')
            printf("\\e");
        else if (text[i] == '-')
            printf("\\-");
        else
            putchar(text[i]);
    }
}

static void
put_line(const char *text)
{
    put(text, strlen(text));
    putchar('\n');
}

// Lines as they are.
static void
put_verbatim(const char *text, bool follows_head)
{
    printf(follows_head ? ".nf\n" : ".PP\n.nf\n");
    put_line(text);
    printf(".fi\n");
}

// Paragraphs, between empty lines; the first may follow a head.
static void
put_text(const char *text, bool follows_head)
{
    for (bool first = follows_head; *text != 0; first = false) {
        const char *end = strstr(text, "\n\n");
        size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
        if (!first)
            printf(".PP\n");
        put(text, len);
        putchar('\n');
        text += len + (end != NULL ? 2 : 0);
    }
}

static void
put_option(const struct option *o)
{
    printf(".TP\n\\fB");
    put(o->name, strlen(o->name));
    printf("\\fR");
    if (o->value != NULL) {
        printf(option_is_optional(o) ? "" : " ");
        printf("\\fI");
        put(o->value, strlen(o->value));
        printf("\\fR");
    }
    putchar('\n');
    put_line(o->help);
}

void
manual_command(const struct command *c)
{
    printf(".SS %s%s%s%s%s", program_name, c->name[0] != 0 ? " " : "", c->name,
           c->option_count > 0 ? " [OPTION...]" : "",
           c->operands[0] != 0 ? " " : "");
    put_line(c->operands);
    put_text(c->text, true);
    for (u32 i = 0; i < c->option_count; i++)
        put_option(&c->options[i]);
    if (c->notes != NULL)
        put_text(c->notes, false);
    if (c->examples != NULL)
        put_verbatim(c->examples, false);
}

static void
put_topic(const struct topic *topic)
{
    printf(".SS ");
    put_line(topic->name);
    if (topic->table)
        put_verbatim(topic->text, true);
    else
        put_text(topic->text, true);
    put_verbatim(topic->examples, false);
}

static int
run_manual(struct words words)
{
    struct words none;
    int status = options_read(&command_manual, NULL, words, &none);

    if (status != OPTIONS_READ)
        return status;
    if (none.count > 0)
        return misuse(&command_manual, "%s: one too many", none.list[0]);
    printf(".TH NEBULET 1 2026-11-29 \"nebulet %.3s\"\n", VERSION);
    printf(".SH NAME\nnebulet \\- run WebAssembly in a microkernel\n");
    printf(".SH SYNOPSIS\n.B nebulet\n.I COMMAND\n[\\fIOPTION\\fR...]\n"
           "[\\fIOPERAND\\fR...]\n.br\n.B nebulet\n\\fB\\-\\-version\\fR | "
           "\\fB\\-\\-help\\fR\n");
    printf(".SH DESCRIPTION\nNebulet is a microkernel that runs WebAssembly "
           "programs, in QEMU or as a process.\nThis command runs programs in "
           "it, and shows what its compiler makes of them.\nOptions of a "
           "command stand before the program, what follows that is the\n"
           "program's; a value may follow its option as the next word, or "
           "behind \"=\".\nEach command also has the options \\fB\\-h\\fR and "
           "\\fB\\-\\-help\\fR.\n");
    printf(".SH COMMANDS\n");
    for (u32 i = 0; i < command_count; i++)
        manual_command(all_commands[i]);
    printf(".SH TOPICS\n");
    for (u32 i = 0; i < topic_count; i++)
        put_topic(&topics[i]);
    printf(".SH SEE ALSO\n.BR qemu\\-system\\-x86_64 (1),\n"
           ".BR wat2wasm (1)\n");
    return 0;
}

const struct command command_manual = {
    .name = "manual",
    .operands = "",
    .summary = "print the manual page, nebulet.1",
    .text = "Prints the manual page of this command, for man(1).",
    .examples = "nebulet manual >nebulet.1",
    .run = run_manual,
};
