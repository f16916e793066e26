#include <string.h>

#include "aed_matmul.h"
#include "aed_nn_math.h"

/* A row of a window. The C library's memcpy is made for longer ones. */
static inline void copy(int8_t *out, const int8_t *in, size_t n) {
  if (n > 32) {
    memcpy(out, in, n);
    return;
  }
  for (; n >= 4; n -= 4, out += 4, in += 4) {
    memcpy(out, in, 4);
  }
  if ((n & 2) != 0) {
    memcpy(out, in, 2);
    out += 2;
    in += 2;
  }
  if ((n & 1) != 0) {
    *out = *in;
  }
}

/* Copies the input window of one output pixel, row by row, into one run of kernel_h * kernel_w *
 * in_c values. What lies outside the input is the input's zero point, which counts as real zero
 * because the bias has all weights folded in. */
static void gather(const aed_conv_params *p, const int8_t *x, int32_t oy, int32_t ox, int8_t *out) {
  const int32_t y0 = oy * p->stride_h - p->pad_top;
  const int32_t x0 = ox * p->stride_w - p->pad_left;
  const size_t channels = (size_t)p->in_c;
  const size_t row_size = (size_t)p->kernel_w * channels;
  const int32_t y1 = y0 + (p->kernel_h - 1) * p->dilation_h;
  if (p->dilation_w == 1 && y0 >= 0 && y1 < p->in_h && x0 >= 0 && x0 + p->kernel_w <= p->in_w) {
    const int8_t *in = x + (y0 * p->in_w + x0) * p->in_c;
    const int32_t step = p->dilation_h * p->in_w * p->in_c;
    for (int32_t ky = 0; ky < p->kernel_h; ky++, in += step, out += row_size) {
      copy(out, in, row_size);
    }
    return;
  }
  for (int32_t ky = 0; ky < p->kernel_h; ky++, out += row_size) {
    const int32_t iy = y0 + ky * p->dilation_h;
    if (iy < 0 || iy >= p->in_h) {
      memset(out, p->input_zero_point, row_size);
      continue;
    }
    const int8_t *row = x + iy * p->in_w * p->in_c;
    if (p->dilation_w == 1) {
      const int32_t first = aed_clamp(-x0, 0, p->kernel_w);
      const int32_t last = aed_clamp(p->in_w - x0, first, p->kernel_w);
      memset(out, p->input_zero_point, (size_t)first * channels);
      memcpy(out + (size_t)first * channels, row + (x0 + first) * p->in_c,
             (size_t)(last - first) * channels);
      memset(out + (size_t)last * channels, p->input_zero_point,
             (size_t)(p->kernel_w - last) * channels);
      continue;
    }
    for (int32_t kx = 0; kx < p->kernel_w; kx++) {
      const int32_t ix = x0 + kx * p->dilation_w;
      int8_t *tap = out + (size_t)kx * channels;
      if (ix < 0 || ix >= p->in_w) {
        memset(tap, p->input_zero_point, channels);
      } else {
        memcpy(tap, row + ix * p->in_c, channels);
      }
    }
  }
}

#ifdef AED_TILES

static void tiles(const aed_conv_params *p, uint8_t *arena) {
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  const int32_t depth = p->kernel_h * p->kernel_w * p->in_c, n_pairs = aed_pairs(depth);
  uint32_t *w = (uint32_t *)(void *)(arena + p->scratch);
  uint32_t *tile = w + 4 * n_pairs;
  int8_t *window0 = (int8_t *)(tile + p->tile * n_pairs);
  int8_t *window1 = window0 + depth;
  const int32_t pixels = p->out_h * p->out_w;
  int32_t oy = 0, ox = 0;
  for (int32_t done = 0; done < pixels; done += p->tile) {
    const int32_t n = aed_min(p->tile, pixels - done);
    uint32_t *out = tile;
    for (int32_t i = 0; i < n; i++) {
      gather(p, x, oy, ox, (i & 1) == 0 ? window0 : window1);
      if (++ox == p->out_w) {
        ox = 0;
        oy++;
      }
      if ((i & 1) != 0 || i + 1 == n) {
        aed_expand_2(window0, (i & 1) != 0 ? window1 : window0, depth, 0, out);
        out += 2 * n_pairs;
      }
    }
    aed_matmul_tile(p, depth, n, 0, tile, w, y + done * p->out_c);
  }
}

#else

static void pixels(const aed_conv_params *p, uint8_t *arena) {
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  const int32_t depth = p->kernel_h * p->kernel_w * p->in_c;
  int8_t *window0 = (int8_t *)arena + p->scratch;
  int8_t *window1 = window0 + depth;
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    int32_t ox = 0;
    for (; ox + 2 <= p->out_w; ox += 2) {
      gather(p, x, oy, ox, window0);
      gather(p, x, oy, ox + 1, window1);
      aed_matmul_2rows(p, depth, window0, window1, y, y + p->out_c);
      y += 2 * p->out_c;
    }
    if (ox < p->out_w) {
      gather(p, x, oy, ox, window0);
      aed_matmul_1row(p, depth, window0, y);
      y += p->out_c;
    }
  }
}

#endif

void aed_conv_s8(const void *params, uint8_t *arena) {
#ifdef AED_TILES
  tiles(params, arena);
#else
  pixels(params, arena);
#endif
}
