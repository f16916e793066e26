/* 4 lanes: SSE2. */
#ifndef AED_LANES_SSE2_H
#define AED_LANES_SSE2_H

#define AED_LANES 4

#include "../src/aed_lanes.h"
#include <immintrin.h>

AED_INLINE lane lane_of_float(float x) {
  return (lane)_mm_set1_ps(x);
}

AED_INLINE lane lane_sqrt(lane x) {
  return (lane)_mm_sqrt_ps((__m128)x);
}

AED_INLINE lane lane_max(lane a, lane b) {
  return (lane)_mm_max_ps((__m128)a, (__m128)b);
}

AED_INLINE lane_int unpack_low_32(lane_int a, lane_int b) {
  return (lane_int)_mm_unpacklo_epi32((__m128i)a, (__m128i)b);
}

AED_INLINE lane_int unpack_high_32(lane_int a, lane_int b) {
  return (lane_int)_mm_unpackhi_epi32((__m128i)a, (__m128i)b);
}

AED_INLINE lane_int unpack_low_64(lane_int a, lane_int b) {
  return (lane_int)_mm_unpacklo_epi64((__m128i)a, (__m128i)b);
}

AED_INLINE lane_int unpack_high_64(lane_int a, lane_int b) {
  return (lane_int)_mm_unpackhi_epi64((__m128i)a, (__m128i)b);
}

AED_INLINE lane_int join_blocks(const __m128i block[AED_LANES / 4]) {
  return (lane_int)block[0];
}

AED_INLINE void split_blocks(lane_int x, __m128i block[AED_LANES / 4]) {
  block[0] = (__m128i)x;
}

#endif
