// user/libposix/pipe.c: pipes.

#include <launch.h>
#include <nebulet.h>

#include <errno.h>
#include <unistd.h>

enum { PIPE_SIZE = 65536 };

// A descriptor of a stream's end that is for this only; -1 and errno.
static int
descriptor_of(uint32_t end, uint32_t right)
{
    uint32_t rights = right | NEBULET_RIGHT_DUPLICATE | NEBULET_RIGHT_TRANSFER |
                      NEBULET_RIGHT_WAIT;
    uint32_t narrow, fd;
    int32_t status = nebulet_handle_duplicate(end, rights, &narrow);

    nebulet_handle_close(end);
    if (status != 0)
        return errno = EMFILE, -1;
    if (nebulet_descriptor_create(narrow, &fd) == 0)
        return (int)fd;
    nebulet_handle_close(narrow);
    return errno = EMFILE, -1;
}

int
launch_pipe(int fds[2], size_t size)
{
    uint32_t writes, reads;

    if (size > NEBULET_LIMIT_STREAM_SIZE)
        return errno = EFBIG, -1;
    if (nebulet_stream_create(size > 0 ? size : 1, 0, &writes, &reads) != 0)
        return errno = ENOMEM, -1;
    fds[0] = descriptor_of(reads, NEBULET_RIGHT_READ);
    if (fds[0] < 0) {
        nebulet_handle_close(writes);
        return -1;
    }
    fds[1] = descriptor_of(writes, NEBULET_RIGHT_WRITE);
    if (fds[1] < 0)
        close(fds[0]);
    return fds[1] < 0 ? -1 : 0;
}

int
pipe(int fds[2])
{
    return launch_pipe(fds, PIPE_SIZE);
}
