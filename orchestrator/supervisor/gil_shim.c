/* Times, thread by thread, how long CPython waits for its global lock (GIL) and for other locks, and reads a thread's
   clocks in one call.

   Preloaded (LD_PRELOAD) into runners and their workers. CPython takes the GIL in ceval_gil.c with condition variables,
   and uses them for nothing else on Linux, so a wait on one that is called from CPython's own code is a wait for the
   GIL. Its other locks are semaphores: those of `threading`, and so conditions, queues, events and joins; those of
   imports; with a build without a GIL, those of objects. A wait for one counts only within a call of the workload:
   workers wait for work in the same way. To take the GIL, and to give it away, CPython signals a condition, so it is
   known when threads hold it in calls: a worker between two calls does not get it meanwhile. What is called from
   elsewhere, by a C library with threads of its own, is not counted, except for locks of `multiprocessing`. Until a
   thread of the process has read its clocks, all is passed on after one comparison. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OFF_CORE_NS 2000
#define APART_NS 20000 /* readings that lie so far apart are not of one moment */
#define MOST_READINGS 4
#define MOST_THREADS 512
#define MOST_GILS 64
#define GIVING_NS 20000 /* to give the GIL away takes no longer, unless the core is lost with it */

struct clocks {
    uint64_t wall, cpu, queue;
};

typedef int (*wait_t)(pthread_cond_t *, pthread_mutex_t *);
typedef int (*timedwait_t)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
typedef int (*signal_t)(pthread_cond_t *);
typedef int (*unlock_t)(pthread_mutex_t *);
typedef int (*sem_wait_t)(sem_t *);
typedef int (*sem_timedwait_t)(sem_t *, const struct timespec *);
typedef int (*sem_clockwait_t)(sem_t *, clockid_t, const struct timespec *);

static wait_t real_wait;
static timedwait_t real_timedwait;
static signal_t real_signal;
static unlock_t real_unlock;
static sem_wait_t real_sem_wait;
static sem_timedwait_t real_sem_timedwait;
static sem_clockwait_t real_sem_clockwait;
static _Atomic uintptr_t code_begin, code_end; /* where CPython's code lies; both 0 until the clocks are read */
static pthread_key_t at_exit;
static uint64_t process;
static _Thread_local int schedstat = -1;
static _Thread_local struct clocks last; /* when schedstat was read last, and what it said */
static _Thread_local uint64_t gil_ns, lock_ns;
static _Thread_local unsigned call_depth; /* how many nested calls this thread is in */

struct span {
    uint64_t begun, ended;
};

/* A GIL, known by the condition that is signalled when it is taken, and how long threads have held it in calls. */
struct hold {
    _Atomic uintptr_t condition;
    _Atomic uint64_t ns, since; /* the spans that are over, and the begin of the present one, else 0 */
    struct span *spans;         /* those that are kept, written by the holder only */
    uint64_t room, kept;
};
static struct hold holds[MOST_GILS];
static _Thread_local struct hold *own; /* of the GIL that this thread took last */
static _Thread_local int has_gil;
static _Thread_local uint64_t handed_ns; /* part of gil_ns that the kernel counts as waiting for a core */

struct moment {
    uint64_t wall, held;
};
static _Thread_local struct moment giving; /* when this thread began to give the GIL away, until it has */

enum doing { RUNS, AWAITS_GIL, AWAITS_LOCK };

/* What a thread that makes calls is doing, for a sampler in another thread. */
struct slot {
    _Atomic uint64_t thread, id, calls, doing, since, begun;
};
static struct slot slots[MOST_THREADS];
static _Thread_local struct slot *slot;

static uint64_t now_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void close_schedstat(void) {
    if (schedstat >= 0) close(schedstat);
    schedstat = -1;
    last = (struct clocks){0};
}

static void end_thread(void *_) {
    (void)_;
    close_schedstat();
    if (slot) atomic_store(&slot->thread, 0);
    slot = NULL;
}

