/* The DSP extension of the Cortex-M33: two int16 in one 32-bit register.
 *
 * A "pair" is a word with the first value in its low half. */
#ifndef AED_SIMD32_H
#define AED_SIMD32_H

#if !defined(__ARM_FEATURE_DSP) || !defined(__thumb2__)
#error "AED_CORTEX_M33 needs a core with the DSP extension"
#endif

#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

/* Functions that are assembly from their first to their last instruction, and their parameters. */
#define NAKED __attribute__((naked))
#define UNUSED __attribute__((unused))

/* Four int8 from any address. */
static inline uint32_t aed_load4(const int8_t *x) {
  uint32_t word;
  memcpy(&word, x, sizeof word);
  return word;
}

/* Bytes 0 and 2, bytes 1 and 3 of a word as pairs. */
static inline uint32_t aed_even(uint32_t bytes) {
  uint32_t pair;
  __asm("sxtb16 %0, %1" : "=r"(pair) : "r"(bytes));
  return pair;
}

static inline uint32_t aed_odd(uint32_t bytes) {
  uint32_t pair;
  __asm("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(bytes));
  return pair;
}

/* The low halves of two pairs, the high halves of two pairs. */
static inline uint32_t aed_low(uint32_t a, uint32_t b) {
  uint32_t pair;
  __asm("pkhbt %0, %1, %2, lsl #16" : "=r"(pair) : "r"(a), "r"(b));
  return pair;
}

static inline uint32_t aed_high(uint32_t a, uint32_t b) {
  uint32_t pair;
  __asm("pkhtb %0, %1, %2, asr #16" : "=r"(pair) : "r"(b), "r"(a));
  return pair;
}

/* The larger, the smaller of each of four int8. SSUB8 leaves in the GE flags, of which the compiler
 * knows nothing, where a >= b; SEL picks by them. */
static inline uint32_t aed_max8(uint32_t a, uint32_t b) {
  uint32_t y;
  __asm("ssub8 %0, %1, %2 \n\t"
        "sel   %0, %1, %2"
        : "=&r"(y)
        : "r"(a), "r"(b)
        : "cc");
  return y;
}

static inline uint32_t aed_min8(uint32_t a, uint32_t b) {
  uint32_t y;
  __asm("ssub8 %0, %1, %2 \n\t"
        "sel   %0, %2, %1"
        : "=&r"(y)
        : "r"(a), "r"(b)
        : "cc");
  return y;
}

/* Adds bytes 0 and 2, bytes 1 and 3 of a word to a pair. */
static inline uint32_t aed_add_even(uint32_t pair, uint32_t bytes) {
  uint32_t y;
  __asm("sxtab16 %0, %1, %2" : "=r"(y) : "r"(pair), "r"(bytes));
  return y;
}

static inline uint32_t aed_add_odd(uint32_t pair, uint32_t bytes) {
  uint32_t y;
  __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(y) : "r"(pair), "r"(bytes));
  return y;
}

/* Sums of both halves. */
static inline uint32_t aed_add16(uint32_t a, uint32_t b) {
  uint32_t pair;
  __asm("sadd16 %0, %1, %2" : "=r"(pair) : "r"(a), "r"(b));
  return pair;
}

static inline int32_t aed_smlad(uint32_t a, uint32_t b, int32_t acc) {
  return __smlad((int16x2_t)a, (int16x2_t)b, acc);
}

/* acc + high half of a * low half of b, acc + low half of a * high half of b. */
static inline int32_t aed_smlatb(uint32_t a, uint32_t b, int32_t acc) {
  return __smlatb((int32_t)a, (int32_t)b, acc);
}

static inline int32_t aed_smlabt(uint32_t a, uint32_t b, int32_t acc) {
  return __smlabt((int32_t)a, (int32_t)b, acc);
}

/* What a fast_rounding layer makes of a sum that is doubled already. To the channel belong
 * multiplier, shift1 = -shift - 1 and offset = (2 * zero_point + 1) << shift1.
 *
 * offset holds both the zero point and the rounding of the right shift, and SMMLAR rounds the
 * product. This rounds ties of the shift up where aed_rescale rounds them away from zero; the two
 * differ for negative values only, and those all end at -128 because zero is at -128. */
static inline int32_t aed_rescale_relu(int32_t acc, int32_t multiplier, int32_t shift1,
                                       int32_t offset) {
  int32_t y;
  __asm("smmlar %0, %1, %2, %3" : "=r"(y) : "r"(acc), "r"(multiplier), "r"(offset));
  y >>= shift1;
  __asm("ssat %0, #8, %1, asr #1" : "=r"(y) : "r"(y));
  return y;
}

#endif
