/* One frame in every lane: window, real FFT, magnitude, mel, logarithm. docs/front-end.md states
 * the operations; this is their only source, compiled once for each width of aed_lanes.h. */
#ifndef AED_FRAME_CORE_H
#define AED_FRAME_CORE_H

#include "aed_frontend.h"
#include "aed_log_core.h"

/* Bytes that stay close to a host's processor. */
#define FIRST_LEVEL_CACHE 32768U

typedef struct {
  lane re;
  lane im;
} point;

AED_INLINE point load(const lane *z) {
#if AED_LANES == 1
  point a;
  load_pair(z, &a.re, &a.im);
  return a;
#else
  return (point){z[0], z[1]};
#endif
}

AED_INLINE void store(lane *z, point a) {
  z[0] = a.re;
  z[1] = a.im;
}

AED_INLINE point add(point a, point b) {
  return (point){a.re + b.re, a.im + b.im};
}

AED_INLINE point subtract(point a, point b) {
  return (point){a.re - b.re, a.im - b.im};
}

/* Cosine and minus sine of an angle. */
typedef struct {
  float c;
  float s;
} angle;

AED_INLINE angle load_angle(const float *w) {
  angle a;
  load_pair(w, &a.c, &a.s);
  return a;
}

AED_INLINE point rotate(point a, angle w) {
  return (point){a.re * w.c - a.im * w.s, a.re * w.s + a.im * w.c};
}

/* Transform of four points of which the first n are not zero. */
AED_INLINE void butterfly4(const point a[4], uint32_t n, point y[4]) {
  const point e = n > 2U ? add(a[0], a[2]) : a[0];
  const point f = n > 2U ? subtract(a[0], a[2]) : a[0];
  if (n == 1U) {
    y[0] = y[1] = y[2] = y[3] = e;
    return;
  }
  const point g = n > 3U ? add(a[1], a[3]) : a[1];
  const point h = n > 3U ? subtract(a[1], a[3]) : a[1];
  y[0] = add(e, g);
  y[1] = (point){f.re + h.im, f.im - h.re}; /* f - i h */
  y[2] = subtract(e, g);
  y[3] = (point){f.re - h.im, f.im + h.re};
}

/* w: the three angles, or NULL for the angle 0, where nothing is multiplied. */
AED_INLINE void store_rotated(lane *z, uint32_t quarter, const point y[4], const angle *w) {
  store(z, y[0]);
  store(z + 2U * quarter, w != NULL ? rotate(y[1], w[0]) : y[1]);
  store(z + 4U * quarter, w != NULL ? rotate(y[2], w[1]) : y[2]);
  store(z + 6U * quarter, w != NULL ? rotate(y[3], w[2]) : y[3]);
}

/* Butterflies begin .. end - 1 of the first stage. pcm: samples of the
 * frame that are still to be windowed (of a single lane), or NULL where
 * the points stand in z. n: quarters that hold more than zeros. */
AED_INLINE void first_stage_part(lane *z, const int16_t *pcm, const float *window, uint32_t quarter,
                                 uint32_t begin, uint32_t end, uint32_t n, const float *twiddle) {
  for (uint32_t j = begin; j < end; j++) {
    point a[4];
    point y[4];
    AED_UNROLL
    for (uint32_t q = 0; q < n; q++) {
      const uint32_t at = 2U * (j + q * quarter);
      if (pcm == NULL) {
        a[q] = load(z + at);
      } else {
        float even;
        float odd;
        load_pair(window + at, &even, &odd);
        a[q] =
            (point){lane_of_float((float)pcm[at] * even), lane_of_float((float)pcm[at + 1U] * odd)};
      }
    }
    butterfly4(a, n, y);
    const float *w = twiddle + 6U * j;
    const angle angles[3] = {load_angle(w), load_angle(w + 2), load_angle(w + 4)};
    store_rotated(z + 2U * j, quarter, y, angles);
  }
}

/* n_points: points in front that are not zero; the others are not read. */
AED_INLINE void first_stage(lane *z, const int16_t *pcm, const float *window, uint32_t quarter,
                            uint32_t n_points, const float *twiddle) {
#define PART(begin, end, n) first_stage_part(z, pcm, window, quarter, begin, end, n, twiddle)
  if (n_points > 3U * quarter) {
    PART(0U, n_points - 3U * quarter, 4U);
    PART(n_points - 3U * quarter, quarter, 3U);
  } else if (n_points > 2U * quarter) {
    PART(0U, n_points - 2U * quarter, 3U);
    PART(n_points - 2U * quarter, quarter, 2U);
  } else {
    const uint32_t second = n_points > quarter ? n_points - quarter : 0U;
    const uint32_t first = n_points < quarter ? n_points : quarter;
    PART(0U, second, 2U);
    PART(second, first, 1U);
    for (uint32_t j = first; j < quarter; j++) {
      AED_UNROLL
      for (uint32_t q = 0; q < 4U; q++) {
        store(z + 2U * (j + q * quarter), (point){lane_of_float(0.0F), lane_of_float(0.0F)});
      }
    }
  }
#undef PART
}

