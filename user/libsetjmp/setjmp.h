// user/libsetjmp/setjmp.h: setjmp and longjmp on exceptions, for Debian's
// wasi-libc, which has none.  Compile everything that calls setjmp or longjmp,
// and this folder, with
//
//     -mllvm -wasm-enable-sjlj -mexception-handling
//
// One thread only: see libpthread for programs that have several.

#pragma once

typedef unsigned long jmp_buf[2]; // [0]: which call of setjmp filled it

int setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf env, int value);
