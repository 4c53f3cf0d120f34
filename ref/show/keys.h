// keys.h: single key presses from a terminal, without Return.
//
//   if (keys_open()) {                    // 0: stdin is no terminal; read lines from it
//       int key = keys_get();             // waits; a character, or one of KEY_...
//       keys_close();
//   }
//
// Arrow keys arrive as ESC [ A (CSI) or ESC O A (SS3, "application mode"), and over a slow line in pieces: after an ESC
// the rest is waited for a tenth of a second, then it was the ESC key itself.  The terminal is put back on keys_close,
// at exit (so also by DIE), on SIGINT, SIGTERM, SIGHUP and SIGQUIT, and while the program is stopped by Ctrl-Z.
// C99 knows no terminals: elsewhere than on POSIX systems keys_open returns 0.
#ifndef TILT_KEYS_H
#define TILT_KEYS_H

#include "tty.h"

enum { KEY_END = -1, KEY_NONE = 256, KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT, KEY_ESCAPE };

// ---- which key is it: no terminal needed ---------------------------------------------------------------------------

// The bytes after an ESC, as far as they came (n of them).  Returns the key; KEY_NONE: a sequence that is no arrow;
// 0: it is not complete.
static inline int keys_decode(const unsigned char *s, int n) {
    int i = 1;
    if (n == 0) {
        return 0;
    }
    if (s[0] != '[' && s[0] != 'O') {
        return KEY_NONE; // Alt and a key
    }
    while (i < n && s[0] == '[' && s[i] >= 0x20 && s[i] < 0x40) { // parameters, as in ESC [ 1 ; 5 C
        i++;
    }
    if (i == n) {
        return 0;
    }
    return s[i] >= 'A' && s[i] <= 'D' ? KEY_UP + (s[i] - 'A') : KEY_NONE;
}

#if defined(__unix__) || defined(__APPLE__)

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios keys_before_, keys_raw_;
static volatile sig_atomic_t keys_on_; // the terminal is ours

// Called from signal handlers too: tcsetattr and write are allowed there.
static inline void keys_set_(int on) {
    static const char show[] = "\033[?25h", hide[] = "\033[?25l"; // the cursor
    ssize_t ignored;
    tcsetattr(0, TCSADRAIN, on ? &keys_raw_ : &keys_before_);
    ignored = on ? write(1, hide, sizeof hide - 1) : write(1, show, sizeof show - 1);
    (void)ignored;
}

static inline void keys_close(void) {
    if (keys_on_) {
        keys_on_ = 0;
        keys_set_(0);
    }
}

// Put the terminal back, then do what the signal does by itself.
static inline void keys_killed_(int number) {
    int error = errno;
    keys_close();
    signal(number, SIG_DFL);
    raise(number);
    errno = error;
}

static inline void keys_stopped_(int number) {
    int error = errno;
    if (keys_on_) {
        keys_set_(0);
    }
    signal(number, SIG_DFL);
    raise(number);
    errno = error;
}

static inline void keys_continued_(int number) {
    int error = errno;
    if (keys_on_) {
        keys_set_(1);
    }
    signal(SIGTSTP, keys_stopped_);
    signal(number, keys_continued_);
    errno = error;
}

// 1: keys arrive one by one from now on.  0: stdin or stdout is no terminal, nothing was changed.
static inline int keys_open(void) {
    static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    static int registered;
    size_t i;
    if (keys_on_) {
        return 1;
    }
    if (!TILT_ISATTY(0) || !is_terminal(stdout) || tcgetattr(0, &keys_before_) != 0) {
        return 0;
    }
    keys_raw_ = keys_before_;
    keys_raw_.c_lflag &= ~(tcflag_t)(ICANON | ECHO); // ISIG stays: Ctrl-C and Ctrl-Z work
    keys_raw_.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
    keys_raw_.c_cc[VMIN] = 1;
    keys_raw_.c_cc[VTIME] = 0;
    if (!registered) {
        registered = 1;
        atexit(keys_close);
    }
    for (i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        if (signal(deadly[i], keys_killed_) == SIG_IGN) { // nohup and background jobs stay as they are
            signal(deadly[i], SIG_IGN);
        }
    }
    signal(SIGTSTP, keys_stopped_);
    signal(SIGCONT, keys_continued_);
    keys_on_ = 1;
    keys_set_(1);
    return 1;
}

// One byte, or KEY_END.  wait: milliseconds, -1 for ever; KEY_NONE when nothing came in time.
static inline int keys_byte_(int wait) {
    struct pollfd in;
    unsigned char byte;
    for (;;) {
        int ready;
        ssize_t got;
        in.fd = 0;
        in.events = POLLIN;
        in.revents = 0;
        ready = poll(&in, 1, wait);
        if (ready == 0) {
            return KEY_NONE;
        }
        got = ready > 0 ? read(0, &byte, 1) : -1;
        if (got == 1) {
            return byte;
        }
        if (got == 0 || errno != EINTR) { // a stop and a continue interrupt the wait
            return KEY_END;
        }
    }
}

// The next key.  KEY_END: the terminal has gone, or Ctrl-D.
static inline int keys_get(void) {
    unsigned char s[16];
    int n = 0, byte, key;
    fflush(stdout);
    byte = keys_byte_(-1);
    if (byte == 4) {
        return KEY_END;
    }
    if (byte != 27) {
        return byte;
    }
    for (;;) {
        byte = keys_byte_(100);
        if (byte == KEY_NONE || byte == KEY_END) {
            return n == 0 ? KEY_ESCAPE : KEY_NONE;
        }
        s[n++] = (unsigned char)byte;
        key = keys_decode(s, n);
        if (key != 0 || n == (int)sizeof s) {
            return key != 0 ? key : KEY_NONE;
        }
    }
}

// Columns of the terminal; 0 when nobody knows.
static inline int keys_columns(void) {
    struct winsize size;
    return ioctl(1, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

#else

static inline int keys_open(void) {
    return 0;
}

static inline void keys_close(void) {
}

static inline int keys_get(void) {
    return KEY_END;
}

static inline int keys_columns(void) {
    return 0;
}

#endif

#endif
