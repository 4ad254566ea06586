// tool/script.h: an official test script in binary form, so that the same
// runner (script.c, freestanding) executes it on every port: the host command
// translates JSON into it (script_json.c).
//
// A script is u8 `without`, the features that its modules may not use (enum
// wasm_feature: what is valid differs between the official suites), and then a
// sequence of records, little endian:
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
//     END
//
//     text, blob   u32 size, bytes
//     action       u8 invoke, text module ("" = the newest), text field, list
//     list         u32 count, values
//     value        u8 kind, u8 lane size, u8[16] bits, u8[16] nan (by lane)
//     either       as an expected value of kind EITHER: u32 count, values
//
// References: HOST_REF has the number in bits; NULL_REF and ANY_REF carry
// nothing.

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
};

enum script_kind {
    SCRIPT_I32,
    SCRIPT_I64,
    SCRIPT_F32,
    SCRIPT_F64,
    SCRIPT_V128,
    SCRIPT_HOST_REF, // externref or anyref made by the host
    SCRIPT_NULL_REF,
    SCRIPT_ANY_REF,   // expected: any reference that is not null
    SCRIPT_ANY_VALUE, // expected: anything
    SCRIPT_EITHER,
};

enum script_nan {
    SCRIPT_EXACT,
    SCRIPT_CANONICAL, // canonical NaN of either sign
    SCRIPT_ARITHMETIC // any NaN whose quiet bit is set
};

struct script_value {
    u8 kind;
    u8 lane; // bytes of a lane, for the NaN patterns
    u8 bits[16];
    u8 nan[16]; // enum script_nan by lane
};

struct script_result {
    u32 passed, failed, skipped;
};

// Run a script.  `name` and the line are put before each failure's message,
// which goes to `say`.
struct script_result script_run(struct bytes script, const char *name,
                                void (*say)(const char *text));

// script_boot.c: run every file of the archive as a script, print failures and
// the closing line; the exit status.
u32 script_boot(struct bytes initrd);
