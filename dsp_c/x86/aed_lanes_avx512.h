/* 16 lanes: AVX-512, its foundation. */
#ifndef AED_LANES_AVX512_H
#define AED_LANES_AVX512_H

#define AED_LANES 16

#include "../src/aed_lanes.h"
#include <immintrin.h>

AED_INLINE lane lane_of_float(float x) {
  return (lane)_mm512_set1_ps(x);
}

AED_INLINE lane lane_sqrt(lane x) {
  return (lane)_mm512_sqrt_ps((__m512)x);
}

AED_INLINE lane lane_max(lane a, lane b) {
  return (lane)_mm512_max_ps((__m512)a, (__m512)b);
}

AED_INLINE lane_int unpack_low_32(lane_int a, lane_int b) {
  return (lane_int)_mm512_unpacklo_epi32((__m512i)a, (__m512i)b);
}

AED_INLINE lane_int unpack_high_32(lane_int a, lane_int b) {
  return (lane_int)_mm512_unpackhi_epi32((__m512i)a, (__m512i)b);
}

AED_INLINE lane_int unpack_low_64(lane_int a, lane_int b) {
  return (lane_int)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
}

AED_INLINE lane_int unpack_high_64(lane_int a, lane_int b) {
  return (lane_int)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
}

AED_INLINE lane_int join_blocks(const __m128i block[AED_LANES / 4]) {
  __m512i x = _mm512_castsi128_si512(block[0]);
  x = _mm512_inserti32x4(x, block[1], 1);
  x = _mm512_inserti32x4(x, block[2], 2);
  return (lane_int)_mm512_inserti32x4(x, block[3], 3);
}

AED_INLINE void split_blocks(lane_int x, __m128i block[AED_LANES / 4]) {
  block[0] = _mm512_extracti32x4_epi32((__m512i)x, 0);
  block[1] = _mm512_extracti32x4_epi32((__m512i)x, 1);
  block[2] = _mm512_extracti32x4_epi32((__m512i)x, 2);
  block[3] = _mm512_extracti32x4_epi32((__m512i)x, 3);
}

#endif
