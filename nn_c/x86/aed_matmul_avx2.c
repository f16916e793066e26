#include <string.h>

#include "../src/aed_matmul.h"
#include "../src/aed_nn_math.h"
#include "aed_avx2.h"

/* Values stay in their order, as in src/aed_matmul_tile.c. */
AED_TARGET_AVX2 static void expand(const int8_t *x, int32_t depth, uint32_t *out) {
  int16_t *to = (int16_t *)(void *)out;
  for (; depth >= 16; depth -= 16, x += 16, to += 16) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)x);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_cvtepi8_epi16(bytes));
  }
  for (int32_t i = 0; i < (depth + 3) / 4 * 4; i++) {
    to[i] = i < depth ? x[i] : 0;
  }
}

/* Sums of one pixel and four channels, in the lanes 2c and 2c + 1. */
AED_TARGET_AVX2 static inline __m256i step(__m256i acc, const uint32_t *x, __m256i w) {
  int64_t four;
  memcpy(&four, x, sizeof four);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_set1_epi64x(four), w));
}

/* Adds the two lanes of each channel, for two pixels: channels of one, channels of the other. */
AED_TARGET_AVX2 static inline __m256i join(__m256i first, __m256i second) {
  return _mm256_permute4x64_epi64(_mm256_hadd_epi32(first, second), 0xD8);
}

static inline void put(int8_t *y, uint32_t four, int32_t channels) {
  memcpy(y, &four, (size_t)channels);
}

/* Four channels of n pixels. */
AED_TARGET_AVX2 static void four(const aed_conv_params *p, int32_t c, int32_t n_pairs, int32_t n,
                                 const uint32_t *x, const uint32_t *w, int8_t *y) {
  const aed_rescale_8 r = aed_rescale_factors(p, c, c);
  const int32_t channels = aed_min(4, p->out_c - c), out_c = p->out_c;
  const __m256i bias = aed_join_128(p->bias + c, p->bias + c);
  for (; n > 0; n -= 4, x += 4 * n_pairs, y += 4 * out_c) {
    /* Pixels that do not exist read the first again. */
    const uint32_t *x1 = n > 1 ? x + n_pairs : x, *x2 = n > 2 ? x + 2 * n_pairs : x;
    const uint32_t *x3 = n > 3 ? x + 3 * n_pairs : x;
    __m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
    for (int32_t k = 0; k < n_pairs; k += 2) {
      const __m256i weights = _mm256_loadu_si256((const __m256i *)(const void *)(w + 4 * k));
      a0 = step(a0, x + k, weights);
      a1 = step(a1, x1 + k, weights);
      a2 = step(a2, x2 + k, weights);
      a3 = step(a3, x3 + k, weights);
    }
    const uint64_t y01 = aed_rescale_store(&r, _mm256_add_epi32(join(a0, a1), bias));
    const uint64_t y23 = aed_rescale_store(&r, _mm256_add_epi32(join(a2, a3), bias));
    put(y, (uint32_t)y01, channels);
    if (n > 1) {
      put(y + out_c, (uint32_t)(y01 >> 32), channels);
    }
    if (n > 2) {
      put(y + 2 * out_c, (uint32_t)y23, channels);
    }
    if (n > 3) {
      put(y + 3 * out_c, (uint32_t)(y23 >> 32), channels);
    }
  }
}

void aed_matmul_tile_avx2(const aed_conv_params *p, int32_t depth, int32_t n, const uint32_t *x,
                          uint32_t *w, int8_t *y) {
  const int32_t n_pairs = aed_pairs(depth);
  const int8_t *weights = p->weights;
  for (int32_t c = 0; c < p->out_c; c += 4, weights += 8 * n_pairs) {
    expand(weights, 8 * n_pairs, w);
    four(p, c, n_pairs, n, x, w, y + c);
  }
}
