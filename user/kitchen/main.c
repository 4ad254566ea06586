// user/kitchen/main.c: a bit of everything that C programs do: sorting,
// printing of floats, the heap, strings, files and directories.  Its output is
// the same wherever it runs with user/kitchen/root as "/".

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RANDOM_COUNT = 2000, BLOCK_COUNT = 500, NAME_COUNT = 32, LINE = 256 };

static uint64_t state = 88172645463325252;

// Numbers that look random but are the same everywhere.
static uint64_t
next_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t
hash(const void *bytes, size_t size)
{
    const unsigned char *b = bytes;
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < size; i++)
        h = (h ^ b[i]) * 1099511628211u;
    return h;
}

static int
compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int
compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int
compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
sorting(void)
{
    static int64_t numbers[RANDOM_COUNT];
    int64_t *found, key;

    for (int i = 0; i < RANDOM_COUNT; i++)
        numbers[i] = (int64_t)next_number();
    key = numbers[7];
    qsort(numbers, RANDOM_COUNT, sizeof(numbers[0]), compare_i64);
    found =
        bsearch(&key, numbers, RANDOM_COUNT, sizeof(numbers[0]), compare_i64);
    printf("sorted: %" PRId64 " .. %" PRId64 ", key at %td, hash %016" PRIx64
           "\n",
           numbers[0], numbers[RANDOM_COUNT - 1], found - numbers,
           hash(numbers, sizeof(numbers)));
}

static void
floats(void)
{
    static const double values[] = {0,       -0.0,    1,           -1.5,
                                    0.1,     1e100,   1e-100,      123456.789,
                                    DBL_MAX, DBL_MIN, DBL_EPSILON, 2.0 / 3};

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        printf("%f|%.3e|%g|%a|%10.4f|%-12.2g|\n", values[i], values[i],
               values[i], values[i], values[i], values[i]);
    printf("%f %f %g %.17g\n", INFINITY, -INFINITY, (double)NAN, M_PI);
    for (double x = -2; x <= 2; x += 0.5)
        printf("%5.1f: sin %.15g cos %.15g exp %.15g atan %.15g\n", x, sin(x),
               cos(x), exp(x), atan(x));
    printf("sqrt %.17g cbrt %.17g log %.17g pow %.17g fmod %.17g\n", sqrt(2),
           cbrt(2), log(10), pow(1.1, 10), fmod(10, 3.3));
    printf("floor %g ceil %g trunc %g round %g rint %g\n", floor(-2.5),
           ceil(-2.5), trunc(-2.5), round(-2.5), rint(-2.5));
}

static void
integers(void)
{
    printf("%d %u %x %o %c %s %p %%\n", INT_MIN, UINT_MAX, 0xbeef, 0755, 'c',
           "text", (void *)0x1234);
    printf("%lld %llu %+d % d %05d %-5d| %.3d %#x %#o\n", LLONG_MIN, ULLONG_MAX,
           7, 7, -42, 42, 7, 255, 8);
    printf("%hhd %hd %zu %*d %.*s|\n", (signed char)-1, (short)-2,
           sizeof(long double), 6, 99, 3, "abcdef");
    printf("strtol %ld %ld %ld strtoull %llu atoi %d\n",
           strtol("-77", NULL, 10), strtol("0x1f", NULL, 0),
           strtol("zz", NULL, 36), strtoull("18446744073709551615", NULL, 10),
           atoi("12monkeys"));
    errno = 0;
    long long big = strtoll("99999999999999999999", NULL, 10);
    printf("overflow %lld %d\n", big, errno == ERANGE);
    int64_t a = (int64_t)next_number(), b = (int64_t)(next_number() >> 40) + 1;
    printf("%" PRId64 " / %" PRId64 " = %" PRId64 " rest %" PRId64 "\n", a, b,
           a / b, a % b);
}

// Blocks of all sizes come, grow and go; what is in them stays.
static void
heap(void)
{
    unsigned char *blocks[BLOCK_COUNT] = {NULL};
    size_t sizes[BLOCK_COUNT] = {0};
    int wrong = 0;
    uint64_t total = 0;

    for (int round = 0; round < 20000; round++) {
        int i = (int)(next_number() % BLOCK_COUNT);
        size_t size = next_number() % 5000 + 1;
        for (size_t j = 0; j < sizes[i]; j += 97)
            wrong += blocks[i][j] != (unsigned char)i;
        if (next_number() % 3 == 0) {
            free(blocks[i]);
            blocks[i] = calloc(1, size);
            wrong += blocks[i] == NULL || blocks[i][size - 1] != 0;
        } else {
            blocks[i] = realloc(blocks[i], size);
        }
        if (blocks[i] == NULL)
            abort();
        memset(blocks[i], i, size);
        sizes[i] = size;
    }
    for (int i = 0; i < BLOCK_COUNT; i++) {
        total += sizes[i];
        free(blocks[i]);
    }
    printf("heap: %d wrong, %" PRIu64 " bytes at the end\n", wrong, total);
}

