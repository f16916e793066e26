#include <stddef.h>
#include <string.h>

#include "aed_nn_kernels.h"
#include "aed_nn_math.h"
#include "aed_simd32.h"

/* Every window position ("tap") of an output pixel is one arena offset; a tap outside the input
 * points at a run of in_c zero points in the scratch memory, so the channel loops have no special
 * cases. Where the output replaces the input, rows up to oy stand in a ring of kernel_h rows. */
static void find_taps(const aed_conv_params *p, int32_t oy, int32_t ox, uint32_t outside,
                      uint32_t *taps) {
  const uint32_t ring = outside + (uint32_t)p->in_c;
  for (int32_t ky = 0; ky < p->kernel_h; ky++) {
    const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
    const int32_t copied = p->input == p->output && iy <= oy;
    const uint32_t map = copied ? ring : p->input;
    const int32_t row = (copied ? iy % p->kernel_h : iy) * p->in_w;
    for (int32_t kx = 0; kx < p->kernel_w; kx++) {
      const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
      const int inside = iy >= 0 && iy < p->in_h && ix >= 0 && ix < p->in_w;
      *taps++ = inside ? map + (uint32_t)((row + ix) * p->in_c) : outside;
    }
  }
}

/* Requantizes n channels from c on. Local copies: a store through y could change *p for all that
 * the compiler knows. */
static void store(const aed_conv_params *p, int32_t c, int32_t n, const int32_t *acc, int8_t *y) {
  const int32_t *multiplier = p->multiplier + c;
  const int8_t *shift = p->shift + c;
  const int32_t zero_point = p->output_zero_point, low = p->act_min, high = p->act_max;
  for (y += c; n > 0; n--) {
    const int32_t q = aed_rescale(*acc++, *multiplier++, *shift++) + zero_point;
    *y++ = (int8_t)aed_clamp(q, low, high);
  }
}

/* One output pixel. */
static void pixel(const aed_conv_params *p, const uint8_t *arena, const uint32_t *taps, int8_t *y) {
  const int32_t n_taps = p->kernel_h * p->kernel_w;
  const uint32_t *const taps_end = taps + n_taps;
  const int8_t *w = p->weights;
  int32_t c = 0;
  if (p->depth_multiplier == 1) {
    for (; c + 4 <= p->out_c; c += 4) {
      int32_t a0 = p->bias[c], a1 = p->bias[c + 1], a2 = p->bias[c + 2], a3 = p->bias[c + 3];
      const int8_t *base = (const int8_t *)arena + c;
      for (const uint32_t *tap = taps; tap != taps_end; tap++, w += 4) {
        const int8_t *x = base + *tap;
        a0 += x[0] * w[0];
        a1 += x[1] * w[1];
        a2 += x[2] * w[2];
        a3 += x[3] * w[3];
      }
      const int32_t acc[4] = {a0, a1, a2, a3};
      store(p, c, 4, acc, y);
    }
  }
  /* The last channels, and every channel of a layer with a depth multiplier, one at a time. */
  for (; c < p->out_c; c++) {
    int32_t acc = p->bias[c];
    const int8_t *base = (const int8_t *)arena + c / p->depth_multiplier;
    w = p->weights + (c / 4) * 4 * n_taps + c % 4;
    for (const uint32_t *tap = taps; tap != taps_end; tap++, w += 4) {
      acc += base[*tap] * *w;
    }
    store(p, c, 1, &acc, y);
  }
}

/* Any window: one output pixel after the other, all channels of it. */
static void pixels(const aed_conv_params *p, uint8_t *arena) {
  int8_t *y = (int8_t *)arena + p->output;
  uint32_t *taps = (uint32_t *)(void *)(arena + p->scratch);
  const uint32_t outside = p->scratch + 4u * (uint32_t)(p->kernel_h * p->kernel_w);
  memset(arena + outside, p->input_zero_point, (size_t)p->in_c);
  const uint32_t ring = outside + (uint32_t)p->in_c, row = (uint32_t)(p->in_w * p->in_c);
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    if (p->input == p->output) {
      memcpy(arena + ring + (uint32_t)(oy % p->kernel_h) * row,
             arena + p->input + (uint32_t)oy * row, row);
    }
    for (int32_t ox = 0; ox < p->out_w; ox++, y += p->out_c) {
      find_taps(p, oy, ox, outside, taps);
      pixel(p, arena, taps, y);
    }
  }
}

