// wasi/boot.h: what boot.c, which runs the programs of an initrd, and mounts.c,
// which runs those that serve their files, know of each other.

#pragma once

#include "wasi/wasi.h"

enum { STATUS_BAD = 1, TEXT_SIZE = 400 };

struct program {
    struct process *process;   // NULL: not started
    struct process_call *call; // instead of its entry, or NULL
    u32 status;
    bool ended;
};

// A directory that a process serves, run/served/N, or the network, run/net.
struct mount {
    struct boot *boot;
    struct node *dir;   // run/served/N or run/net
    struct string name; // of programs for it
    struct served *files;
    struct network *network; // instead of files; or NULL
    struct node *root;       // NULL: it is not there yet
    struct process *process; // NULL: not started
    struct thread *keeper;   // who starts another when it ends; NULL: nobody
};

struct boot {
    struct tree *tree;
    struct group *group;   // of the programs, and of all that they start
    struct group *servers; // of their files; NULL: there are none
    struct node *run;      // the directory
    struct mount *mounts;
    u32 mount_count;
    struct preopen *preopens;
    u32 preopen_count;
    struct node **listeners; // of the first program
    u32 listener_count;
    u32 terminals;
    struct object *terminal; // NULL: the host's, as far as we care
    u64 deadline_ns;
    bool timed_out;
    u32 count; // of programs
    struct program programs[];
};

// The work of loading, which takes its time: in a thread of its own, so that it
// can be killed.
struct loading {
    struct group *group;
    struct node *dir;
    struct served *served;   // that it is to serve, or NULL
    struct network *network; // the same
    bool listens;            // it has the listeners
    struct process *process;
    struct node *blamed; // of the module that an error is about
    struct error error;
    char details[TEXT_SIZE];
    status_t status;
};

// --- boot.c ------------------------------------------------------------------

// A line on the log about a module of l.
void boot_report(const struct loading *l, status_t status);
// Let there be a process, of `struct loading *`, and a status.
void boot_load(void *arg);
// In a thread of its own; l->process is there afterwards, or not.
MUST_USE status_t boot_load_in_time(struct boot *boot, struct loading *l);
// Start what was loaded; *call is the caller's, where there is one.
MUST_USE status_t boot_launch(const struct boot *boot, struct loading *l,
                              struct process_call **call);
void boot_time_out(struct boot *boot);
// All is over for who is left in it: it holds no file any more after this.
void boot_end_group(struct group *g);

// --- mounts.c ----------------------------------------------------------------

// Start those of run/served, in order, and find their roots, and that of
// run/net; false after saying why not.
MUST_USE bool mounts_start(struct boot *boot);
// The root that programs call so, or NULL.
struct node *mounts_find(const struct boot *boot, struct string name);
// Nobody has a file of them open any more.  They hear that, and have time to
// end what they have begun.
void mounts_end(struct boot *boot);
