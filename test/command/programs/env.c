// test/command/programs/env.c: what the environment is, a variable each line.
#include <stdio.h>

extern char **environ;

int
main(void)
{
    for (char **at = environ; at != NULL && *at != NULL; at++)
        puts(*at);
    return 0;
}
