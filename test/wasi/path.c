// test/wasi/path.c: walking paths: where they lead, and that none leads out.

#include "test/wasi/fake.h"

#include <string.h>

static struct archive a;
static struct tree *tree; // kept for the leak checker
static char buffer[LIMIT_PATH_SIZE];

static struct node *
make_root(void)
{
    struct error error = {OK, 0, NULL};
    struct node *root = NULL;

    archive_add(&a, "secret", '0', "out", 3, "");
    archive_add(&a, "./root/", '5', "", 0, "");
    archive_add(&a, "root/d/e/f", '0', "fff", 3, "");
    archive_add(&a, "root/top", '0', "top", 3, "");
    archive_add(&a, "root/to-f", '2', "", 0, "d/e/f");
    archive_add(&a, "root/to-d", '2', "", 0, "d");
    archive_add(&a, "root/d/up", '2', "", 0, "../top");
    archive_add(&a, "root/d/out", '2', "", 0, "../../secret");
    archive_add(&a, "root/abs", '2', "", 0, "/top");
    archive_add(&a, "root/self", '2', "", 0, "self");
    archive_add(&a, "root/ping", '2', "", 0, "d/../pong");
    archive_add(&a, "root/pong", '2', "", 0, "ping");
    archive_add(&a, "root/none", '2', "", 0, "nothing");
    archive_add(&a, "root/hard", '1', "", 0, "root/d/e/f");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    EXPECT(tree != NULL);
    struct node *top = tree_root(tree);
    EXPECT_EQ(top->ops->lookup(top, STRING("root"), &root), WASI_SUCCESS);
    return root;
}

static const struct {
    const char *path;
    enum follow follow;
    errno_t error;
    const char *data; // of the file or link, "/" for a directory, NULL: none
} walks[] = {
    {"top",                 FOLLOW_ALWAYS,       WASI_SUCCESS, "top"  },
    {"./top",               FOLLOW_ALWAYS,       WASI_SUCCESS, "top"  },
    {"d/e/f",               FOLLOW_ALWAYS,       WASI_SUCCESS, "fff"  },
    {"d//e/./f",            FOLLOW_ALWAYS,       WASI_SUCCESS, "fff"  },
    {"d/e/../../top",       FOLLOW_ALWAYS,       WASI_SUCCESS, "top"  },
    {"hard",                FOLLOW_ALWAYS,       WASI_SUCCESS, "fff"  },
    {".",                   FOLLOW_ALWAYS,       WASI_SUCCESS, "/"    },
    {"d",                   FOLLOW_ALWAYS,       WASI_SUCCESS, "/"    },
    {"d/",                  FOLLOW_ALWAYS,       WASI_SUCCESS, "/"    },
    {"d/..",                FOLLOW_ALWAYS,       WASI_SUCCESS, "/"    },
    {"to-f",                FOLLOW_ALWAYS,       WASI_SUCCESS, "fff"  },
    {"to-f",                FOLLOW_BEFORE_SLASH, WASI_SUCCESS, "d/e/f"},
    {"to-d/e/f",            FOLLOW_BEFORE_SLASH, WASI_SUCCESS, "fff"  },
    {"to-d/",               FOLLOW_BEFORE_SLASH, WASI_SUCCESS, "/"    },
    {"d/up",                FOLLOW_ALWAYS,       WASI_SUCCESS, "top"  },
    {"new",                 FOLLOW_ALWAYS,       WASI_SUCCESS, NULL   },
    {"d/new/",              FOLLOW_ALWAYS,       WASI_SUCCESS, NULL   },
    {"none",                FOLLOW_ALWAYS,       WASI_SUCCESS, NULL   },
    {"",                    FOLLOW_ALWAYS,       WASI_NOENT,   NULL   },
    {"new/x",               FOLLOW_ALWAYS,       WASI_NOENT,   NULL   },
    {"top/",                FOLLOW_ALWAYS,       WASI_NOTDIR,  NULL   },
    {"top/x",               FOLLOW_ALWAYS,       WASI_NOTDIR,  NULL   },
    {"top/.",               FOLLOW_ALWAYS,       WASI_NOTDIR,  NULL   },
    {"top/..",              FOLLOW_ALWAYS,       WASI_NOTDIR,  NULL   },
    {"to-f/",               FOLLOW_ALWAYS,       WASI_NOTDIR,  NULL   },
    {"..",                  FOLLOW_ALWAYS,       WASI_PERM,    NULL   },
    {"../secret",           FOLLOW_ALWAYS,       WASI_PERM,    NULL   },
    {"d/../../root/top",    FOLLOW_ALWAYS,       WASI_PERM,    NULL   },
    {"d/e/../../../secret", FOLLOW_ALWAYS,       WASI_PERM,    NULL   },
    {"/top",                FOLLOW_ALWAYS,       WASI_PERM,    NULL   },
    {"d/out",               FOLLOW_ALWAYS,       WASI_PERM,    NULL   },
    {"abs",                 FOLLOW_ALWAYS,       WASI_PERM,    NULL   },
    {"abs",                 FOLLOW_BEFORE_SLASH, WASI_SUCCESS, "/top" },
    {"self",                FOLLOW_ALWAYS,       WASI_LOOP,    NULL   },
    {"self",                FOLLOW_BEFORE_SLASH, WASI_SUCCESS, "self" },
    {"to-d/",               FOLLOW_NEVER,        WASI_NOTDIR,  NULL   },
    {"to-d",                FOLLOW_NEVER,        WASI_SUCCESS, "d"    },
    {"self/x",              FOLLOW_BEFORE_SLASH, WASI_LOOP,    NULL   },
    {"ping",                FOLLOW_ALWAYS,       WASI_LOOP,    NULL   },
};

