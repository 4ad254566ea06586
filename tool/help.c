// tool/help.c: `nebulet help` and the usage texts: what the tables of commands,
// options and topics say, for a terminal.

#include "tool/tool.h"

#include <stdlib.h>
#include <string.h>

// --- topics ------------------------------------------------------------------

static const char files_text[] =
    "A program has no files but those that --dir, --copy-dir and --disk name.  "
    "With\n--disk they are on a disk of ext2 or ext3, which is a file here.  "
    "With "
    "--copy-dir\nit has a copy that it may change; nothing is written back.  "
    "With --dir it\nreads and writes the host's own; but --on metal a single "
    "file is a copy, read-only.\nA value that ends in ::ro may only be "
    "read.\n\n"
    "HOST is a directory or a file here, GUEST what the program calls it: / "
    "for a\ndirectory where no GUEST is given, /NAME for a file.  Of several "
    "options the one\nwith the deeper GUEST hides what lies there in the "
    "others (--on metal by\nthe names that a program has open, not in a "
    "listing).  A microvm has places for 7\ndirectories by --dir and disks, "
    "q35 for 15, with --device random one less.";

static const char images_text[] =
    "`nebulet image` writes what a machine boots from: the kernel, programs "
    "and "
    "copies\nof files.  A disk starts as a CD and as a hard disk, by BIOS and "
    "by "
    "UEFI; with\n--pair it is two files for what starts a kernel by PVH, as "
    "QEMU's -kernel does.\nStandard input and output are the first serial "
    "line.\n\n"
    "With --init FILE the machine has the shell's files, and starts the "
    "programs that\nFILE names, a line each:\n\n"
    "/bin/shell $@ : console files group : exit\n\n"
    "The program with its arguments ($@: those of the command), what it is "
    "given, and\nwhat happens when it ends: exit, wait, restart [TIMES] or "
    "ignore.";

static const char images_examples[] =
    "nebulet image -o box.img hello.wasm you\n"
    "nebulet image --pair -o box --init data/init /script.sh";

static const char environment_text[] =
    "A program gets the variables that --env and --env-file name and no "
    "others.\n\n"
    "NEBULET_ON is where `run` and `shell` run programs when --on does not say "
    "it:\nmetal (in QEMU) or linux (as a process).\n\n"
    "NEBULET_CACHE is where `run` keeps what it compiled when --cache does not "
    "say it:\na directory, or off; NEBULET_CACHE_MIB is how much it keeps "
    "(default 1024).";

static const char statuses_text[] =
    "0    the program returned, or called exit(0); or the command did\n"
    "     what it was asked for\n"
    "1    the program could not be run, or the command failed; why is\n"
    "     on standard error\n"
    "2    the command line was not understood; one line on standard\n"
    "     error says what to write instead\n"
    "123  with --latency: others were kept from the CPU too long\n"
    "124  the time that --timeout gave was up\n"
    "134  the program trapped; the reason and a backtrace are on\n"
    "     standard error\n\n"
    "Any other status is the program's own; of several (--then, --beside) the\n"
    "first that is not 0, in their order.";

// Their examples are run by test/command/options.py, as those of the commands
// are.
const struct topic topics[] = {
    {.name = "files",
     .summary = "what a program sees of the host's files",
     .text = files_text,
     .examples = "nebulet run --dir . ls.wasm\n"
                 "nebulet run --dir data::/d --copy-dir .::/tmp ls.wasm\n"
                 "nebulet run --dir notes.txt ls.wasm"    },
    {.name = "environment",
     .summary = "variables, of a program and of nebulet itself",
     .text = environment_text,
     .examples = "nebulet run --env LANG --env DEBUG=1 hello.wasm\n"
                 "NEBULET_ON=linux nebulet run hello.wasm"},
    {.name = "status",
     .summary = "the exit statuses of nebulet",
     .text = statuses_text,
     .table = true,
     .examples = "nebulet run hello.wasm; echo $?"},
    {.name = "images",
     .summary = "disks that boot and run programs",
     .text = images_text,
     .examples = images_examples                                  },
};

const u32 topic_count = COUNT(topics);

static const struct topic *
topic_find(const char *name)
{
    for (u32 i = 0; i < topic_count; i++)
        if (strcmp(name, topics[i].name) == 0)
            return &topics[i];
    return NULL;
}

// --- usage -------------------------------------------------------------------

bool
option_is_optional(const struct option *o)
{
    return o->value != NULL && o->value[0] == '[';
}

// "--dir HOST", "--trace[=NAME]", "--icount".
static void
print_label(const struct option *o, int width)
{
    char left[64];

    snprintf(left, sizeof(left), "%s%s%s", o->name,
             o->value && !option_is_optional(o) ? " " : "",
             o->value ? o->value : "");
    printf("  %-*s  ", width, left);
}

