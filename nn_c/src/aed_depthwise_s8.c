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

typedef struct {
  uint32_t w01[3], w12[3]; /* per kernel row: taps 0 and 1, taps 1 and 2 */
  int32_t bias, multiplier, shift, offset;
} channel;

static int32_t finish(const aed_conv_params *p, const channel *k, int32_t acc) {
  return aed_clamp(aed_rescale(acc, k->multiplier, k->shift) + p->output_zero_point, p->act_min,
                   p->act_max);
}

/* `fast` is a constant where these are called: two loops come of each. */
#define AED_INLINE static inline __attribute__((always_inline))

/* One channel, stride_w 1: two output columns from words a and b of three rows. */
AED_INLINE void plane_stride_1(const aed_conv_params *p, const channel *k, int32_t fast,
                               const uint32_t *x, int32_t columns, int32_t rows, int32_t n,
                               int8_t *y) {
  const uint32_t u0 = k->w01[0], u1 = k->w01[1], u2 = k->w01[2];
  const uint32_t v0 = k->w12[0], v1 = k->w12[1], v2 = k->w12[2];
  const int32_t bias = k->bias, multiplier = k->multiplier, shift = k->shift, offset = k->offset;
  const int32_t out_c = p->out_c, y_row = p->out_w * out_c, step = p->stride_h;
  for (int32_t j = 0; j + 1 < columns; j++, x += rows, y += 2 * out_c) {
    const uint32_t *a = x, *b = x + rows;
    const int32_t second = 2 * j + 1 < p->out_w ? out_c : 0;
    int8_t *out = y;
    for (int32_t r = 0; r < n; r++, a += step, b += step, out += y_row) {
      int32_t acc0 = aed_smlad(a[0], u0, bias), acc1 = aed_smlatb(a[0], u0, bias);
      acc0 = aed_smlad(a[1], u1, acc0), acc1 = aed_smlatb(a[1], u1, acc1);
      acc0 = aed_smlad(a[2], u2, acc0), acc1 = aed_smlatb(a[2], u2, acc1);
      acc0 = aed_smlabt(b[0], v0, acc0), acc1 = aed_smlad(b[0], v0, acc1);
      acc0 = aed_smlabt(b[1], v1, acc0), acc1 = aed_smlad(b[1], v1, acc1);
      acc0 = aed_smlabt(b[2], v2, acc0), acc1 = aed_smlad(b[2], v2, acc1);
      if (fast != 0) {
        acc0 = aed_rescale_relu(acc0, multiplier, shift, offset);
        acc1 = aed_rescale_relu(acc1, multiplier, shift, offset);
      } else {
        acc0 = finish(p, k, acc0);
        acc1 = finish(p, k, acc1);
      }
      /* Of an odd width the last column has no neighbour: its own value comes last. */
      out[second] = (int8_t)acc1;
      out[0] = (int8_t)acc0;
    }
  }
}

/* One channel, stride_w 2: one output column. */
AED_INLINE void plane_stride_2(const aed_conv_params *p, const channel *k, int32_t fast,
                               const uint32_t *x, int32_t rows, int32_t n, int8_t *y) {
  const uint32_t u0 = k->w01[0], u1 = k->w01[1], u2 = k->w01[2];
  const uint32_t v0 = k->w12[0], v1 = k->w12[1], v2 = k->w12[2];
  const int32_t bias = k->bias, multiplier = k->multiplier, shift = k->shift, offset = k->offset;
  const int32_t out_c = p->out_c, y_row = p->out_w * out_c, step = p->stride_h;
  for (int32_t j = 0; j < p->out_w; j++, x += rows, y += out_c) {
    const uint32_t *a = x, *b = x + rows;
    int8_t *out = y;
    for (int32_t r = 0; r < n; r++, a += step, b += step, out += y_row) {
      int32_t acc = aed_smlad(a[0], u0, bias);
      acc = aed_smlad(a[1], u1, acc);
      acc = aed_smlad(a[2], u2, acc);
      acc = aed_smlabt(b[0], v0, acc);
      acc = aed_smlabt(b[1], v1, acc);
      acc = aed_smlabt(b[2], v2, acc);
      acc = fast != 0 ? aed_rescale_relu(acc, multiplier, shift, offset) : finish(p, k, acc);
      *out = (int8_t)acc;
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
      const int8_t *w = p->weights + 9 * c + i;
      channel k = {
          .bias = p->bias[c + i], .multiplier = p->multiplier[c + i], .shift = p->shift[c + i]};
      if (p->fast_rounding != 0) {
        k.shift = -k.shift - 1;
        k.offset = (2 * p->output_zero_point + 1) * ((int32_t)1 << k.shift);
      }
      for (int32_t row = 0; row < 3; row++, w += 12) {
        k.w01[row] = aed_low((uint32_t)w[0], (uint32_t)w[4]);
        k.w12[row] = aed_low((uint32_t)w[4], (uint32_t)w[8]);
      }
      const uint32_t *plane = scratch + i * columns * rows;
      if (p->stride_w == 2) {
        if (p->fast_rounding != 0) {
          plane_stride_2(p, &k, 1, plane, rows, n, y + c + i);
        } else {
          plane_stride_2(p, &k, 0, plane, rows, n, y + c + i);
        }
      } else if (p->fast_rounding != 0) {
        plane_stride_1(p, &k, 1, plane, columns, rows, n, y + c + i);
      } else {
        plane_stride_1(p, &k, 0, plane, columns, rows, n, y + c + i);
      }
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