// The contents of a file, the target of a symlink.
static struct string
text_of(struct node *n)
{
    if (n->type == FILETYPE_SYMBOLIC_LINK)
        return n->ops->target(n);
    struct bytes data = tree_data(n);
    return (struct string){(const char *)data.ptr, (u32)data.size};
}

TEST(wasi_path_walk)
{
    struct node *root = make_root();

    for (u32 i = 0; i < COUNT(walks); i++) {
        struct place place;
        errno_t error = path_walk(root, string_of(walks[i].path),
                                  walks[i].follow, buffer, &place);
        const char *data = walks[i].data;

        if (error != walks[i].error)
            test_failed(__FILE__, __LINE__, walks[i].path, error,
                        walks[i].error);
        if (error != WASI_SUCCESS)
            continue;
        if (data == NULL) {
            EXPECT(place.node == NULL);
        } else if (place.node == NULL || strcmp(data, "/") == 0) {
            EXPECT(place.node != NULL &&
                   place.node->type == FILETYPE_DIRECTORY);
        } else {
            EXPECT(string_equal(text_of(place.node), string_of(data)));
        }
    }
}

TEST(wasi_path_missing_names)
{
    struct node *root = make_root();
    struct place place;

    EXPECT_EQ(path_walk(root, STRING("d/e/new"), FOLLOW_ALWAYS, buffer, &place),
              WASI_SUCCESS);
    EXPECT(string_equal(place.name, STRING("new")));
    EXPECT(!place.slash);
    EXPECT_EQ(path_walk(root, STRING("d/new//"), FOLLOW_ALWAYS, buffer, &place),
              WASI_SUCCESS);
    EXPECT(string_equal(place.name, STRING("new")));
    EXPECT(place.slash);
}

// Paths of the greatest length, and symlinks that make them too long.
TEST(wasi_path_long)
{
    static char path[LIMIT_PATH_SIZE + 1];
    struct node *root = make_root();
    struct place place;

    memset(path, '/', LIMIT_PATH_SIZE);
    memcpy(path, "d", 1);
    struct string s = {path, LIMIT_PATH_SIZE};
    EXPECT_EQ(path_walk(root, s, FOLLOW_ALWAYS, buffer, &place), WASI_SUCCESS);
    s.len++;
    EXPECT_EQ(path_walk(root, s, FOLLOW_ALWAYS, buffer, &place),
              WASI_NAMETOOLONG);
    s.len--;
    memset(path, 'x', LIMIT_PATH_SIZE);
    EXPECT_EQ(path_walk(root, s, FOLLOW_ALWAYS, buffer, &place),
              WASI_NAMETOOLONG);
    s.len = 255;
    EXPECT_EQ(path_walk(root, s, FOLLOW_ALWAYS, buffer, &place), WASI_SUCCESS);
    s.len = 256;
    EXPECT_EQ(path_walk(root, s, FOLLOW_ALWAYS, buffer, &place),
              WASI_NAMETOOLONG);
    s.len = LIMIT_PATH_SIZE;
    memset(path, '/', LIMIT_PATH_SIZE);
    memcpy(path, "abs", 3);
    EXPECT_EQ(path_walk(root, s, FOLLOW_ALWAYS, buffer, &place), WASI_PERM);
    memcpy(path, "none", 4);
    EXPECT_EQ(path_walk(root, s, FOLLOW_ALWAYS, buffer, &place),
              WASI_NAMETOOLONG);
}

// No mix of names, dots and links leads to the file outside.
TEST(wasi_path_no_escape)
{
    static const char *const parts[] = {"..", ".",    "d",     "e", "to-d",
                                        "up", "out",  "abs",   "f", "",
                                        "..", "root", "secret"};
    struct node *root = make_root();
    u32 state = 1;

    for (u32 n = 0; n < 200000; n++) {
        struct place place;
        char path[128] = "";
        u32 count = 1 + state % 7;
        for (u32 i = 0; i < count; i++) {
            state = state * 1103515245 + 12345;
            strcat(path, parts[state / 65536 % COUNT(parts)]);
            strcat(path, i + 1 < count ? "/" : "");
        }
        if (path_walk(root, string_of(path), FOLLOW_ALWAYS, buffer, &place) ==
                WASI_SUCCESS &&
            place.node != NULL && place.node->type == FILETYPE_REGULAR_FILE)
            EXPECT(memcmp(tree_data(place.node).ptr, "out", 3) != 0);
    }
}

