#include "../src/aed_instruction_sets.h"

#ifdef AED_CORTEX_M33

#include <stddef.h>

#include "../src/aed_nn_math.h"
#include "aed_simd32.h"

/* 3x3 windows, four channels at a time: their maps are widened to planes of int16 in the scratch
 * memory, with the padding in place, where a channel's nine weights stay in registers.
 *
 * A plane is [lines][columns] words; the word of line k and column j holds the values of map column
 * j - pad_left in the plane's map rows 2k and 2k + 1. Going along a line, the words of three
 * columns are neighbours. */

typedef struct {
  int32_t left, inside, right; /* words before, in and behind the map's columns */
  int32_t size;                /* words of a plane */
  uint32_t zeros;              /* the input's zero point as a pair */
} line_shape;

static uint32_t *fill(uint32_t *p0, int32_t size, uint32_t zeros, int32_t n) {
  for (; n > 0; n--, p0++) {
    p0[0] = p0[size] = p0[2 * size] = p0[3 * size] = zeros;
  }
  return p0;
}

/* One line of four planes: channels at a and b, which go on by so many bytes a column. */
__attribute__((noinline)) static void widen_line(const int8_t *a, int32_t a_step, const int8_t *b,
                                                 int32_t b_step, const line_shape *g,
                                                 uint32_t *p0) {
  const int32_t size = g->size;
  p0 = fill(p0, size, g->zeros, g->left);
  uint32_t *p1 = p0 + size, *p2 = p1 + size, *p3 = p2 + size;
  for (const uint32_t *end = p0 + g->inside; p0 != end; a += a_step, b += b_step) {
    const uint32_t v = aed_load4(a), w = aed_load4(b);
    const uint32_t v02 = aed_even(v), w02 = aed_even(w), v13 = aed_odd(v), w13 = aed_odd(w);
    *p0++ = aed_low(v02, w02);
    *p1++ = aed_low(v13, w13);
    *p2++ = aed_high(v02, w02);
    *p3++ = aed_high(v13, w13);
  }
  fill(p0, size, g->zeros, g->right);
}

/* Widens channels c..c+3 of the rows from iy on; out[k * size] is the plane of channel c + k. */
static void widen(const aed_conv_params *p, const int8_t *x, int32_t iy, int32_t lines,
                  int32_t columns, uint32_t *out) {
  const uint32_t zero = 0x01010101u * (uint8_t)p->input_zero_point;
  const int32_t left = aed_min(p->pad_left, columns), inside = aed_min(p->in_w, columns - left);
  const line_shape g = {left, inside, columns - left - inside, lines * columns, aed_even(zero)};
  const int32_t step = p->in_c, row = p->in_w * step, in_h = p->in_h;
  const int8_t *a = x + iy * row;
  for (; lines > 0; lines--, iy += 2, a += 2 * row, out += columns) {
    const int upper = iy >= 0 && iy < in_h, lower = iy >= -1 && iy + 1 < in_h;
    const int8_t *outside = (const int8_t *)&zero;
    widen_line(upper ? a : outside, upper ? step : 0, lower ? a + row : outside, lower ? step : 0,
               &g, out);
  }
}

/* One channel. The assembly below loads the fields in this order. Weights and bias are doubled for
 * it, which saves doubling every sum, see aed_rescale_relu. */
typedef struct {
  int32_t multiplier, shift1, offset;
  const uint32_t *end; /* of the loop over x */
  int32_t bias, bias_again;
  int32_t second;          /* bytes from an output to the other one, 0 where there is none */
  int32_t y_step;          /* bytes from an output to that of the next round */
  uint32_t w01[3], w12[3]; /* taps 0 and 1, taps 1 and 2 of each kernel column */
  int8_t *y;
} channel;

/* Sums and results of one line of outputs, from lines x and x_below of the plane, for layers with
 * fast_rounding. In assembly because weights, operands, sums and pointers take all 14 registers;
 * the rest waits in s0-s7.
 *
 * two_rows, at stride 1:
 *   for (; x != k->end; x++, x_below++, y += y_step) {
 *     a = bias, b = bias;
 *     for (i = 0; i < 3; i++) {
 *       a += w01[i].low * x[i].low + w01[i].high * x[i].high + w12[i].high * x_below[i].low;
 *       b += w01[i].low * x[i].high + w12[i].low * x_below[i].low + w12[i].high * x_below[i].high;
 *     }
 *     y[second] = rescale_relu(b), y[0] = rescale_relu(a);
 *   }
 *
 * neighbours: two outputs of one row, b from columns 1 to 3 or, at stride 2, from columns 2 to 4 as
 * a from columns 0 to 2. */
/* clang-format off */
#define LOAD_CHANNEL                                                                               \
  "push   {r3-r11, lr}               \n"                                                           \
  "vldm   r2!, {s0-s7}               \n"                                                           \
  "ldm    r2, {r4-r9, lr}            \n"

