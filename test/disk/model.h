// test/disk/model.h: what files there should be: a model of a few of them,
// which is copied before each change, so that what was can be compared with
// what is.

#pragma once

#include "test/disk/help.h"

enum { MODEL_NAMES = 24, MODEL_FILES = 40, MODEL_SIZE = 24 * 1024, NAME = 4 };

enum model_kind { MODEL_FREE, MODEL_FILE, MODEL_DIR, MODEL_LINK };

struct model_entry {
    enum model_kind kind;
    u32 parent; // the entry that it is in, MODEL_NAMES: the root
    u32 file;   // which file it is; several entries may be one
    char name[NAME];
};

struct model_content {
    struct model_content *next; // of all
    u32 size;
    u8 bytes[MODEL_SIZE];
};

struct model {
    struct model_entry entries[MODEL_NAMES];
    // By file, of the version of this time; shared with other times.
    struct model_content *contents[MODEL_FILES];
    u32 files;
};

// A change, as it is asked of both.
enum model_op {
    OP_CREATE,
    OP_MKDIR,
    OP_LINK,
    OP_SYMLINK,
    OP_REMOVE,
    OP_RENAME,
    OP_WRITE,
    OP_APPEND,
    OP_TRUNCATE,
    OP_FSYNC,
    OP_FDATASYNC,
    OP_SYNC,
    OPS,
};

struct model_change {
    enum model_op op;
    char path[4 * NAME], other[4 * NAME];
    u32 at, size, seed;
};

// One that may or may not be possible.
struct model_change model_random(const struct model *m, u32 *random);
u32 model_number(u32 *random, u32 below);

// Do it; an error as the file system should give.  File: of the path, or
// MODEL_FILES.
i32 model_do(struct model *m, const struct model_change *c);
i32 fs_do(struct fs *fs, const struct model_change *c);
u32 model_file(const struct model *m, const char *path);

// Free what all models have; they are of no use then.
void model_end(void);

// Is it all as in times[at]?  Bytes of files may be of any time up to `end`,
// but not from before times[since[file]].
bool model_is(struct fs *fs, const struct model *times, u32 at, u32 end,
              const u32 *since);
