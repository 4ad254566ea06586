// user/hello-c/main.c: greet, show the arguments and the environment, exit with
// the status given as `--exit N`.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int
main(int argc, char **argv)
{
    int status = 0;

    printf("Hello from C!\n");
    for (int i = 1; i < argc; i++) {
        printf("argument %d: %s\n", i, argv[i]);
        if (strcmp(argv[i], "--exit") == 0 && i + 1 < argc)
            status = atoi(argv[i + 1]);
    }
    for (char **e = environ; *e != NULL; e++)
        printf("environment: %s\n", *e);
    return status;
}
