// kernel/code_module.c: bytes to compiled code, once, for all processes.
//
// The bytes are copied before anybody looks at them, so their owner cannot
// change them afterwards.  What a compiled module needs for good is in `keep`;
// the machine code is in the port's code arena, where nobody can write.

#include "kernel/kernel.h"

static bool
commit(struct arena *arena, u64 from, u64 to)
{
    return port_commit(arena->base + from, to - from);
}

// An arena of at most `size` bytes.
static bool
arena_new(struct arena *arena, u64 size)
{
    size = ALIGN_UP(size, PAGE_SIZE);
    u8 *base = port_reserve(size, PAGE_SIZE);

    *arena = (struct arena){.base = base, .reserved = size, .commit = commit};
    return base != NULL;
}

static void
arena_free(struct arena *arena)
{
    if (arena->base != NULL)
        port_release(arena->base, arena->reserved);
    arena->base = NULL;
}

static status_t
copy_bytes(struct code_module *m, struct bytes bytes)
{
    m->reserved = ALIGN_UP(MAX(bytes.size, 1), PAGE_SIZE);
    m->bytes.ptr = port_reserve(m->reserved, PAGE_SIZE);
    if (m->bytes.ptr == NULL || !port_commit(m->bytes.ptr, m->reserved))
        return ERR_NO_MEMORY;
    memcpy(m->bytes.ptr, bytes.ptr, bytes.size);
    m->bytes.size = bytes.size;
    return OK;
}

static status_t
publish(struct code_module *m)
{
    if (m->code.size == 0)
        return OK; // nothing can be called
    m->text = port_code_publish(m->code.text, m->code.size);
    m->code.text = NULL;
    return m->text != NULL ? OK : ERR_NO_MEMORY;
}

static status_t
compile(struct code_module *m, struct error *error)
{
    struct compile_options options = {.features = cpu_features_detect()};
    struct arena text = {0}, temp = {0};
    status_t status = ERR_NO_MEMORY;

    // Address space only; what is used is committed step by step.
    if (arena_new(&text, 64 * m->bytes.size + 16 * MIB) &&
        arena_new(&temp, 1024 * m->bytes.size + GIB)) {
        status = module_compile(&m->code, &m->module, &options, &text, &m->keep,
                                &temp, error);
        if (status == OK)
            status = publish(m);
    }
    arena_free(&text);
    arena_free(&temp);
    return status;
}

static status_t
register_types(struct code_module *m)
{
    u32 count = m->module.type_count;
    u32 *ids = ARENA_NEW(&m->keep, u32, count + 1);

    if (ids == NULL)
        return ERR_NO_MEMORY;
    status_t status = types_register(&m->module, ids);
    if (status == OK)
        m->ids = ids;
    return status;
}

status_t
code_module_new_without(struct code_module **out, struct bytes bytes,
                        u32 without, struct error *error)
{
    struct code_module *m = kernel_alloc(sizeof(*m));
    status_t status;

    *error = (struct error){OK, 0, NULL};
    if (m == NULL)
        return ERR_NO_MEMORY;
    object_init(&m->object, &code_module_type);
    if (bytes.size > LIMIT_MODULE_SIZE)
        status = ERR_LIMIT;
    else if (!arena_new(&m->keep, 256 * bytes.size + 16 * MIB))
        status = ERR_NO_MEMORY;
    else
        status = copy_bytes(m, bytes);
    if (status == OK)
        status = module_decode_without(&m->module, m->bytes, without, &m->keep,
                                       error);
    if (status == OK)
        status = compile(m, error);
    if (status == OK)
        status = register_types(m);
    if (status == OK) {
        *out = m;
        return OK;
    }
    error_set(error, status, 0, status_text(status));
    object_release(&m->object);
    return status;
}

status_t
code_module_new(struct code_module **out, struct bytes bytes,
                struct error *error)
{
    return code_module_new_without(out, bytes, 0, error);
}

void
code_module_free(struct object *o)
{
    struct code_module *m = CONTAINER(o, struct code_module, object);

    if (m->ids != NULL)
        types_release(m->ids, m->module.type_count);
    if (m->text != NULL)
        port_code_release(m->text, m->code.size);
    if (m->bytes.ptr != NULL)
        port_release(m->bytes.ptr, m->reserved);
    arena_free(&m->keep);
    kernel_free(m);
}

void
code_module_release(struct code_module *m)
{
    if (m != NULL)
        object_release(&m->object);
}

const struct module *
code_module_info(const struct code_module *m)
{
    return &m->module;
}

const struct code *
code_module_code(const struct code_module *m)
{
    return &m->code;
}
