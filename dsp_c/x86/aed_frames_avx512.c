#include "aed_lanes_avx512.h"
#include "aed_frames_core.h"

AED_FRAMES(avx512) {
  frames_of(config, pcm, frames, scratch);
}
