#define AED_LANES 8
#include "aed_frames_core.h"

AED_FRAMES(avx2) {
  frames_of(config, pcm, frames, scratch);
}