static const struct {
    const char *name;
    struct {
        const char *path, *target;
        char kind;
    } members[3];
} impossible[] = {
    {"dots",         {{"a/../b", "", '0'}}                     },
    {"in a file",    {{"a", "", '0'}, {"a/b", "", '0'}}        },
    {"file on dir",  {{"a/b", "", '0'}, {"a", "", '0'}}        },
    {"root is file", {{"./", "", '0'}}                         },
    {"no target",    {{"a", "b", '1'}}                         },
    {"to itself",    {{"a", "a", '1'}}                         },
    {"to directory", {{"d/", "", '5'}, {"a", "d", '1'}}        },
    {"after device",
     {{"a/b/c", "", '3'}, {"a", "", '0'}, {"a/b/c/d", "", '0'}}},
};

TEST(wasi_tree_impossible)
{
    for (u32 i = 0; i < COUNT(impossible); i++) {
        struct error error = {OK, 0, NULL};

        a.size = 0;
        for (u32 j = 0; j < 3 && impossible[i].members[j].path != NULL; j++)
            archive_add(&a, impossible[i].members[j].path,
                        impossible[i].members[j].kind, "", 0,
                        impossible[i].members[j].target);
        archive_end(&a);
        tree_free(tree_new(archive_bytes(&a), &error));
        EXPECT_EQ(error.status, ERR_MALFORMED);
    }
    EXPECT_EQ(fake.blocks, 0);
}

TEST(wasi_tree_later_member_wins)
{
    struct error error = {OK, 0, NULL};
    struct node *n = NULL;

    archive_add(&a, "f", '0', "old", 3, "");
    archive_add(&a, "g", '3', "", 0, "");
    archive_add(&a, "g/h/i", '0', "", 0, "");
    archive_add(&a, "f", '0', "new!", 4, "");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    EXPECT(tree != NULL);
    struct node *top = tree_root(tree);
    EXPECT_EQ(top->ops->lookup(top, STRING("f"), &n), WASI_SUCCESS);
    EXPECT_EQ(tree_data(n).size, 4);
    EXPECT_EQ(top->ops->lookup(top, STRING("g"), &n), WASI_SUCCESS);
    EXPECT_EQ(n->type, FILETYPE_DIRECTORY);
    tree_free(tree);
    EXPECT_EQ(fake.blocks, 0);
}

// As many names as a path of full length has are walked; symlinks that make
// more of them are refused like those that never end.
TEST(wasi_path_long_ways)
{
    static char path[LIMIT_PATH_SIZE], target[LIMIT_PATH_SIZE];
    struct error error = {OK, 0, NULL};
    struct place place;
    char name[] = "l0";

    for (u32 i = 0; i < LIMIT_PATH_SIZE; i += 2)
        memcpy(path + i, "./", 2);
    for (u32 i = 0; i + 5 < 1000; i += 5)
        memcpy(target + i, "d/../", 5);
    archive_add(&a, "d/", '5', "", 0, "");
    archive_add(&a, "many", '5', "", 0, "");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    struct node *root = tree_root(tree), *made;
    tree_set_writable(root, true);
    EXPECT_EQ(path_walk(root, (struct string){path, LIMIT_PATH_SIZE},
                        FOLLOW_ALWAYS, buffer, &place),
              WASI_SUCCESS);
    // Each link has 398 names, and then the next link.
    for (u32 i = 0; i < 10; i++) {
        struct string text = string_of(target);
        name[1] = (char)('0' + i + 1);
        memcpy(target + text.len, i == 9 ? "." : name, i == 9 ? 2 : 3);
        name[1] = (char)('0' + i);
        EXPECT_EQ(root->ops->create(root, string_of(name),
                                    FILETYPE_SYMBOLIC_LINK, string_of(target),
                                    &made),
                  WASI_SUCCESS);
        target[text.len] = 0;
    }
    EXPECT_EQ(path_walk(root, STRING("l5"), FOLLOW_ALWAYS, buffer, &place),
              WASI_SUCCESS);
    EXPECT_EQ(path_walk(root, STRING("l0"), FOLLOW_ALWAYS, buffer, &place),
              WASI_LOOP);
    tree_free(tree);
}

// As many symlinks as SYMLINKS_MAX are followed.
TEST(wasi_path_many_links)
{
    struct error error = {OK, 0, NULL};
    struct place place;
    char name[8], target[8] = "f";

    archive_add(&a, "f", '0', "", 0, "");
    for (u32 i = 0; i <= SYMLINKS_MAX; i++) {
        format(name, sizeof(name), "l%u", i);
        archive_add(&a, name, '2', "", 0, target);
        memcpy(target, name, sizeof(name));
    }
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    EXPECT_EQ(path_walk(tree_root(tree), STRING("l39"), FOLLOW_ALWAYS, buffer,
                        &place),
              WASI_SUCCESS);
    EXPECT_EQ(path_walk(tree_root(tree), STRING("l40"), FOLLOW_ALWAYS, buffer,
                        &place),
              WASI_LOOP);
    tree_free(tree);
}
