/* What the processor can do: the library is built for the oldest of its kind. */
#ifndef CPU_H
#define CPU_H

#if defined(__x86_64__) && !defined(PLAIN_ONLY) /* which a test defines, for what other machines run */
#define HAS_AVX2_VARIANT 1
#define AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
int cpu_has_avx2(void); /* and what came with it: BMI 1 and 2, LZCNT, POPCNT */
#endif

#endif
