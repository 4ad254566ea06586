// What the kernel's tests need from Linux.

#include "port/linux/linux.h"
#include "test/kernel_frame.h"
#include "wasi/wasi.h"

#include <stdio.h>
#include <unistd.h>

static const struct host_module *const modules[] = {&nebulet_module,
                                                    &wasi_threads, NULL};

static int
run_test(void *arg)
{
    void (**test)(void) = arg;

    kernel_init(modules);
    kernel_test_twice(*test);
    return 0;
}

void
kernel_test_run(void (*test)(void))
{
    EXPECT_EQ(linux_start(run_test, &test), 0);
}

void
test_fail_commits(u64 after)
{
    linux_fail_commits(after);
}

void
test_log(char *to, u64 size, void (*run)(void))
{
    FILE *file = tmpfile();
    int saved = dup(2);

    assert(file != NULL && saved >= 0);
    fflush(stderr);
    dup2(fileno(file), 2);
    run();
    dup2(saved, 2);
    close(saved);
    rewind(file);
    to[fread(to, 1, size - 1, file)] = '\0';
    fclose(file);
}
