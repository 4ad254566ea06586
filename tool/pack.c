// tool/pack.c: the initrd of `nebulet run`, `shell` and `image` (tool/run.h).

#include "tool/run.h"

#include "port/linux/linux.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PACK_SHOWN = 100000000 }; // from so many bytes on it takes a while

// Of a program.
static void
add_file(struct buffer *tar, u32 program, const char *name, const void *bytes,
         u64 size)
{
    tar_add_member(tar, "run", program, name,
                   (struct bytes){(u8 *)bytes, size});
}

static void
put_text(struct buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text) + 1);
}

// The names of its handles, for the program.
static void
put_given(struct buffer *env, const char *grants)
{
    char text[128];

    snprintf(text, sizeof(text), "GIVEN=%s", grants);
    for (char *at = strchr(text, ' '); at != NULL; at = strchr(at, ' '))
        *at = ',';
    put_text(env, text);
}

// Those of the program, "": none.
static void
list_grants(const struct run *run, u32 index, char *to, u64 size)
{
    const char *own = run->grants != NULL ? run->grants : "";
    const char *device = run->device ? "random" : "";
    const char *blank = own[0] != 0 && device[0] != 0 ? " " : "";

    snprintf(to, size, "%s%s%s", index == 0 ? own : "", index == 0 ? blank : "",
             index == 0 ? device : "");
}

// A module as "app.wasm", or as the "image" that it was compiled to, below
// `dir`; it is freed.
static void
add_image(struct buffer *tar, u32 program, const char *dir, struct image *image)
{
    char name[64];

    snprintf(name, sizeof(name), "run/%u/%s%s", program, dir,
             image->made ? "image" : "app.wasm");
    if (image->mapped) {
        tar_add_mapped(tar, name, image->bytes.ptr, image->bytes.size);
        *image = (struct image){0};
    } else {
        tar_add(tar, name, image->bytes.ptr, image->bytes.size);
    }
    image_free(image);
}

static const struct cache *
cache_of(const struct run *run)
{
    return run->cache.dir >= 0 ? &run->cache : NULL;
}

static bool
pack_preload(struct buffer *tar, const struct run *run, u32 index)
{
    const struct preload *p = &run->preloads[index];
    struct image image;
    char name[32];

    if (!image_read(&image, cache_of(run), p->path))
        return false;
    snprintf(name, sizeof(name), "link/%u/name", index);
    add_file(tar, 0, name, p->name.ptr, p->name.len);
    snprintf(name, sizeof(name), "link/%u/path", index);
    add_file(tar, 0, name, p->path, strlen(p->path));
    snprintf(name, sizeof(name), "link/%u/", index);
    add_image(tar, 0, name, &image);
    return true;
}

static bool
pack_invocation(struct buffer *tar, struct run *run, struct bytes app)
{
    const struct invocation call = {run->command, run->programs[0].path,
                                    run->invoke, run->args};
    struct buffer file = {0};
    int status = invocation_pack(&file, &call, app);

    if (status == OPTIONS_READ)
        add_file(tar, 0, "invoke", file.ptr, file.size);
    else
        run->failed = status;
    buffer_free(&file);
    return status == OPTIONS_READ;
}

// What only the first program has.
static bool
pack_first(struct buffer *tar, struct run *run, struct bytes app)
{
    for (u32 i = 0; i < run->preload_count; i++)
        if (!pack_preload(tar, run, i))
            return false;
    return run->invoke == NULL || pack_invocation(tar, run, app);
}

static bool
pack_program(struct buffer *tar, struct run *run, u32 index)
{
    const struct program *p = &run->programs[index];
    struct buffer args = {0}, env = {0};
    bool named = index == 0 && run->argv0 != NULL;
    char grants[64];

    struct image app;
    if (!image_read(&app, cache_of(run), p->path))
        return false;
    put_text(&args, named ? run->argv0 : base_name(p->path));
    for (int i = 0; i < run->args.count && index == 0 && !run->invoke; i++)
        put_text(&args, run->args.list[i]);
    for (u32 i = 0; i < run->env.count; i++)
        put_text(&env, run->env.list[i]);
    list_grants(run, index, grants, sizeof(grants));
    if (grants[0] != 0)
        put_given(&env, grants);

    add_file(tar, index, "path", p->path, strlen(p->path));
    add_file(tar, index, "args", args.ptr, args.size);
    add_file(tar, index, "env", env.ptr, env.size);
    add_file(tar, index, "mode", p->mode, strlen(p->mode));
    if (grants[0] != 0)
        add_file(tar, index, "grants", grants, strlen(grants));
    bool done = index > 0 || pack_first(tar, run, app.bytes);
    add_image(tar, index, "", &app);
    buffer_free(&args);
    buffer_free(&env);
    return done;
}

u32
run_memory_mib(const struct run *run)
{
    return run->memory_mib ? run->memory_mib : 1024;
}

static u64
mib_of(u64 size)
{
    return size / MIB + (size % MIB > 0);
}

// Is there memory for an initrd of this size?  False after a complaint.
static bool
has_room(const struct run *run, u64 size, const struct dir *largest)
{
    char most[128] = "";

    if (largest != NULL)
        snprintf(most, sizeof(most), ", %llu of them by %s %.80s",
                 (unsigned long long)mib_of(largest->size), largest->option,
                 largest->text);
    if (run->metal)
        return qemu_has_room(run_memory_mib(run), size, most);
    u64 there = host_memory();
    if (size > there)
        complain("the programs and their files have %llu MiB%s, but only %llu "
                 "MiB are free here: run with fewer files",
                 (unsigned long long)mib_of(size), most,
                 (unsigned long long)there / MIB);
    return size <= there;
}

static bool
pack_dirs(struct buffer *tar, struct run *run)
{
    const struct dir *largest;
    u64 size;

    run->dirs.served = run->metal;
    if (!dirs_measure(&run->dirs, &size, &largest) ||
        !has_room(run, size + MIN(tar->size, UINT64_MAX - size), largest) ||
        !servers_pack(tar, &run->dirs))
        return false;
    progress_begin("packing", "files", size > PACK_SHOWN ? size : 0, 0);
    bool done = dirs_pack(&run->dirs, tar);
    progress_end();
    return done;
}

bool
run_pack(struct run *run, struct buffer *tar)
{
    char text[32];

    for (u32 i = 0; i < run->program_count; i++)
        if (!pack_program(tar, run, i))
            return false;
    if (run->timeout_ms > 0) {
        snprintf(text, sizeof(text), "%llu",
                 (unsigned long long)run->timeout_ms);
        tar_add(tar, "run/timeout", text, strlen(text));
    }
    if (run->grain_ns > 0) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)run->grain_ns);
        tar_add(tar, "run/clock", text, strlen(text));
    }
    u32 count = 0;
    for (int fd = 0; fd < 3; fd++)
        if (run->media.out != NULL || isatty(fd)) // a serial line is one
            text[count++] = (char)('0' + fd);
    tar_add(tar, "run/terminals", text, count);
    if (run->terminal)
        tar_add(tar, "run/terminal", "", 0);
    if (run->trace != NULL)
        tar_add(tar, "run/trace", run->trace, strlen(run->trace));
    if (run->limit > 0) {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)run->limit);
        tar_add(tar, "run/max-memory", text, strlen(text));
    }
    if (run->gc_stats)
        tar_add(tar, "run/gc-stats", "", 0);
    if (run->profile_fd > 0)
        tar_add(tar, "run/profile", run->perf ? "ms" : "s",
                (u64)run->perf + (run->profile != NULL));
    if (!pack_dirs(tar, run))
        return false;
    tar_end(tar);
    return true;
}
