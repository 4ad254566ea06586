// tool/cache_command.c: `nebulet cache`: what is kept, and clearing it.

#include "tool/cache.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEY_SHOWN = 12 };

static double
mb(u64 size)
{
    return (double)size / 1e6;
}

static int
list(const struct cache *c)
{
    struct cached *files;
    u32 count = cache_list(c, &files), images = 0;
    char when[32];
    u64 size = 0;

    for (u32 i = 0; i < count; i++) {
        const struct cached *f = &files[i];
        size += f->size;
        if (!f->is_image)
            continue;
        images++;
        time_t used = f->used_ns / 1000000000;
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M", localtime(&used));
        tell("%9.1f MB  %s  %.*s  %s", mb(f->size), when, KEY_SHOWN, f->name,
             f->module);
    }
    free(files);
    tell("%9.1f MB of %.0f MB, %u module%s, in %s", mb(size), mb(cache_limit()),
         images, images == 1 ? "" : "s", c->path);
    return 0;
}

static int
clear(const struct cache *c)
{
    u32 gone = cache_trim(c, 0);

    tell("removed %u module%s from %s", gone, gone == 1 ? "" : "s", c->path);
    return 0;
}

static bool
set_cache(void *self, const struct option *o, const char *value)
{
    const char **where = self;

    (void)o;
    *where = value;
    return true;
}

static const struct option options[] = {
#define OPTION(name, value, set, help) {name, value, help, set},
#include "tool/cache.def"
};

static int
run(struct words words)
{
    const char *where = NULL;
    struct words given;
    struct cache cache;

    int status = options_read(&command_cache, &where, words, &given);
    if (status != OPTIONS_READ)
        return status;
    if (given.count == 0)
        return misuse(&command_cache, "ls or clear?");
    if (given.count > 1)
        return misuse(&command_cache, "%s: one too many", given.list[1]);
    bool lists = strcmp(given.list[0], "ls") == 0;
    if (!lists && strcmp(given.list[0], "clear") != 0)
        return misuse(&command_cache, "%s: not ls or clear", given.list[0]);
    if (!cache_open(&cache, where)) {
        if (cache.path[0] == 0)
            complain("there is no cache");
        return 1;
    }
    status = lists ? list(&cache) : clear(&cache);
    cache_close(&cache);
    return status;
}

const struct command command_cache = {
    .name = "cache",
    .operands = "ls|clear",
    .summary = "list or remove modules that were compiled before",
    .text = "`nebulet run` keeps what it compiled, so that the next run need "
            "not: `ls` lists\nthe modules, what was used least lately first, "
            "`clear` removes them.",
    .options = options,
    .option_count = COUNT(options),
    .notes = "At most $NEBULET_CACHE_MIB MiB are kept (default 1024).",
    .examples = "nebulet cache ls\n"
                "nebulet cache clear",
    .run = run,
};
