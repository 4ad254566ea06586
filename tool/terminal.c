// tool/terminal.c: the user's terminal, while a program in Nebulet has it.
//
// Each key is the program's: the terminal is raw but for what is printed, and a
// process of its own, the *keeper*, passes on what is typed through a pipe,
// which is the standard input of the command from then on.  The keeper ends
// with the command, however that ends, and gives the terminal back as it was.
// It tells the size, at first and whenever that changes, between what is typed:
// ESC _ N ROWS ; COLUMNS ESC \ (kernel/terminal.c).

#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static pid_t keeper;
static int alive = -1; // the keeper sees when it is closed

static void
wake(int number)
{
    (void)number;
}

static bool
make_raw(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    raw = before;
    raw.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | ISTRIP | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | IEXTEN | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

// --- the keeper --------------------------------------------------------------

// False: nobody reads any more.
static bool
pass_on(int to, const char *bytes, ssize_t size)
{
    while (size > 0) {
        ssize_t n = write(to, bytes, (size_t)size);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes += n;
            size -= n;
        }
    }
    return true;
}

// Where it is new; so it is told before what is typed afterwards.
static bool
tell_size(int to)
{
    static struct winsize told;
    struct winsize size;
    char text[32];

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 ||
        (size.ws_row == told.ws_row && size.ws_col == told.ws_col))
        return true;
    told = size;
    int len = snprintf(text, sizeof(text), "\033_N%u;%u\033\\", size.ws_row,
                       size.ws_col);
    return pass_on(to, text, len);
}

static void
wait_for_command(int command)
{
    struct pollfd end = {.fd = command, .events = POLLIN};

    while (poll(&end, 1, -1) < 0)
        continue;
}

// `command` ends when that does.
static void
keep(int to, int command)
{
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = to,           .events = 0     },
    };
    sigset_t window, none;
    char bytes[4096];

    // The window's signal is taken while we wait and at no other time.
    sigemptyset(&none);
    sigemptyset(&window);
    sigaddset(&window, SIGWINCH);
    sigprocmask(SIG_BLOCK, &window, NULL);
    for (;;) {
        if (!tell_size(to))
            return;
        if (ppoll(fds, COUNT(fds), NULL, &none) < 0)
            continue;
        if (fds[1].revents != 0)
            return; // the command is gone
        ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        if (n > 0 && !(tell_size(to) && pass_on(to, bytes, n)))
            return;
    }
    // The terminal is gone, or we are not in front of it any more: the end of
    // input, but what there is to give back we give back afterwards.
    close(to);
    wait_for_command(command);
}

static NORETURN void
run_keeper(int to, int command)
{
    struct sigaction window = {.sa_handler = wake};

    // What ends a command that is stopped is for the command.
    for (int number = 1; number < SIGRTMIN; number++)
        if (number != SIGKILL && number != SIGSTOP && number != SIGCHLD)
            signal(number, SIG_IGN);
    sigaction(SIGWINCH, &window, NULL);
    keep(to, command);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    _exit(0);
}

// --- the command -------------------------------------------------------------

bool
terminal_take(void)
{
    int fds[2], ends[2]; // ends: of nothing, but ours is open while we live

    if (pipe2(fds, O_CLOEXEC) != 0 || pipe2(ends, O_CLOEXEC) != 0 ||
        !make_raw()) {
        complain("the terminal: %s", strerror(errno));
        return false;
    }
    keeper = fork();
    if (keeper == 0) {
        close(fds[0]);
        close(ends[1]);
        run_keeper(fds[1], ends[0]);
    }
    close(fds[1]);
    close(ends[0]);
    alive = ends[1];
    if (keeper < 0 || dup2(fds[0], STDIN_FILENO) < 0) {
        complain("the terminal: %s", strerror(errno));
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
        return false;
    }
    close(fds[0]);
    return true;
}

void
terminal_give_back(void)
{
    if (keeper <= 0)
        return;
    close(STDIN_FILENO); // the keeper sees that, and ends
    close(alive);
    while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR)
        continue;
    keeper = 0;
    (void)!open("/dev/null", O_RDONLY);
}
