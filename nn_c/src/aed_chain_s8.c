#include <string.h>

#include "aed_nn_kernels.h"
#include "aed_nn_math.h"

/* How far each stage is: its buffer begins with row
 * base[s], rows up to done[s] - 1 are computed. */
typedef struct {
  int32_t base[AED_CHAIN_STAGES], done[AED_CHAIN_STAGES];
} state;

static int32_t first_row(const aed_chain_stage *t, int32_t out_row) {
  return out_row * t->stride - t->pad;
}

static int32_t next_rows(const aed_chain_stage *t, int32_t done) {
  return aed_min(t->rows, t->out_h - done);
}

/* Calls the kernel for output rows done .. done + n - 1 on a map that is only the rows at hand:
 * input is the arena offset of row `from`, where `in_h` rows stand, output that of row done. */
static void call(const aed_chain_stage *t, uint8_t *arena, uint32_t input, int32_t from,
                 int32_t in_h, uint32_t output, int32_t done, int32_t n) {
  const int32_t above = from - first_row(t, done);
  const uint32_t skipped = (uint32_t)(done * t->out_row); /* of an operand that is a whole tensor */
  union {
    aed_conv_params conv;
    aed_pool_params pool;
    aed_pad_params pad;
    aed_binary_params binary;
  } p;
  switch (t->kind) {
  case AED_STAGE_CONV:
    memcpy(&p.conv, t->params, sizeof p.conv);
    p.conv.input = input;
    p.conv.output = output;
    p.conv.in_h = in_h;
    p.conv.out_h = n;
    p.conv.pad_top = above;
    break;
  case AED_STAGE_POOL:
    memcpy(&p.pool, t->params, sizeof p.pool);
    p.pool.input = input;
    p.pool.output = output;
    p.pool.in_h = in_h;
    p.pool.out_h = n;
    p.pool.pad_top = above;
    break;
  case AED_STAGE_PAD:
    memcpy(&p.pad, t->params, sizeof p.pad);
    p.pad.input = input;
    p.pad.output = output;
    p.pad.in_dims[1] = aed_clamp(n - above, 0, in_h); /* this kernel walks its input */
    p.pad.out_dims[1] = n;
    p.pad.before[1] = above;
    break;
  case AED_STAGE_ADD_A:
  case AED_STAGE_ADD_B:
    memcpy(&p.binary, t->params, sizeof p.binary);
    p.binary.input = t->kind == AED_STAGE_ADD_A ? input : p.binary.input + skipped;
    p.binary.input_b = t->kind == AED_STAGE_ADD_B ? input : p.binary.input_b + skipped;
    p.binary.output = output;
    p.binary.dims[1] = n;
    break;
  }
  t->kernel(&p, arena);
}

/* The next rows of stage s. */
static void advance(const aed_chain_params *p, uint8_t *arena, int32_t s, state *at) {
  const aed_chain_stage *t = &p->stages[s];
  const int32_t done = at->done[s], n = next_rows(t, done);
  const int32_t base = s > 0 ? at->base[s - 1] : 0, end = s > 0 ? at->done[s - 1] : t->in_h;
  const int32_t from = aed_clamp(first_row(t, done), 0, end);
  if (s + 1 < p->n_stages && done + n - at->base[s] > t->capacity) {
    /* Rows that the next stage has read for the last time make room. */
    const int32_t keep = aed_clamp(first_row(t + 1, at->done[s + 1]), at->base[s], done);
    uint8_t *buffer = arena + t->output;
    memmove(buffer, buffer + (keep - at->base[s]) * t->out_row,
            (size_t)((done - keep) * t->out_row));
    at->base[s] = keep;
  }
  call(t, arena, t->input + (uint32_t)((from - base) * t->in_row), from, end - from,
       t->output + (uint32_t)((done - at->base[s]) * t->out_row), done, n);
  at->done[s] = done + n;
}

/* The last stage asks for rows; whatever lacks rows of the stage before asks that one first. */
void aed_chain_s8(const void *params, uint8_t *arena) {
  const aed_chain_params *p = params;
  const int32_t last = p->n_stages - 1;
  state at = {{0}, {0}};
  while (at.done[last] < p->stages[last].out_h) {
    int32_t s = last;
    for (; s > 0; s--) {
      const aed_chain_stage *t = &p->stages[s];
      const int32_t row = at.done[s] + next_rows(t, at.done[s]) - 1;
      if (at.done[s - 1] >= aed_min(first_row(t, row) + t->window, t->in_h)) {
        break;
      }
    }
    advance(p, arena, s, &at);
  }
}