static void
print_option(const struct option *o, int width)
{
    print_label(o, width);
    for (const char *at = o->help;;) { // a line of help each
        size_t len = strcspn(at, "\n");
        printf("%.*s\n", (int)len, at);
        if (at[len] == 0)
            break;
        at += len + 1;
        printf("  %-*s  ", width, "");
    }
}

static int
width_of(const struct option *o)
{
    return (int)(strlen(o->name) + (o->value ? strlen(o->value) + 1 : 0));
}

static void
print_examples(const char *examples)
{
    printf("\nexamples:\n");
    for (const char *at = examples; *at != 0;) {
        size_t len = strcspn(at, "\n");
        printf("  %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
}

void
print_usage(const struct command *c)
{
    int width = (int)strlen("-h, --help");

    for (u32 i = 0; i < c->option_count; i++)
        width = MAX(width, width_of(&c->options[i]));
    printf("usage: %s%s%s%s %s\n\n%s\n\n", program_name,
           c->name[0] != 0 ? " " : "", c->name,
           c->option_count > 0 ? " [OPTION...]" : "", c->operands, c->text);
    for (u32 i = 0; i < c->option_count; i++)
        print_option(&c->options[i], width);
    printf("  %-*s  this text\n", width, "-h, --help");
    if (c->notes != NULL)
        printf("\n%s\n", c->notes);
    if (c->examples != NULL)
        print_examples(c->examples);
}

void
print_commands(void)
{
    printf("usage: nebulet COMMAND ...\n\n");
    for (u32 i = 0; i < command_count; i++)
        printf("  %-11s  %s\n", all_commands[i]->name,
               all_commands[i]->summary);
    printf("  %-11s  which nebulet this is\n", "--version");
    printf("  %-11s  this text\n", "-h, --help");
    printf("\ntopics of `nebulet help`:\n\n");
    for (u32 i = 0; i < topic_count; i++)
        printf("  %-11s  %s\n", topics[i].name, topics[i].summary);
    printf("\n`nebulet COMMAND --help` tells more, and so does `nebulet help` "
           "with a command,\na topic or an option, such as --dir.\n");
}

// --- the command -------------------------------------------------------------

static void
print_topic(const struct topic *topic)
{
    printf("%s: %s\n\n%s\n", topic->name, topic->summary, topic->text);
    print_examples(topic->examples);
}

// An option of that name, of each command that has one.
static bool
print_option_of_all(const char *name)
{
    bool found = false;

    for (u32 i = 0; i < command_count; i++) {
        const char *value;
        const struct option *o = option_find(all_commands[i], name, &value);
        if (o == NULL)
            continue;
        printf("%snebulet %s:\n", found ? "\n" : "", all_commands[i]->name);
        print_option(o, width_of(o));
        found = true;
    }
    return found;
}

static int
unknown_topic(const char *name)
{
    const char **names = malloc((command_count + topic_count) * sizeof(*names));
    u32 count = 0;

    assert(names != NULL);
    for (u32 i = 0; i < command_count; i++)
        names[count++] = all_commands[i]->name;
    for (u32 i = 0; i < topic_count; i++)
        names[count++] = topics[i].name;
    const char *near = nearest(name, names, count);
    free(names);
    if (near != NULL)
        return misuse(&command_help, "%s: no such topic; did you mean %s?",
                      name, near);
    return misuse(&command_help, "%s: no such topic", name);
}

static int
help_with(const char *name)
{
    const struct command *c = command_find(name);
    const struct topic *topic = topic_find(name);

    if (c != NULL)
        print_usage(c);
    else if (topic != NULL)
        print_topic(topic);
    else if (!print_option_of_all(name))
        return unknown_topic(name);
    return 0;
}

// What is asked for is no option of ours, though it may look like one.
static int
run_help(struct words words)
{
    if (words.count > 1)
        return misuse(&command_help, "%s: one too many", words.list[1]);
    if (words.count == 0)
        print_commands();
    else if (strcmp(words.list[0], "-h") == 0 ||
             strcmp(words.list[0], "--help") == 0)
        print_usage(&command_help);
    else
        return help_with(words.list[0]);
    return 0;
}

const struct command command_help = {
    .name = "help",
    .operands = "[COMMAND|TOPIC|OPTION]",
    .summary = "tell about a command, a topic or an option",
    .text = "Tells about a command, about an option in all the commands that "
            "have it, or about\na topic.  Without a word it lists the commands "
            "and the topics.",
    .examples = "nebulet help run\n"
                "nebulet help files\n"
                "nebulet help --dir",
    .run = run_help,
};
