#include <string.h>

#include "aed_matmul.h"
#include "aed_nn_math.h"

/* Copies what one output pixel sees of `depth` channels from `first` on. What lies outside the
 * input is its zero point, as in aed_conv_s8. */
static void gather(const aed_conv_params *p, const int8_t *x, int32_t oy, int32_t ox, int32_t first,
                   int8_t *out) {
  const size_t depth = (size_t)p->group_in_c;
  for (int32_t ky = 0; ky < p->kernel_h; ky++) {
    const int32_t iy = oy * p->stride_h - p->pad_top + ky * p->dilation_h;
    for (int32_t kx = 0; kx < p->kernel_w; kx++, out += depth) {
      const int32_t ix = ox * p->stride_w - p->pad_left + kx * p->dilation_w;
      if (iy < 0 || iy >= p->in_h || ix < 0 || ix >= p->in_w) {
        memset(out, p->input_zero_point, depth);
      } else {
        memcpy(out, x + (iy * p->in_w + ix) * p->in_c + first, depth);
      }
    }
  }
}

void aed_grouped_conv_s8(const void *params, uint8_t *arena) {
  const aed_conv_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  int8_t *window = (int8_t *)arena + p->scratch;
  const int32_t groups = p->in_c / p->group_in_c, out_c = p->out_c / groups;
  const int32_t depth = p->kernel_h * p->kernel_w * p->group_in_c;
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    for (int32_t ox = 0; ox < p->out_w; ox++) {
      int32_t at = 0; /* in the tables, where each group is filled up to a multiple of 4 */
      for (int32_t g = 0; g < groups; g++) {
        gather(p, x, oy, ox, g * p->group_in_c, window);
        for (int32_t c = 0; c < out_c; c += 4, at += 4) {
          int32_t acc[4];
          memcpy(acc, p->bias + at, sizeof acc);
          aed_dot_1x4(window, p->weights + at / 4 * aed_quad_bytes(depth), depth, acc);
          for (int32_t i = 0; i < aed_min(4, out_c - c); i++) {
            const int32_t q = aed_rescale(acc[i], p->multiplier[at + i], p->shift[at + i]);
            *y++ = (int8_t)aed_clamp(q + p->output_zero_point, p->act_min, p->act_max);
          }
        }
      }
    }
  }
}
