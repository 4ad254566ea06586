// tool/host.c: files, memory and messages of the host.

#include "port/linux/stream.h"
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// --- CPUs --------------------------------------------------------------------

u32
host_cpus(void)
{
    cpu_set_t set;

    // More than fit into the set are more than enough.
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return errno == EINVAL ? CPU_SETSIZE : 1;
    return MAX((u32)CPU_COUNT(&set), 1u);
}

// --- messages ----------------------------------------------------------------

static u64 start_ms;
static u64 patience_ms = UINT64_MAX; // of our age: complain_until

void
complain_until(u64 age_ms)
{
    patience_ms = age_ms;
}

// Wait until a stream takes more; false when the time is up.
static bool
wait_for_room(const struct host_stream *s)
{
    struct pollfd fds = {.fd = host_stream_fd(s), .events = POLLOUT};
    u64 age = host_age_ms();

    if (age >= patience_ms)
        return false;
    return poll(&fds, 1, (int)MIN(patience_ms - age, (u64)INT32_MAX)) != 0;
}

// Whoever reads stderr may have stopped, and we may have a time limit.
static void
put_stderr(const char *text, u64 size)
{
    struct host_stream s;
    status_t status = OK;
    u64 count;

    host_stream_open(&s, STDERR_FILENO);
    while (size > 0 && (status == OK || status == ERR_SHOULD_WAIT)) {
        status = host_stream_write(&s, text, size, &count);
        text += count;
        size -= count;
        if (status == ERR_SHOULD_WAIT && !wait_for_room(&s))
            break;
    }
    host_stream_close(&s);
}

const char *program_name = "nebulet";

static void (*hearer)(const char *line);

void
complain_to(void (*hear)(const char *line))
{
    hearer = hear;
}

// One line with whatever is inserted made safe to show; owned by the caller.
static char *
safe_line(const char *before, const char *text, va_list list, u64 *size)
{
    const char *colon = before[0] != 0 ? ": " : "";
    char *line;

    if (vasprintf(&line, text, list) < 0)
        panic(__FILE__, __LINE__, "out of memory");
    *size = format_safe(NULL, 0, "%s%s%s", before, colon, line) + 1ull;
    char *safe = malloc(*size);
    assert(safe != NULL);
    format_safe(safe, *size, "%s%s%s", before, colon, line);
    if (before[0] != 0 && hearer != NULL)
        hearer(safe + strlen(before) + strlen(colon));
    safe[*size - 1] = '\n'; // instead of the NUL
    free(line);
    return safe;
}

void
complain(const char *text, ...)
{
    va_list list;
    u64 size;

    fflush(stdout);
    progress_hide();
    va_start(list, text);
    char *line = safe_line(program_name, text, list, &size);
    va_end(list);
    put_stderr(line, size);
    free(line);
}

void
tell(const char *text, ...)
{
    va_list list;
    u64 size;

    va_start(list, text);
    char *line = safe_line("", text, list, &size);
    va_end(list);
    fwrite(line, 1, size, stdout);
    free(line);
}

// --- time --------------------------------------------------------------------

static void
on_limit(int number)
{
    static const char said[] =
        "nebulet: timeout, before any program was started\n";

    (void)number;
    put_stderr(said, sizeof(said) - 1);
    _exit(EXIT_TIMEOUT);
}

void
host_limit(u64 age_ms)
{
    u64 left = age_ms - MIN(age_ms, host_age_ms());
    struct itimerval when = {
        .it_value = {(time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000)}
    };

    if (age_ms > 0 && left == 0)
        when.it_value.tv_usec = 1; // 0 would disarm
    signal(SIGALRM, age_ms > 0 ? on_limit : SIG_DFL);
    setitimer(ITIMER_REAL, &when, NULL);
}

u64
host_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

u64
host_age_ms(void)
{
    return host_now_ms() - start_ms;
}

void
host_start(void)
{
    static char buffer[64 * KIB]; // more than any text of ours has

    start_ms = host_now_ms();
    // What cannot be written is then found by output_end(), with the reason.
    if (!isatty(STDOUT_FILENO))
        setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
}

int
output_end(int status)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return status;
    complain("stdout: %s", errno != 0 ? strerror(errno) : "could not write");
    return status != 0 ? status : 1;
}

void
complain_error(const char *path, const struct error *error)
{
    complain("%s: offset 0x%llx: %s (%s)", path, (unsigned long long)error->at,
             error->what, status_text(error->status));
}

// A guess at how much there is to read: files in /proc have no size.
static void
expect(struct buffer *b, int fd, u64 most)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (u64)st.st_size <= most)
        buffer_expect(b, (u64)st.st_size + 1);
}

int
file_load(const char *path, u64 most, struct bytes *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct buffer b = {0};
    ssize_t got = 1;

    *out = (struct bytes){0};
    if (fd < 0)
        return errno;
    expect(&b, fd, most);
    while (b.size <= most && got != 0) {
        buffer_expect(&b, b.size + 1);
        got = read(fd, b.ptr + b.size, b.capacity - b.size);
        if (got < 0 && errno != EINTR)
            break;
        b.size += (u64)MAX(got, 0);
    }
    int error = got < 0 ? errno : b.size > most ? EFBIG : 0;
    close(fd);
    if (error != 0) {
        buffer_free(&b);
        return error;
    }
    *out = (struct bytes){b.ptr, b.size};
    return 0;
}

