// tool/grub.c: the parts of GRUB that a disk starts with, made by grub-mkimage
// of what its packages have (media.h).

#include "tool/media.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECTOR = 512, STATUS_NOT_THERE = 127, PART_MOST = 4 * MIB };

// What GRUB needs to find the file system and load from it; the drivers of UEFI
// are the firmware's.
#define MODULES "iso9660", "search_fs_file", "multiboot2"

static const char *const modules_pc[] = {"biosdisk", MODULES, NULL};
static const char *const modules_efi[] = {MODULES, NULL};

struct part {
    const char *dir;   // of the files, below the one of GRUB
    const char *needs; // one of them
    const char *package;
    const char *format; // of grub-mkimage; NULL: the file itself
    const char *const *modules;
};

static const struct part sector_part = {"i386-pc", "boot.img", "grub-pc-bin",
                                        NULL, NULL};
static const struct part core_part = {"i386-pc", "diskboot.img", "grub-pc-bin",
                                      "i386-pc", modules_pc};
static const struct part cd_part = {"i386-pc", "cdboot.img", "grub-pc-bin",
                                    "i386-pc-eltorito", modules_pc};
static const struct part efi_part = {"x86_64-efi", "multiboot2.mod",
                                     "grub-efi-amd64-bin", "x86_64-efi",
                                     modules_efi};

static NORETURN void
exec_mkimage(const struct part *part, const char *dir, int commands, int out)
{
    char config[32], to[32];
    const char *list[24] = {"grub-mkimage", "-d", dir,     "-O",
                            part->format,   "-p", "/boot", "-c",
                            config,         "-o", to};
    u32 count = 11;

    for (u32 i = 0; part->modules[i] != NULL; i++)
        list[count++] = part->modules[i];
    assert(count < COUNT(list));
    snprintf(config, sizeof(config), "/dev/fd/%d", commands);
    snprintf(to, sizeof(to), "/dev/fd/%d", out);
    execvp(list[0], (char **)list);
    complain("grub-mkimage: %s (Debian package grub-common)", strerror(errno));
    _exit(STATUS_NOT_THERE);
}

static bool
wait_for_mkimage(pid_t pid)
{
    int status;

    if (pid < 0)
        return complain("fork: %s", strerror(errno)), false;
    if (waitpid(pid, &status, 0) != pid)
        return complain("grub-mkimage: %s", strerror(errno)), false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != STATUS_NOT_THERE)
        complain("grub-mkimage could not make %s", "its part of the image");
    return false;
}

// The file behind a descriptor.
static bool
load(struct bytes *to, int fd, const char *name)
{
    char path[32];

    snprintf(path, sizeof(path), "/dev/fd/%d", fd);
    int error = file_load(path, PART_MOST, to);
    if (error == 0 && to->size >= SECTOR)
        return true;
    complain("grub-mkimage: %s: %s", name,
             error != 0 ? strerror(error) : "it is too short");
    return false;
}

static bool
make(struct bytes *to, const struct part *part, const char *dir,
     struct bytes commands)
{
    int in = memory_file("commands", commands);
    int out = memory_file(part->format, (struct bytes){0});
    bool done = false;

    if (in < 0 || out < 0) {
        complain("%s: %s", part->format, strerror(errno));
    } else {
        pid_t pid = fork();
        if (pid == 0)
            exec_mkimage(part, dir, in, out);
        done = wait_for_mkimage(pid) && load(to, out, part->format);
    }
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return done;
}

static bool
get(struct bytes *to, const struct part *part, const char *grub,
    struct bytes commands)
{
    char dir[4096], path[4096 + 64];

    snprintf(dir, sizeof(dir), "%s/%s", grub, part->dir);
    snprintf(path, sizeof(path), "%s/%s", dir, part->needs);
    if (access(path, R_OK) != 0) {
        complain("%s: %s (Debian package %s)", path, strerror(errno),
                 part->package);
        return false;
    }
    if (part->format != NULL)
        return make(to, part, dir, commands);
    *to = file_read(path);
    if (to->ptr != NULL && to->size == SECTOR)
        return true;
    if (to->ptr != NULL)
        complain("%s: it is not a sector", path);
    return false;
}

bool
grub_make(struct grub *g, const char *dir, const char *text)
{
    struct bytes commands = {(u8 *)text, strlen(text)};

    *g = (struct grub){0};
    return get(&g->sector, &sector_part, dir, commands) &&
           get(&g->core, &core_part, dir, commands) &&
           get(&g->cd, &cd_part, dir, commands) &&
           get(&g->efi, &efi_part, dir, commands);
}

void
grub_free(struct grub *g)
{
    free(g->sector.ptr);
    free(g->core.ptr);
    free(g->cd.ptr);
    free(g->efi.ptr);
    *g = (struct grub){0};
}
