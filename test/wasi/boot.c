// test/wasi/boot.c: the initrd: which programs start when, and what is said
// about bad ones.

#include "test/wasi/fake.h"

#include <string.h>

static struct archive a;

static void
add_program(const char *number, const char *mode)
{
    static const char *const names[] = {"app.wasm", "args", "env", "mode"};
    const char *const data[] = {"app", "prog\0", "K=V\0", mode};
    const u64 sizes[] = {3, 5, 4, strlen(mode)};
    char path[64];

    for (u32 i = 0; i < COUNT(names); i++) {
        format(path, sizeof(path), "run/%s/%s", number, names[i]);
        archive_add(&a, path, '0', data[i], sizes[i], "");
    }
}

// Nothing is left but the files, which are freed here.
static u32
boot_whole(void)
{
    struct tree *files;
    u32 status = boot_programs(archive_bytes(&a), &files);

    tree_free(files);
    EXPECT_EQ(fake.blocks, 0);
    return status;
}

static u32
boot(void)
{
    archive_end(&a);
    return boot_whole();
}

TEST(wasi_boot_in_turn)
{
    add_program("0", "");
    add_program("1", "then\n");
    fake.exit_status = 7;
    fake.run_ns = 1000;
    EXPECT_EQ(boot(), 7);
    EXPECT_EQ(fake.started, 2);
    EXPECT_EQ(fake.most_running, 1);
    EXPECT_EQ(fake.now_ns, 2000);
    EXPECT_EQ(strlen(fake.log), 0);
}

// A code file instead of a module; one that is refused is made again.
TEST(wasi_boot_image)
{
    static const struct {
        status_t image, compile;
        u32 status, remade;
        const char *log;
    } table[] = {
        {OK,              OK,            7, 0, ""                        },
        {ERR_UNSUPPORTED, OK,            7, 1,
         "nebulet: app.wasm: the verifier refuses the code\n"            },
        {ERR_MALFORMED,   OK,            1, 0,
         "nebulet: app.wasm: offset 0x0: the verifier refuses the code\n"},
        {ERR_NO_MEMORY,   OK,            1, 0,
         "nebulet: app.wasm: the verifier refuses the code\n"            },
        {ERR_UNSUPPORTED, ERR_MALFORMED, 1, 1,
         "nebulet: app.wasm: the verifier refuses the code\n"
         "nebulet: app.wasm: offset 0x12: integer too large\n"           },
    };

    archive_add(&a, "run/0/image", '0', "image", 5, "");
    archive_end(&a);
    for (u32 i = 0; i < COUNT(table); i++) {
        fake.exit_status = 7 - fake.started;
        fake.images = fake.remade = 0;
        fake.log[0] = 0;
        fake.image = table[i].image;
        fake.compile = table[i].compile;
        EXPECT_EQ(boot_whole(), table[i].status);
        EXPECT_EQ(fake.images, 1);
        EXPECT_EQ(fake.remade, table[i].remade);
        EXPECT_EQ(strcmp(fake.log, table[i].log), 0);
    }
}

// A host's exit status has eight bits: no failure may look like success.
TEST(wasi_boot_exit_status)
{
    static const struct {
        u32 program, host;
    } table[] = {
        {0,          0  },
        {1,          1  },
        {255,        255},
        {256,        1  },
        {257,        1  },
        {0x80000000, 1  },
        {UINT32_MAX, 255},
    };

    add_program("0", "");
    archive_end(&a);
    for (u32 i = 0; i < COUNT(table); i++) {
        fake.exit_status = table[i].program - fake.started;
        EXPECT_EQ(boot_whole(), table[i].host);
    }
}

TEST(wasi_boot_beside)
{
    add_program("0", "");
    add_program("1", "beside");
    add_program("2", "beside");
    add_program("3", "then"); // when all of these have ended
    add_program("4", "beside");
    fake.run_ns = 1000;
    EXPECT_EQ(boot(), 1); // the second one's: the first ends with 0
    EXPECT_EQ(fake.started, 5);
    EXPECT_EQ(fake.most_running, 3);
}

TEST(wasi_boot_timeout)
{
    add_program("0", "");
    add_program("1", "beside");
    add_program("2", "then");
    archive_add(&a, "run/timeout", '0', "250\n", 4, "");
    fake.run_ns = UINT64_MAX;
    EXPECT_EQ(boot(), 124);
    EXPECT_EQ(fake.started, 2);
    EXPECT_EQ(fake.running, 0);
    EXPECT_EQ(fake.now_ns, 250000000);
    EXPECT(strcmp(fake.log, "nebulet: timeout, killing all programs\n") == 0);
}

// What programs spawned ends with them, before the files are freed, which it
// has open.
TEST(wasi_boot_children)
{
    add_program("0", "");
    add_program("1", "then");
    archive_add(&a, "root/x", '0', "", 0, "");
    fake.spawns = true;
    fake.run_ns = 1000;
    EXPECT_EQ(boot(), 1);
    EXPECT_EQ(fake.started, 2);
    EXPECT_EQ(fake.running, 0);
}

