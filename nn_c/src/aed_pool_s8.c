#include <string.h>

#include "aed_instruction_sets.h"
#include "aed_nn_math.h"

/* The part of a pooling window that lies inside the input. */
typedef struct {
  int32_t y0, y1, x0, x1;
} window;

static window clip(const aed_pool_params *p, int32_t oy, int32_t ox) {
  const int32_t y0 = oy * p->stride_h - p->pad_top;
  const int32_t x0 = ox * p->stride_w - p->pad_left;
  const window w = {aed_max(y0, 0), aed_min(y0 + p->kernel_h, p->in_h), aed_max(x0, 0),
                    aed_min(x0 + p->kernel_w, p->in_w)};
  return w;
}

void aed_average_pool_s8(const void *params, uint8_t *arena) {
  const aed_pool_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    for (int32_t ox = 0; ox < p->out_w; ox++) {
      const window w = clip(p, oy, ox);
      const int32_t count = (w.y1 - w.y0) * (w.x1 - w.x0);
      for (int32_t c = 0; c < p->channels; c++) {
        int32_t sum = 0;
        for (int32_t iy = w.y0; iy < w.y1; iy++) {
          const int8_t *u = x + (iy * p->in_w + w.x0) * p->channels + c;
          for (int32_t ix = w.x0; ix < w.x1; ix++, u += p->channels) {
            sum += *u;
          }
        }
        /* The mean of the quantized values, ties away from
         * zero; zero points are equal on both sides. */
        sum = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
        *y++ = (int8_t)aed_clamp(sum, p->act_min, p->act_max);
      }
    }
  }
}

/* The maxima of channels c .. n - 1 over a window. */
static void maxima(const aed_pool_params *p, const int8_t *x, const window *w, int32_t c,
                   int8_t *y) {
  const int32_t channels = p->channels, low = p->act_min, high = p->act_max;
  memset(y + c, -128, (size_t)(channels - c));
  for (int32_t iy = w->y0; iy < w->y1; iy++) {
    for (int32_t ix = w->x0; ix < w->x1; ix++) {
      const int8_t *u = x + (iy * p->in_w + ix) * channels;
      for (int32_t i = c; i < channels; i++) {
        y[i] = u[i] > y[i] ? u[i] : y[i];
      }
    }
  }
  for (int32_t i = c; i < channels; i++) {
    y[i] = (int8_t)aed_clamp(y[i], low, high);
  }
}

void aed_max_pool_s8(const void *params, uint8_t *arena) {
  const aed_pool_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    for (int32_t ox = 0; ox < p->out_w; ox++, y += p->channels) {
      const window w = clip(p, oy, ox);
      int32_t done = 0;
#ifdef AED_OWN_MAXIMA_4
      done =
          aed_maxima_4(x + (w.y0 * p->in_w + w.x0) * p->channels, w.y1 - w.y0,
                       p->in_w * p->channels, w.x1 - w.x0, p->channels, p->act_min, p->act_max, y);
#endif
      if (done < p->channels) {
        maxima(p, x, &w, done, y);
      }
    }
  }
}
