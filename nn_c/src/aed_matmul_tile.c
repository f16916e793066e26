#include "aed_matmul.h"

#include <stddef.h>

#include "aed_nn_math.h"
#include "aed_simd32.h"

#ifdef AED_SIMD32

/* The inner loop: sums of two pixels and four channels over n pairs of each, x [n][2], w [n][4].
 *
 *   for (; n > 0; n--, x += 2, w += 4)
 *     for (c = 0; c < 4; c++) {
 *       acc[c] = smlad(x[0], w[c], acc[c]);
 *       acc[4 + c] = smlad(x[1], w[c], acc[4 + c]);
 *     }
 *
 * In assembly because eight sums (r4-r11), four operands (r2, r3, r12, lr) and two pointers (r0,
 * r1) take all 14 registers, which compilers miss; the end of x waits in s0. Eight steps of 44
 * bytes a round. The first round is entered at r12, in the middle where n is no multiple of eight:
 * ENTRY leaves that address in r12 for n in r2 (n > 0; r3 is lost). */
#define ENTRY                                                                                      \
  "ands r2, r2, #7              \n"                                                                \
  "it eq                        \n"                                                                \
  "moveq r2, #8                 \n"                                                                \
  "movs r3, #44                 \n"                                                                \
  "adr r12, 2f                  \n"                                                                \
  "mls r12, r2, r3, r12         \n"                                                                \
  "orr r12, r12, #1             \n"
#define STEPS                                                                                      \
  "mov r8, r4                   \n"                                                                \
  "mov r9, r5                   \n"                                                                \
  "mov r10, r6                  \n"                                                                \
  "mov r11, r7                  \n"                                                                \
  "bx r12                       \n"                                                                \
  ".balign 4                    \n"                                                                \
  "1:                           \n"                                                                \
  ".rept 8                      \n"                                                                \
  "ldrd r2, r3, [r0], #8        \n"                                                                \
  "ldrd r12, lr, [r1], #8       \n"                                                                \
  "smlad r4, r2, r12, r4        \n"                                                                \
  "smlad r8, r3, r12, r8        \n"                                                                \
  "smlad r5, r2, lr, r5         \n"                                                                \
  "smlad r9, r3, lr, r9         \n"                                                                \
  "ldrd r12, lr, [r1], #8       \n"                                                                \
  "smlad r6, r2, r12, r6        \n"                                                                \
  "smlad r10, r3, r12, r10      \n"                                                                \
  "smlad r7, r2, lr, r7         \n"                                                                \
  "smlad r11, r3, lr, r11       \n"                                                                \
  ".endr                        \n"                                                                \
  "2:                           \n"                                                                \
  "vmov r2, s0                  \n"                                                                \
  "cmp r0, r2                   \n"                                                                \
  "bne 1b                       \n"

/* acc[0..3] of one pixel and acc[4..7] of the other, both started from the bias in acc[0..3]. */
__attribute__((naked)) static void dot_2x4_pairs(const uint32_t *x __attribute__((unused)),
                                                 const uint32_t *w __attribute__((unused)),
                                                 int32_t n __attribute__((unused)),
                                                 int32_t *acc __attribute__((unused))) {
  __asm volatile("push {r3-r11, lr}            \n"
                 "ldm r3, {r4-r7}              \n"
                 "add r3, r0, r2, lsl #3       \n"
                 "vmov s0, r3                  \n" ENTRY STEPS "pop {r3}                     \n"
                 "stm r3, {r4-r11}             \n"
                 "pop {r4-r11, pc}             \n");
}

/* Four channels of a row of pixel pairs, rounded by aed_rescale_relu. The assembly below knows the
 * offsets of the fields. */
typedef struct {
  int32_t bias[4];
  struct {
    int32_t multiplier, shift1, offset;
  } channel[4];
  const uint32_t *w;
  int32_t n_pairs;
  int8_t *y;        /* first pixel, first of the four channels */
  int32_t y_step;   /* bytes from one pair of pixels to the next */
  int32_t y_second; /* bytes from the first pixel of a pair to the second */
  const void *entry;
  int32_t rounds; /* pairs of pixels, > 0 */
} quad;

