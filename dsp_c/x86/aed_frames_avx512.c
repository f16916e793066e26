#define AED_LANES 16
#include "aed_frames_core.h"

AED_FRAMES(avx512) {
  frames_of(config, pcm, frames, scratch);
}
