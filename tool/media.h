// tool/media.h: what a machine boots from, for `nebulet image`.
//
// A disk is one sequence of bytes that is an ISO 9660 file system with El
// Torito and a hard disk with partitions, too: whatever a firmware takes it
// for, it finds a GRUB that loads the kernel and the initrd from that file
// system.  The same input gives the same bytes.

#pragma once

#include "tool/tool.h"

// Numbers on a disk, the low byte first.
static inline void
put16(u8 *to, u32 value)
{
    to[0] = (u8)value;
    to[1] = (u8)(value >> 8);
}

static inline void
put32(u8 *to, u32 value)
{
    put16(to, value);
    put16(to + 2, value >> 16);
}

// --- grub.c ------------------------------------------------------------------

// The programs of GRUB for each way to start: read from what the packages of
// Debian have in `dir`, or made of it.
struct grub {
    struct bytes sector; // of a hard disk by a BIOS, 512 bytes
    struct bytes core;   // what that loads, from the sector that it is told
    struct bytes cd;     // both for a CD
    struct bytes efi;    // a program for UEFI
};

// All of them with these commands; false after a complaint, which names the
// package where something is missing.
MUST_USE bool grub_make(struct grub *g, const char *dir, const char *commands);
void grub_free(struct grub *g);

// --- fat.c -------------------------------------------------------------------

// Append a file system, FAT12, with one file, EFI/BOOT/BOOTX64.EFI; false after
// a complaint.
MUST_USE bool fat_put(struct buffer *out, struct bytes efi, i64 seconds);

// --- iso.c -------------------------------------------------------------------

struct iso_file {
    const char *name; // "NEBULET.ELF", in the directory BOOT
    struct bytes contents;
};

enum { ISO_FILES_MAX = 8 };

struct iso {
    struct iso_file files[ISO_FILES_MAX];
    u32 count;
    const struct grub *grub;
    struct bytes esp; // the file system for UEFI
    i64 seconds;      // its date, since 1970
};

// Write it; 0 or an errno.
MUST_USE int iso_write(const struct iso *iso, int fd);

// --- media.c -----------------------------------------------------------------

struct media {
    const char *out; // a file, or a directory where it is a pair
    bool pair;       // a kernel and an initrd
    bool layout;     // an OCI image layout (tool/layout.c)
    bool artifact;   // as an artifact
    const char *grub;
};

// False after a complaint.
MUST_USE bool media_write(const struct media *m, struct bytes initrd);

// Write a file; false after a complaint.
MUST_USE bool media_save(const char *path, struct bytes contents);

// What SOURCE_DATE_EPOCH says; false: it is not there.  Nonsense is complained
// of once and ignored.
bool media_date(i64 *seconds);
