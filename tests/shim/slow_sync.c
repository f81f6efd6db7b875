/*
 * A slow disk: every flush takes SLOW_SYNC_MICROSECONDS longer. Loaded before the C library (LD_PRELOAD), so that a
 * server needs no change to be measured on one. The flush itself is made first: the promise is kept, it is only late.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void linger(void) {
    const char *text = getenv("SLOW_SYNC_MICROSECONDS");
    long microseconds = text ? atol(text) : 0;
    if (microseconds <= 0) return;
    /* The caller looks at errno of its flush, not of this sleep. */
    int kept = errno;
    struct timespec left = {microseconds / 1000000, microseconds % 1000000 * 1000};
    while (nanosleep(&left, &left) == -1 && errno == EINTR) {}
    errno = kept;
}

int fsync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int result = real(file);
    linger();
    return result;
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(file);
    linger();
    return result;
}

int sync_file_range(int file, off_t offset, off_t count, unsigned int flags) {
    static int (*real)(int, off_t, off_t, unsigned int);
    if (!real) real = (int (*)(int, off_t, off_t, unsigned int))dlsym(RTLD_NEXT, "sync_file_range");
    int result = real(file, offset, count, flags);
    /* PostgreSQL hints with it what is to be written out; only a call that waits is a flush. */
    if (flags & 4) linger();
    return result;
}
