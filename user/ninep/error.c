// user/ninep/error.c: 9P2000.L has errors by Linux's numbers.

#include "ninep.h"

#include <errno.h>

static const uint8_t errors[] = {
    [1] = EPERM,       [2] = ENOENT,   [4] = EINTR,         [5] = EIO,
    [6] = ENXIO,       [9] = EBADF,    [11] = EAGAIN,       [12] = ENOMEM,
    [13] = EACCES,     [14] = EFAULT,  [16] = EBUSY,        [17] = EEXIST,
    [18] = EXDEV,      [19] = ENODEV,  [20] = ENOTDIR,      [21] = EISDIR,
    [22] = EINVAL,     [23] = ENFILE,  [24] = EMFILE,       [25] = ENOTTY,
    [26] = ETXTBSY,    [27] = EFBIG,   [28] = ENOSPC,       [29] = ESPIPE,
    [30] = EROFS,      [31] = EMLINK,  [32] = EPIPE,        [33] = EDOM,
    [34] = ERANGE,     [35] = EDEADLK, [36] = ENAMETOOLONG, [38] = ENOSYS,
    [39] = ENOTEMPTY,  [40] = ELOOP,   [75] = EOVERFLOW,    [95] = ENOTSUP,
    [110] = ETIMEDOUT, [116] = ESTALE, [122] = EDQUOT,
};

int32_t
error_of(uint32_t number)
{
    bool known = number < sizeof(errors) && errors[number] != 0;

    return known ? errors[number] : EIO;
}
