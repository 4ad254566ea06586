// test/programs/exceptions.cc: C++ exceptions: prints what it catches.  The
// argument "uncaught" throws one that nobody catches, "loop" throws many.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#define NOINLINE __attribute__((noinline))

static int alive, most; // of struct guard

struct guard {
    const char *name;
    explicit guard(const char *n) : name(n) { most = ++alive; }
    ~guard()
    {
        alive--;
        if (*name != '\0')
            printf("  leave %s\n", name);
    }
};

struct animal {
    virtual ~animal() {}
    virtual const char *name() const { return "animal"; }
};

struct bird : animal {
    const char *name() const override { return "bird"; }
};

struct owl : virtual bird {
    const char *name() const override { return "owl"; }
};

NOINLINE static int
dig(int depth)
{
    guard g("");

    if (depth == 0)
        throw depth + 7;
    return dig(depth - 1) + g.name[0];
}

static void
across_frames()
{
    try {
        dig(1000);
    } catch (int value) {
        printf("frames: %d, alive %d of %d\n", value, alive, most);
    }
}

NOINLINE static void
throw_again()
{
    guard outer("outer");
    try {
        guard inner("inner");
        throw std::runtime_error("again");
    } catch (const std::exception &e) {
        printf("first: %s\n", e.what());
        throw;
    }
}

static void
rethrow()
{
    try {
        throw_again();
    } catch (const std::runtime_error &e) {
        printf("second: %s, alive %d\n", e.what(), alive);
    }
}

template <typename T>
NOINLINE static void
by_base(const T &value)
{
    try {
        throw value;
    } catch (const bird &b) {
        printf("bird or below: %s\n", b.name());
    } catch (const animal &a) {
        printf("animal: %s\n", a.name());
    } catch (const char *text) {
        printf("text: %s\n", text);
    } catch (...) {
        printf("something else\n");
    }
}

static void
standard()
{
    try {
        (void)std::vector<int>(3).at(5);
    } catch (const std::out_of_range &) {
        printf("vector: out of range\n");
    }
    try {
        (void)std::stoi("no number");
    } catch (const std::invalid_argument &) {
        printf("stoi: invalid argument\n");
    }
    try {
        (void)std::string("short").substr(9);
    } catch (const std::exception &) {
        printf("substr: an exception\n");
    }
}

static void
indirect()
{
    std::vector<std::function<void(int)>> all = {
        [](int) { throw 1.5; },
        [](int n) { throw std::string(static_cast<size_t>(n), 'x'); },
        [](int n) { throw std::make_shared<int>(n); },
    };

    for (auto &call : all) {
        try {
            call(4);
        } catch (double d) {
            printf("double %.1f\n", d);
        } catch (const std::string &s) {
            printf("string %s\n", s.c_str());
        } catch (const std::shared_ptr<int> &p) {
            printf("pointer to %d\n", *p);
        }
    }
}

static void
nested()
{
    try {
        try {
            throw 1;
        } catch (int one) {
            try {
                throw one + 1;
            } catch (int two) {
                printf("nested %d in %d\n", two, one);
            }
            try {
                throw "out";
            } catch (double) {
                printf("not reached\n");
            }
        }
    } catch (const char *text) {
        printf("nested %s\n", text);
    }
}

static void
kept()
{
    std::vector<std::exception_ptr> all;
    int sum = 0;

    for (int i = 0; i < 1000; i++) {
        try {
            throw i;
        } catch (...) {
            all.push_back(std::current_exception());
        }
    }
    for (auto &e : all) {
        try {
            std::rethrow_exception(e);
        } catch (int i) {
            sum += i;
        }
    }
    printf("kept %d\n", sum);
}

struct thrower {
    guard first{"member"};
    thrower() { throw std::logic_error("constructor"); }
};

static void
constructors()
{
    try {
        std::unique_ptr<thrower> t(new thrower[3]);
    } catch (const std::logic_error &e) {
        printf("%s, alive %d\n", e.what(), alive);
    }
}

static void
many(int times)
{
    unsigned long long sum = 0;

    for (int i = 0; i < times; i++) {
        try {
            guard g("");
            if (i % 3 == 0)
                throw std::runtime_error(std::to_string(i));
            if (i % 3 == 1)
                throw i;
            dig(i % 5);
        } catch (const std::runtime_error &e) {
            sum += static_cast<unsigned>(atoi(e.what()));
        } catch (int value) {
            sum += static_cast<unsigned>(value);
        }
    }
    printf("%d times: %llu, alive %d\n", times, sum, alive);
}

NOINLINE static void
throw_to_nobody()
{
    throw std::runtime_error("nobody");
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "uncaught") == 0)
        throw_to_nobody();
    if (argc > 1 && strcmp(argv[1], "loop") == 0) {
        many(1000000);
        return 0;
    }
    across_frames();
    rethrow();
    by_base(animal());
    by_base(bird());
    by_base(owl());
    by_base("words");
    by_base(1.0f);
    standard();
    indirect();
    nested();
    kept();
    constructors();
    many(100000);
    return 0;
}
