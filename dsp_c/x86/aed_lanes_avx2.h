/* 8 lanes: AVX2. */
#ifndef AED_LANES_AVX2_H
#define AED_LANES_AVX2_H

#define AED_LANES 8

#include "../src/aed_lanes.h"
#include <immintrin.h>

AED_INLINE lane lane_of_float(float x) {
  return (lane)_mm256_set1_ps(x);
}

AED_INLINE lane lane_sqrt(lane x) {
  return (lane)_mm256_sqrt_ps((__m256)x);
}

AED_INLINE lane lane_max(lane a, lane b) {
  return (lane)_mm256_max_ps((__m256)a, (__m256)b);
}

AED_INLINE lane_int unpack_low_32(lane_int a, lane_int b) {
  return (lane_int)_mm256_unpacklo_epi32((__m256i)a, (__m256i)b);
}

AED_INLINE lane_int unpack_high_32(lane_int a, lane_int b) {
  return (lane_int)_mm256_unpackhi_epi32((__m256i)a, (__m256i)b);
}

AED_INLINE lane_int unpack_low_64(lane_int a, lane_int b) {
  return (lane_int)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
}

AED_INLINE lane_int unpack_high_64(lane_int a, lane_int b) {
  return (lane_int)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
}

AED_INLINE lane_int join_blocks(const __m128i block[AED_LANES / 4]) {
  return (lane_int)_mm256_inserti128_si256(_mm256_castsi128_si256(block[0]), block[1], 1);
}

AED_INLINE void split_blocks(lane_int x, __m128i block[AED_LANES / 4]) {
  block[0] = _mm256_extracti128_si256((__m256i)x, 0);
  block[1] = _mm256_extracti128_si256((__m256i)x, 1);
}

#endif
