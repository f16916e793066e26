/* On the core: aed_rescale_relu equals aed_rescale, zero point and clamp for every shift that the
 * lowering admits, at random accumulators and near zero, ties and the ends of the range. Exit code
 * 0 when they do. */
#include "../cortex_m33/aed_simd32.h"
#include "../src/aed_nn_math.h"
#include "board.h"

static uint32_t state = 0x9E3779B9u;

static uint32_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static int32_t differs(int32_t acc, int32_t multiplier, int32_t shift) {
  const int32_t shift1 = -shift - 1, zero_point = -128;
  const int32_t offset = (2 * zero_point + 1) * ((int32_t)1 << shift1);
  const int32_t expected = aed_clamp(aed_rescale(acc, multiplier, shift) + zero_point, -128, 127);
  return aed_rescale_relu(2 * acc, multiplier, shift1, offset) != expected;
}

int main(void) {
  aed_board_init();
  for (int32_t i = 0; i < 1000000; i++) {
    const int32_t shift = -1 - (int32_t)(random_bits() % 22u);
    const int32_t multiplier = (int32_t)((random_bits() >> 2) | 0x40000000u);
    const int32_t limit = (1 << 30) - 1;
    /* An accumulator of any size, and those around the middle between two outputs. */
    const int32_t any = (int32_t)(random_bits() & (uint32_t)limit) >> (random_bits() % 30u);
    const int64_t half = (int64_t)(random_bits() % 600u) << (30 - shift);
    const int64_t middle = half / multiplier;
    const int32_t tie = middle > limit - 8 ? limit - 8 : (int32_t)middle;
    const int32_t near_tie = tie + (int32_t)(random_bits() % 5u) - 2;
    if (differs(any, multiplier, shift) || differs(-any, multiplier, shift) ||
        differs(near_tie, multiplier, shift) || differs(-near_tie, multiplier, shift) ||
        differs(tie, 1 << 30, shift) || differs(limit, multiplier, shift) ||
        differs(-limit, multiplier, shift)) {
      return 1;
    }
  }
  return 0;
}
