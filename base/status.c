// base/status.c: outcomes, and strings to speak of them.

#include "base/base.h"

const char *
status_text(status_t status)
{
    switch (status) {
#define STATUS(number, id, text) \
    case number:                 \
        return text;
#include "abi/status.def"
    }
    return "unknown status";
}

void
error_set(struct error *error, status_t status, u64 at, const char *what)
{
    if (error->status == OK)
        *error = (struct error){status, at, what};
}

bool
string_equal(struct string a, struct string b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

struct string
string_of(const char *terminated)
{
    u32 len = 0;

    while (terminated[len] != 0)
        len++;
    return (struct string){terminated, len};
}