/* One channel of both sums: see aed_rescale_relu. */
#define RESCALE(first, second, at)                                                                 \
  "ldm r3!, {r0-r2}             \n"                                                                \
  "lsl " first ", " first ", #1 \n"                                                                \
  "lsl " second ", " second ", #1 \n"                                                              \
  "smmlar " first ", " first ", r0, r2 \n"                                                         \
  "smmlar " second ", " second ", r0, r2 \n"                                                       \
  "asr " first ", " first ", r1 \n"                                                                \
  "asr " second ", " second ", r1 \n"                                                              \
  "ssat " first ", #8, " first ", asr #1 \n"                                                       \
  "ssat " second ", #8, " second ", asr #1 \n"                                                     \
  "strb " first ", [r12, #" at "] \n"                                                              \
  "strb " second ", [lr, #" at "] \n"

/* for (; q->rounds > 0; q->rounds--, x += 2 * q->n_pairs, q->y += q->y_step) {
 *   acc = { bias, bias }, dot_2x4_pairs(x, q->w, q->n_pairs, acc);
 *   for (c = 0; c < 4; c++) {
 *     q->y[c] = rescale_relu(acc[c], channel[c]);
 *     q->y[q->y_second + c] = rescale_relu(acc[4 + c], channel[c]);
 *   }
 * } */
__attribute__((naked)) static void quad_of_pixels(const uint32_t *x __attribute__((unused)),
                                                  quad *q __attribute__((unused))) {
  __asm volatile("push {r3-r11, lr}            \n"
                 "vmov s1, r1                  \n"
                 "ldr r2, [r1, #68]            \n" ENTRY "str r12, [r1, #84]           \n"
                 "3:                           \n"
                 "vmov r1, s1                  \n"
                 "ldr r12, [r1, #84]           \n"
                 "ldrd r2, r3, [r1, #64]       \n"
                 "add r3, r0, r3, lsl #3       \n"
                 "vmov s0, r3                  \n"
                 "ldm r1, {r4-r7}              \n"
                 "mov r1, r2                   \n" STEPS "vmov r3, s1                  \n"
                 "ldrd r12, r1, [r3, #72]      \n"
                 "ldr lr, [r3, #80]            \n"
                 "add r1, r1, r12              \n"
                 "add lr, lr, r12              \n"
                 "str r1, [r3, #72]            \n"
                 "adds r3, r3, #16             \n" RESCALE("r4", "r8", "0") RESCALE("r5", "r9", "1")
                     RESCALE("r6", "r10", "2")
                         RESCALE("r7", "r11", "3") "vmov r0, s0                  \n"
                                                   "vmov r3, s1                  \n"
                                                   "ldr r2, [r3, #88]            \n"
                                                   "subs r2, r2, #1              \n"
                                                   "str r2, [r3, #88]            \n"
                                                   "bne 3b                       \n"
                                                   "pop {r3-r11, pc}             \n");
}

/* Four depths of four channels, one word a depth, as pairs in the order of aed_expand_2. */
static inline void widen_weights(uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3,
                                 uint32_t *out) {
  uint32_t a = aed_even(w0), b = aed_even(w2), c = aed_odd(w0), d = aed_odd(w2);
  out[0] = aed_low(a, b);
  out[1] = aed_low(c, d);
  out[2] = aed_high(a, b);
  out[3] = aed_high(c, d);
  a = aed_even(w1), b = aed_even(w3), c = aed_odd(w1), d = aed_odd(w3);
  out[4] = aed_low(a, b);
  out[5] = aed_low(c, d);
  out[6] = aed_high(a, b);
  out[7] = aed_high(c, d);
}

