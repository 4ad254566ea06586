// port/linux/panic.c: our own bug: say where and abort.

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

NORETURN void
panic(const char *file, u32 line, const char *what)
{
    fprintf(stderr, "nebulet: %s:%u: panic: %s\n", file, line, what);
    abort();
}
