#include <string.h>

#include "aed_nn_kernels.h"
#include "aed_nn_math.h"

/* Every window position ("tap") of an output pixel is one arena offset; a tap outside the input
 * points at a run of in_c zero points in the scratch memory, so the channel loops have no special
 * cases. */
static void find_taps(const aed_conv_params *p, int32_t oy, int32_t ox, uint32_t outside,
                      uint32_t *taps) {
  for (int32_t ky = 0; ky < p->kernel_h; ky++) {
    const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
    for (int32_t kx = 0; kx < p->kernel_w; kx++) {
      const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
      const int inside = iy >= 0 && iy < p->in_h && ix >= 0 && ix < p->in_w;
      *taps++ = inside ? p->input + (uint32_t)((iy * p->in_w + ix) * p->in_c) : outside;
    }
  }
}

static int8_t requantize(const aed_conv_params *p, int32_t c, int32_t acc) {
  const int32_t q = aed_rescale(acc, p->multiplier[c], p->shift[c]) + p->output_zero_point;
  return (int8_t)aed_clamp(q, p->act_min, p->act_max);
}

void aed_depthwise_s8(const void *params, uint8_t *arena) {
  const aed_conv_params *p = params;
  int8_t *y = (int8_t *)arena + p->output;
  const int32_t n_taps = p->kernel_h * p->kernel_w;
  uint32_t *taps = (uint32_t *)(void *)(arena + p->scratch);
  const uint32_t *const taps_end = taps + n_taps;
  const uint32_t outside = p->scratch + 4u * (uint32_t)n_taps;
  memset(arena + outside, p->input_zero_point, (size_t)p->in_c);
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    for (int32_t ox = 0; ox < p->out_w; ox++, y += p->out_c) {
      find_taps(p, oy, ox, outside, taps);
      int32_t c = 0;
      const int8_t *w = p->weights;
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
          y[c] = requantize(p, c, a0);
          y[c + 1] = requantize(p, c + 1, a1);
          y[c + 2] = requantize(p, c + 2, a2);
          y[c + 3] = requantize(p, c + 3, a3);
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
        y[c] = requantize(p, c, acc);
      }
    }
  }
}
