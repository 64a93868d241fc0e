/* A disk whose syncs take longer: every fsync and fdatasync returns DELAY_NS later than it would. Loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void late(void)
{
    struct timespec delay = {DELAY_NS / 1000000000L, DELAY_NS % 1000000000L};
    nanosleep(&delay, 0);
}

int fsync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int result = real(file);
    late();
    return result;
}

int fdatasync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(file);
    late();
    return result;
}
