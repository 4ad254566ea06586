// wasi/threads.c: the module "wasi" of the wasi-threads proposal: one function.

#include "wasi/wasi.h"

enum { SPAWN_FAILED = -1 };

// The new thread runs wasi_thread_start(thread id, arg); its id is the result.
static u32
thread_spawn_call(u32 arg)
{
    u32 id;

    if (thread_spawn_export(STRING("wasi_thread_start"), arg, &id) != OK)
        return (u32)SPAWN_FAILED;
    return id;
}

static const struct host_func funcs[] = {
    {"thread-spawn", "i:i", (const void *)thread_spawn_call},
};

const struct host_module wasi_threads = {
    "wasi", funcs, COUNT(funcs), threads_traced, "wasi",
};