#ifdef AED_SIMD32

/* 3x3 windows, four channels at a time: their maps are widened to planes of int16 in the scratch
 * memory, with the padding in place, where a channel's nine weights stay in registers.
 *
 * A plane is [columns][rows] words; the word of column j holds the values of map columns
 * 2j - pad_left and 2j + 1 - pad_left. Going down the rows, the words of three rows are neighbours.
 */

/* Widens channels c..c+3 of the rows from iy on; out[k * size] is the plane of channel c + k. */
static void widen(const aed_conv_params *p, const int8_t *x, int32_t iy, int32_t columns,
                  int32_t rows, uint32_t *out) {
  const int32_t size = columns * rows, row = p->in_w * p->in_c;
  const int32_t above = aed_clamp(-iy, 0, rows);
  const int32_t inside = aed_clamp(p->in_h - iy, above, rows);
  const uint32_t zero = 0x01010101u * (uint8_t)p->input_zero_point;
  const uint32_t zeros = aed_even(zero);
  const int8_t *zero_bytes = (const int8_t *)&zero;
  x += (iy + above) * row;
  for (int32_t j = 0; j < columns; j++, out += rows) {
    const int32_t left = 2 * j - p->pad_left, right = left + 1;
    const int32_t left_step = left >= 0 && left < p->in_w ? row : 0;
    const int32_t right_step = right >= 0 && right < p->in_w ? row : 0;
    const int8_t *a = left_step != 0 ? x + left * p->in_c : zero_bytes;
    const int8_t *b = right_step != 0 ? x + right * p->in_c : zero_bytes;
    uint32_t *plane = out;
    for (int32_t r = 0; r < above; r++, plane++) {
      plane[0] = plane[size] = plane[2 * size] = plane[3 * size] = zeros;
    }
    for (int32_t r = above; r < inside; r++, plane++, a += left_step, b += right_step) {
      const uint32_t v = aed_load4(a), w = aed_load4(b);
      const uint32_t v02 = aed_even(v), w02 = aed_even(w), v13 = aed_odd(v), w13 = aed_odd(w);
      plane[0] = aed_low(v02, w02);
      plane[size] = aed_low(v13, w13);
      plane[2 * size] = aed_high(v02, w02);
      plane[3 * size] = aed_high(v13, w13);
    }
    for (int32_t r = inside; r < rows; r++, plane++) {
      plane[0] = plane[size] = plane[2 * size] = plane[3 * size] = zeros;
    }
  }
}

/* One channel. The assembly below loads the fields in this order. */
typedef struct {
  int32_t multiplier, shift1, offset; /* see aed_rescale_relu */
  const uint32_t *end;                /* of the loop over x */
  int32_t bias, bias_again;
  int32_t second; /* bytes from an output to that of the next column, 0 where there is none */
  int32_t y_row;  /* bytes from an output to that of the next row */
  uint32_t w01[3], w12[3]; /* taps 0 and 1, taps 1 and 2 of each kernel row */
  int8_t *y;
} channel;

/* Sums and results of one column of outputs, from word columns x and x_right, both from the first
 * row on, for layers with fast_rounding. In assembly because weights, operands, sums and pointers
 * take all 14 registers; the rest waits in s0-s7.
 *
 *   for (; x != k->end; x += stride, x_right += stride, y += y_row) {
 *     a = bias, b = bias;
 *     for (r = 0; r < 3; r++) {
 *       a += w01[r].low * x[r].low + w01[r].high * x[r].high + w12[r].high * x_right[r].low;
 *       b += w01[r].low * x[r].high + w12[r].low * x_right[r].low + w12[r].high * x_right[r].high;
 *     }
 *     y[second] = rescale_relu(b), y[0] = rescale_relu(a);
 *   }
 *
 * At stride 2 there is no b: the next output starts at x_right. */
