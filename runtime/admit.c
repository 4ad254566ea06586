// runtime/admit.c: what was compiled becomes executable.
//
// All that is judged can no longer be written by anybody when it is: the code
// where it will be executed, the tables beside it and the bytes of the module
// (port_code_write, port_seal).  All other code of the system is the kernel's
// own text (port/x64): the stubs around generated code, adapters between
// instances, and the C functions that programs import.

#include "runtime/internal.h"

#include "compile/compile.h"

enum { WORDS = 256 };

static status_t
refuse(const struct compiled *m, const struct code *code,
       const struct verify_error *e, const struct code_source *source,
       struct error *error)
{
    char words[WORDS];

    module_compile_words(words, sizeof(words), &m->module, code, e);
    if (source->text != NULL)
        format(source->text, source->text_size, "%s", words);
    else
        klog("nebulet: %s", words);
    error_set(error, ERR_UNSUPPORTED, 0, "the verifier refuses the code");
    return ERR_UNSUPPORTED;
}

// What the threads that judge share.
struct judging {
    struct module_judging of;
    struct verify_error refused;
};

static status_t
judge_piece(void *self, u32 piece, struct arena *temp, bool alone)
{
    struct judging *j = self;
    struct verify_error refused;
    status_t status = module_compile_judge(&j->of, piece, temp, &refused);

    if (alone && status == ERR_INVALID)
        j->refused = refused;
    return status;
}

static status_t
judge(struct judging *j, const struct compiled *m, const struct code *code,
      struct arena *temp)
{
    status_t status = module_compile_judging(&j->of, code, &m->module,
                                             cpu_features, temp, &j->refused);
    const struct crew_work work = {.pieces = j->of.pieces,
                                   .room = module_compile_judge_room(&j->of),
                                   .run = judge_piece,
                                   .self = j};

    return status == OK ? crew_run(&work, temp) : status;
}

status_t
verify_and_map(struct compiled *m, struct arena *temp,
               const struct code_source *source, struct error *error)
{
    struct judging j;
    struct code code = m->code;

    code.text = m->text;
    status_t status = judge(&j, m, &code, temp);
    if (status == ERR_INVALID)
        return refuse(m, &code, &j.refused, source, error);
    if (status == OK && m->text != NULL &&
        !port_code_execute(m->text, m->code.size))
        return ERR_NO_MEMORY;
    return status;
}
