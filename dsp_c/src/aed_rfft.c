#include "aed_rfft.h"
#include "aed_frame_core.h"

void aed_rfft(const float *x, uint32_t n_fft, const float *twiddle, const float *rfft_twiddle,
              const uint16_t *order, float *packed, float *scratch) {
  const uint32_t n = n_fft / 2U;
  for (uint32_t i = 0; i < n_fft; i++) {
    scratch[i] = 0.5F * x[i]; /* real_bins doubles */
  }
  stages(scratch, NULL, NULL, n, last_radix(n), n, twiddle);
  if (last_radix(n) == 4U) {
    last_stage(scratch, n, 4U, order, rfft_twiddle, packed, AS_PACKED);
  } else {
    last_stage(scratch, n, 2U, order, rfft_twiddle, packed, AS_PACKED);
  }
}
