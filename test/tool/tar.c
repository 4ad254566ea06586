// test/tool/tar.c: archives that the command makes, as wasi/tar.c reads them:
// sizes that need more than a header's field, and files that others change
// while they are read.

#include "test/test.h"
#include "tool/tool.h"
#include "wasi/wasi.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// --- what tool/tar.c needs of the command ------------------------------------

enum { KEPT = 1 << 20 };

static char said[1024];

void
complain(const char *text, ...)
{
    size_t at = strlen(said);
    va_list list;

    va_start(list, text);
    vsnprintf(said + at, sizeof(said) - at, text, list);
    va_end(list);
    strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

// Keeps no more than the first bytes; the rest counts.
void
buffer_put(struct buffer *b, const void *bytes, u64 size)
{
    u64 at = MIN(b->size, KEPT);

    if (b->ptr == NULL)
        b->ptr = calloc(1, KEPT);
    if (size > 0)
        memcpy(b->ptr + at, bytes, MIN(size, KEPT - at));
    b->size += size;
}

void
progress_more(u64 count)
{
    (void)count;
}

static u64 mapped_at; // where the last one began

void
buffer_put_mapped(struct buffer *b, void *mapped, u64 size)
{
    mapped_at = b->size;
    buffer_put(b, mapped, size);
}

void
buffer_free(struct buffer *b)
{
    free(b->ptr);
    *b = (struct buffer){0};
}

// --- sizes -------------------------------------------------------------------

// The first member of an archive as large as the buffer says.
static struct tar_entry
first_member(const struct buffer *b, struct error *error)
{
    struct tar tar = {
        .archive = {b->ptr, b->size},
          .error = error
    };
    struct tar_entry e = {0};

    EXPECT(tar_next(&tar, &e));
    return e;
}

// No byte of the file is looked at behind those that are kept.
static void
expect_size(u64 size, bool extended)
{
    static const u8 bytes[KEPT];
    struct error error = {OK, 0, NULL};
    struct buffer b = {0};

    tar_add(&b, "large", bytes, size);
    EXPECT_EQ(memcmp(b.ptr, "pax", 4) == 0, extended);
    EXPECT_EQ(b.size, ALIGN_UP(size, 512) + (extended ? 3 : 1) * 512);
    struct tar_entry e = first_member(&b, &error);
    EXPECT_EQ(error.status, OK);
    EXPECT_EQ(e.data.size, size);
    EXPECT(string_equal(e.path[1], STRING("large")));
    EXPECT_EQ((u64)(e.data.ptr - b.ptr), b.size - ALIGN_UP(size, 512));
    buffer_free(&b);
}

TEST(tool_tar_sizes)
{
    expect_size(0, false);
    expect_size(513, false);
    expect_size(8 * GIB - 1, false);
    expect_size(8 * GIB, true);
    expect_size(8 * GIB + 1, true);
    expect_size(1000 * GIB, true);
}

// --- files that change -------------------------------------------------------

static char folder[] = "/tmp/tool_tar.XXXXXX", path[64];
static void (*change)(void); // before the first read
static u32 reads;

ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size);

ssize_t
__wrap_read(int fd, void *to, size_t size)
{
    reads++;
    if (change != NULL)
        change();
    return __real_read(fd, to, size);
}

// What every file says that it has, while this is not 0.
static u64 all_sizes;

int __real_lstat(const char *file, struct stat *st);
int __wrap_lstat(const char *file, struct stat *st);

int
__wrap_lstat(const char *file, struct stat *st)
{
    int result = __real_lstat(file, st);

    if (all_sizes != 0)
        st->st_size = (off_t)all_sizes;
    return result;
}

static void
append(void)
{
    int fd = open(path, O_WRONLY | O_APPEND);

    EXPECT_EQ(write(fd, "+++", 3), 3);
    close(fd);
}

static void
shorten(void)
{
    EXPECT_EQ(truncate(path, 3), 0);
}

static void
remove_file(void)
{
    EXPECT_EQ(unlink(path), 0);
    change = NULL;
}

static bool
remove_early(void *self, const char *name, bool is_dir)
{
    (void)self, (void)name, (void)is_dir;
    remove_file();
    return false;
}

static bool
replace_early(void *self, const char *name, bool is_dir)
{
    (void)self, (void)name, (void)is_dir;
    remove_file();
    EXPECT_EQ(mkfifo(path, 0600), 0);
    return false;
}

static bool
hide_nothing(void *self, const char *name, bool is_dir)
{
    (void)self, (void)name, (void)is_dir;
    return false;
}

