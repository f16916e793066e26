/* What the floating-point unit of an Armv8-M core does in one instruction, where compilers make
 * more of it. */
#ifndef AED_VFP_H
#define AED_VFP_H

#include "../src/aed_inline.h"

AED_INLINE float lane_max(float a, float b) {
  float max;
  __asm("vmaxnm.f32 %0, %1, %2" : "=t"(max) : "t"(a), "t"(b));
  return max;
}

AED_INLINE void load_pair(const float *from, float *first, float *second) {
  typedef double pair __attribute__((may_alias, aligned(4)));
  union {
    double both;
    float each[2];
  } u;
  __asm("vldr.64 %P0, %1" : "=w"(u.both) : "Uv"(*(const pair *)(const void *)from));
  *first = u.each[0];
  *second = u.each[1];
}

#endif