/* Butterflies j of all blocks. */
AED_INLINE void middle_butterflies(lane *z, uint32_t n, uint32_t quarter, uint32_t j,
                                   const angle *w) {
  lane *end = z + 2U * n;
  for (lane *at = z + 2U * j; at < end; at += 8U * quarter) {
    const point a[4] = {load(at), load(at + 2U * quarter), load(at + 4U * quarter),
                        load(at + 6U * quarter)};
    point y[4];
    butterfly4(a, 4U, y);
    store_rotated(at, quarter, y, w);
  }
}

AED_INLINE void middle_stage(lane *z, uint32_t n, uint32_t quarter, const float *twiddle) {
  middle_butterflies(z, n, quarter, 0U, NULL);
  for (uint32_t j = 1; j < quarter; j++) {
    const float *at = twiddle + 6U * j;
    const angle w[3] = {load_angle(at), load_angle(at + 2), load_angle(at + 4)};
    middle_butterflies(z, n, quarter, j, w);
  }
}

/* The stages between the first and the last, which is of that radix: decimation in frequency, in
 * place. n: complex points; quarter: that of the stage before; twiddle: of the stage before. */
AED_INLINE void middle_stages(lane *z, uint32_t n, uint32_t quarter, uint32_t last,
                              const float *twiddle) {
  while (quarter > last) {
    twiddle += 6U * quarter;
    quarter /= 4U;
    middle_stage(z, n, quarter, twiddle);
  }
}

/* All stages but the last. */
AED_INLINE void stages(lane *z, const int16_t *pcm, const float *window, uint32_t n, uint32_t last,
                       uint32_t n_points, const float *twiddle) {
  const uint32_t quarter = n / 4U;
  first_stage(z, pcm, window, quarter, n_points, twiddle);
#if AED_LANES > 1
  if (n * sizeof(point) > FIRST_LEVEL_CACHE) {
    /* The quarters are transforms of their own from here on. */
    for (uint32_t q = 0; q < 4U; q++) {
      middle_stages(z + 2U * q * quarter, quarter, quarter, last, twiddle);
    }
    return;
  }
#endif
  middle_stages(z, n, quarter, last, twiddle);
}

/* What becomes of the bins: squared magnitudes, magnitudes, or the packed complex spectrum. */
enum { AS_POWER, AS_MAGNITUDE, AS_PACKED };

AED_INLINE lane measure(point x, int as) {
  const lane power = x.re * x.re + x.im * x.im;
  return as == AS_MAGNITUDE ? lane_sqrt(power) : power;
}

/* Bins k and n - k of the real signal out of points k and n - k of the complex transform.
 * With the even samples' part e = a + conj b and the odd samples' part o = (a - conj b) / i,
 * bin k is e + w o and bin n - k the conjugate of e - w o. */
AED_INLINE void real_bins(point a, point b, const float *w, uint32_t k, uint32_t n, lane *out,
                          int as) {
  const point e = {a.re + b.re, a.im - b.im};
  const point o = rotate((point){a.im + b.im, b.re - a.re}, load_angle(w));
  const point x = add(e, o);
  const point y = subtract(e, o);
  if (as != AS_PACKED) {
    out[k] = measure(x, as);
    out[n - k] = measure(y, as);
  } else if (k == 0U) {
    store(out, (point){x.re, y.re});
  } else {
    store(out + 2U * k, x);
    store(out + 2U * (n - k), (point){y.re, -y.im});
  }
}

AED_INLINE void last_butterfly(const lane *z, uint32_t radix, point y[4]) {
  const point a[4] = {load(z), load(z + 2), radix == 4U ? load(z + 4) : load(z),
                      radix == 4U ? load(z + 6) : load(z)};
  if (radix == 4U) {
    butterfly4(a, 4U, y);
  } else {
    y[0] = add(a[0], a[1]);
    y[1] = subtract(a[0], a[1]);
  }
}

/* The last stage, the real transform's post-processing and the magnitudes in one pass. The blocks
 * of `radix` points lie in digit-reversed order: block j ends up as points j + q n / radix, which
 * pair with those of block n / radix - j. */
AED_INLINE void last_stage(const lane *z, uint32_t n, uint32_t radix, const uint16_t *order,
                           const float *w, lane *out, int as) {
  const uint32_t blocks = n / radix;
  point a[4];
  point b[4];
  last_butterfly(z, radix, a);
  AED_UNROLL
  for (uint32_t q = 0; q <= radix / 2U; q++) {
    real_bins(a[q], a[(radix - q) % radix], w + 2U * q, q * blocks, n, out, as);
  }
  for (uint32_t j = 1; j < blocks / 2U; j++) {
    w += 2U * radix;
    last_butterfly(z + order[j], radix, a);
    last_butterfly(z + order[blocks - j], radix, b);
    AED_UNROLL
    for (uint32_t q = 0; q < radix; q++) {
      real_bins(a[q], b[radix - 1U - q], w + 2U * q, j + q * blocks, n, out, as);
    }
  }
  w += 2U * radix;
  last_butterfly(z + order[blocks / 2U], radix, a);
  AED_UNROLL
  for (uint32_t q = 0; q < radix / 2U; q++) {
    real_bins(a[q], a[radix - 1U - q], w + 2U * q, blocks / 2U + q * blocks, n, out, as);
  }
}

