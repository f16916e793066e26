/* The front end from C alone, under the sanitizers: argument checks, sizes, streaming against one
 * shot, odd blocks. */
#include "aed_check.h"
#include "aed_clip.h"
#include "aed_log.h"
#include "aed_quantize.h"
#include "aed_stream.h"
#include "aed_version.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FFT = 1024, MAX_MELS = 16, N_SAMPLES = 6000, MAX_FRAMES = 400 };

static float window[MAX_FFT];
static float twiddle[4 * MAX_FFT];
static float rfft_twiddle[4 * MAX_FFT];
static uint16_t order[MAX_FFT / 4];
static uint16_t mel_start[MAX_MELS];
static uint16_t mel_count[MAX_MELS];
static float mel_weight[MAX_FFT];

static void put_pair(float **table, double angle) {
  (*table)[0] = (float)cos(angle);
  (*table)[1] = (float)-sin(angle);
  *table += 2;
}

static aed_frontend_config make_config(uint32_t n_fft, uint32_t window_length, uint32_t hop_length,
                                       int32_t first) {
  const double pi = 3.14159265358979323846;
  for (uint32_t i = 0; i < window_length; i++) {
    window[i] = (float)((0.5 - 0.5 * cos(2.0 * pi * i / window_length)) / 65536.0);
  }
  if (window_length < MAX_FFT) {
    window[window_length] = 0.0F;
  }
  const uint32_t n = n_fft / 2U;
  const uint32_t radix = (n & 0x55555555U) != 0U ? 4U : 2U;
  float *next = twiddle;
  for (uint32_t quarter = n / 4U; quarter >= radix; quarter /= 4U) {
    for (uint32_t j = 0; j < quarter; j++) {
      for (uint32_t m = 1; m <= 3U; m++) {
        put_pair(&next, 2.0 * pi * j * m / (4.0 * quarter));
      }
    }
  }
  const uint32_t blocks = n / radix;
  next = rfft_twiddle;
  for (uint32_t j = 0; j <= blocks / 2U; j++) {
    for (uint32_t q = 0; q < radix; q++) {
      put_pair(&next, 2.0 * pi * (j + q * blocks) / n_fft);
    }
  }
  for (uint32_t j = 0; j < blocks; j++) {
    uint32_t reversed = 0;
    for (uint32_t digit = 1; digit < blocks; digit *= 4U) {
      reversed = 4U * reversed + j / digit % 4U;
    }
    order[j] = (uint16_t)(2U * radix * reversed);
  }
  /* Flat bands: what is tested here doesn't depend on their shape. */
  const uint16_t width = (uint16_t)((n_fft / 2U + 1U) / MAX_MELS);
  for (uint16_t m = 0; m < MAX_MELS; m++) {
    mel_start[m] = (uint16_t)(m * width);
    mel_count[m] = width;
    for (uint16_t i = 0; i < width; i++) {
      mel_weight[m * width + i] = 1.0F / (float)width;
    }
  }
  return (aed_frontend_config){.sample_rate = 16000,
                               .n_fft = n_fft,
                               .window_length = window_length,
                               .hop_length = hop_length,
                               .first_sample = first,
                               .n_mels = MAX_MELS,
                               .patch_length = 10,
                               .patch_hop = 4,
                               .power = 1,
                               .floor = 0.0F,
                               .offset = 1e-4F,
                               .log_scale = 1.0F,
                               .window = window,
                               .twiddle = twiddle,
                               .rfft_twiddle = rfft_twiddle,
                               .order = order,
                               .mel_start = mel_start,
                               .mel_count = mel_count,
                               .mel_weight = mel_weight};
}