/* Rounds the sums r2 and r3 of two outputs as aed_rescale_relu does and stores them; then the next
 * round, or the end. */
#define STORE_AND_REPEAT                                                                           \
  "vmov   r10, r11, s0, s1          \n"                                                            \
  "vmov   r12, s2                   \n"                                                            \
  "smmlar r2, r2, r10, r12          \n"                                                            \
  "smmlar r3, r3, r10, r12          \n"                                                            \
  "asr    r2, r2, r11               \n"                                                            \
  "asr    r3, r3, r11               \n"                                                            \
  "ssat   r2, #8, r2, asr #1        \n"                                                            \
  "ssat   r3, #8, r3, asr #1        \n"                                                            \
  "vmov   r10, r11, s6, s7          \n"                                                            \
  "vmov   r12, s3                   \n"                                                            \
  "strb   r3, [lr, r10]             \n"                                                            \
  "strb   r2, [lr]                  \n"                                                            \
  "add    lr, lr, r11               \n"                                                            \
  "cmp    r0, r12                   \n"                                                            \
  "bne    1b                        \n"                                                            \
  "pop    {r3-r11, pc}              \n"

NAKED static void two_rows(const uint32_t *x UNUSED, const uint32_t *x_below UNUSED,
                           const channel *k UNUSED) {
  __asm volatile(
    LOAD_CHANNEL
    "1:                                \n"
    "vmov   r2, r3, s4, s5             \n"
    "ldrd   r10, r11, [r0], #4         \n"
    "ldr    r12, [r0, #4]              \n"
    "smlad  r2, r10, r4, r2            \n"
    "smlatb r3, r10, r4, r3            \n"
    "smlad  r2, r11, r5, r2            \n"
    "smlatb r3, r11, r5, r3            \n"
    "smlad  r2, r12, r6, r2            \n"
    "smlatb r3, r12, r6, r3            \n"
    "ldrd   r10, r11, [r1], #4         \n"
    "ldr    r12, [r1, #4]              \n"
    "smlabt r2, r10, r7, r2            \n"
    "smlad  r3, r10, r7, r3            \n"
    "smlabt r2, r11, r8, r2            \n"
    "smlad  r3, r11, r8, r3            \n"
    "smlabt r2, r12, r9, r2            \n"
    "smlad  r3, r12, r9, r3            \n"
    STORE_AND_REPEAT);
}

NAKED static void neighbours_stride_1(const uint32_t *x UNUSED, const uint32_t *x_below UNUSED,
                                      const channel *k UNUSED) {
  __asm volatile(
    LOAD_CHANNEL
    "1:                                \n"
    "vmov   r2, r3, s4, s5             \n"
    "ldrd   r10, r11, [r0], #8         \n"
    "ldr    r12, [r0]                  \n"
    "smlad  r2, r10, r4, r2            \n"
    "smlad  r2, r11, r5, r2            \n"
    "smlad  r2, r12, r6, r2            \n"
    "smlad  r3, r11, r4, r3            \n"
    "ldr    r10, [r0, #4]              \n"
    "smlad  r3, r12, r5, r3            \n"
    "smlad  r3, r10, r6, r3            \n"
    "ldrd   r10, r11, [r1], #8         \n"
    "ldr    r12, [r1]                  \n"
    "smlabt r2, r10, r7, r2            \n"
    "smlabt r2, r11, r8, r2            \n"
    "smlabt r2, r12, r9, r2            \n"
    "smlabt r3, r11, r7, r3            \n"
    "ldr    r10, [r1, #4]              \n"
    "smlabt r3, r12, r8, r3            \n"
    "smlabt r3, r10, r9, r3            \n"
    STORE_AND_REPEAT);
}

NAKED static void neighbours_stride_2(const uint32_t *x UNUSED, const uint32_t *x_below UNUSED,
                                      const channel *k UNUSED) {
  __asm volatile(
    LOAD_CHANNEL
    "1:                                \n"
    "vmov   r2, r3, s4, s5             \n"
    "ldrd   r10, r11, [r0], #16        \n"
    "ldr    r12, [r0, #-8]             \n"
    "smlad  r2, r10, r4, r2            \n"
    "smlad  r2, r11, r5, r2            \n"
    "smlad  r2, r12, r6, r2            \n"
    "smlad  r3, r12, r4, r3            \n"
    "ldrd   r10, r11, [r0, #-4]        \n"
    "smlad  r3, r10, r5, r3            \n"
    "smlad  r3, r11, r6, r3            \n"
    "ldrd   r10, r11, [r1], #16        \n"
    "ldr    r12, [r1, #-8]             \n"
    "smlabt r2, r10, r7, r2            \n"
    "smlabt r2, r11, r8, r2            \n"
    "smlabt r2, r12, r9, r2            \n"
    "smlabt r3, r12, r7, r3            \n"
    "ldrd   r10, r11, [r1, #-4]        \n"
    "smlabt r3, r10, r8, r3            \n"
    "smlabt r3, r11, r9, r3            \n"
    STORE_AND_REPEAT);
}
/* clang-format on */