/* A forked child would read the schedstat of its parent's thread, and has only one thread. */
static void begin_child(void) {
    process = (uint64_t)getpid();
    close_schedstat();
    memset(slots, 0, sizeof slots);
    memset(holds, 0, sizeof holds);
    slot = NULL;
    own = NULL;
    call_depth = 0;
    handed_ns = 0; /* its schedstat begins anew */
    has_gil = 0; /* it takes a new one */
    giving = (struct moment){0};
}

/* How long this thread has waited for a core: the second field of its schedstat. */
static uint64_t run_queue_ns(void) {
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
    real_signal = (signal_t)symbol("pthread_cond_signal");
    real_unlock = (unlock_t)dlsym(RTLD_NEXT, "pthread_mutex_unlock");
    real_sem_wait = (sem_wait_t)dlsym(RTLD_NEXT, "sem_wait");
    real_sem_timedwait = (sem_timedwait_t)dlsym(RTLD_NEXT, "sem_timedwait");
    real_sem_clockwait = (sem_clockwait_t)dlsym(RTLD_NEXT, "sem_clockwait"); /* none before glibc 2.30 */
}

__attribute__((constructor)) static void begin(void) {
    process = (uint64_t)getpid();
    resolve();
    pthread_key_create(&at_exit, end_thread);
    pthread_atfork(NULL, NULL, begin_child);
}

static int find_code(struct dl_phdr_info *object, size_t size, void *inside) {
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t first = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        uintptr_t end = first + object->dlpi_phdr[i].p_memsz;
        if (object->dlpi_phdr[i].p_type == PT_LOAD && (uintptr_t)inside >= first && (uintptr_t)inside < end) {
            atomic_store(&code_begin, first);
            atomic_store(&code_end, end);
            return 1;
        }
    }
    return 0;
}

/* Read all clocks at one moment: again if this thread lost its core between the first and the last. */
static struct clocks clocks(int always_queue) {
    struct clocks now;
    for (int reading = 0; reading < MOST_READINGS; reading++) {
        now.wall = now_ns(CLOCK_MONOTONIC);
        now.cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
        /* schedstat takes longer than all the others: it is read again once this thread was off its core */
        if (!always_queue && now.wall - last.wall <= now.cpu - last.cpu + OFF_CORE_NS) {
            now.queue = last.queue;
            break;
        }
        now.queue = run_queue_ns();
        last = now;
        if (now_ns(CLOCK_MONOTONIC) - now.wall < APART_NS) break;
    }
    return now;
}

/* Monotonic clock, CPU time, time waited for a core, for the GIL and for locks in calls, of the calling thread, in ns. */
void orchestrator_read_clocks(uint64_t into[5]) {
    if (!atomic_load_explicit(&code_end, memory_order_relaxed))
        dl_iterate_phdr(find_code, dlsym(RTLD_DEFAULT, "PyEval_SaveThread"));
    has_gil = 1; /* Python has called this, and keeps it; where there is no GIL, nothing is taken or given away */
    struct clocks now = clocks(0);
    into[0] = now.wall;
    into[1] = now.cpu;
    into[2] = now.queue > handed_ns ? now.queue - handed_ns : 0;
    into[3] = gil_ns;
    into[4] = lock_ns;
}

static void take_slot(void) {
    for (int i = 0; i < MOST_THREADS; i++) {
        uint64_t none = 0;
        if (!atomic_compare_exchange_strong(&slots[i].thread, &none, (uint64_t)pthread_self())) continue;
        slot = &slots[i];
        slot->id = (uint64_t)syscall(SYS_gettid);
        slot->doing = RUNS;
        slot->calls = 0;
        pthread_setspecific(at_exit, &at_exit);
        return;
    }
}

