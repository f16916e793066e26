/* As many frames at once as a vector has lanes: pcm[l] is lane l's window, frames[l] its result.
 * scratch: aligned to 64, for each lane aed_frontend_scratch_size bytes and n_mels floats. */
#ifndef AED_FRAMES_H
#define AED_FRAMES_H

#include "aed_frontend.h"

#define AED_FRAMES(isa)                                                                            \
  void aed_frames_##isa(const aed_frontend_config *config, const int16_t *const *pcm,              \
                        float *const *frames, void *scratch)

AED_FRAMES(sse2);
AED_FRAMES(avx2);
AED_FRAMES(avx512);

#endif
