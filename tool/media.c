// tool/media.c: write what a machine boots from (media.h): the kernel without
// what only debuggers read, and an initrd, on a disk or as two files.

#include "tool/media.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INITRD_MIB_MAX = 1984, // all of it has to be below 4 GiB, with devices
    YEAR_1980 = 315532800, // the first date of a FAT
};

bool
media_date(i64 *seconds)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    static bool said;
    u64 number;

    if (text == NULL || text[0] == 0)
        return false;
    const char *end = number_read(text, INT64_MAX, &number);
    if (end != NULL && *end == 0) {
        *seconds = (i64)number;
        return true;
    }
    if (!said)
        complain("note: SOURCE_DATE_EPOCH=%s is not a number of seconds since "
                 "1970, and has no effect",
                 text);
    said = true;
    return false;
}

// --- the kernel --------------------------------------------------------------

static bool
is_kernel(struct bytes file)
{
    const Elf64_Ehdr *head = (const void *)file.ptr;

    return file.size >= sizeof(*head) &&
           memcmp(head->e_ident, ELFMAG, SELFMAG) == 0 &&
           head->e_phentsize == sizeof(Elf64_Phdr) && head->e_phoff % 8 == 0 &&
           head->e_phoff <= file.size &&
           head->e_phnum <= (file.size - head->e_phoff) / sizeof(Elf64_Phdr);
}

// Cut off what is not loaded; false after a complaint.
static bool
trim(struct bytes *file, const char *path)
{
    Elf64_Ehdr *head = (void *)file->ptr;
    u64 end = 0;

    if (!is_kernel(*file))
        return complain("%s: not a kernel", path), false;
    const Elf64_Phdr *list = (const void *)(file->ptr + head->e_phoff);
    for (u32 i = 0; i < head->e_phnum; i++)
        end = MAX(end, list[i].p_offset + list[i].p_filesz);
    if (end < head->e_phoff + head->e_phnum * sizeof(*list) || end > file->size)
        return complain("%s: not a kernel", path), false;
    head->e_shoff = 0;
    head->e_shnum = head->e_shstrndx = 0;
    file->size = end;
    return true;
}

static bool
read_kernel(struct bytes *kernel)
{
    char path[4096];

    *kernel = file_read(kernel_path("nebulet.elf", path, sizeof(path)));
    return kernel->ptr != NULL && trim(kernel, path);
}

// --- writing -----------------------------------------------------------------

// A disk by itself: the name of a file on it finds it among others.
struct identity {
    char text[17];
};

static struct identity
identify(struct bytes kernel, struct bytes initrd)
{
    struct digest both[2] = {digest_of(kernel), digest_of(initrd)};
    struct digest digest = digest_of((struct bytes){(u8 *)both, sizeof(both)});
    struct identity id;

    for (u32 i = 0; i < 8; i++)
        snprintf(id.text + 2 * i, 3, "%02X", digest.bytes[i]);
    return id;
}

static int
write_disk(int fd, const struct grub *grub, struct bytes kernel,
           struct bytes initrd, const struct identity *id)
{
    char name[32];
    struct buffer esp = {0};
    struct iso iso = {.grub = grub, .count = 3, .seconds = YEAR_1980};

    media_date(&iso.seconds);
    if (!fat_put(&esp, grub->efi, iso.seconds))
        return ENOSPC;
    snprintf(name, sizeof(name), "%s.ID", id->text);
    iso.files[0] = (struct iso_file){
        name, {(u8 *)id->text, strlen(id->text)}
    };
    iso.files[1] = (struct iso_file){"INITRD.TAR", initrd};
    iso.files[2] = (struct iso_file){"NEBULET.ELF", kernel};
    iso.esp = (struct bytes){esp.ptr, esp.size};
    int error = iso_write(&iso, fd);
    buffer_free(&esp);
    return error;
}

// A new file for it; *fd, or a complaint.
static bool
create(const char *path, int *fd)
{
    *fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (*fd < 0)
        complain("%s: %s", path, strerror(errno));
    return *fd >= 0;
}

// What is not whole is not left behind.
static bool
finish(const char *path, int fd, int error)
{
    if (close(fd) != 0 && error == 0)
        error = errno;
    if (error == 0)
        return true;
    complain("%s: %s", path, strerror(error));
    unlink(path);
    return false;
}

static bool
make_disk(const struct media *m, struct bytes kernel, struct bytes initrd)
{
    struct identity id = identify(kernel, initrd);
    char commands[256];
    struct grub grub;
    int fd;

    snprintf(commands, sizeof(commands),
             "search.file /boot/%s.id root\n"
             "multiboot2 /boot/nebulet.elf stay\n"
             "module2 /boot/initrd.tar\n"
             "boot\n",
             id.text);
    bool made = grub_make(&grub, m->grub, commands) && create(m->out, &fd);
    if (made)
        made = finish(m->out, fd, write_disk(fd, &grub, kernel, initrd, &id));
    grub_free(&grub);
    return made;
}

bool
media_save(const char *path, struct bytes contents)
{
    int fd, error = 0;

    if (!create(path, &fd))
        return false;
    for (u64 done = 0; done < contents.size && error == 0;) {
        ssize_t n = write(fd, contents.ptr + done, contents.size - done);
        if (n < 0 && errno != EINTR)
            error = errno;
        done += (u64)MAX(n, 0);
    }
    return finish(path, fd, error);
}

static bool
make_file(const char *dir, const char *name, struct bytes contents)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return complain("%s: the path is too long", dir), false;
    return media_save(path, contents);
}

static bool
make_pair(const struct media *m, struct bytes kernel, struct bytes initrd)
{
    if (mkdir(m->out, 0777) != 0 && errno != EEXIST) {
        complain("%s: %s", m->out, strerror(errno));
        return false;
    }
    return make_file(m->out, "nebulet.elf", kernel) &&
           make_file(m->out, "initrd.tar", initrd);
}

bool
media_write(const struct media *m, struct bytes initrd)
{
    struct bytes kernel;
    bool done = false;

    if (initrd.size > INITRD_MIB_MAX * MIB) {
        complain("the programs and their files have %llu MiB, a machine takes "
                 "%d",
                 (unsigned long long)(initrd.size / MIB), INITRD_MIB_MAX);
        return false;
    }
    if (read_kernel(&kernel))
        done = m->pair ? make_pair(m, kernel, initrd) :
                         make_disk(m, kernel, initrd);
    free(kernel.ptr);
    return done;
}
