/* What the arithmetic in lanes asks of a compiler. */
#ifndef AED_INLINE_H
#define AED_INLINE_H

#define AED_INLINE static inline __attribute__((always_inline))

/* In front of a loop of at most four rounds, a constant number of them: no loop remains, and what
 * it indexes stays in registers. gcc -O2 doesn't by itself. */
#ifdef __clang__
#define AED_UNROLL _Pragma("unroll")
#else
#define AED_UNROLL _Pragma("GCC unroll 4")
#endif

#endif
