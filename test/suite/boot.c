// test/suite/boot.c: what the test image runs: the scripts of its initrd.

#include "tool/script.h"
#include "wasi/wasi.h"

u32
boot_run(struct bytes initrd, const char *cmdline)
{
    (void)cmdline;
    return script_boot(initrd);
}
