// test/x64/select.c: the instructions selected for short bodies, as text.

#include "test/x64/exec.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CODE_MAX = 64, TEXT_MAX = 4096, ARENA_SIZE = 1 << 26 };

static const struct selection {
    const char *name, *sig, *want;
    u8 code[CODE_MAX];
    u32 size;
} selections[] = {
#define SELECT(name, sig, want, ...) \
    {name, sig, want, {__VA_ARGS__}, sizeof((u8[]){__VA_ARGS__})},
#include "test/x64/select.def"
};

struct text {
    char bytes[TEXT_MAX];
    u32 len;
};

static void
text_put(struct printer *p, const char *bytes, u32 len)
{
    struct text *text = p->self;

    assert(text->len + len < TEXT_MAX);
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static struct arena
arena_make(void)
{
    struct arena arena;
    void *memory = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert(memory != MAP_FAILED);
    arena_init_fixed(&arena, memory, ARENA_SIZE);
    return arena;
}

static void
select_text(const struct selection *selection, struct text *text)
{
    struct arena code_arena = arena_make(), keep = arena_make(),
                 temp = arena_make();
    struct printer printer = {text_put, text};
    const struct compile_options options = {.features = CPU_SSE41 | CPU_LZCNT |
                                                        CPU_BMI1 | CPU_BMI2,
                                            .dump = &printer,
                                            .dump_step = "select",
                                            .dump_func = NO_INDEX};
    struct exec_module m = {.pages = 1};
    struct exec_bytes body = {0};
    struct error error = {0};
    struct module module;
    struct code code;

    bytes_put(&body, selection->code, selection->size);
    exec_module_add(&m, selection->sig, "", &body);
    free(body.ptr);
    struct bytes bytes = exec_module_finish(&m);
    status_t status = module_decode(&module, bytes, &keep, &error);
    if (status == OK)
        status = module_compile(&code, &module, &options, &code_arena, &keep,
                                &temp, &error);
    EXPECT_EQ(status, OK);
    free(bytes.ptr);
    munmap(code_arena.base, ARENA_SIZE);
    munmap(keep.base, ARENA_SIZE);
    munmap(temp.base, ARENA_SIZE);
}

TEST(select_listings)
{
    for (u32 i = 0; i < COUNT(selections); i++) {
        static struct text text;
        text = (struct text){0};
        select_text(&selections[i], &text);
        const char *body = strchr(text.bytes, '\n'); // after the name
        if (body != NULL && strcmp(body + 1, selections[i].want) == 0)
            continue;
        printf("%s:\n%s", selections[i].name, text.bytes);
        test_failed(__FILE__, __LINE__, selections[i].name, 0, 1);
    }
}