struct bytes
file_read(const char *path)
{
    struct bytes bytes;
    int error = file_load(path, UINT64_MAX, &bytes);

    if (error != 0)
        complain("%s: %s", path, strerror(error));
    return bytes;
}

int
memory_file(const char *name, struct bytes contents)
{
    int fd = memfd_create(name, 0);

    for (u64 done = 0; fd >= 0 && done < contents.size;) {
        ssize_t n = write(fd, contents.ptr + done, contents.size - done);
        if (n <= 0) {
            close(fd);
            return -1;
        }
        done += (u64)n;
    }
    return fd;
}

const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

// --- memory ------------------------------------------------------------------

// The number of a line "MemAvailable:   12345 kB", in bytes.
static u64
available_memory(void)
{
    char line[256];
    unsigned long long kib;
    u64 found = UINT64_MAX;
    FILE *file = fopen("/proc/meminfo", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            found = kib * KIB;
    if (file != NULL)
        fclose(file);
    return found;
}

u64
host_memory(void)
{
    static const int limits[] = {RLIMIT_AS, RLIMIT_DATA};
    u64 most = available_memory();
    struct rlimit limit;

    for (u32 i = 0; i < COUNT(limits); i++)
        if (getrlimit((__rlimit_resource_t)limits[i], &limit) == 0)
            most = MIN(most, (u64)limit.rlim_cur);
    return most;
}

// The host commits when it is touched.
static bool
commit_nothing(struct arena *arena, u64 from, u64 to)
{
    (void)arena, (void)from, (void)to;
    return true;
}

bool
arena_map_host(struct arena *arena, u64 size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    *arena = (struct arena){0};
    if (base == MAP_FAILED)
        return false;
    *arena = (struct arena){
        .base = base, .reserved = size, .commit = commit_nothing};
    return true;
}

void
arena_init_host(struct arena *arena, u64 size)
{
    bool mapped = arena_map_host(arena, size);

    assert(mapped);
}

void
arena_free_host(struct arena *arena)
{
    if (arena->base != NULL)
        munmap(arena->base, arena->reserved);
    *arena = (struct arena){0};
}

enum { PAGE = 4096, LARGE_PAGE = 2 * MIB, SPARE = 64 * MIB };

static NORETURN void
no_memory(u64 size)
{
    complain("no memory for %llu bytes", (unsigned long long)size);
    exit(1);
}

// Let the host back all of it with as few pages as there may be.
static void
use_large_pages(u8 *ptr, u64 size)
{
    u64 from = ALIGN_UP((u64)ptr, LARGE_PAGE);
    u64 to = ((u64)ptr + size) & ~(u64)(LARGE_PAGE - 1);

    if (from < to)
        madvise((void *)from, to - from, MADV_HUGEPAGE);
}

// To memory of our own, of which what is not used costs nothing.
static void
buffer_map(struct buffer *b, u64 capacity)
{
    u8 *ptr = mmap(NULL, capacity, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    u64 size = b->size;

    if (ptr == MAP_FAILED)
        no_memory(capacity);
    if (size > 0)
        memcpy(ptr, b->ptr, size);
    buffer_free(b);
    *b = (struct buffer){ptr, size, capacity, .mapped = true};
}

void
buffer_expect(struct buffer *b, u64 size)
{
    u64 capacity = MAX(2 * b->capacity, size + size / 8 + PAGE);

    if (size <= b->capacity)
        return;
    if (b->mapped) {
        buffer_map(b, ALIGN_UP(capacity, PAGE));
    } else {
        b->capacity = capacity;
        b->ptr = realloc(b->ptr, capacity);
        if (b->ptr == NULL)
            no_memory(capacity);
    }
    use_large_pages(b->ptr, b->capacity);
}

void
buffer_put_mapped(struct buffer *b, void *mapped, u64 size)
{
    u64 end = b->size + size;

    if (!b->mapped || end > b->capacity)
        buffer_map(b, ALIGN_UP(end, PAGE) + SPARE);
    void *to = b->ptr + b->size;
    void *at = MAP_FAILED;
    if (b->size % PAGE == 0)
        at = mremap(mapped, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    if (at != MAP_FAILED) {
        mprotect(at, size, PROT_READ | PROT_WRITE); // what follows its end
    } else {
        memcpy(to, mapped, size);
        munmap(mapped, size);
    }
    b->size = end;
}

void
buffer_put(struct buffer *b, const void *bytes, u64 size)
{
    buffer_expect(b, b->size + size);
    if (size > 0)
        memcpy(b->ptr + b->size, bytes, size);
    b->size += size;
}

void
buffer_put_u32(struct buffer *b, u32 word)
{
    buffer_put(b, &word, sizeof(word));
}

void
buffer_free(struct buffer *b)
{
    if (b->mapped)
        munmap(b->ptr, b->capacity);
    else
        free(b->ptr);
    *b = (struct buffer){0};
}
