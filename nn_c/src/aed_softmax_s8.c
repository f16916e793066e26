#include "aed_nn_kernels.h"
#include "aed_nn_math.h"

/* Numbers in 32-bit fixed point: q<n> has n integer bits, a sign and 31 - n fraction bits. A
 * product of q<m> and q<n> is a q<m + n>. */

/* Rounded product, ties up. Not for INT32_MIN times itself. */
static int32_t multiply(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* x / 2^bits to nearest, ties away from zero, for any x and 0 <= bits <= 31. */
static int32_t divide_pot(int32_t x, int32_t bits) {
  const int32_t mask = (int32_t)(((uint32_t)1 << bits) - 1u);
  const int32_t threshold = (int32_t)((uint32_t)mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> bits) + ((x & mask) > threshold ? 1 : 0);
}

/* x * 2^bits, saturated. */
static int32_t shift_left(int32_t x, int32_t bits) {
  const int64_t wide = (int64_t)x * ((int64_t)1 << bits);
  return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* exp of a q5 number <= 0, as a q0 number. */
static int32_t exp_negative(int32_t a) {
  /* exp(-2^i) as q0 numbers, for i = -2 to 4. */
  static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308,
                                   39332535,   720401,     242};
  const int32_t one_quarter = 1 << 24;
  if (a == 0) {
    return INT32_MAX;
  }
  /* a = quarter - rest with quarter in [-1/4, 0) and rest a multiple of 1/4. */
  const int32_t quarter = (a & (one_quarter - 1)) - one_quarter;
  const int32_t rest = quarter - a;
  /* Taylor expansion around -1/8, in q0. */
  const int32_t x = quarter * 32 + (1 << 28);
  const int32_t x2 = multiply(x, x);
  const int32_t x3 = multiply(x2, x);
  const int32_t x4_over_4 = divide_pot(multiply(x2, x2), 2);
  const int32_t one_third = 715827883;
  const int32_t exp_minus_one_eighth = 1895147668;
  const int32_t terms = divide_pot(multiply(x4_over_4 + x3, one_third) + x2, 1);
  int32_t result = exp_minus_one_eighth + multiply(exp_minus_one_eighth, x + terms);
  for (int32_t i = 0; i < 7; i++) {
    if ((rest & (one_quarter << i)) != 0) {
      result = multiply(result, powers[i]);
    }
  }
  return result;
}

/* 1 / (1 + x) of a q0 number in [0, 1), as a q0 number: Newton's division in q2. */
static int32_t one_over_one_plus(int32_t x) {
  const int32_t half_denominator = (int32_t)(((int64_t)x + INT32_MAX + 1) / 2);
  int32_t y = 1515870810 + multiply(half_denominator, -1010580540); /* 48/17 - 32/17 * d */
  for (int32_t i = 0; i < 3; i++) {
    const int32_t error = (1 << 29) - multiply(half_denominator, y);
    y += shift_left(multiply(y, error), 2);
  }
  return shift_left(y, 1);
}

static int32_t leading_zeros(uint32_t x) {
  int32_t n = 0;
  for (; n < 32 && (x & 0x80000000u) == 0; n++) {
    x <<= 1;
  }
  return n;
}

void aed_softmax_s8(const void *params, uint8_t *arena) {
  const aed_softmax_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  const uint32_t left = (uint32_t)1 << p->left_shift;
  for (int32_t r = 0; r < p->rows; r++, x += p->depth, y += p->depth) {
    int32_t top = -128;
    for (int32_t i = 0; i < p->depth; i++) {
      top = aed_max(top, x[i]);
    }
    int32_t sum = 0; /* q12 */
    for (int32_t i = 0; i < p->depth; i++) {
      const int32_t diff = x[i] - top;
      if (diff >= p->diff_min) {
        const int32_t scaled = multiply((int32_t)((uint32_t)diff * left), p->multiplier);
        sum += divide_pot(exp_negative(scaled), 12);
      }
    }
    /* sum = 2^(12 - zeros) * (1 + fraction) */
    const int32_t zeros = leading_zeros((uint32_t)sum);
    const int32_t fraction = (int32_t)(((uint32_t)sum << zeros) - 0x80000000u);
    const int32_t reciprocal = one_over_one_plus(fraction);
    const int32_t bits = 12 - zeros + 31 - 8;
    for (int32_t i = 0; i < p->depth; i++) {
      const int32_t diff = x[i] - top;
      int32_t q = 0; /* so it is where the sum is so large that every share rounds to nothing */
      if (diff >= p->diff_min && bits < 32) {
        const int32_t scaled = multiply((int32_t)((uint32_t)diff * left), p->multiplier);
        q = divide_pot(multiply(reciprocal, exp_negative(scaled)), bits);
      }
      y[i] = (int8_t)aed_clamp(q - 128, -128, 127);
    }
  }
}
