#include "aed_lanes_avx2.h"
#include "aed_frames_core.h"

AED_FRAMES(avx2) {
  frames_of(config, pcm, frames, scratch);
}
