// test/ir/golden.c: test/ir/golden/*.wat hold functions and, in comments at the
// end, the IR that they become.
//
// `make accept` (ACCEPT=1) rewrites what is expected; look at the difference.
// wat2wasm makes the modules; where it is missing the test is skipped.

#include "test/ir/help.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char folder[] = "test/ir/golden", mark[] = ";; expect\n";

// Text that grows.
struct text {
    char *ptr;
    u64 size;
};

static void
append(struct text *to, const char *text, u64 len)
{
    to->ptr = realloc(to->ptr, to->size + len + 1);
    assert(to->ptr != NULL);
    memcpy(to->ptr + to->size, text, len);
    to->size += len;
    to->ptr[to->size] = 0;
}

// A printer that makes every line a comment.
static void
put_comment(struct printer *p, const char *text, u32 len)
{
    struct text *to = p->self;

    for (u32 i = 0; i < len; i++) {
        bool fresh = to->size == 0 || to->ptr[to->size - 1] == '\n';
        append(to, ";; ", fresh ? 3 : 0);
        append(to, &text[i], 1);
    }
}

static status_t
print_parts(struct printer *p, const struct module *m, u32 func,
            struct arena *temp, struct error *error)
{
    struct builder *b;
    struct fn fn = {.part = FN_PART};
    status_t status = parts_open(&b, m, func, 0, temp, error);

    while (status == OK && fn.part != FN_LAST) {
        status = parts_next(b, &fn);
        if (status == OK)
            fn_print(p, &fn);
    }
    return status;
}

static void
print_module(struct text *to, struct bytes bytes, bool plain, bool in_place)
{
    struct arena keep = arena_make(64 * MIB), temp = arena_make(64 * MIB);
    struct printer printer = {put_comment, to};
    struct error error = {0};
    struct module m;
    struct fn fn;

    EXPECT_EQ(module_decode(&m, bytes, &keep, &error), OK);
    u8 *leaves = in_place ? ARENA_NEW(&keep, u8, m.func_count) : NULL;
    for (u32 i = m.func_imports; i < m.func_count && error.status == OK; i++) {
        arena_reset(&temp, 0);
        status_t status = ERR_BUDGET;
        if (!plain)
            status = fn_build(&fn, &m, i, leaves, &temp, &error);
        if (status == OK)
            fn_print(&printer, &fn);
        else if (status == ERR_BUDGET)
            status = print_parts(&printer, &m, i, &temp, &error);
        EXPECT_EQ(status, OK);
    }
    arena_drop(&keep);
    arena_drop(&temp);
}

static void
write_file(const char *path, const struct bytes *head, const struct text *tail)
{
    FILE *f = fopen(path, "wb");

    assert(f != NULL);
    fwrite(head->ptr, 1, head->size, f);
    fputs(mark, f);
    fwrite(tail->ptr, 1, tail->size, f);
    fclose(f);
}

static void
check_golden(const char *name)
{
    char path[300], command[700], wasm[] = "/tmp/ir_golden_XXXXXX";
    struct text text = {NULL, 0};
    int file = mkstemp(wasm);

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    snprintf(command, sizeof(command), "wat2wasm --enable-all %s -o %s", path,
             wasm);
    bool made = file >= 0 && system(command) == 0;
    EXPECT(made);
    if (!made)
        return;
    struct bytes module = file_read(wasm), golden = file_read(path);
    char *expected = strstr((char *)golden.ptr, mark);
    print_module(&text, module,
                 strstr((char *)golden.ptr, ";; mode: plain") != NULL,
                 strstr((char *)golden.ptr, ";; mode: inline") != NULL);

    bool same =
        expected != NULL && strcmp(expected + strlen(mark), text.ptr) == 0;
    if (getenv("ACCEPT") != NULL) {
        if (expected != NULL)
            golden.size = (u64)(expected - (char *)golden.ptr);
        write_file(path, &golden, &text);
    } else {
        if (!same)
            printf("%s: the IR is now\n%s", path, text.ptr);
        EXPECT(same);
    }
    free(module.ptr);
    free(golden.ptr);
    free(text.ptr);
    remove(wasm);
}

TEST(ir_golden)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    u32 count = 0;

    if (system("wat2wasm --version >/dev/null 2>&1") != 0)
        test_skip("no wat2wasm (Debian package wabt)");
    EXPECT(dir != NULL);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".wat") == NULL)
            continue;
        check_golden(entry->d_name);
        count++;
    }
    EXPECT(count > 0);
    closedir(dir);
}
