#include "aed_mel.h"

void aed_mel(const float *spectrum, uint32_t n_mels, const uint16_t *start, const uint16_t *count,
             const float *weight, float *mel) {
  for (uint32_t m = 0; m < n_mels; m++) {
    const float *bins = spectrum + start[m];
    float sum = 0.0F;
    for (uint32_t i = 0; i < count[m]; i++) {
      sum = sum + bins[i] * weight[i];
    }
    weight += count[m];
    mel[m] = sum;
  }
}
