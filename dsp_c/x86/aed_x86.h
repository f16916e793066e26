/* The instruction sets of x86-64, for the table in aed_isa.c. */
#ifndef AED_X86_H
#define AED_X86_H

#include "../src/aed_isa.h"

#define AED_FRAMES(isa)                                                                            \
  void aed_frames_##isa(const aed_frontend_config *config, const int16_t *const *pcm,              \
                        float *const *frames, void *scratch)

AED_FRAMES(sse2);
AED_FRAMES(avx2);
AED_FRAMES(avx512);

/* SSE2 is part of x86-64. */
static inline int aed_has_sse2(void) {
  return 1;
}

static inline int aed_has_avx2(void) {
  return __builtin_cpu_supports("avx2") != 0;
}

static inline int aed_has_avx512(void) {
  return __builtin_cpu_supports("avx512f") != 0;
}

#endif