/* 4 where n = n_fft / 2 is a power of 4, else 2. */
AED_INLINE uint32_t last_radix(uint32_t n) {
  return (n & 0x55555555U) != 0U ? 4U : 2U;
}

AED_INLINE void spectrum_of(lane *z, const int16_t *pcm, const aed_frontend_config *config,
                            lane *spectrum) {
  const uint32_t n = config->n_fft / 2U;
  const uint32_t n_points = (config->window_length + 1U) / 2U;
  const float *w = config->rfft_twiddle;
  stages(z, pcm, config->window, n, last_radix(n), n_points, config->twiddle);
  if (last_radix(n) == 4U && config->power == 1U) {
    last_stage(z, n, 4U, config->order, w, spectrum, AS_MAGNITUDE);
  } else if (last_radix(n) == 4U) {
    last_stage(z, n, 4U, config->order, w, spectrum, AS_POWER);
  } else if (config->power == 1U) {
    last_stage(z, n, 2U, config->order, w, spectrum, AS_MAGNITUDE);
  } else {
    last_stage(z, n, 2U, config->order, w, spectrum, AS_POWER);
  }
}

/* sum + bin[0] weight[0] + bin[1] weight[1] ..., one after another. */
AED_INLINE lane add_bins(lane sum, const lane *bin, const float *weight, uint32_t count) {
#define NEXT_BIN sum = sum + *bin++ * *weight++
  switch (count % 4U) {
  case 3:
    NEXT_BIN;
    /* fall through */
  case 2:
    NEXT_BIN;
    /* fall through */
  case 1:
    NEXT_BIN;
    /* fall through */
  default:
    break;
  }
#undef NEXT_BIN
  for (uint32_t i = count / 4U; i > 0U; i--) {
    const point x = load(bin);
    const point y = load(bin + 2);
    const angle u = load_angle(weight);
    const angle v = load_angle(weight + 2);
    sum = sum + x.re * u.c;
    sum = sum + x.im * u.s;
    sum = sum + y.re * v.c;
    sum = sum + y.im * v.s;
    bin += 4;
    weight += 4;
  }
  return sum;
}

/* Sparse mel filters, bins in ascending order, one accumulator; then the logarithm. */
AED_INLINE void log_mel_of(const lane *spectrum, const aed_frontend_config *config, lane *log_mel) {
  const float *weight = config->mel_weight;
  const lane floor = lane_of_float(config->floor);
  const float offset = config->offset;
  const float log_scale = config->log_scale;
#define LOG(mel) (log_scale * log_core(lane_max(mel, floor) + offset))
  uint32_t m = 0;
#if AED_LANES > 1
  /* Additions wait for each other, so four bands run side by side as far as the shortest goes. */
  for (; m + 4U <= config->n_mels; m += 4U) {
    const uint16_t *count = config->mel_count + m;
    const lane *bin[4];
    const float *weights[4];
    lane sum[4];
    uint32_t common = count[0];
    AED_UNROLL
    for (uint32_t band = 0; band < 4U; band++) {
      bin[band] = spectrum + config->mel_start[m + band];
      weights[band] = weight;
      weight += count[band];
      sum[band] = lane_of_float(0.0F);
      common = count[band] < common ? count[band] : common;
    }
    for (uint32_t i = 0; i < common; i++) {
      AED_UNROLL
      for (uint32_t band = 0; band < 4U; band++) {
        sum[band] = sum[band] + bin[band][i] * weights[band][i];
      }
    }
    AED_UNROLL
    for (uint32_t band = 0; band < 4U; band++) {
      for (uint32_t i = common; i < count[band]; i++) {
        sum[band] = sum[band] + bin[band][i] * weights[band][i];
      }
      log_mel[m + band] = LOG(sum[band]);
    }
  }
#endif
  for (; m < config->n_mels; m++) {
    const uint32_t count = config->mel_count[m];
    const lane sum = add_bins(lane_of_float(0.0F), spectrum + config->mel_start[m], weight, count);
    weight += count;
    log_mel[m] = LOG(sum);
  }
#undef LOG
}

/* mfcc[c] = log_mel[0] dct[c][0] + log_mel[1] dct[c][1] ..., one after another. */
AED_INLINE void mfcc_of(const lane *log_mel, const aed_frontend_config *config, lane *mfcc) {
  for (uint32_t c = 0; c < config->n_mfcc; c++) {
    mfcc[c] = add_bins(lane_of_float(0.0F), log_mel, config->dct + (size_t)c * config->n_mels,
                       config->n_mels);
  }
}

#endif
