#include "cpu.h"

#ifdef HAS_AVX2_VARIANT

#include <cpuid.h>
#include <stdatomic.h>
#include <stdint.h>

/* By hand: __builtin_cpu_supports says no to everything in what zig links (0.17). */
static int ask(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned popcnt = 1u << 23, xsave_in_use = 1u << 27, avx = 1u << 28;
    if (~c & (popcnt | xsave_in_use | avx)) return 0;
    uint32_t saved, upper; /* does the system keep the wide registers of a thread? */
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(upper) : "c"(0));
    (void)upper;
    if ((saved & 6) != 6) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned bmi1 = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8;
    if (~b & (bmi1 | avx2 | bmi2)) return 0;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & 1u << 5); /* LZCNT */
}

/* Asked once, for in a virtual machine each question stops it; threads that ask at once get the same answer. */
int cpu_has_avx2(void) {
    static atomic_int known; /* 0: not asked, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        answer = 1 + !!ask();
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

#else
typedef int nothing_here; /* a source must not be empty */
#endif