_Static_assert(offsetof(channel, w01) == 32 && offsetof(channel, y) == 56,
               "LOAD_CHANNEL relies on the layout");

/* The same for any rounding, clamp and horizontal stride,
 * one output a round at a vertical stride of 2. */
static void line_exact(const aed_conv_params *p, int32_t c, const uint32_t *x,
                       const uint32_t *x_below, const channel *k) {
  const int32_t multiplier = p->multiplier[c], shift = p->shift[c], zero = p->output_zero_point;
  const int32_t low = p->act_min, high = p->act_max, stride = p->stride_w;
  int8_t *y = k->y;
  for (int32_t n = p->out_w; n > 0; n--, x += stride, x_below += stride, y += p->out_c) {
    int32_t a = k->bias, b = k->bias;
    for (int32_t i = 0; i < 3; i++) {
      a = aed_smlabt(x_below[i], k->w12[i], aed_smlad(x[i], k->w01[i], a));
      b = aed_smlad(x_below[i], k->w12[i], aed_smlatb(x[i], k->w01[i], b));
    }
    if (k->second != 0) {
      y[k->second] = (int8_t)aed_clamp(aed_rescale(b, multiplier, shift) + zero, low, high);
    }
    *y = (int8_t)aed_clamp(aed_rescale(a, multiplier, shift) + zero, low, high);
  }
}

/* n output rows of one channel from its plane; y is the first output. */
static void plane(const aed_conv_params *p, int32_t c, const uint32_t *x, int32_t columns,
                  int32_t n, int8_t *y) {
  const int32_t fast = p->fast_rounding != 0 && p->stride_h == p->stride_w;
  const int32_t row = p->out_w * p->out_c, step = 3 - p->stride_h; /* output rows of a line */
  const int8_t *w = p->weights + 9 * (c / 4 * 4) + c % 4;
  channel k; /* field by field: an initializer would clear it first */
  k.multiplier = p->multiplier[c];
  k.bias = p->bias[c];
  k.y = y;
  for (int32_t i = 0; i < 3; i++, w += 4) {
    const int32_t w0 = w[0], w1 = w[12], w2 = w[24];
    k.w01[i] = aed_low((uint32_t)(w0 << fast), (uint32_t)(w1 << fast));
    k.w12[i] = aed_low((uint32_t)(w1 << fast), (uint32_t)(w2 << fast));
  }
  if (fast) {
    k.bias *= 2;
    k.bias_again = k.bias;
    k.shift1 = -p->shift[c] - 1;
    k.offset = (2 * p->output_zero_point + 1) * ((int32_t)1 << k.shift1);
  }
  for (int32_t oy = 0; oy < n; oy += step, x += columns, k.y += step * row) {
    if (!fast) {
      k.second = step == 2 && oy + 1 < n ? row : 0;
      line_exact(p, c, x, x + columns, &k);
    } else if (oy + 1 < n && step == 2) {
      k.second = row;
      k.y_step = p->out_c;
      k.end = x + p->out_w;
      two_rows(x, x + columns, &k);
    } else {
      void (*const run)(const uint32_t *, const uint32_t *, const channel *) =
          step == 2 ? neighbours_stride_1 : neighbours_stride_2;
      const int32_t pairs = p->out_w / 2, words = 2 * p->stride_w; /* words of a pair */
      k.second = p->out_c;
      k.y_step = 2 * p->out_c;
      k.end = x + words * pairs;
      if (pairs > 0) {
        run(x, x + columns, &k);
      }
      if (p->out_w % 2 != 0) { /* the last one as both of a pair */
        channel odd = k;
        odd.second = 0;
        odd.y += pairs * k.y_step;
        odd.end = k.end + words;
        run(k.end, k.end + columns, &odd);
      }
    }
  }
}

void aed_depthwise_planes(const aed_conv_params *p, const int8_t *x, int32_t oy, int32_t n,
                          uint32_t *scratch, int8_t *y) {
  const int32_t lines = p->stride_h == 1 ? (n + 1) / 2 + 1 : n + 1;
  const int32_t columns = (p->out_w + p->out_w % 2 - 1) * p->stride_w + 3;
  y += oy * p->out_w * p->out_c;
  for (int32_t c = 0; c < p->out_c; c += 4) {
    widen(p, x + c, oy * p->stride_h - p->pad_top, lines, columns, scratch);
    for (int32_t i = 0; i < 4; i++) {
      plane(p, c + i, scratch + i * lines * columns, columns, n, y + c + i);
    }
  }
}

#endif
