/* The instruction sets that compute frames side by side. */
#ifndef AED_ISA_H
#define AED_ISA_H

#include "aed_clip.h"

enum { AED_ISA_MAX_LANES = 16 };

typedef struct {
  uint32_t lanes;         /* frames at once: 1 to AED_ISA_MAX_LANES */
  int (*available)(void); /* 1 where this processor has the instruction set */

  /* As many frames as there are lanes: pcm[l] is lane l's window, frames[l] its result. scratch:
   * aligned to 64, for each lane aed_frontend_scratch_size bytes and n_mels floats. */
  void (*frames)(const aed_frontend_config *config, const int16_t *const *pcm, float *const *frames,
                 void *scratch);
} aed_isa_entry;

/* NULL where this build or this processor doesn't have it. */
const aed_isa_entry *aed_isa_find(aed_isa isa);

#endif
