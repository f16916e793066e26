#include <string.h>

#include "aed_matmul.h"
#include "aed_nn_math.h"

#ifdef AED_TILES

/* Tiles run over the output pixels; every pixel of a
 * tile is widened before the first output is written. */
static void tiles(const aed_conv_params *p, uint8_t *arena) {
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  const int32_t depth = p->in_c, n_pairs = aed_pairs(depth);
  uint32_t *w = (uint32_t *)(void *)(arena + p->scratch);
  uint32_t *tile = w + 4 * n_pairs;
  const int32_t step = p->stride_w * depth, row = p->stride_h * p->in_w * depth;
  const int32_t pixels = p->out_h * p->out_w;
  int32_t ox = 0;
  for (int32_t done = 0; done < pixels; done += p->tile) {
    const int32_t n = aed_min(p->tile, pixels - done);
    uint32_t *out = tile;
    for (int32_t i = 0; i < n; i += 2, out += 2 * n_pairs) {
      const int8_t *pixel[2];
      for (int32_t k = 0; k < 2; k++) {
        pixel[k] = i + k < n ? x + ox * step : pixel[0];
        if (i + k < n && ++ox == p->out_w) {
          ox = 0;
          x += row;
        }
      }
      aed_expand_2(pixel[0], pixel[1], depth, 1, out);
    }
    aed_matmul_tile(p, depth, n, 1, tile, w, y + done * p->out_c);
  }
}

#else

static void pixels(const aed_conv_params *p, uint8_t *arena) {
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  int8_t *copy = (int8_t *)arena + p->scratch; /* of two pixels, where the output replaces them */
  const int32_t step = p->stride_w * p->in_c;
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    const int8_t *row = x + oy * p->stride_h * p->in_w * p->in_c;
    for (int32_t ox = 0; ox < p->out_w; ox += 2, row += 2 * step, y += 2 * p->out_c) {
      const int32_t two = ox + 2 <= p->out_w;
      const int8_t *x0 = row, *x1 = row + step;
      if (p->input == p->output) {
        memcpy(copy, row, (size_t)(two ? 2 * p->in_c : p->in_c));
        x0 = copy;
        x1 = copy + p->in_c;
      }
      if (two) {
        aed_matmul_2rows(p, p->in_c, x0, x1, y, y + p->out_c);
      } else {
        aed_matmul_1row(p, p->in_c, x0, y);
        y -= p->out_c;
      }
    }
  }
}

#endif

void aed_pointwise_s8(const void *params, uint8_t *arena) {
#ifdef AED_TILES
  tiles(params, arena);
#else
  pixels(params, arena);
#endif
}
