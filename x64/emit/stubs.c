// x64/emit/stubs.c: a stub for each import, so that a function of the module
// can be called by number, whatever it is.

#include "x64/emit/emit.h"

static void
put_mem(struct encoder *e, u32 op, reg_t reg, reg_t base, u64 disp)
{
    encode(e, &(struct mins){.op = (u16)op,
                             .flags = MINS_MEM,
                             .def = reg,
                             .a = reg,
                             .base = base,
                             .index = REG_NONE,
                             .disp = (i32)disp});
}

//     lea rax, [r14 + import];  jmp [rax]
static void
put_stub(struct encoder *e, const struct module *m, u32 func)
{
    u64 at = vmctx_imports_at(&m->layout, func);

    put_mem(e, X64_LEA64, REG_RAX, REG_VMCTX, at);
    put_mem(e, X64_TAIL_RM, REG_RAX, REG_RAX,
            offsetof(struct func_entry, code));
}

status_t
emit_stubs(struct image *image)
{
    const struct module *m = image->module;
    u32 start = (u32)image->code->size;

    for (u32 i = 0; i < m->func_imports; i++) {
        struct encoder e = {.at = image_grow(image, ENCODE_ROOM)};
        if (e.at == NULL)
            return ERR_NO_MEMORY;
        e.end = e.at + ENCODE_ROOM;
        image_define(image, i, (u32)(e.at - image->code->text));
        put_stub(&e, m, i);
        assert(!e.full);
        image_trim(image, e.at);
    }
    if (m->func_imports == 0)
        return OK;
    return image_func(image, (struct func_code){.start = start,
                                                .end = (u32)image->code->size,
                                                .func = NO_INDEX});
}