static void test_checks(void) {
  const aed_frontend_config good = make_config(512, 400, 160, 56);
  CHECK(aed_frontend_check(&good) == AED_OK);
  CHECK(aed_frontend_check(NULL) == AED_ERR_ARGUMENT);
#define BAD(field, value)                                                                          \
  do {                                                                                             \
    aed_frontend_config bad = good;                                                                \
    bad.field = value;                                                                             \
    CHECK(aed_frontend_check(&bad) == AED_ERR_ARGUMENT);                                           \
  } while (0)
  BAD(n_fft, 500);
  BAD(n_fft, 32);
  BAD(n_fft, 8192);
  BAD(window_length, 0);
  BAD(window_length, 513);
  BAD(hop_length, 0);
  BAD(first_sample, -401);
  BAD(n_mels, 0);
  BAD(patch_hop, 0);
  BAD(patch_hop, 11);
  BAD(power, 3);
  BAD(offset, 0.0F);
  BAD(rfft_twiddle, NULL);
  uint16_t far[MAX_FFT / 4];
  memcpy(far, order, sizeof far);
  far[7] = 512;
  BAD(order, far);
  far[7] = 7;
  BAD(order, far);
  BAD(window, NULL);
  BAD(mel_weight, NULL);
  static const uint16_t none[258]; /* a band for each of 257 bins, and one more */
  aed_frontend_config many = good;
  many.mel_start = many.mel_count = none;
  many.n_mels = 257;
  CHECK(aed_frontend_check(&many) == AED_OK);
  many.n_mels = 258;
  CHECK(aed_frontend_check(&many) == AED_ERR_ARGUMENT);
  /* The last bin of a spectrum is n_fft / 2: a band may end with it, not behind it. */
  uint16_t start[MAX_MELS], count[MAX_MELS];
  memcpy(start, mel_start, sizeof start);
  memcpy(count, mel_count, sizeof count);
  aed_frontend_config edge = good;
  edge.mel_start = start;
  edge.mel_count = count;
  for (uint16_t m = 0; m < MAX_MELS; m += MAX_MELS - 1) {
    start[m] = (uint16_t)(257 - count[m]);
    CHECK(aed_frontend_check(&edge) == AED_OK);
    start[m]++;
    CHECK(aed_frontend_check(&edge) == AED_ERR_ARGUMENT);
    start[m] = 65535; /* the sum doesn't wrap around */
    CHECK(aed_frontend_check(&edge) == AED_ERR_ARGUMENT);
    start[m] = 257;
    count[m] = 0;
    CHECK(aed_frontend_check(&edge) == AED_OK);
  }
  /* 128 points: the last radix is 2. */
  const aed_frontend_config by_two = make_config(256, 200, 160, 56);
  CHECK(aed_frontend_check(&by_two) == AED_OK);
  for (uint16_t at = 0; at <= 260; at++) {
    aed_frontend_config other = by_two;
    memcpy(far, order, sizeof far);
    far[7] = at;
    other.order = far;
    CHECK((aed_frontend_check(&other) == AED_OK) == (at % 4 == 0 && at < 256));
  }
}

/* Scratch is what it says: an odd window takes a copy with one sample more. */
static void test_scratch_size(void) {
  aed_frontend_config config = make_config(512, 400, 160, 56);
  CHECK(aed_frontend_scratch_size(&config) == 3080); /* (512 + 257) * 4, filled up to 8 */
  config.window_length = 399;
  CHECK(aed_frontend_scratch_size(&config) == 3880); /* and 400 * 2 */
  config.window_length = 401;
  CHECK(aed_frontend_scratch_size(&config) == 3880); /* and 402 * 2 */
}

/* What isn't read of a short window is what zeros would give. */
static void test_short_windows(void) {
  static const uint32_t lengths[] = {1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 257, 383, 384, 385};
  static int16_t pcm[512];
  static float padded[512], scratch[2048], expected[257], found[257];
  aed_frontend_config config = make_config(512, 512, 160, 0);
  const float *whole = config.window;
  for (size_t i = 0; i < 512; i++) {
    pcm[i] = (int16_t)(i * 7919U);
  }
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    memset(padded, 0, sizeof padded);
    memcpy(padded, whole, lengths[i] * sizeof(float));
    config.window = padded;
    config.window_length = 512;
    REQUIRE(aed_frontend_check(&config) == AED_OK);
    aed_frontend_spectrum(&config, pcm, expected, scratch);
    config.window = whole;
    config.window_length = lengths[i];
    memset(scratch, 0x4B, sizeof scratch);
    aed_frontend_spectrum(&config, pcm, found, scratch);
    for (size_t k = 0; k < 257; k++) {
      CHECK(found[k] <= expected[k] && found[k] >= expected[k]); /* 0 equals -0 */
    }
    static const uint8_t before[4] = {0x4B, 0x4B, 0x4B, 0x4B};
    for (size_t k = 512 + 257 + (lengths[i] % 2 != 0 ? (lengths[i] + 1) / 2 : 0); k < 2048; k++) {
      CHECK(memcmp(&scratch[k], before, 4) == 0); /* behind the documented size */
    }
    for (size_t k = 512; k < 512 + 257; k++) {
      CHECK(memcmp(&scratch[k], before, 4) == 0); /* the points' end; this spectrum is elsewhere */
    }
  }
}

