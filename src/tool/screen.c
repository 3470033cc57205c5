// The page uses the terminal's other screen, so the lines that were there before come back.
// Handlers of the signals that end the program restore the terminal first, and then do what was to
// be done before. They call only functions that are async-signal-safe.
//
// SIGWINCH, SIGTSTP and SIGCONT are blocked except while screen_wait waits. So none of them arrives
// unseen between a look at its flag and the wait.
#include "tool/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"

// Sequences: the other screen, no cursor, long lines are cut.
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static const int endings[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGABRT,
                              SIGALRM, SIGPIPE, SIGUSR1, SIGUSR2, SIGXCPU};
static const int waited[] = {SIGWINCH, SIGTSTP, SIGCONT};
enum {
    ENDINGS = sizeof endings / sizeof *endings,
    WAITED = sizeof waited / sizeof *waited,
    ENDING_WAIT_MS = 500, // how long a signal that ends the program waits for the terminal
};

static struct {
    volatile sig_atomic_t is_open;
    volatile sig_atomic_t resized;
    volatile sig_atomic_t stopped;
    volatile sig_atomic_t continued;
    struct termios usual; // state of the terminal before the page
    struct sigaction ended[ENDINGS];
    struct sigaction was_waited[WAITED];
    sigset_t mask; // signals that were blocked before the page
} screen;

static bool write_all(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDOUT_FILENO, text, len);
        if (written > 0) {
            text += written;
            len -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void enter(void)
{
    struct termios state = screen.usual;
    state.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    state.c_cc[VMIN] = 1;
    state.c_cc[VTIME] = 0;
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &state);
    (void)write_all(ENTER, sizeof ENTER - 1);
}

static void leave(void)
{
    (void)write_all(LEAVE, sizeof LEAVE - 1);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.usual);
}

// Makes a blocked signal arrive at once.
static void raise_now(int number)
{
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, number);
    raise(number);
    (void)pthread_sigmask(SIG_UNBLOCK, &own, NULL);
}

// Whether the terminal takes output, perhaps soon. After Ctrl-S it takes none until Ctrl-Q.
static bool takes_output(void)
{
    struct pollfd output = {STDOUT_FILENO, POLLOUT, 0};
    return poll(&output, 1, ENDING_WAIT_MS) != 0;
}

static void on_ending(int number)
{
    if (screen.is_open && takes_output())
        leave();
    else if (screen.is_open)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.usual);
    screen.is_open = 0;
    for (unsigned i = 0; i < ENDINGS; i++)
        if (endings[i] == number)
            (void)sigaction(number, &screen.ended[i], NULL);
    raise_now(number);   // ends the process
    _exit(128 + number); // except process 1 (base/ending.h)
}

static void on_waited(int number)
{
    if (number == SIGWINCH)
        screen.resized = 1;
    else if (number == SIGTSTP)
        screen.stopped = 1;
    else
        screen.continued = 1;
}

bool screen_is_possible(void)
{
    const char *type = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && type != NULL && *type != '\0' &&
           strcmp(type, "dumb") != 0;
}

bool screen_open(void)
{
    struct sigaction ending = {.sa_handler = on_ending};
    struct sigaction waiting = {.sa_handler = on_waited};
    sigset_t blocked;
    if (tcgetattr(STDIN_FILENO, &screen.usual) != 0)
        return false;
    sigfillset(&ending.sa_mask);
    sigemptyset(&blocked);
    for (unsigned i = 0; i < WAITED; i++)
        sigaddset(&blocked, waited[i]);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &screen.mask);
    for (unsigned i = 0; i < WAITED; i++) {
        (void)sigaction(waited[i], &waiting, &screen.was_waited[i]);
        // A shell that could not continue a stopped program starts it with SIGTSTP ignored.
        if (waited[i] == SIGTSTP && screen.was_waited[i].sa_handler == SIG_IGN)
            (void)sigaction(SIGTSTP, &screen.was_waited[i], NULL);
    }
    for (unsigned i = 0; i < ENDINGS; i++) {
        (void)sigaction(endings[i], NULL, &screen.ended[i]);
        if (screen.ended[i].sa_handler != SIG_IGN)
            (void)sigaction(endings[i], &ending, NULL);
    }
    screen.is_open = 1;
    enter();
    return true;
}

