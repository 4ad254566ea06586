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
       const struct verify_error *e, struct error *error)
{
    char words[WORDS];

    module_compile_words(words, sizeof(words), &m->module, code, e);
    klog("nebulet: %s", words);
    error_set(error, ERR_UNSUPPORTED, 0, "the verifier refuses the code");
    return ERR_UNSUPPORTED;
}

status_t
verify_and_map(struct compiled *m, struct arena *temp, struct error *error)
{
    struct verify_error refused;
    struct code code = m->code;

    code.text = m->text;
    status_t status =
        module_compile_verify(&code, &m->module, cpu_features, temp, &refused);
    if (status == ERR_INVALID)
        return refuse(m, &code, &refused, error);
    if (status == OK && m->text != NULL &&
        !port_code_execute(m->text, m->code.size))
        return ERR_NO_MEMORY;
    return status;
}
