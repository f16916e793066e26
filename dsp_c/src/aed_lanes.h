/* The number that the front end is written in: one float, or a vector of them with one frame in
 * each lane. The arithmetic is element by element, so every lane performs exactly the operations of
 * the single float.
 *
 * One float is all there is here. A vector is the header of an instruction set, which defines
 * AED_LANES, includes this one and adds lane_of_float, lane_sqrt, lane_max, and for its callers
 * lane_load4 and lane_store4; aed_isa.c has the table of them. */
#ifndef AED_LANES_H
#define AED_LANES_H

#include "aed_float.h"
#include "aed_inline.h"
#include <stdint.h>
#include <string.h>

#ifndef AED_LANES
#define AED_LANES 1
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

#else

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

#endif

/* lane_max: the larger one; b, which is no NaN and not below zero, where they are equal or a is
 * NaN. load_pair: two neighbours, of any alignment that a float may have. */
#ifdef AED_VFP
#include "../arm/aed_vfp.h"
#else

#if AED_LANES == 1
AED_INLINE lane lane_max(lane a, lane b) {
  return a > b ? a : b;
}
#endif

AED_INLINE void load_pair(const float *from, float *first, float *second) {
  *first = from[0];
  *second = from[1];
}

#endif

#endif