void screen_close(void)
{
    if (!screen.is_open)
        return;
    leave();
    screen.is_open = 0;
    for (unsigned i = 0; i < ENDINGS; i++)
        (void)sigaction(endings[i], &screen.ended[i], NULL);
    for (unsigned i = 0; i < WAITED; i++)
        (void)sigaction(waited[i], &screen.was_waited[i], NULL);
    (void)pthread_sigmask(SIG_SETMASK, &screen.mask, NULL);
}

static struct winsize size(void)
{
    struct winsize window = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0)
        window = (struct winsize){.ws_row = 24, .ws_col = 80};
    return window;
}

unsigned screen_columns(void)
{
    return size().ws_col;
}

unsigned screen_rows(void)
{
    return size().ws_row;
}

bool screen_draw(struct span page)
{
    struct buf out = {0};
    buf_append_text(&out, "\033[H");
    for (size_t at = 0; at < page.len;) {
        const char *newline = memchr(page.ptr + at, '\n', page.len - at);
        size_t end = newline != NULL ? (size_t)(newline - page.ptr) : page.len;
        // The line is cleared first. After a whole line the cursor is still on its last character.
        buf_append_text(&out, at > 0 ? "\r\n\033[K" : "\033[K");
        buf_append(&out, span_of(page.ptr + at, end - at));
        at = end + 1;
    }
    bool good = out.oom || write_all(out.ptr, out.len);
    buf_release(&out);
    return good;
}

// The user has pressed Ctrl-Z. Gives the terminal back until the program goes on. The program stops
// by the default action of SIGTSTP: the kernel omits that if no shell is there to continue it.
static void stop(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    struct sigaction ours;
    sigset_t mask;
    leave();
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mask);
    (void)sigaction(SIGTSTP, &usual, &ours);
    raise_now(SIGTSTP);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    (void)sigaction(SIGTSTP, &ours, NULL);
    (void)tcgetattr(STDIN_FILENO, &screen.usual);
    enter();
}

// Reads the keys that were pressed. Returns false when one of them is q, or the terminal is gone.
static bool read_keys(void)
{
    char keys[64];
    ssize_t count = read(STDIN_FILENO, keys, sizeof keys);
    if (count < 0)
        return errno == EINTR || errno == EAGAIN;
    for (ssize_t i = 0; i < count; i++)
        if (keys[i] == 'q' || keys[i] == 'Q')
            return false;
    return count > 0;
}

enum screen_event screen_wait(int fd, uint64_t until_ns)
{
    for (;;) {
        struct pollfd ready[2] = {{fd, POLLIN, 0}, {screen.is_open ? STDIN_FILENO : -1, POLLIN, 0}};
        if (screen.stopped) {
            screen.stopped = 0;
            stop();
            return SCREEN_DRAW;
        }
        if (screen.continued) { // after SIGSTOP, too; the shell has used the terminal meanwhile
            screen.continued = 0;
            enter();
            return SCREEN_DRAW;
        }
        if (screen.resized) {
            screen.resized = 0;
            return SCREEN_DRAW;
        }
        uint64_t now = clock_monotonic_ns();
        uint64_t left = now < until_ns ? until_ns - now : 0;
        struct timespec time = {(time_t)(left / CLOCK_SECOND), (long)(left % CLOCK_SECOND)};
        int count = ppoll(ready, 2, &time, screen.is_open ? &screen.mask : NULL);
        if (count > 0 && ready[1].revents != 0 && !read_keys())
            return SCREEN_QUIT;
        if (count > 0 && ready[0].revents != 0)
            return SCREEN_READY;
        if (count == 0)
            return SCREEN_TIME;
    }
}
