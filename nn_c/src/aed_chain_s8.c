#include <string.h>

#include "aed_nn_kernels.h"
#include "aed_nn_math.h"

static int32_t first_row(const aed_conv_params *p, int32_t out_row) {
  return out_row * p->stride_h - p->pad_top;
}

/* One more band of rows of the last stage: every stage computes the rows that the next one lacks,
 * by its own kernel on a map that is only the rows at hand. A buffer holds rows start[s] ..
 * done[s] - 1 of its stage; rows that nobody reads any more make room first. */
static void band(const aed_chain_params *p, uint8_t *arena, int32_t *start, int32_t *done) {
  int32_t need[AED_CHAIN_STAGES];
  const int32_t last = p->n_stages - 1;
  need[last] = aed_min(done[last] + p->band, p->stages[last].params->out_h);
  for (int32_t s = last; s > 0; s--) {
    const aed_conv_params *q = p->stages[s].params;
    const int32_t end = first_row(q, need[s] - 1) + (q->kernel_h - 1) * q->dilation_h + 1;
    need[s - 1] = aed_clamp(end, done[s - 1], q->in_h);
  }
  for (int32_t s = 0; s <= last; s++) {
    if (need[s] == done[s]) {
      continue;
    }
    aed_conv_params q = *p->stages[s].params;
    const uint32_t in_row = (uint32_t)(q.in_w * q.in_c), out_row = (uint32_t)(q.out_w * q.out_c);
    const int32_t top = first_row(&q, done[s]), from = aed_max(top, 0);
    q.pad_top = from - top;
    q.input += (uint32_t)(s > 0 ? from - start[s - 1] : from) * in_row;
    q.in_h = (s > 0 ? done[s - 1] : q.in_h) - from;
    if (s < last) {
      const int32_t wanted = first_row(p->stages[s + 1].params, done[s + 1]);
      const int32_t keep = aed_clamp(wanted, start[s], done[s]);
      memmove(arena + q.output, arena + q.output + (uint32_t)(keep - start[s]) * out_row,
              (size_t)(done[s] - keep) * out_row);
      start[s] = keep;
    }
    q.output += (uint32_t)(done[s] - start[s]) * out_row;
    q.out_h = need[s] - done[s];
    p->stages[s].kernel(&q, arena);
    done[s] = need[s];
  }
}

void aed_chain_s8(const void *params, uint8_t *arena) {
  const aed_chain_params *p = params;
  int32_t start[AED_CHAIN_STAGES] = {0}, done[AED_CHAIN_STAGES] = {0};
  const int32_t last = p->n_stages - 1, out_h = p->stages[last].params->out_h;
  while (done[last] < out_h) {
    band(p, arena, start, done);
  }
}