/* Four channels of packed weights [depth][4] as pairs [depth / 2][4]. */
static void expand_weights(const int8_t *w, int32_t depth, uint32_t *out) {
  for (; depth >= 4; depth -= 4, w += 16, out += 8) {
    widen_weights(aed_load4(w), aed_load4(w + 4), aed_load4(w + 8), aed_load4(w + 12), out);
  }
  if (depth > 0) {
    uint32_t rest[4] = {0, 0, 0, 0};
    memcpy(rest, w, 4 * (size_t)depth);
    widen_weights(rest[0], rest[1], rest[2], rest[3], out);
  }
}

void aed_expand_2(const int8_t *x0, const int8_t *x1, int32_t depth, uint32_t *out) {
  for (; depth >= 4; depth -= 4, x0 += 4, x1 += 4, out += 4) {
    const uint32_t a = aed_load4(x0), b = aed_load4(x1);
    out[0] = aed_even(a);
    out[1] = aed_even(b);
    out[2] = aed_odd(a);
    out[3] = aed_odd(b);
  }
  if (depth > 0) {
    uint32_t a = 0, b = 0;
    memcpy(&a, x0, (size_t)depth);
    memcpy(&b, x1, (size_t)depth);
    out[0] = aed_even(a);
    out[1] = aed_even(b);
    out[2] = aed_odd(a);
    out[3] = aed_odd(b);
  }
}

_Static_assert(offsetof(quad, channel) == 16 && offsetof(quad, w) == 64 &&
                   offsetof(quad, n_pairs) == 68 && offsetof(quad, y) == 72 &&
                   offsetof(quad, y_step) == 76 && offsetof(quad, y_second) == 80 &&
                   offsetof(quad, entry) == 84 && offsetof(quad, rounds) == 88,
               "quad_of_pixels addresses these");

/* Channels c..c+3 of all n pixels of a layer with fast_rounding. */
static void four_fast(const aed_conv_params *p, int32_t c, int32_t n_pairs, int32_t n,
                      const uint32_t *x, const uint32_t *w, int8_t *y) {
  quad q = {.w = w,
            .n_pairs = n_pairs,
            .y = y,
            .y_step = 2 * p->out_c,
            .y_second = p->out_c,
            .rounds = n / 2};
  for (int32_t i = 0; i < 4; i++) {
    const int32_t shift1 = -p->shift[c + i] - 1;
    q.bias[i] = p->bias[c + i];
    q.channel[i].multiplier = p->multiplier[c + i];
    q.channel[i].shift1 = shift1;
    q.channel[i].offset = (2 * p->output_zero_point + 1) * ((int32_t)1 << shift1);
  }
  if (n > 1) {
    quad_of_pixels(x, &q);
  }
  if ((n & 1) != 0) { /* the last pixel, as both of a pair */
    q.y_second = 0;
    q.rounds = 1;
    quad_of_pixels(x + (n - 1) * n_pairs, &q);
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
    memcpy(acc, bias, 4 * sizeof *acc);
    dot_2x4_pairs(x, w, n_pairs, acc);
    for (int32_t i = 0; i < channels; i++) {
      const int32_t q0 = aed_rescale(acc[i], multiplier[i], shift[i]);
      const int32_t q1 = aed_rescale(acc[4 + i], multiplier[i], shift[i]);
      y[i] = (int8_t)aed_clamp(q0 + zero_point, low, high);
      y1[i] = (int8_t)aed_clamp(q1 + zero_point, low, high);
    }
  }
}

void aed_matmul_tile(const aed_conv_params *p, int32_t depth, int32_t n, const uint32_t *x,
                     uint32_t *w, int8_t *y) {
  const int32_t n_pairs = aed_pairs(depth);
  for (int32_t c = 0; c < p->out_c; c += 4) {
    expand_weights(p->weights + c * depth, depth, w);
    if (p->fast_rounding != 0 && c + 4 <= p->out_c) {
      four_fast(p, c, n_pairs, n, x, w, y + c);
    } else {
      four_exact(p, c, n_pairs, n, x, w, y + c);
    }
  }
}

#endif
