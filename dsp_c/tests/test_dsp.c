/* The front end from C alone, under the sanitizers: argument checks, sizes, streaming against one
 * shot, odd blocks. */
#include "aed_frontend.h"
#include "aed_log.h"
#include "aed_quantize.h"
#include "aed_stream.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                       \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

enum { MAX_FFT = 1024, MAX_MELS = 16, N_SAMPLES = 6000, MAX_FRAMES = 400 };

static float window[MAX_FFT];
static float twiddle[3 * MAX_FFT / 2];
static uint16_t reverse[MAX_FFT / 2];
static uint16_t mel_start[MAX_MELS];
static uint16_t mel_count[MAX_MELS];
static float mel_weight[MAX_FFT];

static aed_frontend_config make_config(uint32_t n_fft, uint32_t window_length, uint32_t hop_length,
                                       int32_t first) {
  const double pi = 3.14159265358979323846;
  for (uint32_t i = 0; i < window_length; i++) {
    window[i] = (float)((0.5 - 0.5 * cos(2.0 * pi * i / window_length)) / 32768.0);
  }
  for (uint32_t k = 0; k < 3U * n_fft / 4U; k++) {
    twiddle[2U * k] = (float)cos(2.0 * pi * k / n_fft);
    twiddle[2U * k + 1U] = (float)-sin(2.0 * pi * k / n_fft);
  }
  for (uint32_t i = 0; i < n_fft / 2U; i++) {
    uint32_t r = 0;
    for (uint32_t bit = 1; bit < n_fft / 2U; bit <<= 1) {
      r = (r << 1) | ((i & bit) != 0U);
    }
    reverse[i] = (uint16_t)r;
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
                               .reverse = reverse,
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
  BAD(window, NULL);
  BAD(mel_weight, NULL);
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
  void *scratch = malloc(aed_frontend_scratch_size(&config));
  const size_t n_frames = (size_t)(N_SAMPLES - first - (int32_t)window_length) / hop_length + 1U;
  CHECK(n_frames <= MAX_FRAMES);
  CHECK(aed_frontend_clip(&config, pcm, N_SAMPLES, 0, n_frames, frames, scratch) == AED_OK);

  const size_t size = aed_stream_size(&config);
  void *memory = malloc(size); /* exactly: the sanitizer sees a byte too many */
  aed_stream stream;
  CHECK(aed_stream_init(&stream, &config, memory, size - 1U) == AED_ERR_SIZE);
  CHECK(aed_stream_init(&stream, &config, memory, size) == AED_OK);
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
      CHECK(aed_stream_push(&stream, pcm + at, left < blocks[b] ? left : blocks[b], &consumed) ==
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
  free(scratch);
}

static void test_quantize(void) {
  const float x[] = {0.0F,   0.49999997F,     0.5F,      -0.5F, 1.5F, 1e30F,
                     -1e30F, (float)INFINITY, (float)NAN};
  const int8_t expected[] = {3, 3, 4, 2, 5, 127, -128, 127, 3};
  int8_t q[sizeof expected];
  aed_quantize_s8(x, sizeof expected, 1.0F, 3, q);
  CHECK(memcmp(q, expected, sizeof expected) == 0);
}

int main(void) {
  test_checks();
  test_stream_equals_clip(512, 400, 160, 56);
  test_stream_equals_clip(1024, 1024, 320, -512);
  test_stream_equals_clip(64, 33, 50, 15);
  test_stream_equals_clip(128, 100, 100, -100);
  test_quantize();
  CHECK(aed_log(1.0F) == 0.0F);
  printf("dsp: all tests passed\n");
  return 0;
}