// Archive a directory with one file of eight bytes; the file's member is as
// expected, or not there, and the archive is whole.
static void
archive(void (*changes)(void), tar_hides *hides, const char *contents,
        const char *warning)
{
    struct error error = {OK, 0, NULL};
    struct buffer b = {0};
    struct tar_entry e;

    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/f", folder);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    EXPECT_EQ(write(fd, "12345678", 8), 8);
    close(fd);
    said[0] = 0;
    change = changes;
    EXPECT(tar_add_path(&b, "root", folder, hides, NULL));
    change = NULL;
    tar_end(&b);
    struct tar tar = {
        .archive = {b.ptr, b.size},
          .error = &error
    };
    EXPECT(tar_next(&tar, &e));
    EXPECT_EQ(tar_next(&tar, &e), contents != NULL);
    if (contents != NULL)
        EXPECT(e.data.size == strlen(contents) &&
               memcmp(e.data.ptr, contents, e.data.size) == 0);
    EXPECT(contents == NULL || !tar_next(&tar, &e));
    EXPECT_EQ(error.status, OK);
    EXPECT_EQ(strstr(said, warning) != NULL, true);
    EXPECT(warning[0] != 0 || said[0] == 0);
    buffer_free(&b);
    unlink(path);
    rmdir(folder);
}

// What is mapped begins with a page, whatever is in front of it.
TEST(tool_tar_mapped)
{
    static u8 pages[5000];

    pages[0] = 'x', pages[4999] = 'y';
    for (u32 before = 0; before < 10; before++) {
        struct error error = {OK, 0, NULL};
        struct buffer b = {0};
        struct tar_entry e;

        for (u32 i = 0; i < before; i++)
            tar_add(&b, "before", "", 0);
        tar_add_mapped(&b, "image", pages, sizeof(pages));
        EXPECT_EQ(mapped_at % 4096, 0);
        EXPECT_EQ(b.size % 512, 0);
        struct tar tar = {
            .archive = {b.ptr, b.size},
              .error = &error
        };
        for (u32 i = 0; i < before + 2; i++)
            EXPECT(tar_next(&tar, &e));
        EXPECT_EQ(e.data.size, sizeof(pages));
        EXPECT_EQ(memcmp(e.data.ptr, pages, sizeof(pages)), 0);
        buffer_free(&b);
    }
}

TEST(tool_tar_changing_files)
{
    archive(NULL, hide_nothing, "12345678", "");
    archive(append, hide_nothing, "12345678",
            "/f: changed while it was copied\n");
    archive(shorten, hide_nothing, "123", "/f: changed while it was copied\n");
    archive(remove_file, hide_nothing, "12345678", "");
    archive(NULL, remove_early, NULL,
            "/f: No such file or directory: left out\n");
    archive(NULL, replace_early, NULL, "/f: Stale file handle: left out\n");
}

// What was asked for by its name is not left out: it is refused, as what is
// there and cannot be read, and what has no end.
TEST(tool_tar_unreadable_top)
{
    struct buffer b = {0};

    said[0] = 0;
    EXPECT(!tar_add_path(&b, "root/mem", "/proc/self/mem", hide_nothing, NULL));
    EXPECT_EQ(strcmp(said, "/proc/self/mem: Input/output error\n"), 0);
    said[0] = 0;
    EXPECT(!tar_add_path(&b, "root/pagemap", "/proc/self/pagemap", hide_nothing,
                         NULL));
    EXPECT_EQ(strcmp(said, "/proc/self/pagemap: File too large\n"), 0);
    buffer_free(&b);
}

// --- sizes beforehand --------------------------------------------------------

static void
make(const char *name, u64 size)
{
    char file[128];

    snprintf(file, sizeof(file), "%s/%s", folder, name);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    EXPECT(fd >= 0);
    EXPECT_EQ(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static bool
hide_b(void *self, const char *name, bool is_dir)
{
    (void)self, (void)is_dir;
    return strcmp(name, "root/b") == 0;
}

static u64
measured(tar_hides *hides)
{
    u64 size;

    reads = 0;
    said[0] = 0;
    EXPECT(tar_measure(&size, "root", folder, hides, NULL));
    EXPECT_EQ(reads, 0);
    EXPECT_EQ(strlen(said), 0);
    return size;
}

// What is measured is what is archived then; nothing is read for it, nothing
// said that the archive's maker will say, and no sum wraps.
TEST(tool_tar_measure)
{
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789"
        "012345678901234567890123456789012345678901234567890123456789012345678"
        "9";
    struct buffer b = {0};
    char file[300];

    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    EXPECT(mkdtemp(folder) != NULL);
    make("a", 1);
    make("b", 1025);
    make(long_name, 512);
    snprintf(file, sizeof(file), "%s/link", folder);
    EXPECT_EQ(symlink("a", file), 0);
    snprintf(file, sizeof(file), "%s/fifo", folder);
    EXPECT_EQ(mkfifo(file, 0600), 0);
    EXPECT(tar_add_path(&b, "root", folder, hide_nothing, NULL));
    EXPECT_EQ(measured(hide_nothing), b.size);
    EXPECT_EQ(measured(hide_nothing) - measured(hide_b), 1536 + 512 + 2 * 512);
    buffer_free(&b);
    all_sizes = 1000 * GIB;
    EXPECT_EQ(measured(hide_nothing) / GIB, 3000);
    all_sizes = INT64_MAX;
    EXPECT_EQ(measured(hide_nothing), UINT64_MAX);
    all_sizes = 0;
    snprintf(file, sizeof(file), "rm -rf %s", folder);
    EXPECT_EQ(system(file), 0);
}
