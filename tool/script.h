// tool/script.h: an official test script in binary form, so that the same
// runner (script.c, freestanding) executes it on every port: the host command
// translates JSON into it (script_json.c).
//
// A script is u8 `without`, the features that its modules may not use (enum
// wasm_feature: what is valid differs between the official suites), u8
// `may_lack`, those whose absence may be why a module is to be refused, and
// then a sequence of records, little endian:
//
//     u32 line, u8 command, then by command:
//
//     MODULE, DEFINITION      text name, text file, blob module
//     INSTANCE                text instance, text definition
//     REGISTER                text as, text name
//     ACTION                  action
//     RETURN                  action, list of expected
//     TRAP, EXHAUSTION        action, text message
//     EXCEPTION               action
//     MALFORMED, INVALID, UNLINKABLE, UNINSTANTIABLE
//                             text message, text file, blob module
//     TEXT_MODULE             text name: skipped, and so is what needs it
//     TEXT                    an assertion on a module in the text format
//     END
//
//     text, blob   u32 size, bytes
//     action       u8 invoke, text module ("" = the newest), text field, list
//     list         u32 count, values
//     value        struct script_value
//     either       as an expected value of kind EITHER: u32 count, values

#pragma once

#include "base/base.h"

enum script_command {
    SCRIPT_END,
    SCRIPT_MODULE,
    SCRIPT_DEFINITION,
    SCRIPT_INSTANCE,
    SCRIPT_REGISTER,
    SCRIPT_ACTION,
    SCRIPT_RETURN,
    SCRIPT_TRAP,
    SCRIPT_EXHAUSTION,
    SCRIPT_EXCEPTION,
    SCRIPT_MALFORMED,
    SCRIPT_INVALID,
    SCRIPT_UNLINKABLE,
    SCRIPT_UNINSTANTIABLE,
    SCRIPT_TEXT_MODULE,
    SCRIPT_TEXT,
};

// Arguments are of the kinds up to SCRIPT_NULL_REF.
enum script_kind {
    SCRIPT_NUMBER,   // in bits
    SCRIPT_HOST_REF, // made by the host of the number in bits
    SCRIPT_NULL_REF,
    SCRIPT_ANY_REF,   // any reference of the type that is not null
    SCRIPT_ANY_VALUE, // any of the type
    SCRIPT_EITHER,    // has no type
};

enum script_nan {
    SCRIPT_EXACT,
    SCRIPT_CANONICAL, // canonical NaN of either sign
    SCRIPT_ARITHMETIC // any NaN whose quiet bit is set
};

struct script_value {
    u32 type; // valtype_t; a null of no named type is a HEAP_BOT
    u8 kind;
    u8 lane; // bytes of a lane, for the NaN patterns
    u8 bits[16];
    u8 nan[16]; // enum script_nan by lane
};

struct script_result {
    u32 passed, failed;
    u32 skipped;
};

// Run a script.  `name` and the line are put before each failure's message,
// which goes to `say`.
struct script_result script_run(struct bytes script, const char *name,
                                void (*say)(const char *text));

// Add the counts of one script to those of several.
void script_add(struct script_result *sum, struct script_result r);

// Did something run, and nothing fail?
bool script_good(struct script_result r);

// Why commands were skipped, " (...)", or "" when none were.
const char *script_reason(struct script_result r);

// script_boot.c: run every file of the archive as a script, print failures and
// the closing line; the exit status.
u32 script_boot(struct bytes initrd);
