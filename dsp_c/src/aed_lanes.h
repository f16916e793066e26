/* The number that the front end is written in: one float, or a vector of them with one frame in
 * each lane. AED_LANES is 1 (the default), 4 (SSE2), 8 (AVX2) or 16 (AVX-512); the arithmetic is
 * element by element, so every lane performs exactly the operations of the single float. */
#ifndef AED_LANES_H
#define AED_LANES_H

#include "aed_float.h"
#include <stdint.h>
#include <string.h>

#ifndef AED_LANES
#define AED_LANES 1
#endif

#define AED_INLINE static inline __attribute__((always_inline))

/* In front of a loop of at most four rounds, a constant number of them: no loop remains, and what
 * it indexes stays in registers. gcc -O2 doesn't by itself. */
#ifdef __clang__
#define AED_UNROLL _Pragma("unroll")
#else
#define AED_UNROLL _Pragma("GCC unroll 4")
#endif

#if AED_LANES == 1

typedef float lane;
typedef int32_t lane_int;

AED_INLINE lane_int lane_bits(lane x) {
  lane_int bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

AED_INLINE lane lane_of_bits(lane_int bits) {
  lane x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

AED_INLINE lane lane_of_int(lane_int i) {
  return (float)i;
}

AED_INLINE lane lane_of_float(float x) {
  return x;
}

AED_INLINE lane lane_sqrt(lane x) {
  return __builtin_sqrtf(x);
}

/* The larger one; b, which is no NaN and not below zero, where they are equal or a is NaN. */
AED_INLINE lane lane_max(lane a, lane b) {
#ifdef AED_VFP
  lane max;
  __asm("vmaxnm.f32 %0, %1, %2" : "=t"(max) : "t"(a), "t"(b));
  return max;
#else
  return a > b ? a : b;
#endif
}

#else

#include <immintrin.h>

typedef float lane __attribute__((vector_size(4 * AED_LANES)));
typedef int32_t lane_int __attribute__((vector_size(4 * AED_LANES)));

AED_INLINE lane_int lane_bits(lane x) {
  return (lane_int)x;
}

AED_INLINE lane lane_of_bits(lane_int bits) {
  return (lane)bits;
}

AED_INLINE lane lane_of_int(lane_int i) {
  return __builtin_convertvector(i, lane);
}

/* The names differ by width alone. lane_load4 gathers 16 bytes from each lane's address: lane 0's
 * in the first block of four, lane 4's in the second; lane_store4 scatters them. */
#if AED_LANES == 4
AED_INLINE lane lane_of_float(float x) {
  return (lane)_mm_set1_ps(x);
}
AED_INLINE lane lane_sqrt(lane x) {
  return (lane)_mm_sqrt_ps((__m128)x);
}
AED_INLINE lane lane_max(lane a, lane b) {
  return (lane)_mm_max_ps((__m128)a, (__m128)b);
}
#define UNPACK_LOW_32(a, b) (lane_int) _mm_unpacklo_epi32((__m128i)(a), (__m128i)(b))
#define UNPACK_HIGH_32(a, b) (lane_int) _mm_unpackhi_epi32((__m128i)(a), (__m128i)(b))
#define UNPACK_LOW_64(a, b) (lane_int) _mm_unpacklo_epi64((__m128i)(a), (__m128i)(b))
#define UNPACK_HIGH_64(a, b) (lane_int) _mm_unpackhi_epi64((__m128i)(a), (__m128i)(b))
#define BLOCK(x, b) ((__m128i)(x))
#elif AED_LANES == 8
AED_INLINE lane lane_of_float(float x) {
  return (lane)_mm256_set1_ps(x);
}
AED_INLINE lane lane_sqrt(lane x) {
  return (lane)_mm256_sqrt_ps((__m256)x);
}
AED_INLINE lane lane_max(lane a, lane b) {
  return (lane)_mm256_max_ps((__m256)a, (__m256)b);
}
#define UNPACK_LOW_32(a, b) (lane_int) _mm256_unpacklo_epi32((__m256i)(a), (__m256i)(b))
#define UNPACK_HIGH_32(a, b) (lane_int) _mm256_unpackhi_epi32((__m256i)(a), (__m256i)(b))
#define UNPACK_LOW_64(a, b) (lane_int) _mm256_unpacklo_epi64((__m256i)(a), (__m256i)(b))
#define UNPACK_HIGH_64(a, b) (lane_int) _mm256_unpackhi_epi64((__m256i)(a), (__m256i)(b))
#define BLOCK(x, b) _mm256_extracti128_si256((__m256i)(x), b)
#elif AED_LANES == 16
AED_INLINE lane lane_of_float(float x) {
  return (lane)_mm512_set1_ps(x);
}
AED_INLINE lane lane_sqrt(lane x) {
  return (lane)_mm512_sqrt_ps((__m512)x);
}
AED_INLINE lane lane_max(lane a, lane b) {
  return (lane)_mm512_max_ps((__m512)a, (__m512)b);
}
#define UNPACK_LOW_32(a, b) (lane_int) _mm512_unpacklo_epi32((__m512i)(a), (__m512i)(b))
#define UNPACK_HIGH_32(a, b) (lane_int) _mm512_unpackhi_epi32((__m512i)(a), (__m512i)(b))
#define UNPACK_LOW_64(a, b) (lane_int) _mm512_unpacklo_epi64((__m512i)(a), (__m512i)(b))
#define UNPACK_HIGH_64(a, b) (lane_int) _mm512_unpackhi_epi64((__m512i)(a), (__m512i)(b))
#define BLOCK(x, b) _mm512_extracti32x4_epi32((__m512i)(x), b)
#else
#error "AED_LANES is 1, 4, 8 or 16"
#endif

AED_INLINE __m128i load_block(const void *from) {
  return _mm_loadu_si128((const __m128i *)from);
}

/* 16 bytes of each of the lanes row, row + 4, row + 8, row + 12; offset in bytes. */
AED_INLINE lane_int lane_load_row(const void *const from[AED_LANES], size_t offset, unsigned row) {
#define FROM(l) load_block((const char *)from[l] + offset)
#if AED_LANES == 4
  return (lane_int)FROM(row);
#elif AED_LANES == 8
  return (lane_int)_mm256_inserti128_si256(_mm256_castsi128_si256(FROM(row)), FROM(row + 4U), 1);
#else
  __m512i x = _mm512_castsi128_si512(FROM(row));
  x = _mm512_inserti32x4(x, FROM(row + 4U), 1);
  x = _mm512_inserti32x4(x, FROM(row + 8U), 2);
  return (lane_int)_mm512_inserti32x4(x, FROM(row + 12U), 3);
#endif
#undef FROM
}

AED_INLINE void lane_store_row(void *const to[AED_LANES], size_t offset, unsigned row, lane_int x) {
#define TO(l, b) _mm_storeu_si128((__m128i *)(void *)((char *)to[l] + offset), BLOCK(x, b))
  TO(row, 0);
#if AED_LANES > 4
  TO(row + 4U, 1);
#endif
#if AED_LANES > 8
  TO(row + 8U, 2);
  TO(row + 12U, 3);
#endif
#undef TO
}

/* Transposes every block of four rows and four columns in place. */
AED_INLINE void lane_transpose4(lane_int x[4]) {
  const lane_int a = UNPACK_LOW_32(x[0], x[1]);
  const lane_int b = UNPACK_HIGH_32(x[0], x[1]);
  const lane_int c = UNPACK_LOW_32(x[2], x[3]);
  const lane_int d = UNPACK_HIGH_32(x[2], x[3]);
  x[0] = UNPACK_LOW_64(a, c);
  x[1] = UNPACK_HIGH_64(a, c);
  x[2] = UNPACK_LOW_64(b, d);
  x[3] = UNPACK_HIGH_64(b, d);
}

/* Four 32-bit values of every lane, offset bytes behind
 * each lane's address; value c of all lanes in x[c]. */
AED_INLINE void lane_load4(const void *const from[AED_LANES], size_t offset, lane_int x[4]) {
  for (unsigned row = 0; row < 4U; row++) {
    x[row] = lane_load_row(from, offset, row);
  }
  lane_transpose4(x);
}

AED_INLINE void lane_store4(void *const to[AED_LANES], size_t offset, lane_int x[4]) {
  lane_transpose4(x);
  for (unsigned row = 0; row < 4U; row++) {
    lane_store_row(to, offset, row, x[row]);
  }
}

#endif

/* Two neighbours: one instruction on a Cortex-M33, where the compiler makes two. */
AED_INLINE void load_pair(const float *from, float *first, float *second) {
#ifdef AED_VFP
  typedef double pair __attribute__((may_alias, aligned(4)));
  union {
    double both;
    float each[2];
  } u;
  __asm("vldr.64 %P0, %1" : "=w"(u.both) : "Uv"(*(const pair *)(const void *)from));
  *first = u.each[0];
  *second = u.each[1];
#else
  *first = from[0];
  *second = from[1];
#endif
}

#endif
