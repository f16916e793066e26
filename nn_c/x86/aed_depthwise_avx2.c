#include "aed_avx2.h"

AED_TARGET_AVX2 static inline __m128i load_8(const int8_t *x) {
  return _mm_loadl_epi64((const __m128i *)(const void *)x);
}

AED_TARGET_AVX2 static inline __m128i load_4(const int8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return _mm_cvtsi32_si128(four);
}

/* Adds two taps: w0 and w1 hold four channels each
 * of both taps, x0 and x1 eight channels of one. */
AED_TARGET_AVX2 static inline __m256i add_taps(__m256i acc, __m128i x0, __m128i x1, __m128i w0,
                                               __m128i w1) {
  const __m128i pairs = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  const __m128i w = _mm_shuffle_epi8(_mm_unpacklo_epi64(w0, w1), pairs);
  const __m256i x = _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(x0, x1));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(w)));
}

AED_TARGET_AVX2 int32_t aed_depthwise_pixel_avx2(const aed_conv_params *p, const uint8_t *arena,
                                                 const uint32_t *taps, int8_t *y) {
  const int32_t n_taps = p->kernel_h * p->kernel_w, quad = 4 * n_taps;
  int32_t c = 0;
  for (; c + 8 <= p->out_c; c += 8) {
    const int8_t *base = (const int8_t *)arena + c, *w = p->weights + c * n_taps;
    __m256i acc = aed_join_128(p->bias + c, p->bias + c + 4);
    int32_t t = 0;
    for (; t + 2 <= n_taps; t += 2, w += 8) {
      acc = add_taps(acc, load_8(base + taps[t]), load_8(base + taps[t + 1]), load_8(w),
                     load_8(w + quad));
    }
    if (t < n_taps) {
      const __m128i x = load_8(base + taps[t]);
      acc = add_taps(acc, x, x, load_4(w), load_4(w + quad)); /* zeros for a second tap */
    }
    const aed_rescale_8 r = aed_rescale_factors(p, c, c + 4);
    const uint64_t eight = aed_rescale_store(&r, acc);
    memcpy(y + c, &eight, sizeof eight);
  }
  return c;
}
