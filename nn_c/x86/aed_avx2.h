/* AVX2, chosen at run time: the same integers, many at once. */
#ifndef AED_AVX2_H
#define AED_AVX2_H

#include "aed_nn_kernels.h"
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define AED_TARGET_AVX2 __attribute__((target("avx2")))

static inline int aed_has_avx2(void) {
  return __builtin_cpu_supports("avx2");
}

/* Four numbers from each of two places. */
AED_TARGET_AVX2 static inline __m256i aed_join_128(const int32_t *a, const int32_t *b) {
  return _mm256_set_m128i(_mm_loadu_si128((const __m128i *)(const void *)b),
                          _mm_loadu_si128((const __m128i *)(const void *)a));
}

/* aed_rescale, zero point and clamp of eight channels. */
typedef struct {
  __m256i multiplier, left, right, round, sign, zero_point, low, high;
} aed_rescale_8;

/* Of channels a .. a + 3 and b .. b + 3. */
AED_TARGET_AVX2 static inline aed_rescale_8 aed_rescale_factors(const aed_conv_params *p, int32_t a,
                                                                int32_t b) {
  const __m256i zero = _mm256_setzero_si256();
  int32_t low, high;
  memcpy(&low, p->shift + a, sizeof low);
  memcpy(&high, p->shift + b, sizeof high);
  const __m256i shift = _mm256_cvtepi8_epi32(_mm_set_epi32(0, 0, high, low));
  const __m256i right = _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero);
  const __m256i one = _mm256_set1_epi32(1);
  aed_rescale_8 r;
  r.multiplier = aed_join_128(p->multiplier + a, p->multiplier + b);
  r.left = _mm256_add_epi32(_mm256_max_epi32(shift, zero), one);
  r.right = right;
  r.round = _mm256_srli_epi32(_mm256_sllv_epi32(one, right), 1);
  r.sign = _mm256_cmpgt_epi32(right, zero);
  r.zero_point = _mm256_set1_epi32(p->output_zero_point);
  r.low = _mm256_set1_epi32(p->act_min);
  r.high = _mm256_set1_epi32(p->act_max);
  return r;
}

/* Eight results as bytes, in the order of the sums. */
AED_TARGET_AVX2 static inline uint64_t aed_rescale_store(const aed_rescale_8 *r, __m256i acc) {
  const __m256i half = _mm256_set1_epi64x((int64_t)1 << 31);
  const __m256i doubled = _mm256_sllv_epi32(acc, r->left);
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(doubled, r->multiplier), half);
  const __m256i odd = _mm256_add_epi64(
      _mm256_mul_epi32(_mm256_srli_epi64(doubled, 32), _mm256_srli_epi64(r->multiplier, 32)), half);
  __m256i y = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  y = _mm256_add_epi32(y, _mm256_and_si256(_mm256_srai_epi32(y, 31), r->sign));
  y = _mm256_srav_epi32(_mm256_add_epi32(y, r->round), r->right);
  y = _mm256_add_epi32(y, r->zero_point);
  y = _mm256_min_epi32(_mm256_max_epi32(y, r->low), r->high);
  y = _mm256_packs_epi32(y, y);
  y = _mm256_packs_epi16(y, y);
  return (uint32_t)_mm256_extract_epi32(y, 0) | (uint64_t)(uint32_t)_mm256_extract_epi32(y, 4)
                                                    << 32;
}

/* aed_instruction_sets.h has the contracts. */
void aed_matmul_tile_avx2(const aed_conv_params *p, int32_t depth, int32_t n, const uint32_t *x,
                          uint32_t *w, int8_t *y);
int32_t aed_depthwise_pixel_avx2(const aed_conv_params *p, const uint8_t *arena,
                                 const uint32_t *taps, int8_t *y);

#endif
