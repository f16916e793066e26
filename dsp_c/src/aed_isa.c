#include "aed_isa.h"
#include <stddef.h>

#ifdef AED_X86
#include "../x86/aed_x86.h"
#endif

static int has_scalar(void) {
  return 1;
}

static void frames_scalar(const aed_frontend_config *config, const int16_t *const *pcm,
                          float *const *frames, void *scratch) {
  (void)aed_frontend_frame(config, pcm[0], frames[0], scratch); /* it was checked */
}

/* A new instruction set is its folder, a line here, a number in aed_clip.h and a line in
 * cmake/instruction_sets.cmake, which defines the macro. */
static const aed_isa_entry isas[] = {
    [AED_ISA_SCALAR] = {1U, has_scalar, frames_scalar},
#ifdef AED_X86
    [AED_ISA_SSE2] = {4U, aed_has_sse2, aed_frames_sse2},
    [AED_ISA_AVX2] = {8U, aed_has_avx2, aed_frames_avx2},
    [AED_ISA_AVX512] = {16U, aed_has_avx512, aed_frames_avx512},
#endif
};

const aed_isa_entry *aed_isa_find(aed_isa isa) {
  const size_t number = (size_t)isa;
  if (number >= sizeof isas / sizeof isas[0] || isas[number].frames == NULL) {
    return NULL;
  }
  return isas[number].available() ? &isas[number] : NULL;
}

int32_t aed_isa_available(aed_isa isa) {
  return aed_isa_find(isa) != NULL;
}
