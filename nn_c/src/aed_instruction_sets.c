#include "aed_instruction_sets.h"

#ifdef AED_X86
#include "../x86/aed_avx2.h"
#endif

/* The best first; the last line is that of a processor that has none of them. */
static const aed_fast_kernels table[] = {
#ifdef AED_X86
    {aed_has_avx2, aed_matmul_tile_avx2, aed_depthwise_pixel_avx2},
#endif
    {NULL, NULL, NULL},
};

const aed_fast_kernels *aed_find_fast_kernels(void) {
  const aed_fast_kernels *entry = table;
  while (entry->available != NULL && !entry->available()) {
    entry++;
  }
  return entry->available != NULL ? entry : NULL;
}