/* A ring of one frame, in a structure that held something else. */
static void test_patch_of_one_frame(void) {
  static int16_t pcm[2000];
  static float frames[MAX_FRAMES * MAX_MELS], patch[MAX_MELS];
  aed_frontend_config config = make_config(512, 400, 160, 0);
  config.patch_length = config.patch_hop = 1;
  for (size_t i = 0; i < 2000; i++) {
    pcm[i] = (int16_t)(i * 7919U);
  }
  void *workspace = malloc(aed_clip_workspace_size(&config, AED_ISA_SCALAR));
  CHECK(aed_clip_frames(&config, AED_ISA_SCALAR, pcm, 2000, 0, 11, frames, workspace) == AED_OK);
  const size_t size = aed_stream_size(&config);
  void *memory = malloc(size);
  aed_stream stream;
  memset(&stream, 0x7F, sizeof stream);
  REQUIRE(aed_stream_init(&stream, &config, memory, size) == AED_OK);
  size_t at = 0;
  for (size_t n = 0; n < 11; n++) {
    size_t consumed = 0;
    REQUIRE(aed_stream_push(&stream, pcm + at, 2000 - at, &consumed) == AED_OK);
    at += consumed;
    REQUIRE(aed_stream_patch(&stream, patch) == AED_OK);
    CHECK(memcmp(patch, frames + n * MAX_MELS, sizeof patch) == 0);
  }
  free(memory);
  free(workspace);
}

/* Two clips by one call, the second one short; frames: those of the first. */
static void test_clips(const aed_frontend_config *config, const int16_t *pcm, const float *frames,
                       size_t n_frames) {
  const uint32_t starts[] = {0, 3, (uint32_t)n_frames - 10U};
  float patches[3][MAX_MELS * 10];
  const aed_clip clips[] = {{pcm, N_SAMPLES, n_frames, starts, 3, patches[0]},
                            {pcm, 0, 0, starts, 0, NULL}};
  void *workspace = malloc(aed_clip_workspace_size(config, AED_ISA_SCALAR)); /* exactly */
  float *scratch = malloc(n_frames * MAX_MELS * sizeof(float));
  CHECK(aed_clips(config, AED_ISA_SCALAR, clips, 2, 0.0F, scratch, workspace) == AED_OK);
  for (size_t p = 0; p < 3; p++) {
    for (size_t m = 0; m < MAX_MELS; m++) {
      for (size_t t = 0; t < 10; t++) {
        CHECK(memcmp(&patches[p][m * 10 + t], &frames[(starts[p] + t) * MAX_MELS + m],
                     sizeof(float)) == 0);
      }
    }
  }
  CHECK(aed_clips(config, AED_ISA_SCALAR, clips, 2, 2.0F, scratch, workspace) == AED_OK);
  float largest = -2.0F;
  for (size_t i = 0; i < n_frames * MAX_MELS; i++) {
    CHECK(scratch[i] >= -2.0F && scratch[i] <= 0.0F);
    largest = scratch[i] > largest ? scratch[i] : largest;
  }
  CHECK(largest >= 0.0F);
  free(scratch);
  free(workspace);
}

