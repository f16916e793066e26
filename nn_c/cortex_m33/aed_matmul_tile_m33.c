#include "../src/aed_matmul.h"

#ifdef AED_CORTEX_M33

#include <stddef.h>

#include "../src/aed_nn_math.h"
#include "aed_simd32.h"

/* The inner loop: sums of two pixels and four channels over n pairs of each, x [n][2], w [n][4].
 *
 *   for (; n > 0; n--, x += 2, w += 4)
 *     for (c = 0; c < 4; c++) {
 *       acc[c] = smlad(x[0], w[c], acc[c]);
 *       acc[4 + c] = smlad(x[1], w[c], acc[4 + c]);
 *     }
 *
 * In assembly because eight sums (r4-r11), four operands (r2, r3, r12, lr) and two pointers
 * (r0, r1) take all 14 registers, which compilers miss; the end of x waits in s0.
 *
 * A round is `steps` steps of 44 bytes. The first round is entered at r12, in its middle where n is
 * no multiple of `steps`: ENTRY leaves that address in r12 for n in r2 (n > 0; r3 is lost). */
/* clang-format off */
#define ENTRY(steps)                                                                               \
  "ands   r2, r2, #" steps " - 1    \n"                                                            \
  "it     eq                        \n"                                                            \
  "moveq  r2, #" steps "            \n"                                                            \
  "movs   r3, #44                   \n"                                                            \
  "adr    r12, 2f                   \n"                                                            \
  "mls    r12, r2, r3, r12          \n"                                                            \
  "orr    r12, r12, #1              \n"

#define STEPS(steps)                                                                               \
  "mov    r8, r4                    \n"                                                            \
  "mov    r9, r5                    \n"                                                            \
  "mov    r10, r6                   \n"                                                            \
  "mov    r11, r7                   \n"                                                            \
  "bx     r12                       \n"                                                            \
  ".balign 4                        \n"                                                            \
  "1:                               \n"                                                            \
  ".rept  " steps "                 \n"                                                            \
  "ldrd   r2, r3, [r0], #8          \n"                                                            \
  "ldrd   r12, lr, [r1], #8         \n"                                                            \
  "smlad  r4, r2, r12, r4           \n"                                                            \
  "smlad  r8, r3, r12, r8           \n"                                                            \
  "smlad  r5, r2, lr, r5            \n"                                                            \
  "smlad  r9, r3, lr, r9            \n"                                                            \
  "ldrd   r12, lr, [r1], #8         \n"                                                            \
  "smlad  r6, r2, r12, r6           \n"                                                            \
  "smlad  r10, r3, r12, r10         \n"                                                            \
  "smlad  r7, r2, lr, r7            \n"                                                            \
  "smlad  r11, r3, lr, r11          \n"                                                            \
  ".endr                            \n"                                                            \
  "2:                               \n"                                                            \
  "vmov   r2, s0                    \n"                                                            \
  "cmp    r0, r2                    \n"                                                            \
  "bne    1b                        \n"

/* acc[0..3] of one pixel and acc[4..7] of the other, both started from the bias in acc[0..3]. */
NAKED static void dot_2x4_pairs(const uint32_t *x UNUSED, const uint32_t *w UNUSED,
                                int32_t n UNUSED, int32_t *acc UNUSED) {
  __asm volatile(
    "push   {r3-r11, lr}              \n"
    "ldm    r3, {r4-r7}               \n"
    "add    r3, r0, r2, lsl #3        \n"
    "vmov   s0, r3                    \n"
    ENTRY("8")
    STEPS("8")
    "pop    {r3}                      \n"
    "stm    r3, {r4-r11}              \n"
    "pop    {r4-r11, pc}              \n");
}
/* clang-format on */

/* Four channels of a row of pixel pairs, rounded by aed_rescale_relu. The assembly below loads the
 * fields in this order, from `x_step` on into s2-s9. */
typedef struct {
  int32_t bias[4]; /* doubled, as the sums are */
  struct {
    int32_t multiplier, shift1, offset;
  } channel[4];
  int32_t x_step; /* bytes of a pair of pixels */
  const uint32_t *w;
  const void *entry;
  int8_t *y[2];         /* first and second pixel, first of the four channels */
  int32_t y_step;       /* bytes from one pair of pixels to the next */
  const uint32_t *end;  /* of x */
  const void *channels; /* = channel */
} quad;

_Static_assert(offsetof(quad, x_step) == 64 && offsetof(quad, entry) == 72 && sizeof(quad) == 96,
               "quad_of_pixels addresses these");

/* clang-format off */
/* One channel of both sums: see aed_rescale_relu. */
#define RESCALE(first, second, at)                                                                 \
  "ldm    r3!, {r0-r2}              \n"                                                            \
  "smmlar " first ", " first ", r0, r2     \n"                                                     \
  "smmlar " second ", " second ", r0, r2   \n"                                                     \
  "asr    " first ", " first ", r1         \n"                                                     \
  "asr    " second ", " second ", r1       \n"                                                     \
  "ssat   " first ", #8, " first ", asr #1     \n"                                                 \
  "ssat   " second ", #8, " second ", asr #1   \n"                                                 \
  "strb   " first ", [r12, #" at "]        \n"                                                     \
  "strb   " second ", [lr, #" at "]        \n"

