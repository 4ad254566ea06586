// user/spawn/spawn_test.h: what the parts of this program share, which starts
// itself as others, as POSIX programs do.

#pragma once

// End with status 1 when this does not hold.
void expect(int condition, const char *what);

// system() and popen() where there is a shell, and where there is none.
void commands(void);
void commands_without_shell(void);
// Both in a program whose pipes have the descriptors that a command is to have.
int low_descriptors(void);
