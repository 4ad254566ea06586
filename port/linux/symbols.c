// port/linux/symbols.c: the names of the kernel's functions, from the symbol
// table of the program's own file, which is read when somebody asks.

#include "port/linux/linux.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const u8 *image;
static u64 image_size;

static void
read_image(void)
{
    struct stat stat;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &stat) != 0)
        return;
    void *at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return;
    image = at;
    image_size = (u64)stat.st_size;
}

// A section of the file, NULL: none.
static const void *
contents(const Elf64_Shdr *s)
{
    bool inside =
        s->sh_offset <= image_size && s->sh_size <= image_size - s->sh_offset;

    return inside ? image + s->sh_offset : NULL;
}

static const Elf64_Shdr *
sections(u64 *count)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;

    *count = 0;
    if (image == NULL || image_size < sizeof(*header) ||
        header->e_shoff > image_size ||
        header->e_shnum * sizeof(Elf64_Shdr) > image_size - header->e_shoff)
        return NULL;
    *count = header->e_shnum;
    return (const Elf64_Shdr *)(image + header->e_shoff);
}

// The function of the table that is at `address`, or the one called `name`.
static const Elf64_Sym *
find(const Elf64_Shdr *table, const char *names, u64 address, const char *name)
{
    const Elf64_Sym *symbols = contents(table);

    for (u64 i = 0; symbols && i < table->sh_size / sizeof(*symbols); i++) {
        const Elf64_Sym *s = &symbols[i];
        bool code = ELF64_ST_TYPE(s->st_info) == STT_FUNC;
        if (code && name != NULL && strcmp(names + s->st_name, name) == 0)
            return s;
        if (code && name == NULL && address - s->st_value < s->st_size)
            return s;
    }
    return NULL;
}

const char *
port_symbol(u64 address, u64 *offset)
{
    u64 count;

    if (image == NULL)
        read_image();
    const Elf64_Shdr *list = sections(&count);
    for (u64 i = 0; i < count; i++) {
        if (list[i].sh_type != SHT_SYMTAB || list[i].sh_link >= count)
            continue;
        const char *names = contents(&list[list[i].sh_link]);
        const Elf64_Sym *own =
            names ? find(&list[i], names, 0, "port_symbol") : NULL;
        if (own == NULL)
            return NULL;
        u64 moved = (u64)(uintptr_t)port_symbol - own->st_value;
        const Elf64_Sym *s = find(&list[i], names, address - moved, NULL);
        if (s == NULL)
            return NULL;
        *offset = address - moved - s->st_value;
        return names + s->st_name;
    }
    return NULL;
}