#define LOAD_CHANNEL                                                                               \
  "push {r3-r11, lr}            \n"                                                                \
  "vldm r2!, {s0-s7}            \n"                                                                \
  "ldm r2, {r4-r9, lr}          \n"

__attribute__((naked)) static void column_stride_1(const uint32_t *x __attribute__((unused)),
                                                   const uint32_t *x_right __attribute__((unused)),
                                                   const channel *k __attribute__((unused))) {
  __asm volatile(LOAD_CHANNEL "1:                           \n"
                              "vmov r2, r3, s4, s5          \n"
                              "ldrd r10, r11, [r0], #4      \n"
                              "ldr r12, [r0, #4]            \n"
                              "smlad r2, r10, r4, r2        \n"
                              "smlatb r3, r10, r4, r3       \n"
                              "smlad r2, r11, r5, r2        \n"
                              "smlatb r3, r11, r5, r3       \n"
                              "smlad r2, r12, r6, r2        \n"
                              "smlatb r3, r12, r6, r3       \n"
                              "ldrd r10, r11, [r1], #4      \n"
                              "ldr r12, [r1, #4]            \n"
                              "smlabt r2, r10, r7, r2       \n"
                              "smlad r3, r10, r7, r3        \n"
                              "smlabt r2, r11, r8, r2       \n"
                              "smlad r3, r11, r8, r3        \n"
                              "smlabt r2, r12, r9, r2       \n"
                              "smlad r3, r12, r9, r3        \n"
                              "vmov r10, r11, s0, s1        \n"
                              "vmov r12, s2                 \n"
                              "lsl r2, r2, #1               \n"
                              "lsl r3, r3, #1               \n"
                              "smmlar r2, r2, r10, r12      \n"
                              "smmlar r3, r3, r10, r12      \n"
                              "asr r2, r2, r11              \n"
                              "asr r3, r3, r11              \n"
                              "ssat r2, #8, r2, asr #1      \n"
                              "ssat r3, #8, r3, asr #1      \n"
                              "vmov r10, r11, s6, s7        \n"
                              "vmov r12, s3                 \n"
                              "strb r3, [lr, r10]           \n"
                              "strb r2, [lr]                \n"
                              "add lr, lr, r11              \n"
                              "cmp r0, r12                  \n"
                              "bne 1b                       \n"
                              "pop {r3-r11, pc}             \n");
}

__attribute__((naked)) static void column_stride_2(const uint32_t *x __attribute__((unused)),
                                                   const uint32_t *x_right __attribute__((unused)),
                                                   const channel *k __attribute__((unused))) {
  __asm volatile(LOAD_CHANNEL "1:                           \n"
                              "vmov r2, s4                  \n"
                              "ldrd r10, r11, [r0], #8      \n"
                              "ldr r12, [r0]                \n"
                              "smlad r2, r10, r4, r2        \n"
                              "smlad r2, r11, r5, r2        \n"
                              "smlad r2, r12, r6, r2        \n"
                              "ldrd r10, r11, [r1], #8      \n"
                              "ldr r12, [r1]                \n"
                              "smlabt r2, r10, r7, r2       \n"
                              "smlabt r2, r11, r8, r2       \n"
                              "smlabt r2, r12, r9, r2       \n"
                              "vmov r10, r11, s0, s1        \n"
                              "vmov r12, s2                 \n"
                              "lsl r2, r2, #1               \n"
                              "smmlar r2, r2, r10, r12      \n"
                              "asr r2, r2, r11              \n"
                              "ssat r2, #8, r2, asr #1      \n"
                              "vmov r11, s7                 \n"
                              "vmov r12, s3                 \n"
                              "strb r2, [lr]                \n"
                              "add lr, lr, r11              \n"
                              "cmp r0, r12                  \n"
                              "bne 1b                       \n"
                              "pop {r3-r11, pc}             \n");
}

_Static_assert(offsetof(channel, w01) == 32 && offsetof(channel, y) == 56,
               "LOAD_CHANNEL relies on the layout");

