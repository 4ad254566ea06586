// make/abi.h: what the files of the printer of tables offer each other: abi.c
// is the program, and prints what is not here.

#pragma once

// abi2018.c: the module "abi", for C programs and for people.
void print_2018_c(void);
void print_2018_doc(void);
