// tool/commands.c: the commands of the host command.

#include "tool/tool.h"

#include <string.h>

const struct command *const all_commands[] = {
    &command_run,    &command_shell,    &command_image,      &command_compile,
    &command_verify, &command_dump,     &command_cache,      &command_sysroot,
    &command_wast,   &command_selftest, &command_completion, &command_manual,
    &command_help,
};

_Static_assert(COUNT(all_commands) <= COMMANDS_MAX, "commands");

const u32 command_count = COUNT(all_commands);

const struct command *
command_find(const char *name)
{
    for (u32 i = 0; i < COUNT(all_commands); i++)
        if (strcmp(name, all_commands[i]->name) == 0)
            return all_commands[i];
    return NULL;
}
