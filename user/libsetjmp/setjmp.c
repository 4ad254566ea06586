// user/libsetjmp/setjmp.c: what clang's calls of setjmp and longjmp come down
// to.
//
// A function that calls setjmp has a table of its calls, which it starts with
// room for four and frees in the end: the id that a call gave its jmp_buf, and
// the label behind that call.  longjmp throws {jmp_buf, value}; a function that
// catches it looks the id up in its table and goes on at the label, or throws
// it again.

#include <stdint.h>
#include <stdlib.h>

struct entry {
    uint32_t id, label; // id 0 ends the table
};

struct jump {
    uint32_t *env;
    int32_t value;
};

// Second results: the size of a table, the value of a jump.
static int32_t second;
static uint32_t last_id;
static struct jump jump;

enum { TAG_LONGJMP = 1 };

struct entry *saveSetjmp(uint32_t *env, uint32_t label, struct entry *table,
                         uint32_t size);
uint32_t testSetjmp(uint32_t id, const struct entry *table, uint32_t size);
int32_t getTempRet0(void);
void setTempRet0(int32_t value);
_Noreturn void __wasm_longjmp(uint32_t *env, int32_t value);

// Note a call of setjmp; the table, which may have moved, and its size.
// The same call on a jmp_buf that it filled before keeps its entry, so that
// loops do not fill the table.
struct entry *
saveSetjmp(uint32_t *env, uint32_t label, struct entry *table, uint32_t size)
{
    uint32_t at = 0;

    second = (int32_t)size;
    for (; table[at].id != 0; at++)
        if (table[at].label == label && table[at].id == *env)
            return table;
    if (at + 1 >= size) {
        size = 2 * size;
        table = realloc(table, size * sizeof(*table));
        if (table == NULL)
            abort();
        second = (int32_t)size;
    }
    *env = ++last_id;
    table[at] = (struct entry){last_id, label};
    table[at + 1].id = 0;
    return table;
}

// The label behind the call of setjmp with that id; 0: not in this table.
uint32_t
testSetjmp(uint32_t id, const struct entry *table, uint32_t size)
{
    for (uint32_t at = 0; at < size && table[at].id != 0; at++)
        if (table[at].id == id)
            return table[at].label;
    return 0;
}

int32_t
getTempRet0(void)
{
    return second;
}

void
setTempRet0(int32_t value)
{
    second = value;
}

_Noreturn void
__wasm_longjmp(uint32_t *env, int32_t value)
{
    jump = (struct jump){env, value != 0 ? value : 1};
    __builtin_wasm_throw(TAG_LONGJMP, &jump);
}