/* for (; x != q->end; x += q->x_step, q->y[0] += q->y_step, q->y[1] += q->y_step) {
 *   acc = { bias, bias }, dot_2x4_pairs(x, q->w, n_pairs, acc);
 *   for (c = 0; c < 4; c++) {
 *     q->y[0][c] = rescale_relu(acc[c], channel[c]);
 *     q->y[1][c] = rescale_relu(acc[4 + c], channel[c]);
 *   }
 * } */
NAKED static void quad_of_pixels(const uint32_t *x UNUSED, quad *q UNUSED,
                                 int32_t n_pairs UNUSED) {
  __asm volatile(
    "push   {r3-r11, lr}              \n"
    "vmov   s1, r1                    \n"
    ENTRY("32")
    "str    r12, [r1, #72]            \n"
    "adds   r1, r1, #64               \n"
    "vldm   r1, {s2-s9}               \n"
    "3:                               \n"
    "vmov   r2, r3, s1, s2            \n"
    "add    r3, r0, r3                \n"
    "vmov   s0, r3                    \n"
    "ldm    r2, {r4-r7}               \n"
    "vmov   r1, r12, s3, s4           \n"
    STEPS("32")
    "vmov   r12, lr, s5, s6           \n"
    "vmov   r3, s9                    \n"
    RESCALE("r4", "r8", "0")
    RESCALE("r5", "r9", "1")
    RESCALE("r6", "r10", "2")
    RESCALE("r7", "r11", "3")
    "vmov   r2, r3, s7, s8            \n"
    "add    r12, r12, r2              \n"
    "add    lr, lr, r2                \n"
    "vmov   s5, s6, r12, lr           \n"
    "vmov   r0, s0                    \n"
    "cmp    r0, r3                    \n"
    "bne    3b                        \n"
    "pop    {r3-r11, pc}              \n");
}

/* Four channels of packed weights [depth / 4][4][4] as pairs [depth / 2][4], in the order of
 * aed_expand_2:
 *
 *   for (; w != end; w += 16, out += 8)
 *     for (c = 0; c < 4; c++)
 *       out[c] = even(w + 4 * c), out[4 + c] = odd(w + 4 * c);
 *
 * In assembly for the sake of LDM and STM: 12 instructions for 16 weights. */
#define EXPAND(doubling)                                                                           \
  "push   {r4-r11}                  \n"                                                            \
  "1:                               \n"                                                            \
  "ldm    r0!, {r8-r11}             \n"                                                            \
  "sxtb16 r4, r8                    \n"                                                            \
  "sxtb16 r5, r9                    \n"                                                            \
  "sxtb16 r6, r10                   \n"                                                            \
  "sxtb16 r7, r11                   \n"                                                            \
  "sxtb16 r8, r8, ror #8            \n"                                                            \
  "sxtb16 r9, r9, ror #8            \n"                                                            \
  "sxtb16 r10, r10, ror #8          \n"                                                            \
  "sxtb16 r11, r11, ror #8          \n"                                                            \
  doubling                                                                                         \
  "stm    r2!, {r4-r11}             \n"                                                            \
  "cmp    r0, r1                    \n"                                                            \
  "bne    1b                        \n"                                                            \
  "pop    {r4-r11}                  \n"                                                            \
  "bx     lr                        \n"

#define DOUBLE(r) "sadd16 " r ", " r ", " r "  \n"
#define DOUBLE_R4_TO_R7 DOUBLE("r4") DOUBLE("r5") DOUBLE("r6") DOUBLE("r7")
#define DOUBLE_R8_TO_R11 DOUBLE("r8") DOUBLE("r9") DOUBLE("r10") DOUBLE("r11")

NAKED static void expand_weights(const int8_t *w UNUSED, const int8_t *end UNUSED,
                                 uint32_t *out UNUSED) {
  __asm volatile(EXPAND(""));
}

NAKED static void double_weights(const int8_t *w UNUSED, const int8_t *end UNUSED,
                                 uint32_t *out UNUSED) {
  __asm volatile(EXPAND(DOUBLE_R4_TO_R7 DOUBLE_R8_TO_R11));
}

/* n times four values of two pixels:
 *
 *   for (; n > 0; n--, x0 += 4, x1 += 4, out += 4)
 *     out[0] = even(x0), out[1] = even(x1), out[2] = odd(x0), out[3] = odd(x1); */
#define EXPAND_2(doubling)                                                                         \
  "push   {r4-r7}                   \n"                                                            \
  "1:                               \n"                                                            \
  "ldr    r6, [r0], #4              \n"                                                            \
  "ldr    r7, [r1], #4              \n"                                                            \
  "sxtb16 r4, r6                    \n"                                                            \
  "sxtb16 r5, r7                    \n"                                                            \
  "sxtb16 r6, r6, ror #8            \n"                                                            \
  "sxtb16 r7, r7, ror #8            \n"                                                            \
  doubling                                                                                         \
  "subs   r2, r2, #1                \n"                                                            \
  "stm    r3!, {r4-r7}              \n"                                                            \
  "bne    1b                        \n"                                                            \
  "pop    {r4-r7}                   \n"                                                            \
  "bx     lr                        \n"