static struct hold *hold_of(pthread_cond_t *condition) {
    uintptr_t sought = (uintptr_t)condition;
    if (own && own->condition == sought) return own;
    for (int i = 0; i < MOST_GILS; i++) {
        uintptr_t found = 0;
        if (atomic_compare_exchange_strong(&holds[i].condition, &found, sought) || found == sought) return &holds[i];
    }
    return NULL;
}

static void begin_hold(uint64_t now) {
    if (own && has_gil && call_depth) own->since = now;
}

static void end_hold(uint64_t now) {
    if (!own || !has_gil || !call_depth || !own->since) return;
    uint64_t since = own->since;
    own->since = 0;
    own->ns += now - since;
    if (own->kept < own->room) own->spans[own->kept++] = (struct span){since, now};
}

/* Now, and how long the GIL of this thread has been held in calls so far. */
static struct moment moment(uint64_t now) {
    uint64_t since = own ? own->since : 0;
    uint64_t held = own ? own->ns + (since && since < now ? now - since : 0) : 0;
    return (struct moment){now, held};
}

/* Return for how long the GIL was held in calls since then. */
static uint64_t held_since(struct moment then, struct moment now) {
    uint64_t held = now.held > then.held ? now.held - then.held : 0;
    return held < now.wall - then.wall ? held : now.wall - then.wall;
}

/* The stamps of a call of the workload: who made it, for how long it ran, and the same clocks before and after it. */
struct stamps {
    uint64_t process, thread, busy, before[5], after[5];
};

void orchestrator_begin_call(struct stamps *stamps) {
    if (!slot) take_slot();
    stamps->process = process;
    stamps->thread = slot ? slot->id : (uint64_t)syscall(SYS_gettid);
    orchestrator_read_clocks(stamps->before);
    call_depth++;
    if (call_depth == 1) begin_hold(stamps->before[0]);
    if (slot) {
        slot->calls = call_depth;
        slot->begun++;
    }
}

void orchestrator_end_call(struct stamps *stamps) {
    orchestrator_read_clocks(stamps->after);
    stamps->busy = stamps->after[0] - stamps->before[0];
    if (call_depth == 1) end_hold(stamps->after[0]);
    if (call_depth) call_depth--;
    if (slot) slot->calls = call_depth;
}

struct seen {
    uint64_t thread, id, doing, since;
};

/* Write down which threads are in a call, what each is doing since when, and how many calls all threads have begun;
   return how many threads there are. */
uint64_t orchestrator_see_threads(struct seen *into, uint64_t most, uint64_t *begun) {
    uint64_t count = 0;
    *begun = 0;
    for (int i = 0; i < MOST_THREADS; i++) {
        *begun += slots[i].begun;
        if (slots[i].thread && slots[i].calls && count < most)
            into[count++] = (struct seen){slots[i].thread, slots[i].id, slots[i].doing, slots[i].since};
    }
    return count;
}

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

/* Keep when threads hold the GIL of the calling thread in calls from now on, in the same way. */
uint64_t orchestrator_keep_gil_holds(struct span *into, uint64_t most) {
    if (!own) return 0;
    uint64_t found = own->kept;
    own->spans = into;
    own->room = into ? most : 0;
    own->kept = 0;
    return found;
}

static struct clocks begin_wait(enum doing doing) {
    struct clocks now = clocks(1);
    if (slot) {
        slot->since = now.wall;
        slot->doing = doing;
    }
    return now;
}

/* Return what has passed, less what of it this thread was running, or waiting for a core after it had been woken. */
static uint64_t end_wait(struct clocks before, struct clocks after) {
    int64_t waited = (int64_t)(after.wall - before.wall) - (int64_t)(after.cpu - before.cpu) -
                     (int64_t)(after.queue - before.queue);
    if (slot) slot->doing = RUNS;
    return waited > 0 ? (uint64_t)waited : 0;
}

static void count_gil_wait(struct clocks before) {
    struct clocks after = clocks(1);
    gil_ns += end_wait(before, after);
    if (kept < room) spans[kept++] = (struct span){before.wall, after.wall};
}

