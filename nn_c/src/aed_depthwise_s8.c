#include <string.h>

#include "aed_instruction_sets.h"
#include "aed_nn_math.h"

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
static void pixel(const aed_conv_params *p, const uint8_t *arena, const uint32_t *taps, int8_t *y,
                  const aed_fast_kernels *fast) {
  const int32_t n_taps = p->kernel_h * p->kernel_w;
  const uint32_t *const taps_end = taps + n_taps;
  int32_t c = 0;
  if (p->depth_multiplier == 1) {
    if (fast != NULL) {
      c = fast->depthwise_pixel(p, arena, taps, y);
    }
    const int8_t *w = p->weights + c * n_taps;
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
    const int8_t *w = p->weights + (c / 4) * 4 * n_taps + c % 4;
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
#ifdef AED_RUN_TIME_CHOICE
  const aed_fast_kernels *fast = aed_find_fast_kernels();
#else
  const aed_fast_kernels *fast = NULL;
#endif
  memset(arena + outside, p->input_zero_point, (size_t)p->in_c);
  const uint32_t ring = outside + (uint32_t)p->in_c, row = (uint32_t)(p->in_w * p->in_c);
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    if (p->input == p->output) {
      memcpy(arena + ring + (uint32_t)(oy % p->kernel_h) * row,
             arena + p->input + (uint32_t)oy * row, row);
    }
    for (int32_t ox = 0; ox < p->out_w; ox++, y += p->out_c) {
      find_taps(p, oy, ox, outside, taps);
      pixel(p, arena, taps, y, fast);
    }
  }
}

void aed_depthwise_s8(const void *params, uint8_t *arena) {
  const aed_conv_params *p = params;
#ifdef AED_OWN_DEPTHWISE
  if (p->tile > 0) {
    uint32_t *scratch = (uint32_t *)(void *)(arena + p->scratch);
    for (int32_t oy = 0; oy < p->out_h; oy += p->tile) {
      aed_depthwise_planes(p, (const int8_t *)arena + p->input, oy, aed_min(p->tile, p->out_h - oy),
                           scratch, (int8_t *)arena + p->output);
    }
    return;
  }
#endif
  pixels(p, arena);
}
