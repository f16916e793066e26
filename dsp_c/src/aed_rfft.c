#include "aed_rfft.h"

/* Two radix-2 stages in one pass: quarter q holds four finished transforms of q points each, in
 * bit-reversed order, so the second of them carries the doubled angle. */
static void radix4_stage(float *z, uint32_t n, uint32_t quarter, const float *twiddle) {
  const uint32_t step =
      n / (2U * quarter); /* table steps of the smallest angle, 2 pi / (4 quarter) of 2 n points */
  for (uint32_t j = 0; j < quarter; j++) {
    const float c1 = twiddle[2U * j * step];
    const float s1 = twiddle[2U * j * step + 1U];
    const float c2 = twiddle[4U * j * step];
    const float s2 = twiddle[4U * j * step + 1U];
    const float c3 = twiddle[6U * j * step];
    const float s3 = twiddle[6U * j * step + 1U];
    for (uint32_t base = j; base < n; base += 4U * quarter) {
      float *a0 = z + 2U * base;
      float *a1 = a0 + 2U * quarter;
      float *a2 = a1 + 2U * quarter;
      float *a3 = a2 + 2U * quarter;
      const float b1r = a1[0] * c2 - a1[1] * s2;
      const float b1i = a1[0] * s2 + a1[1] * c2;
      const float b2r = a2[0] * c1 - a2[1] * s1;
      const float b2i = a2[0] * s1 + a2[1] * c1;
      const float b3r = a3[0] * c3 - a3[1] * s3;
      const float b3i = a3[0] * s3 + a3[1] * c3;
      const float er = a0[0] + b1r;
      const float ei = a0[1] + b1i;
      const float fr = a0[0] - b1r;
      const float fi = a0[1] - b1i;
      const float gr = b2r + b3r;
      const float gi = b2i + b3i;
      const float hr = b2r - b3r;
      const float hi = b2i - b3i;
      a0[0] = er + gr;
      a0[1] = ei + gi;
      a1[0] = fr + hi; /* -i (h) */
      a1[1] = fi - hr;
      a2[0] = er - gr;
      a2[1] = ei - gi;
      a3[0] = fr - hi;
      a3[1] = fi + hr;
    }
  }
}

static void radix2_first_stage(float *z, uint32_t n) {
  for (uint32_t i = 0; i < n; i += 2U) {
    float *a = z + 2U * i;
    const float re = a[2];
    const float im = a[3];
    a[2] = a[0] - re;
    a[3] = a[1] - im;
    a[0] = a[0] + re;
    a[1] = a[1] + im;
  }
}

/* The first radix-4 stage has only the angle 0: no products. */
static void radix4_first_stage(float *z, uint32_t n) {
  for (uint32_t i = 0; i < n; i += 4U) {
    float *a = z + 2U * i;
    const float er = a[0] + a[2];
    const float ei = a[1] + a[3];
    const float fr = a[0] - a[2];
    const float fi = a[1] - a[3];
    const float gr = a[4] + a[6];
    const float gi = a[5] + a[7];
    const float hr = a[4] - a[6];
    const float hi = a[5] - a[7];
    a[0] = er + gr;
    a[1] = ei + gi;
    a[2] = fr + hi;
    a[3] = fi - hr;
    a[4] = er - gr;
    a[5] = ei - gi;
    a[6] = fr - hi;
    a[7] = fi + hr;
  }
}

void aed_cfft(float *z, uint32_t n, const float *twiddle) {
  uint32_t quarter;
  uint32_t log2n = 0;
  while ((1U << log2n) < n) {
    log2n++;
  }
  if (log2n & 1U) {
    radix2_first_stage(z, n);
    quarter = 2U;
  } else {
    radix4_first_stage(z, n);
    quarter = 4U;
  }
  for (; quarter < n; quarter *= 4U) {
    radix4_stage(z, n, quarter, twiddle);
  }
}

void aed_rfft_power(const float *z, uint32_t n_fft, const float *twiddle, float *power) {
  const uint32_t m = n_fft / 2U;
  const float dc = z[0] + z[1];
  const float nyquist = z[0] - z[1];
  power[0] = dc * dc;
  power[m] = nyquist * nyquist;
  for (uint32_t k = 1; k <= m / 2U; k++) {
    const float *a = z + 2U * k;
    const float *b = z + 2U * (m - k);
    /* even part e = (a + conj b) / 2, odd part o = (a - conj b) / (2 i); X[k] = e + w o, X[m - k] =
     * conj(e - w o) */
    const float er = 0.5F * (a[0] + b[0]);
    const float ei = 0.5F * (a[1] - b[1]);
    const float orr = 0.5F * (a[1] + b[1]);
    const float oi = 0.5F * (b[0] - a[0]);
    const float c = twiddle[2U * k];
    const float s = twiddle[2U * k + 1U];
    const float wr = orr * c - oi * s;
    const float wi = orr * s + oi * c;
    const float xr = er + wr;
    const float xi = ei + wi;
    const float yr = er - wr;
    const float yi = ei - wi;
    power[k] = xr * xr + xi * xi;
    power[m - k] = yr * yr + yi * yi;
  }
}