NAKED static void expand_2(const int8_t *x0 UNUSED, const int8_t *x1 UNUSED, int32_t n UNUSED,
                           uint32_t *out UNUSED) {
  __asm volatile(EXPAND_2(""));
}

NAKED static void expand_2_doubled(const int8_t *x0 UNUSED, const int8_t *x1 UNUSED,
                                   int32_t n UNUSED, uint32_t *out UNUSED) {
  __asm volatile(EXPAND_2(DOUBLE_R4_TO_R7));
}
/* clang-format on */

void aed_expand_2(const int8_t *x0, const int8_t *x1, int32_t depth, int32_t doubled,
                  uint32_t *out) {
  void (*const expand)(const int8_t *, const int8_t *, int32_t, uint32_t *) =
      doubled ? expand_2_doubled : expand_2;
  const int32_t quads = depth / 4, rest = depth % 4;
  if (quads > 0) {
    expand(x0, x1, quads, out);
  }
  if (rest > 0) {
    int8_t a[4] = {0, 0, 0, 0}, b[4] = {0, 0, 0, 0};
    for (int32_t i = 0; i < rest; i++) {
      a[i] = x0[4 * quads + i];
      b[i] = x1[4 * quads + i];
    }
    expand(a, b, 1, out + 4 * quads);
  }
}

/* Channels c..c+3 of all n pixels of a layer with fast_rounding. */
static void four_fast(const aed_conv_params *p, int32_t c, int32_t n_pairs, int32_t n,
                      const uint32_t *x, const uint32_t *w, int8_t *y) {
  quad q;
  q.w = w;
  q.x_step = 8 * n_pairs;
  q.y[0] = y;
  q.y[1] = y + p->out_c;
  q.y_step = 2 * p->out_c;
  q.end = x + n / 2 * 2 * n_pairs;
  q.channels = q.channel;
  for (int32_t i = 0; i < 4; i++) {
    const int32_t shift1 = -p->shift[c + i] - 1;
    q.bias[i] = 2 * p->bias[c + i];
    q.channel[i].multiplier = p->multiplier[c + i];
    q.channel[i].shift1 = shift1;
    q.channel[i].offset = (2 * p->output_zero_point + 1) * ((int32_t)1 << shift1);
  }
  if (n > 1) {
    quad_of_pixels(x, &q, n_pairs);
  }
  if ((n & 1) != 0) { /* the last pixel, as both of a pair */
    q.y[0] = q.y[1] = y + (n - 1) * p->out_c;
    x = q.end;
    q.end += 2 * n_pairs;
    quad_of_pixels(x, &q, n_pairs);
  }
}

/* The same, up to four channels, for any rounding and clamp. */
static void four_exact(const aed_conv_params *p, int32_t c, int32_t n_pairs, int32_t n,
                       const uint32_t *x, const uint32_t *w, int8_t *y) {
  const int32_t out_c = p->out_c, zero_point = p->output_zero_point;
  const int32_t channels = aed_min(4, out_c - c), low = p->act_min, high = p->act_max;
  const int32_t *bias = p->bias + c, *multiplier = p->multiplier + c;
  const int8_t *shift = p->shift + c;
  int32_t acc[8];
  for (; n > 0; n -= 2, x += 2 * n_pairs, y += 2 * out_c) {
    int8_t *y1 = n > 1 ? y + out_c : y;
    for (int32_t i = 0; i < 4; i++) {
      acc[i] = 2 * bias[i];
    }
    dot_2x4_pairs(x, w, n_pairs, acc);
    for (int32_t i = 0; i < channels; i++) { /* even sums: / 2 is exact */
      const int32_t q0 = aed_rescale(acc[i] / 2, multiplier[i], shift[i]);
      const int32_t q1 = aed_rescale(acc[4 + i] / 2, multiplier[i], shift[i]);
      y[i] = (int8_t)aed_clamp(q0 + zero_point, low, high);
      y1[i] = (int8_t)aed_clamp(q1 + zero_point, low, high);
    }
  }
}

void aed_matmul_tile(const aed_conv_params *p, int32_t depth, int32_t n, int32_t doubled,
                     const uint32_t *x, uint32_t *w, int8_t *y) {
  const int32_t n_pairs = aed_pairs(depth);
  const int8_t *weights = p->weights;
  for (int32_t c = 0; c < p->out_c; c += 4) {
    (doubled ? expand_weights : double_weights)(weights, weights + 8 * n_pairs, w);
    weights += 8 * n_pairs;
    if (p->fast_rounding != 0 && c + 4 <= p->out_c) {
      four_fast(p, c, n_pairs, n, x, w, y + c);
    } else {
      four_exact(p, c, n_pairs, n, x, w, y + c);
    }
  }
}

#endif
