// bench/vm.c: a switch in a loop; an interpreter of a toy byte code.

#include "bench/bench.h"

enum { PUSH, ADD, SUB, LOAD, STORE, JNZ, HALT, MUL, XOR };

static const uint8_t code[] = {
    LOAD, 1,   LOAD,  0, ADD,  STORE, 1,   LOAD, 1,   PUSH,
    13,   MUL, LOAD,  0, XOR,  STORE, 1,   LOAD, 0,   PUSH,
    1,    SUB, STORE, 0, LOAD, 0,     JNZ, 0,    HALT};

static uint32_t
interpret(uint32_t count)
{
    uint32_t stack[16], vars[4] = {count, 7, 0, 0}, sp = 0, pc = 0;

    for (;;) {
        switch (code[pc++]) {
        case PUSH:
            stack[sp++] = code[pc++];
            break;
        case ADD:
            sp--;
            stack[sp - 1] += stack[sp];
            break;
        case SUB:
            sp--;
            stack[sp - 1] -= stack[sp];
            break;
        case MUL:
            sp--;
            stack[sp - 1] *= stack[sp];
            break;
        case XOR:
            sp--;
            stack[sp - 1] ^= stack[sp];
            break;
        case LOAD:
            stack[sp++] = vars[code[pc++]];
            break;
        case STORE:
            vars[code[pc++]] = stack[--sp];
            break;
        case JNZ:
            pc = stack[--sp] ? code[pc] : pc + 1;
            break;
        case HALT:
            return vars[1];
        }
    }
}

uint32_t
kernel(void)
{
    return interpret(5000000 + bench_zero);
}
