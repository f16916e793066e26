#define AED_LANES 4
#include "aed_frames_core.h"

AED_FRAMES(sse2) {
  frames_of(config, pcm, frames, scratch);
}