/* The same for any rounding, clamp and vertical stride. */
static void column_exact(const aed_conv_params *p, int32_t c, const uint32_t *x,
                         const uint32_t *x_right, const channel *k, int32_t n) {
  const int32_t multiplier = p->multiplier[c], shift = p->shift[c], zero = p->output_zero_point;
  const int32_t low = p->act_min, high = p->act_max, stride = p->stride_h;
  const int32_t two = p->stride_w == 1;
  int8_t *y = k->y;
  for (; n > 0; n--, x += stride, x_right += stride, y += k->y_row) {
    int32_t a = k->bias, b = k->bias;
    for (int32_t r = 0; r < 3; r++) {
      a = aed_smlabt(x_right[r], k->w12[r], aed_smlad(x[r], k->w01[r], a));
      b = aed_smlad(x_right[r], k->w12[r], aed_smlatb(x[r], k->w01[r], b));
    }
    if (two) {
      y[k->second] = (int8_t)aed_clamp(aed_rescale(b, multiplier, shift) + zero, low, high);
    }
    *y = (int8_t)aed_clamp(aed_rescale(a, multiplier, shift) + zero, low, high);
  }
}

/* n output rows of one channel from its plane; y is the first output. */
static void plane(const aed_conv_params *p, int32_t c, const uint32_t *x, int32_t rows, int32_t n,
                  int8_t *y) {
  const int32_t fast = p->fast_rounding != 0 && p->stride_h == p->stride_w;
  const int8_t *w = p->weights + 9 * (c / 4 * 4) + c % 4;
  channel k = {.bias = p->bias[c],
               .bias_again = p->bias[c],
               .multiplier = p->multiplier[c],
               .y_row = p->out_w * p->out_c,
               .y = y};
  if (fast) {
    k.shift1 = -p->shift[c] - 1;
    k.offset = (2 * p->output_zero_point + 1) * ((int32_t)1 << k.shift1);
  }
  for (int32_t row = 0; row < 3; row++, w += 12) {
    k.w01[row] = aed_low((uint32_t)w[0], (uint32_t)w[4]);
    k.w12[row] = aed_low((uint32_t)w[4], (uint32_t)w[8]);
  }
  const int32_t step = 3 - p->stride_w; /* output columns of a word column */
  for (int32_t ox = 0; ox < p->out_w; ox += step, x += rows, k.y += step * p->out_c) {
    k.end = x + n * p->stride_h;
    k.second = ox + 1 < p->out_w ? p->out_c : 0;
    if (!fast) {
      column_exact(p, c, x, x + rows, &k, n);
    } else if (p->stride_w == 1) {
      column_stride_1(x, x + rows, &k);
    } else {
      column_stride_2(x, x + rows, &k);
    }
  }
}

/* Output rows oy .. oy + n - 1. */
static void planes(const aed_conv_params *p, const int8_t *x, int32_t oy, int32_t n,
                   uint32_t *scratch, int8_t *y) {
  const int32_t columns = p->stride_w == 1 ? (p->out_w + 1) / 2 + 1 : p->out_w + 1;
  const int32_t rows = (n - 1) * p->stride_h + 3;
  y += oy * p->out_w * p->out_c;
  for (int32_t c = 0; c < p->out_c; c += 4) {
    widen(p, x + c, oy * p->stride_h - p->pad_top, columns, rows, scratch);
    for (int32_t i = 0; i < 4; i++) {
      plane(p, c + i, scratch + i * columns * rows, rows, n, y + c + i);
    }
  }
}

#endif

void aed_depthwise_s8(const void *params, uint8_t *arena) {
  const aed_conv_params *p = params;
#ifdef AED_SIMD32
  if (p->tile > 0) {
    uint32_t *scratch = (uint32_t *)(void *)(arena + p->scratch);
    for (int32_t oy = 0; oy < p->out_h; oy += p->tile) {
      planes(p, (const int8_t *)arena + p->input, oy, aed_min(p->tile, p->out_h - oy), scratch,
             (int8_t *)arena + p->output);
    }
    return;
  }
#endif
  pixels(p, arena);
}
