// wasi/calls.c: the host modules, expanded from calls.def, and the calls about
// the process itself: arguments, environment, clocks, random numbers, exit.

#include "wasi/wasi.h"

// --- strings -----------------------------------------------------------------

static u32
count_strings(struct bytes strings)
{
    u32 count = 0;

    for (u64 i = 0; i < strings.size; i++)
        count += strings.ptr[i] == 0;
    return count;
}

static errno_t
strings_sizes(struct bytes strings, u32 count_ptr, u32 size_ptr)
{
    u32 count = count_strings(strings), size = (u32)strings.size;

    if (user_bytes(size_ptr, sizeof(size)).ptr == NULL ||
        !user_write(count_ptr, &count, sizeof(count)) ||
        !user_write(size_ptr, &size, sizeof(size)))
        return WASI_FAULT;
    return WASI_SUCCESS;
}

// Write the strings to `text` and the address of each to the vector at `to`.
static errno_t
strings_get(struct bytes strings, u32 to, u32 text)
{
    u64 vector = to;
    bool start = true;

    if (user_bytes(to, 4ull * count_strings(strings)).ptr == NULL ||
        !user_write(text, strings.ptr, strings.size))
        return WASI_FAULT;
    for (u64 i = 0; i < strings.size; i++) {
        u32 address = text + (u32)i;
        if (start && !user_write(vector, &address, sizeof(address)))
            return WASI_FAULT;
        vector += start ? sizeof(address) : 0;
        start = strings.ptr[i] == 0;
    }
    return WASI_SUCCESS;
}

errno_t
wasi_args_get(u32 to, u32 text)
{
    return strings_get(wasi_current()->args, to, text);
}

errno_t
wasi_args_sizes_get(u32 count, u32 size)
{
    return strings_sizes(wasi_current()->args, count, size);
}

errno_t
wasi_environ_get(u32 to, u32 text)
{
    return strings_get(wasi_current()->env, to, text);
}

errno_t
wasi_environ_sizes_get(u32 count, u32 size)
{
    return strings_sizes(wasi_current()->env, count, size);
}

// --- clocks, random numbers, the end -----------------------------------------

bool
clock_now(u32 clock, u64 *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
        *ns = clock_told(port_realtime_ns());
        return true;
    case CLOCK_MONOTONIC:
        *ns = clock_told(port_monotonic_ns());
        return true;
    case CLOCK_PROCESS: // time on the wall since the start bounds them
    case CLOCK_THREAD:
        *ns = clock_told(port_monotonic_ns()) -
              clock_told(wasi_current()->started_ns);
        return true;
    default:
        return false;
    }
}

errno_t
wasi_clock_res_get(u32 clock, u32 out)
{
    u64 ns;

    if (!clock_now(clock, &ns))
        return WASI_INVAL;
    ns = clock_grain();
    return user_write(out, &ns, sizeof(ns)) ? WASI_SUCCESS : WASI_FAULT;
}

errno_t
wasi_clock_time_get(u32 clock, u64 precision, u32 out)
{
    u64 ns;

    (void)precision;
    if (!clock_now(clock, &ns))
        return WASI_INVAL;
    return user_write(out, &ns, sizeof(ns)) ? WASI_SUCCESS : WASI_FAULT;
}

errno_t
wasi_random_get(u32 ptr, u32 size)
{
    u8 buffer[256];

    if (user_bytes(ptr, size).ptr == NULL)
        return WASI_FAULT;
    for (u64 at = 0; at < size; at += sizeof(buffer)) {
        u64 part = MIN(size - at, sizeof(buffer));
        if (thread_is_killed())
            return WASI_INTR;
        port_random(buffer, part);
        if (!user_write(ptr + at, buffer, part))
            return WASI_FAULT;
    }
    return WASI_SUCCESS;
}

errno_t
wasi_sched_yield(void)
{
    thread_yield();
    return WASI_SUCCESS;
}

void
wasi_proc_exit(u32 status)
{
    process_exit(status);
}

// There are no signals.
errno_t
wasi_proc_raise(u32 signal)
{
    (void)signal;
    return WASI_NOSYS;
}

// --- the tables --------------------------------------------------------------

#define FUNC(name, sig, function) \
    {#name, sig, (const void *)(uintptr_t)wasi_##function},

static const struct host_func preview1_funcs[] = {
#define CALL(name, args)      FUNC(name, args ":i", name)
#define CALL_EXIT(name, args) FUNC(name, args ":", name)
#define NONE                  ""
#define U32(n)                "i"
#define U64(n)                "l"
#include "wasi/calls.def"
};

static const struct host_func unstable_funcs[] = {
#define CALL(name, args)      FUNC(name, args ":i", name)
#define CALL_OLD(name, args)  FUNC(name, args ":i", name##_old)
#define CALL_EXIT(name, args) FUNC(name, args ":", name)
#define NONE                  ""
#define U32(n)                "i"
#define U64(n)                "l"
#include "wasi/calls.def"
};

const struct host_module wasi_preview1 = {
    "wasi_snapshot_preview1", preview1_funcs, COUNT(preview1_funcs),
    preview1_traced,          "wasi",
};

const struct host_module wasi_unstable = {
    "wasi_unstable", unstable_funcs, COUNT(unstable_funcs),
    unstable_traced, "wasi",
};
