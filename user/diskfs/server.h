// user/diskfs/server.h: the parts of the program: blk.c, the driver of a disk;
// nodes.c, what the kernel calls files; main.c, its requests.

#pragma once

#include "diskfs.h"

#include <sip_files.h>

// blk.c: find the disk and start it; false after a complaint.  Where it has a
// name, that is `name`.
bool blk_start(struct disk *d, uint32_t device, const char *name);
// A line to whoever looks after it, with the name of the disk.
void complain(const char *line);

// nodes.c: what a number is; NULL: none is called so.
struct inode *node_find(uint32_t number);
// Call an inode so, which is held from then on; 0 or an error.
int32_t node_add(uint32_t number, struct inode *i);
void node_close(uint32_t number);
void nodes_close_all(void);