static int is_cpython(void *caller) {
    return (uintptr_t)caller < atomic_load_explicit(&code_end, memory_order_relaxed) &&
           (uintptr_t)caller >= atomic_load_explicit(&code_begin, memory_order_relaxed);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    if (!real_timedwait) resolve(); /* a library that was loaded before this one has a thread already */
    if (!is_cpython(__builtin_return_address(0))) return real_timedwait(condition, mutex, until);
    has_gil = 0;
    struct clocks before = begin_wait(AWAITS_GIL);
    int result = real_timedwait(condition, mutex, until);
    count_gil_wait(before);
    return result;
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) {
    if (!real_wait) resolve();
    if (!is_cpython(__builtin_return_address(0))) return real_wait(condition, mutex);
    has_gil = 0;
    struct clocks before = begin_wait(AWAITS_GIL);
    int result = real_wait(condition, mutex);
    count_gil_wait(before);
    return result;
}

static void take_gil(pthread_cond_t *condition) {
    has_gil = 1;
    own = hold_of(condition);
    if (call_depth) begin_hold(now_ns(CLOCK_MONOTONIC));
}

static void give_gil(void) {
    if (call_depth || (own && own->room)) { /* else nobody asks, and no time is lost with the clock */
        uint64_t now = now_ns(CLOCK_MONOTONIC);
        end_hold(now);
        giving = moment(now);
    }
    has_gil = 0;
}

int pthread_cond_signal(pthread_cond_t *condition) {
    if (!real_signal) resolve();
    if (is_cpython(__builtin_return_address(0))) has_gil ? give_gil() : take_gil(condition);
    return real_signal(condition);
}

/* Giving the GIL away wakes the thread that waits for it, often on the giver's core. The giver then queues behind it,
   although another core may be idle. While the GIL is held in calls, that counts as waiting for the GIL. */
static void count_giving(struct moment begun) {
    struct moment ended = moment(now_ns(CLOCK_MONOTONIC));
    uint64_t held = held_since(begun, ended);
    if (held < GIVING_NS) return;
    gil_ns += held - GIVING_NS;
    handed_ns += held - GIVING_NS;
}

int pthread_mutex_unlock(pthread_mutex_t *mutex) {
    if (!real_unlock) resolve();
    if (!giving.wall || !is_cpython(__builtin_return_address(0))) return real_unlock(mutex);
    struct moment begun = giving;
    giving.wall = 0;
    int result = real_unlock(mutex);
    count_giving(begun);
    return result;
}

/* Whether a wait for a semaphore is one of a call of the workload for a lock of Python. */
static int is_lock(void *caller) {
    Dl_info found;
    if (!call_depth) return 0;
    return is_cpython(caller) || (dladdr(caller, &found) && found.dli_fname && strstr(found.dli_fname, "_multiprocessing"));
}

static int count_lock_wait(struct clocks before, int result) {
    int error = errno;
    lock_ns += end_wait(before, clocks(1));
    errno = error;
    return result;
}

int sem_wait(sem_t *semaphore) {
    if (!real_sem_wait) resolve();
    if (!is_lock(__builtin_return_address(0))) return real_sem_wait(semaphore);
    struct clocks before = begin_wait(AWAITS_LOCK);
    return count_lock_wait(before, real_sem_wait(semaphore));
}

int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    if (!real_sem_timedwait) resolve();
    if (!is_lock(__builtin_return_address(0))) return real_sem_timedwait(semaphore, until);
    struct clocks before = begin_wait(AWAITS_LOCK);
    return count_lock_wait(before, real_sem_timedwait(semaphore, until));
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
    if (!real_sem_clockwait) resolve();
    if (!is_lock(__builtin_return_address(0))) return real_sem_clockwait(semaphore, clock, until);
    struct clocks before = begin_wait(AWAITS_LOCK);
    return count_lock_wait(before, real_sem_clockwait(semaphore, clock, until));
}
