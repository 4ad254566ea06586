// wasi/packed.c: what the initrd says (wasi.h has its form): files by the names
// of directories in it, and what their contents mean.

#include "wasi/wasi.h"

struct node *
packed_child(struct node *dir, struct string name)
{
    struct node *n = NULL;

    if (dir == NULL || dir->type != FILETYPE_DIRECTORY)
        return NULL;
    node_lock(dir);
    errno_t error = dir->ops->lookup(dir, name, &n);
    node_unlock(dir);
    return error == WASI_SUCCESS ? n : NULL;
}

struct node *
packed_dir(struct node *run, u32 index)
{
    char name[16];

    return packed_child(
        run, (struct string){name, format(name, sizeof(name), "%u", index)});
}

struct bytes
packed_contents(struct node *dir, struct string name)
{
    struct node *n = packed_child(dir, name);

    if (n == NULL || n->type != FILETYPE_REGULAR_FILE)
        return (struct bytes){NULL, 0};
    return tree_data(n);
}

struct string
packed_text(struct bytes bytes)
{
    struct string text = {(const char *)bytes.ptr, (u32)bytes.size};

    while (text.len > 0 && (u8)text.ptr[text.len - 1] <= ' ')
        text.len--;
    return text;
}

bool
packed_number(struct bytes contents, u64 *number)
{
    struct string text = packed_text(contents);
    u64 n = 0;

    for (u32 i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || n > 1000000000000)
            return false;
        n = n * 10 + (u64)(text.ptr[i] - '0');
    }
    if (text.len > 0)
        *number = n;
    return true;
}

bool
packed_next(struct bytes *rest, struct string *out)
{
    u64 len = 0;

    while (len < rest->size && rest->ptr[len] != 0)
        len++;
    *out = (struct string){(const char *)rest->ptr, (u32)len};
    if (rest->size == 0)
        return false;
    rest->ptr += MIN(len + 1, rest->size);
    rest->size -= MIN(len + 1, rest->size);
    return true;
}

u32
packed_count(struct bytes strings)
{
    struct string string;
    u32 count = 0;

    while (packed_next(&strings, &string))
        count++;
    return count;
}
