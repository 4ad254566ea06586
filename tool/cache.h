// tool/cache.h: modules and their code files: those that were made before, and
// making them.

#pragma once

#include "tool/tool.h"

struct stat;

// --- cache.c -----------------------------------------------------------------

struct cache {
    int dir; // -1: there is none
    char path[4096];
};

// The directory `where`, NULL: $NEBULET_CACHE or the user's; "off": none.
// False: there is none, after a note where that was not asked for.
MUST_USE bool cache_open(struct cache *c, const char *where);
void cache_close(struct cache *c);

// The digest of the module that a file has, if it was noted when the file was
// what it is now.
MUST_USE bool cache_seen(const struct cache *c, const struct stat *st,
                         struct digest *digest);
void cache_note(const struct cache *c, const struct stat *st,
                const struct digest *digest, const char *path);

// Is the last change so long ago that the next one will have another time?
bool cache_settled(const struct stat *st);

// The code file of a module for these features (enum cpu_feature), mapped; it
// may come from a file called `path`.  False: there is none.
MUST_USE bool cache_get(const struct cache *c, const struct digest *module,
                        u32 features, const char *path, struct bytes *image);
// Keep one.
void cache_put(const struct cache *c, const struct digest *module, u32 features,
               const char *path, struct bytes image);

// How many bytes there may be.
u64 cache_limit(void);

// A file of the cache.
struct cached {
    char name[256];
    char module[256]; // of a code file: what its module was called
    u64 size;
    i64 used_ns;   // since 1970
    bool is_image; // a code file
};

// All of them, what was used least lately first; owned by the caller (free).
MUST_USE u32 cache_list(const struct cache *c, struct cached **out);
// Remove what was used least lately until there are no more bytes than that;
// how many code files those were.
u32 cache_trim(const struct cache *c, u64 limit);

// --- image.c -----------------------------------------------------------------

// What a program is packed as.
struct image {
    struct bytes bytes; // a module, or its code file
    bool made;          // it is a code file that was not given as such
    bool mapped;
};

// Of the file at this path; c may be NULL.  False after a complaint.
MUST_USE bool image_read(struct image *out, const struct cache *c,
                         const char *path);
void image_free(struct image *image);
