/* Any configuration that passes aed_frontend_check runs without a wrong access, whatever its tables
 * hold; any division into blocks gives the frames of one shot. For libFuzzer:
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DAED_LIBFUZZER -DAED_X86 ... fuzz_dsp.c
 * Without it: fuzz_dsp [INPUTS [SEED]] makes inputs by itself. */
#include "aed_clip.h"
#include "aed_stream.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
  const uint8_t *data;
  size_t left;
} source;

static uint32_t take(source *from) {
  uint32_t value = 0;
  const size_t n = from->left < sizeof value ? from->left : sizeof value;
  memcpy(&value, from->data, n);
  from->data += n;
  from->left -= n;
  return value;
}

/* Mostly below `limit`, so that many configurations pass; once in `rare` times anything. */
static uint32_t below(source *from, uint32_t limit, uint32_t rare) {
  const uint32_t value = take(from);
  return value % rare == 0U ? value / rare : value / rare % limit;
}

static float any_float(source *from) {
  const uint32_t bits = take(from);
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float *floats(source *from, size_t n) {
  float *values = malloc(n * sizeof *values + 1U);
  const float one = any_float(from);
  for (size_t i = 0; i < n; i++) {
    values[i] = from->left > 0U ? any_float(from) : one;
  }
  return values;
}

static uint16_t *indices(source *from, size_t n, uint32_t limit, uint32_t multiple) {
  uint16_t *values = malloc(n * sizeof *values + 1U);
  for (size_t i = 0; i < n; i++) {
    const uint32_t index = from->left > 0U ? below(from, limit / multiple, 4096U) : 0U;
    values[i] = (uint16_t)(index * multiple);
  }
  return values;
}

static long passed; /* configurations that the check let through */

static void run(const aed_frontend_config *config, source *from) {
  enum { N = 3000, MAX_FRAMES = 40 };
  static int16_t pcm[N];
  const uint32_t width = aed_frontend_width(config);
  for (size_t i = 0; i < N; i++) {
    pcm[i] = (int16_t)(i < 40U ? take(from) : (uint32_t)pcm[i - 40U] * 5U + 1U);
  }
  float *frames = malloc(MAX_FRAMES * width * sizeof *frames);
  float *same = malloc(MAX_FRAMES * width * sizeof *same);
  const size_t n = take(from) % N;
  const size_t count = take(from) % MAX_FRAMES;
  for (aed_isa isa = AED_ISA_SCALAR; isa <= AED_ISA_AVX512; isa++) {
    if (aed_isa_available(isa)) {
      void *workspace = malloc(aed_clip_workspace_size(config, isa));
      float *result = isa == AED_ISA_SCALAR ? frames : same;
      if (aed_clip_frames(config, isa, pcm, n, 0, count, result, workspace) != AED_OK) {
        abort();
      }
      free(workspace);
    }
  }
  if (count >= config->patch_length) {
    const uint32_t start = (uint32_t)count - config->patch_length;
    float *patch = malloc((size_t)width * config->patch_length * sizeof *patch);
    const aed_clip clips[] = {{pcm, n, count, &start, 1, patch}, {pcm, 0, 0, NULL, 0, NULL}};
    const aed_isa isa = aed_isa_available(AED_ISA_SSE2) ? AED_ISA_SSE2 : AED_ISA_SCALAR;
    void *workspace = malloc(aed_clip_workspace_size(config, isa));
    if (aed_clips(config, isa, clips, 2, any_float(from), same, workspace) != AED_OK) {
      abort();
    }
    free(workspace);
    free(patch);
  }
  const size_t memory_size = aed_stream_size(config);
  if (memory_size < (size_t)1 << 24) {
    aed_stream stream;
    void *memory = malloc(memory_size);
    void *patch = malloc((size_t)width * config->patch_length * sizeof(float));
    if (aed_stream_init(&stream, config, memory, memory_size) != AED_OK) {
      abort();
    }
    size_t at = 0;
    for (uint32_t block = 0; block < 200U && at < n; block++) {
      size_t consumed = 0;
      const size_t size = take(from) % 700U;
      if (aed_stream_push(&stream, pcm + at, size < n - at ? size : n - at, &consumed) != AED_OK) {
        abort();
      }
      at += consumed;
      const int32_t done = aed_stream_frames(&stream);
      /* NaN has many forms, and tables that aren't tables may lead to them. */
      if (done > 0 && (size_t)done <= count && aed_stream_last_frame(&stream)[0] != 0.0F &&
          aed_stream_last_frame(&stream)[0] == aed_stream_last_frame(&stream)[0] &&
          memcmp(aed_stream_last_frame(&stream), frames + ((size_t)done - 1U) * width,
                 sizeof(float)) != 0) {
        abort();
      }
      if (aed_stream_patch_ready(&stream)) {
        const float scale = any_float(from);
        const int32_t zero_point = (int32_t)(take(from) % 256U);
        const uint32_t type = take(from) % 3U;
        const aed_status status = type == 0U ? aed_stream_patch(&stream, patch)
                                  : type == 1U
                                      ? aed_stream_patch_s8(&stream, scale, zero_point - 128, patch)
                                      : aed_stream_patch_u8(&stream, scale, zero_point, patch);
        if (status != AED_OK) {
          abort();
        }
      }
    }
    free(patch);
    free(memory);
  }
  free(same);
  free(frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  source from = {data, size};
  const uint32_t n_fft = take(&from) % 8U == 0U ? take(&from) : 64U << (take(&from) % 7U);
  const uint32_t bounded = n_fft >= 64U && n_fft <= 4096U ? n_fft : 64U;
  aed_frontend_config config = {.n_fft = n_fft};
  config.window_length = below(&from, bounded + 2U, 32U);
  config.hop_length = below(&from, 500U, 32U);
  config.first_sample =
      (int32_t)below(&from, bounded + 2U, 32U) - (int32_t)(take(&from) % (bounded + 1U));
  config.n_mels = below(&from, 40U, 32U);
  config.n_mfcc = below(&from, 10U, 32U);
  config.patch_length = below(&from, 20U, 32U);
  config.patch_hop = below(&from, 20U, 32U);
  config.power = take(&from) % 4U;
  config.floor = any_float(&from);
  config.offset = any_float(&from);
  config.log_scale = any_float(&from);
  const uint32_t bands = config.n_mels <= bounded ? config.n_mels : bounded;
  uint32_t weights = 1;
  /* As long as the header says for the fields' values, where those may pass. */
  float *const tables[] = {floats(&from, bounded + 1U), floats(&from, 4U * bounded),
                           floats(&from, bounded + 16U)};
  uint16_t *const order = indices(&from, bounded / 4U, bounded, 8U);
  uint16_t *const start = indices(&from, bands, bounded / 4U, 1U);
  uint16_t *const count = indices(&from, bands, bounded / 4U, 1U);
  for (uint32_t m = 0; m < bands; m++) {
    weights += count[m];
  }
  float *const weight = floats(&from, weights);
  float *const dct = floats(&from, config.n_mfcc <= bands ? (size_t)config.n_mfcc * bands : 0U);
  config.window = tables[0];
  config.twiddle = tables[1];
  config.rfft_twiddle = tables[2];
  config.order = order;
  config.mel_start = start;
  config.mel_count = count;
  config.mel_weight = weight;
  config.dct = dct;
  if (aed_frontend_check(&config) == AED_OK) {
    passed++;
    run(&config, &from);
  }
  free(tables[0]);
  free(tables[1]);
  free(tables[2]);
  free(order);
  free(start);
  free(count);
  free(weight);
  free(dct);
  return 0;
}

#ifndef AED_LIBFUZZER
int main(int argc, char **argv) {
  const long inputs = argc > 1 ? strtol(argv[1], NULL, 10) : 3000;
  uint32_t state = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1U;
  static uint8_t data[40000];
  for (long i = 0; i < inputs; i++) {
    for (size_t b = 0; b < sizeof data; b++) {
      state = state * 1664525U + 1013904223U;
      data[b] = (uint8_t)(state >> 24);
    }
    (void)LLVMFuzzerTestOneInput(data, sizeof data >> (state >> 30));
  }
  printf("fuzz: %ld inputs, %ld configurations passed the check\n", inputs, passed);
  return passed == 0;
}
#endif
