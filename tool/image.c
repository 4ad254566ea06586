// tool/image.c: what a program is packed as: its module, or a code file of the
// cache, made now where there is none yet.  What cannot be compiled is packed
// as it is: the kernel says what is wrong with it.

#include "tool/cache.h"

#include "compile/compile.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    SMALL = 64 * KIB, // a module is compiled before a file is found
};

// --- compiling ---------------------------------------------------------------

struct making {
    struct arena keep, temp, text;
    struct module module;
    struct code code;
};

// As much of addresses as the kernel has for it (runtime/compiled.c).
static bool
map_arenas(struct making *m, u64 size)
{
    return arena_map_host(&m->keep, 256 * size + 16 * MIB) &&
           arena_map_host(&m->temp, 1024 * size + GIB) &&
           arena_map_host(&m->text, 64 * size + 16 * MIB);
}

static struct bytes
write_image(const struct making *m, u32 features)
{
    struct bytes file = {NULL, 0};

    file.size = code_file_write(file, &m->code, &m->module, features);
    file.ptr = malloc(file.size);
    if (file.ptr != NULL)
        code_file_write(file, &m->code, &m->module, features);
    return file;
}

// .ptr is NULL where it cannot be compiled.
static struct bytes
compile(struct bytes module, const char *name, u32 features)
{
    const struct compile_options options = {.features = features,
                                            .check_pads = CHECKED,
                                            .step = progress_step,
                                            .dump_func = NO_INDEX};
    struct error error = {OK, 0, NULL};
    struct bytes file = {NULL, 0};
    struct making m = {0};

    bool decoded = map_arenas(&m, module.size) &&
                   module_decode(&m.module, module, &m.keep, &error) == OK;
    progress_begin("compiling", name, decoded ? m.module.func_count : 0,
                   COMPILE_PATIENCE_MS);
    if (decoded && module_compile(&m.code, &m.module, &options, &m.text,
                                  &m.keep, &m.temp, &error) == OK)
        file = write_image(&m, features);
    progress_end();
    arena_free_host(&m.keep);
    arena_free_host(&m.temp);
    arena_free_host(&m.text);
    return file;
}

// --- reading -----------------------------------------------------------------

static bool
same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

// A file as it is; false: it is none that stays what it is.
static bool
look(const char *path, struct stat *st)
{
    return stat(path, st) == 0 && S_ISREG(st->st_mode);
}

// The code file of a module that was read, which it takes.
static void
use_cache(struct image *image, const struct cache *c, const char *path,
          const struct digest *digest)
{
    u32 features = cpu_features_detect();
    struct bytes file;

    if (cache_get(c, digest, features, path, &file)) {
        image_free(image);
        *image = (struct image){file, .made = true, .mapped = true};
        return;
    }
    file = compile(image->bytes, base_name(path), features);
    if (file.ptr == NULL)
        return;
    cache_put(c, digest, features, path, file);
    image_free(image);
    *image = (struct image){file, .made = true};
}

// By what is known of the file, without reading it.
static bool
find_seen(struct image *out, const struct cache *c, const char *path)
{
    struct digest digest;
    struct stat st;

    *out = (struct image){.made = true, .mapped = true};
    return look(path, &st) && cache_seen(c, &st, &digest) &&
           cache_get(c, &digest, cpu_features_detect(), path, &out->bytes);
}

bool
image_read(struct image *out, const struct cache *c, const char *path)
{
    struct stat before, after;

    if (c != NULL && find_seen(out, c, path))
        return true;
    bool is_file = look(path, &before);
    *out = (struct image){.bytes = module_read(path)};
    if (out->bytes.ptr == NULL)
        return false;
    if (c == NULL || out->bytes.size < SMALL || code_file_is(out->bytes))
        return true;
    struct digest digest = digest_of(out->bytes);
    if (is_file && look(path, &after) && same_file(&before, &after) &&
        cache_settled(&after))
        cache_note(c, &after, &digest, path);
    use_cache(out, c, path, &digest);
    return true;
}

void
image_free(struct image *image)
{
    if (image->mapped)
        munmap(image->bytes.ptr, MAX(image->bytes.size, 1));
    else
        free(image->bytes.ptr);
    *image = (struct image){0};
}
