// tool/script_run.h: inside of the runner of scripts.  script.c has the
// commands, script_module.c modules and instances, script_value.c what is
// expected, script_action.c what is done.

#pragma once

#include "tool/script.h"

#include "runtime/runtime.h"

// An instance, or a module that has none yet, under a name of the script.
struct named {
    struct string name;
    struct instance *instance;
    struct code_module *code;
};

struct names {
    struct named *list;
    u32 count, room;
};

struct script {
    const char *name;
    void (*say)(const char *text);
    struct script_result result;

    const u8 *at, *end;   // the next byte
    u8 without, may_lack; // sets of enum wasm_feature, see script.h
    u32 line;

    struct store *store;
    bool in_text; // the newest module is in the text format: it was not read
    struct instance *newest;
    struct code_module *newest_code; // of the newest definition
    struct names named;              // "$name" of the script
    struct names registered;         // what imports name
};

// --- script_module.c ---------------------------------------------------------

// The newest of this name; NULL: none.
struct named *script_find(const struct names *names, struct string name);
void script_name(struct names *names, struct named item);

// The instance a script calls by name, or its newest.
struct instance *script_instance(struct script *s, struct string name);

// What became of a module.
struct outcome {
    status_t status;
    const char *what; // in the suite's words, when the status is not OK
};

// `without`: enum wasm_feature.
struct outcome script_compile(struct bytes bytes, u32 without,
                              struct code_module **out);

// Instantiate, after what it imports.
struct outcome script_load(struct script *s, struct code_module *code,
                           struct instance **out);

// --- script_value.c ----------------------------------------------------------

// A type, and the module that it is of.
struct typed {
    const struct module *module;
    valtype_t type;
};

// Can a script pass this value where a parameter has that type?
bool script_is_argument(const struct script_value *v, const struct typed *t);
union value script_value_of(const struct script_value *v);

// Is a result the expected one?
bool script_value_matches(const struct script_value *want,
                          const struct typed *t, const union value *got);

// As in the official interpreter the expected message is a prefix of ours, of
// whole words.  Where it says which one, or why, ours need not.
bool script_message_matches(struct string want, const char *got);

// --- script_action.c ---------------------------------------------------------

struct action {
    bool invoke;
    struct string module, field;
    const u8 *args; // arg_count times a struct script_value
    u32 arg_count;
};

// What an action gave; freed with
// script_results_free().
struct results {
    union value *values;
    const struct module *module;
    const valtype_t *types; // of the values, in the module
    u32 count, room;
};

// Do the action; what it gave is in *r, whatever became of it.
struct outcome script_act(struct script *s, const struct action *a,
                          struct results *r);
void script_results_free(struct results *r);