static void test_stream_equals_clip(uint32_t n_fft, uint32_t window_length, uint32_t hop_length,
                                    int32_t first) {
  static int16_t pcm[N_SAMPLES];
  static float frames[MAX_FRAMES * MAX_MELS];
  const aed_frontend_config config = make_config(n_fft, window_length, hop_length, first);
  uint32_t seed = 1;
  for (size_t i = 0; i < N_SAMPLES; i++) {
    seed = seed * 1664525U + 1013904223U;
    pcm[i] = (int16_t)(seed >> 16);
  }
  CHECK(aed_frontend_check(&config) == AED_OK);
  const size_t n_frames = (size_t)(N_SAMPLES - first - (int32_t)window_length) / hop_length + 1U;
  REQUIRE(n_frames <= MAX_FRAMES);
  for (aed_isa isa = AED_ISA_SCALAR; isa <= AED_ISA_AVX512; isa++) {
    static float same[MAX_FRAMES * MAX_MELS];
    if (!aed_isa_available(isa)) {
      CHECK(aed_clip_workspace_size(&config, isa) == 0);
      CHECK(aed_clip_frames(&config, isa, pcm, N_SAMPLES, 0, 1, same, frames) ==
            AED_ERR_UNSUPPORTED);
      continue;
    }
    void *workspace = malloc(aed_clip_workspace_size(&config, isa)); /* exactly */
    float *result = isa == AED_ISA_SCALAR ? frames : same;
    memset(same, 0xFF, sizeof same); /* what the set before left there would be right */
    CHECK(aed_clip_frames(&config, isa, pcm, N_SAMPLES, 0, n_frames, result, workspace) == AED_OK);
    CHECK(memcmp(result, frames, n_frames * MAX_MELS * sizeof(float)) == 0);
    free(workspace);
  }

  test_clips(&config, pcm, frames, n_frames);
  const size_t size = aed_stream_size(&config);
  void *memory = malloc(size); /* exactly: the sanitizer sees a byte too many */
  aed_stream stream;
  CHECK(aed_stream_init(&stream, &config, memory, size - 1U) == AED_ERR_SIZE);
  REQUIRE(aed_stream_init(&stream, &config, memory, size) == AED_OK);
  CHECK(aed_stream_last_frame(&stream) == NULL);
  const size_t blocks[] = {0, 1, 2, 7, 399, 400, 401, 1000, 6000};
  for (size_t b = 1; b < sizeof blocks / sizeof blocks[0]; b++) {
    CHECK(aed_stream_reset(&stream) == AED_OK);
    size_t at = 0;
    size_t patches = 0;
    float patch[MAX_MELS * 10];
    while (at < N_SAMPLES) {
      size_t consumed = 0;
      const size_t left = N_SAMPLES - at;
      REQUIRE(aed_stream_push(&stream, pcm + at, left < blocks[b] ? left : blocks[b], &consumed) ==
              AED_OK);
      at += consumed;
      if (aed_stream_frames(&stream) > 0) {
        const size_t last = (size_t)aed_stream_frames(&stream) - 1U;
        CHECK(memcmp(aed_stream_last_frame(&stream), frames + last * MAX_MELS,
                     MAX_MELS * sizeof(float)) == 0);
      }
      if (aed_stream_patch_ready(&stream)) {
        CHECK(aed_stream_push(&stream, pcm, 1, &consumed) == AED_ERR_STATE && consumed == 0);
        CHECK(aed_stream_patch(&stream, patch) == AED_OK);
        CHECK(aed_stream_patch(&stream, patch) == AED_ERR_STATE);
        for (size_t m = 0; m < MAX_MELS; m++) {
          for (size_t t = 0; t < 10; t++) {
            CHECK(memcmp(&patch[m * 10 + t], &frames[(patches * 4 + t) * MAX_MELS + m],
                         sizeof(float)) == 0);
          }
        }
        patches++;
      }
    }
    CHECK((size_t)aed_stream_frames(&stream) == n_frames);
    CHECK(patches == (n_frames - 10U) / 4U + 1U);
  }
  free(memory);
}

/* What a scale of 2 and a zero point make of one value, for both types. */
static void test_quantize(void) {
  static const struct {
    float x;
    int32_t zero_point_s8;
    int8_t s8;
    int32_t zero_point_u8;
    uint8_t u8;
  } table[] = {
      {0.0F, 3, 3, 3, 3},
      {0.99999994F, 3, 3, 3, 3},
      {1.0F, 3, 4, 3, 4}, /* halves */
      {-1.0F, 3, 2, 3, 2},
      {3.0F, 3, 5, 3, 5},
      {-3.0F, 3, 1, 3, 1},
      {254.0F, 0, 127, 128, 255}, /* the last values, then the ends */
      {-256.0F, 0, -128, 128, 0},
      {254.98F, 0, 127, 128, 255},
      {255.0F, 0, 127, 128, 255},
      {-257.0F, 0, -128, 128, 0},
      {510.0F, -128, 127, 0, 255},
      {-510.0F, 127, -128, 255, 0},
      {3e38F, -128, 127, 0, 255},
      {-3e38F, 127, -128, 255, 0},
      {(float)INFINITY, -128, 127, 0, 255},
      {(float)INFINITY, 127, 127, 255, 255},
      {-(float)INFINITY, 127, -128, 255, 0},
      {-(float)INFINITY, -128, -128, 0, 0},
      {(float)NAN, -128, -128, 0, 0}, /* the zero point */
      {(float)NAN, 5, 5, 5, 5},
      {-(float)NAN, 127, 127, 255, 255},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    int8_t s8;
    uint8_t u8;
    aed_quantize_s8(&table[i].x, 1, 2.0F, table[i].zero_point_s8, &s8);
    aed_quantize_u8(&table[i].x, 1, 2.0F, table[i].zero_point_u8, &u8);
    CHECK(s8 == table[i].s8);
    CHECK(u8 == table[i].u8);
  }
}

int main(void) {
  test_checks();
  for (int32_t isa = AED_ISA_AVX512 + 1; isa < 200; isa++) { /* behind the table's end */
    CHECK(!aed_isa_available((aed_isa)isa));
  }
  test_scratch_size();
  test_short_windows();
  test_patch_of_one_frame();
  test_stream_equals_clip(512, 400, 160, 56);
  test_stream_equals_clip(1024, 1024, 320, -512);
  test_stream_equals_clip(64, 33, 50, 15);
  test_stream_equals_clip(128, 100, 100, -100);
  test_quantize();
  CHECK(aed_log(1.0F) == 0.0F);
  CHECK(aed_version() == AED_VERSION);
  return aed_check_result("dsp");
}
