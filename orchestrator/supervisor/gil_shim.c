/* Times, thread by thread, how long CPython waits for its global lock (GIL), and reads a thread's clocks in one call.

   Preloaded (LD_PRELOAD) into runners and their workers. CPython takes the GIL in ceval_gil.c with condition variables,
   and uses them for nothing else on Linux (its locks are semaphores), so a wait that is called from CPython's own code
   is a wait for the GIL. Waits called from elsewhere, by a C library with threads of its own, are not counted. Until a
   thread of the process has read its clocks, waits are passed on after one comparison. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define OFF_CORE_NS 2000

struct clocks {
    uint64_t wall, cpu, queue;
};

typedef int (*wait_t)(pthread_cond_t *, pthread_mutex_t *);
typedef int (*timedwait_t)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

static wait_t real_wait;
static timedwait_t real_timedwait;
static _Atomic uintptr_t code_begin, code_end; /* where CPython's code lies; both 0 until the clocks are read */
static pthread_key_t at_exit;
static _Thread_local int schedstat = -1;
static _Thread_local struct clocks last; /* when schedstat was read last, and what it said */
static _Thread_local uint64_t gil_ns;

static uint64_t now_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void close_schedstat(void *_) {
    (void)_;
    if (schedstat >= 0) close(schedstat);
    schedstat = -1;
    last = (struct clocks){0};
}

/* How long this thread has waited for a core: the second field of its schedstat. */
static uint64_t queue_ns(void) {
    char text[96], *rest;
    if (schedstat == -1) {
        schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
        if (schedstat < 0) schedstat = -2; /* there is none: don't ask again */
        pthread_setspecific(at_exit, &at_exit);
    }
    ssize_t length = schedstat < 0 ? -1 : pread(schedstat, text, sizeof text - 1, 0);
    if (length <= 0) return 0;
    text[length] = 0;
    strtoull(text, &rest, 10);
    return strtoull(rest, NULL, 10);
}

static void *symbol(const char *name) {
    void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2"); /* without a version, x86-64 gives the one of 2002 */
    return found ? found : dlsym(RTLD_NEXT, name);
}

static void resolve(void) {
    real_wait = (wait_t)symbol("pthread_cond_wait");
    real_timedwait = (timedwait_t)symbol("pthread_cond_timedwait");
}

__attribute__((constructor)) static void begin(void) {
    resolve();
    pthread_key_create(&at_exit, close_schedstat);
    /* a forked child would read the schedstat of its parent's thread */
    pthread_atfork(NULL, NULL, (void (*)(void))close_schedstat);
}

static int find_code(struct dl_phdr_info *object, size_t size, void *inside) {
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t first = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        uintptr_t last = first + object->dlpi_phdr[i].p_memsz;
        if (object->dlpi_phdr[i].p_type == PT_LOAD && (uintptr_t)inside >= first && (uintptr_t)inside < last) {
            atomic_store(&code_begin, first);
            atomic_store(&code_end, last);
            return 1;
        }
    }
    return 0;
}

/* Monotonic clock, CPU time, time waited for a core and for the GIL, of the calling thread; all in ns. */
void orchestrator_read_clocks(uint64_t clocks[4]) {
    if (!atomic_load_explicit(&code_end, memory_order_relaxed))
        dl_iterate_phdr(find_code, dlsym(RTLD_DEFAULT, "PyEval_SaveThread"));
    clocks[0] = now_ns(CLOCK_MONOTONIC);
    clocks[1] = now_ns(CLOCK_THREAD_CPUTIME_ID);
    /* schedstat takes longer than all the others: it is read again once this thread was off its core */
    if (clocks[0] - last.wall > clocks[1] - last.cpu + OFF_CORE_NS)
        last = (struct clocks){clocks[0], clocks[1], queue_ns()};
    clocks[2] = last.queue;
    clocks[3] = gil_ns;
}

struct span {
    uint64_t begun, ended;
};

static _Thread_local struct span *spans; /* the waits of a thread that wants to know them one by one */
static _Thread_local uint64_t room, kept;

/* Keep the spans of the calling thread's waits from now on, until the next call; return how many were kept so far. */
uint64_t orchestrator_keep_gil_waits(struct span *into, uint64_t most) {
    uint64_t found = kept;
    spans = into;
    room = into ? most : 0;
    kept = 0;
    return found;
}

static struct clocks clocks(void) {
    return (struct clocks){now_ns(CLOCK_MONOTONIC), now_ns(CLOCK_THREAD_CPUTIME_ID), queue_ns()};
}

/* Add what has passed, less what of it this thread was running, or waiting for a core after it had been woken. */
static void count(struct clocks before) {
    struct clocks after = clocks();
    int64_t waited = (int64_t)(after.wall - before.wall) - (int64_t)(after.cpu - before.cpu) -
                     (int64_t)(after.queue - before.queue);
    if (waited > 0) gil_ns += (uint64_t)waited;
    if (kept < room) spans[kept++] = (struct span){before.wall, after.wall};
}

static int is_cpython(void *caller) {
    return (uintptr_t)caller < atomic_load_explicit(&code_end, memory_order_relaxed) &&
           (uintptr_t)caller >= atomic_load_explicit(&code_begin, memory_order_relaxed);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    if (!real_timedwait) resolve(); /* a library that was loaded before this one has a thread already */
    if (!is_cpython(__builtin_return_address(0))) return real_timedwait(condition, mutex, until);
    struct clocks before = clocks();
    int result = real_timedwait(condition, mutex, until);
    count(before);
    return result;
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    if (!real_wait) resolve();
    if (!is_cpython(__builtin_return_address(0))) return real_wait(condition, mutex);
    struct clocks before = clocks();
    int result = real_wait(condition, mutex);
    count(before);
    return result;
}