static void
strings(void)
{
    char text[LINE] = "one,two;three four", copy[LINE];
    int hour, minute;
    char unit[8];

    for (char *t = strtok(text, ",; "); t != NULL; t = strtok(NULL, ",; "))
        printf("[%s]", t);
    for (size_t i = 0; i <= strlen("Mixed Case 9"); i++)
        copy[i] = (char)toupper("Mixed Case 9"[i]);
    printf(" %s %s %s %zu %d\n", copy, strstr(copy, "CASE"), strrchr(copy, 'E'),
           strspn(copy, "MIX"), memcmp("abc", "abd", 3) < 0);
    int fields = sscanf("12:34 pm", "%d:%d %7s", &hour, &minute, unit);
    printf("%d fields: %d %d %s; %d\n", fields, hour, minute, unit,
           snprintf(copy, 5, "%s", "truncated"));
}

static void
count_words(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[LINE], *words[NAME_COUNT * 2];
    int lines = 0, count = 0;

    if (file == NULL) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        lines++;
        for (char *w = strtok(line, " \n"); w != NULL; w = strtok(NULL, " \n"))
            words[count++] = strdup(w);
    }
    qsort(words, (size_t)count, sizeof(words[0]), compare_text);
    printf("%s: %d lines, %d words, %s .. %s, at %ld\n", path, lines, count,
           count > 0 ? words[0] : "", count > 0 ? words[count - 1] : "",
           ftell(file));
    for (int i = 0; i < count; i++)
        free(words[i]);
    fclose(file);
}

static void
read_numbers(void)
{
    FILE *file = fopen("data/numbers.txt", "r");
    double numbers[NAME_COUNT];
    int count = 0;

    if (file == NULL)
        abort();
    while (count < NAME_COUNT && fscanf(file, "%lf", &numbers[count]) == 1)
        count++;
    printf("numbers: %d, eof %d", count, feof(file) != 0);
    qsort(numbers, (size_t)count, sizeof(numbers[0]), compare_double);
    for (int i = 0; i < count; i++)
        printf(" %.17g", numbers[i]);
    fseek(file, -4, SEEK_END);
    int c = fgetc(file);
    ungetc('!', file);
    printf(" then %c%c", c, fgetc(file));
    rewind(file);
    printf("%c\n", fgetc(file));
    fclose(file);
}

static void
list(const char *path)
{
    DIR *dir = opendir(path);
    char *names[NAME_COUNT];
    int count = 0;

    if (dir == NULL) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL && count < NAME_COUNT;)
        if (e->d_name[0] != '.')
            names[count++] = strdup(e->d_name);
    qsort(names, (size_t)count, sizeof(names[0]), compare_text);
    printf("%s:", path);
    for (int i = 0; i < count; i++) {
        printf(" %s", names[i]);
        free(names[i]);
    }
    printf("\n");
    closedir(dir);
}

static void
describe(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        printf("%s: %s\n", path, strerror(errno));
    else
        printf("%s: %s of %lld bytes\n", path,
               S_ISDIR(st.st_mode) ? "directory" :
               S_ISREG(st.st_mode) ? "file" :
                                     "other",
               S_ISDIR(st.st_mode) ? 0ll : (long long)st.st_size);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        char target[LINE] = "";
        ssize_t size = readlink(path, target, sizeof(target) - 1);
        printf("%s: link to %s (%zd)\n", path, target, size);
    }
}

static void
files(void)
{
    char part[8] = "";
    int fd = open("data/deep/er/tail.txt", O_RDONLY);

    count_words("data/words.txt");
    count_words("/data/link");
    count_words("data/deep/../deep/up");
    count_words("data/nothing");
    count_words("data/words.txt/below");
    read_numbers();
    list("data");
    list("/data/deep");
    list("data/empty");
    describe("data");
    describe("data/empty");
    describe("data/link");
    describe("./data//words.txt");
    printf("pread %zd %s, seek %lld, read %zd\n", pread(fd, part, 7, 3), part,
           (long long)lseek(fd, -3, SEEK_END), read(fd, part, 7));
    printf("closed %d, again %d\n", close(fd), close(fd));
}

static void
times(void)
{
    time_t day = 86400 * 365 * 50;
    struct timespec before, after, nap = {0, 2000000};
    char text[64];

    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %a", gmtime(&day));
    clock_gettime(CLOCK_MONOTONIC, &before);
    nanosleep(&nap, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    int64_t ns = (int64_t)(after.tv_sec - before.tv_sec) * 1000000000 +
                 (after.tv_nsec - before.tv_nsec);
    printf("%s, slept %s, now is %s\n", text, ns >= 1000000 ? "well" : "badly",
           time(NULL) > 1600000000 ? "late" : "early");
}

int
main(int argc, char **argv)
{
    printf("kitchen:");
    for (int i = 1; i < argc; i++)
        printf(" %s", argv[i]);
    printf(" HOME=%s\n", getenv("HOME") != NULL ? getenv("HOME") : "none");
    sorting();
    floats();
    integers();
    heap();
    strings();
    files();
    times();
    fprintf(stderr, "kitchen: done\n");
    return 0;
}
