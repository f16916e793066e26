#include "aed_lanes_sse2.h"
#include "aed_frames_core.h"

AED_FRAMES(sse2) {
  frames_of(config, pcm, frames, scratch);
}