TEST(wasi_boot_timeout_children)
{
    add_program("0", "");
    archive_add(&a, "run/timeout", '0', "250", 3, "");
    archive_add(&a, "root/x", '0', "", 0, "");
    fake.spawns = true;
    fake.run_ns = UINT64_MAX;
    EXPECT_EQ(boot(), 124);
    EXPECT_EQ(fake.running, 0);
}

// The time may be over before the archive has been looked through.
TEST(wasi_boot_late_index)
{
    add_program("0", "");
    archive_add(&a, "run/timeout", '0', "250", 3, "");
    archive_add(&a, "root/x", '0', "", 0, "");
    fake.now_ns = 250000000;
    EXPECT_EQ(boot(), 124);
    EXPECT_EQ(fake.started, 0);
    EXPECT(strstr(fake.log, "nebulet: timeout") == fake.log);
}

TEST(wasi_boot_bad_module)
{
    add_program("0", "");
    archive_add(&a, "run/0/path", '0', "dir/x.wasm", 10, "");
    fake.compile = ERR_MALFORMED;
    EXPECT_EQ(boot(), 1);
    EXPECT(strcmp(fake.log,
                  "nebulet: dir/x.wasm: offset 0x12: integer too large\n") ==
           0);
}

TEST(wasi_boot_bad_archives)
{
    EXPECT_EQ(boot(), 1);
    EXPECT(strstr(fake.log, "run/0") != NULL);

    a.size = 0;
    add_program("0", "");
    archive_add(&a, "run/timeout", '0', "soon", 4, "");
    EXPECT_EQ(boot(), 1);
    EXPECT(strstr(fake.log, "run/timeout") != NULL);

    a.size = 0;
    add_program("0", "");
    archive_add(&a, "run/trace", '0', "fd_wrote\n", 9, "");
    EXPECT_EQ(boot(), 1);
    EXPECT(strstr(fake.log, "run/trace: there is no call \"fd_wrote\"") !=
           NULL);

    a.size = 0;
    add_program("0", "");
    archive_add(&a, "run/0/args", '0', "x", 1, "");
    EXPECT_EQ(boot(), 1);
    EXPECT(strstr(fake.log, "zero byte") != NULL);

    a.size = 0;
    archive_add(&a, "run/0/args", '0', "", 0, "");
    EXPECT_EQ(boot(), 1);
    EXPECT(strstr(fake.log, "app.wasm: there is no") != NULL);

    a.size = 0;
    archive_add(&a, "x", '0', "", 0, "");
    a.bytes[0] = 'y';
    EXPECT_EQ(boot(), 1);
    EXPECT(strstr(fake.log, "initrd: offset 0x0: tar: bad checksum") != NULL);
    EXPECT_EQ(fake.started, 0);
}

// Names of directories, of which /f is none, and which may be changed.
static const struct {
    const char *name, *data;
    u64 size;
    const char *log; // NULL: the program runs
} lists[] = {
    {"run/dirs",  "/\0/d\0",     5, NULL                               },
    {"run/dirs",  "/d",          2, NULL                               },
    {"run/dirs",  "",            0, NULL                               },
    {"run/dirs",  "/\0/no\0",    6, "run/dirs: there is no \"/no\""    },
    {"run/dirs",  "/f\0",        3, "run/dirs: there is no \"/f\""     },
    {"run/dirs",  "/../run\0",   8, "run/dirs: there is no \"/../run\""},
    {"run/modes", "w/\0r/d/g\0", 9, NULL                               },
    {"run/modes", "w/no\0",      5, "run/modes: there is no \"w/no\""  },
    {"run/modes", "\0",          1, "run/modes: there is no \"\""      },
};

TEST(wasi_boot_lists)
{
    for (u32 i = 0; i < COUNT(lists); i++) {
        a.size = 0;
        fake.log[0] = 0;
        add_program("0", "");
        archive_add(&a, "root/f", '0', "f", 1, "");
        archive_add(&a, "root/d/g", '0', "g", 1, "");
        archive_add(&a, lists[i].name, '0', lists[i].data, lists[i].size, "");
        EXPECT_EQ(boot(), lists[i].log == NULL ? fake.started - 1 : 1);
        if (lists[i].log == NULL)
            EXPECT_EQ(strlen(fake.log), 0);
        else
            EXPECT(strstr(fake.log, lists[i].log) != NULL);
    }
    EXPECT_EQ(fake.started, 4);
}

// With memory for n blocks, for every n: an error and nothing lost.
TEST(wasi_boot_no_memory)
{
    u32 status = 1;

    add_program("0", "");
    archive_add(&a, "root/f", '0', "f", 1, "");
    archive_end(&a);
    for (u32 n = 1; n < 100 && status != 0; n++) {
        fake.memory_limit = n;
        status = boot_whole();
    }
    EXPECT_EQ(status, 0);
}
