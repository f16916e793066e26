/* Classifier and detector over an engine of the test's own, under the sanitizers and in memory of
 * exactly the documented sizes: what is refused, what the engine is given, where events lie. */
#include "aed_check.h"
#include "aed_detector.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FFT = 64, HOP = 32, MELS = 2, LENGTH = 4, N_INPUT = MELS * LENGTH };
enum { SILENCE = 320, LOUD_END = 960, N_PCM = 1600, N_PATCHES = 46 };
enum { OTHER, TONE, N_CLASSES };

/* What is tested here doesn't depend on the tables' values: only loud frames are told from silent
 * ones. */
static const float window[FFT] = {[0 ... FFT - 1] = 1.0F / 65536.0F};
static const float zeros[4 * FFT];
static const uint16_t order[FFT];
static const uint16_t mel_start[MELS] = {0, 8};
static const uint16_t mel_count[MELS] = {8, 8};
static const float mel_weight[16] = {[0 ... 15] = 0.125F};
static const aed_frontend_config features = {
    .sample_rate = 16000,
    .n_fft = FFT,
    .window_length = FFT,
    .hop_length = HOP,
    .n_mels = MELS,
    .patch_length = LENGTH,
    .patch_hop = 2,
    .power = 1,
    .offset = 1e-4F,
    .log_scale = 1.0F,
    .window = window,
    .twiddle = zeros,
    .rfft_twiddle = zeros,
    .order = order,
    .mel_start = mel_start,
    .mel_count = mel_count,
    .mel_weight = mel_weight,
};

/* The engine: TONE's probability is the share of loud frames in the first band. */
struct aed_engine_model {
  aed_engine_type type; /* of both ends */
  uint32_t n_input, n_output;
};
static const float scale[] = {0.1F, 0.05F, 1.0F};
static const int32_t zero_point[] = {10, 200, 0};
static uint32_t runs;        /* inferences so far */
static uint32_t fails_after; /* inferences before it fails; 0: never */
static uint8_t given[N_INPUT * sizeof(float)];

static aed_engine_tensor tensor(const aed_engine_model *model, uint32_t n) {
  const uint32_t type = (uint32_t)model->type % 3u;
  return (aed_engine_tensor){
      .n_dims = 2,
      .dims = {1, n, 1, 1},
      .n_elements = n,
      .size = n * (model->type == AED_ENGINE_FLOAT32 ? 4u : 1u),
      .type = model->type,
      .scale = model->n_input == n ? scale[type] : 0.004F,
      .zero_point = model->n_input == n ? zero_point[type] : 0,
  };
}

aed_status aed_engine_load(aed_engine *engine, const aed_engine_model *model, void *memory,
                           size_t size) {
  (void)size;
  *engine = (aed_engine){.name = "test", .hash = "", .model = model, .memory = memory};
  engine->input = tensor(model, model->n_input);
  engine->output = tensor(model, model->n_output);
  return AED_OK;
}

static float real(const aed_engine_tensor *end, const void *data, uint32_t i) {
  float value;
  switch (end->type) {
  case AED_ENGINE_INT8:
    return end->scale * (float)(((const int8_t *)data)[i] - end->zero_point);
  case AED_ENGINE_UINT8:
    return end->scale * (float)(((const uint8_t *)data)[i] - end->zero_point);
  default:
    memcpy(&value, (const uint8_t *)data + sizeof value * i, sizeof value);
    return value;
  }
}

aed_status aed_engine_run(const aed_engine *engine, const void *input, void *output) {
  uint32_t loud = 0;
  if (++runs == fails_after) {
    return AED_ERR_IO;
  }
  memcpy(given, input, engine->input.size);
  for (uint32_t i = 0; i < LENGTH; i++) {
    loud += real(&engine->input, input, i) > -8.0F;
  }
  const uint8_t steps[N_CLASSES] = {(uint8_t)(25u * (LENGTH - loud)), (uint8_t)(25u * loud)};
  if (engine->output.type == AED_ENGINE_FLOAT32) {
    const float scores[N_CLASSES] = {0.004F * (float)steps[0], 0.004F * (float)steps[1]};
    memcpy(output, scores, sizeof scores);
  } else {
    memcpy(output, steps, sizeof steps);
  }
  return AED_OK;
}

static const aed_classifier_config classifier_config = {
    .features = &features,
    .unknown_threshold = 0.3F,
    .garbage_class = OTHER,
};

static void *exactly(size_t size) {
  void *memory = malloc(size);
  REQUIRE(memory != NULL);
  memset(memory, 0xA5, size);
  return memory;
}

static aed_engine load(const aed_engine_model *model) {
  aed_engine engine;
  CHECK(aed_engine_load(&engine, model, NULL, 0) == AED_OK);
  return engine;
}

static void make_pcm(int16_t *pcm) {
  memset(pcm, 0, N_PCM * sizeof *pcm);
  for (size_t i = SILENCE; i < LOUD_END; i++) {
    pcm[i] = 10000;
  }
}

static void test_classifier_refuses(void) {
  const aed_engine_model good = {AED_ENGINE_INT8, N_INPUT, N_CLASSES};
  const aed_engine engine = load(&good);
  const size_t size = aed_classifier_size(&features, &engine);
  void *memory = exactly(size);
  aed_classifier classifier;
  CHECK(size == AED_CLASSIFIER_SIZE(aed_stream_size(&features), N_INPUT, N_CLASSES));
#define INIT(config, engine, size) aed_classifier_init(&classifier, config, engine, memory, size)
  CHECK(INIT(&classifier_config, &engine, size) == AED_OK);
  for (uint32_t i = 0; i < N_INPUT; i++) {
    CHECK(((const uint8_t *)classifier.input)[i] == 0);
  }
  CHECK(INIT(&classifier_config, &engine, size - 1) == AED_ERR_SIZE);
  CHECK(INIT(NULL, &engine, size) == AED_ERR_ARGUMENT);
  CHECK(INIT(&classifier_config, NULL, size) == AED_ERR_ARGUMENT);
  CHECK(aed_classifier_init(NULL, &classifier_config, &engine, memory, size) == AED_ERR_ARGUMENT);
  CHECK(aed_classifier_init(&classifier, &classifier_config, &engine, NULL, size) ==
        AED_ERR_ARGUMENT);
  static const aed_engine_model wrong[] = {
      {AED_ENGINE_INT8, N_INPUT + 1, N_CLASSES},
      {AED_ENGINE_INT8, N_INPUT - 1, N_CLASSES},
      {AED_ENGINE_INT8, N_INPUT, 0},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    const aed_engine other = load(&wrong[i]);
    CHECK(INIT(&classifier_config, &other, size) == AED_ERR_ARGUMENT);
  }
  const aed_engine_model unknown = {(aed_engine_type)3, N_INPUT, N_CLASSES};
  const aed_engine other = load(&unknown);
  CHECK(INIT(&classifier_config, &other, size) == AED_ERR_UNSUPPORTED);
  aed_classifier_config config = classifier_config;
  config.garbage_class = N_CLASSES;
  CHECK(INIT(&config, &engine, size) == AED_ERR_ARGUMENT);
  config.garbage_class = -2;
  CHECK(INIT(&config, &engine, size) == AED_ERR_ARGUMENT);
  config.garbage_class = -1;
  config.unknown_threshold = -0.1F;
  CHECK(INIT(&config, &engine, size) == AED_ERR_ARGUMENT);
  config.unknown_threshold = NAN;
  CHECK(INIT(&config, &engine, size) == AED_ERR_ARGUMENT);
  config.unknown_threshold = 0.0F;
  CHECK(INIT(&config, &engine, size) == AED_OK);
  aed_frontend_config broken = features;
  broken.hop_length = 0;
  config.features = &broken;
  CHECK(INIT(&config, &engine, size) == AED_ERR_ARGUMENT);
#undef INIT
  CHECK(aed_classifier_init(&classifier, &classifier_config, &engine, memory, size) == AED_OK);
  CHECK(aed_classifier_start(&classifier, 0) == AED_ERR_ARGUMENT);
  CHECK(aed_classifier_start(&classifier, LENGTH + 1) == AED_ERR_ARGUMENT);
  CHECK(aed_classifier_start(&classifier, LENGTH) == AED_OK);
  CHECK(aed_classifier_take_patch(&classifier) == AED_ERR_STATE);
  free(memory);
}

/* The engine gets the stream's patch in the model's own type, however the samples come. */
static void test_classifier_gives_patches(aed_engine_type type) {
  const aed_engine_model model = {type, N_INPUT, N_CLASSES};
  const aed_engine engine = load(&model);
  const size_t size = aed_classifier_size(&features, &engine);
  void *memory = exactly(size), *stream_memory = exactly(aed_stream_size(&features));
  int16_t pcm[N_PCM];
  make_pcm(pcm);
  static const size_t pieces[] = {1, 7, HOP, 1000, N_PCM};
  for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
    aed_classifier classifier;
    aed_stream stream;
    uint32_t patches = 0;
    CHECK(aed_classifier_init(&classifier, &classifier_config, &engine, memory, size) == AED_OK);
    CHECK(aed_stream_init(&stream, &features, stream_memory, aed_stream_size(&features)) == AED_OK);
    for (size_t at = 0; at < N_PCM;) {
      const size_t n = N_PCM - at < pieces[p] ? N_PCM - at : pieces[p];
      uint8_t expected[sizeof given];
      float scores[N_CLASSES];
      size_t consumed, same;
      int32_t patch;
      CHECK(aed_classifier_push(&classifier, pcm + at, n, &consumed, &patch) == AED_OK);
      CHECK(aed_stream_push(&stream, pcm + at, n, &same) == AED_OK && same == consumed);
      CHECK(patch == aed_stream_patch_ready(&stream));
      at += consumed;
      if (!patch) {
        continue;
      }
      CHECK(aed_classifier_run(&classifier, scores) == AED_OK);
      if (type == AED_ENGINE_INT8) {
        CHECK(aed_stream_patch_s8(&stream, scale[type], zero_point[type], (int8_t *)expected) ==
              AED_OK);
      } else if (type == AED_ENGINE_UINT8) {
        CHECK(aed_stream_patch_u8(&stream, scale[type], zero_point[type], expected) == AED_OK);
      } else {
        CHECK(aed_stream_patch(&stream, (float *)(void *)expected) == AED_OK);
      }
      CHECK(memcmp(given, expected, engine.input.size) == 0);
      /* Frames 2 patches to 2 patches + 3 of which 9 to 29 are loud. */
      const float loud = patches < 3 || patches > 14 ? 0.0F
                         : patches == 3              ? 0.25F
                         : patches == 4              ? 0.75F
                         : patches == 14             ? 0.5F
                                                     : 1.0F;
      CHECK(scores[TONE] > loud * 0.4F - 1e-6F && scores[TONE] < loud * 0.4F + 1e-6F);
      patches++;
    }
    CHECK(patches == 1 + (N_PCM - 160) / (2 * HOP));
  }
  free(stream_memory);
  free(memory);
}

static void test_decisions(void) {
  const aed_engine_model model = {AED_ENGINE_INT8, N_INPUT, N_CLASSES};
  const aed_engine engine = load(&model);
  void *memory = exactly(aed_classifier_size(&features, &engine));
  aed_classifier classifier;
  CHECK(aed_classifier_init(&classifier, &classifier_config, &engine, memory,
                            aed_classifier_size(&features, &engine)) == AED_OK);
  static const struct {
    float scores[N_CLASSES];
    int32_t top, decision;
  } table[] = {
      {{0.2F, 0.8F}, TONE, TONE}, {{0.2F, 0.3F}, TONE, TONE}, {{0.2F, 0.29F}, TONE, -1},
      {{0.8F, 0.2F}, OTHER, -1},  {{0.5F, 0.5F}, OTHER, -1},  {{0.0F, 0.0F}, OTHER, -1},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    const aed_classification found = aed_classifier_decide(&classifier, table[i].scores);
    CHECK(found.top_class == table[i].top && found.decision == table[i].decision);
  }
  free(memory);
}

static const float thresholds[N_CLASSES] = {0.3F, 0.39F};
static const aed_events_config events_config = {
    .n_classes = N_CLASSES,
    .garbage_class = OTHER,
    .on = thresholds,
    .off = thresholds,
    .alpha = 1.0F,
    .majority = 1,
    .min_patches = 1,
};
static const aed_gate_config gate_config = {
    .threshold = (uint64_t)HOP * 5000 * 5000, .block = HOP, .span = 160};
static const aed_detector_config detector_config = {
    .patch_hop = 1, .gate = &gate_config, .events = &events_config};

typedef struct {
  aed_engine engine;
  aed_classifier classifier;
  aed_detector detector;
  void *classifier_memory, *detector_memory;
} parts;

static void bind(parts *p) {
  static const aed_engine_model model = {AED_ENGINE_INT8, N_INPUT, N_CLASSES};
  p->engine = load(&model);
  const size_t size = aed_classifier_size(&features, &p->engine);
  const size_t events_size = aed_detector_size(&detector_config);
  p->classifier_memory = exactly(size);
  p->detector_memory = exactly(events_size);
  CHECK(events_size == AED_DETECTOR_SIZE(aed_events_size(&events_config), N_CLASSES));
  CHECK(aed_classifier_init(&p->classifier, &classifier_config, &p->engine, p->classifier_memory,
                            size) == AED_OK);
  CHECK(aed_detector_init(&p->detector, &detector_config, &p->classifier, p->detector_memory,
                          events_size) == AED_OK);
}

static void release(parts *p) {
  free(p->classifier_memory);
  free(p->detector_memory);
}

static void test_detector_refuses(void) {
  parts p;
  bind(&p);
  const size_t size = aed_detector_size(&detector_config);
#define INIT(config, size)                                                                         \
  aed_detector_init(&p.detector, config, &p.classifier, p.detector_memory, size)
  CHECK(INIT(&detector_config, size - 1) == AED_ERR_SIZE);
  CHECK(INIT(NULL, size) == AED_ERR_ARGUMENT);
  CHECK(aed_detector_init(NULL, &detector_config, &p.classifier, p.detector_memory, size) ==
        AED_ERR_ARGUMENT);
  CHECK(aed_detector_init(&p.detector, &detector_config, NULL, p.detector_memory, size) ==
        AED_ERR_ARGUMENT);
  CHECK(aed_detector_init(&p.detector, &detector_config, &p.classifier, NULL, size) ==
        AED_ERR_ARGUMENT);
  aed_detector_config config = detector_config;
  config.patch_hop = 0;
  CHECK(INIT(&config, size) == AED_ERR_ARGUMENT);
  config.patch_hop = LENGTH + 1;
  CHECK(INIT(&config, size) == AED_ERR_ARGUMENT);
  config = detector_config;
  config.gate = NULL;
  CHECK(INIT(&config, size) == AED_ERR_ARGUMENT);
  const aed_gate_config no_block = {.threshold = 1, .block = 0, .span = 160};
  config.gate = &no_block;
  CHECK(INIT(&config, size) == AED_ERR_ARGUMENT);
  config = detector_config;
  config.events = NULL;
  CHECK(INIT(&config, size) == AED_ERR_ARGUMENT);
  aed_events_config events = events_config;
  config.events = &events;
  events.alpha = 0.0F;
  CHECK(INIT(&config, size) == AED_ERR_ARGUMENT);
  events = events_config;
  events.n_classes = 1;
  CHECK(INIT(&config, size) == AED_ERR_ARGUMENT);
#undef INIT
  release(&p);
}

/* Frames 9 to 29 are loud, so patches 9 to 26 are all loud; the gate is open from patch 6 on, when
 * the first loud block is complete, to 29, the last that ends within a patch of the last one. */
static void test_detector(size_t piece) {
  parts p;
  int16_t pcm[N_PCM];
  make_pcm(pcm);
  bind(&p);
  for (uint32_t round = 0; round < 2; round++) { /* the second one after a new start */
    uint32_t patches = 0, events = 0;
    runs = 0;
    for (size_t at = 0; at < N_PCM;) {
      aed_detector_patch patch;
      size_t consumed;
      const size_t n = N_PCM - at < piece ? N_PCM - at : piece;
      const int32_t got = aed_detector_push(&p.detector, pcm + at, n, &consumed, &patch);
      at += consumed;
      CHECK(got == 0 || got == 1);
      CHECK(p.detector.position == at && p.detector.patches == patches + (uint32_t)got);
      if (got != 1) {
        CHECK(consumed == n);
        continue;
      }
      const int32_t open = patches >= 6 && patches <= 29;
      CHECK(patch.index == patches && at == HOP * patches + 160);
      CHECK((patch.scores != NULL) == open);
      CHECK(patch.level == (patches >= 6 && patches <= 25 ? 100000000u : 0u));
      CHECK(patch.decision == (patches >= 9 && patches <= 26 ? TONE : -1));
      CHECK(patch.n_events == (patches == 9 || patches == 27));
      if (patch.n_events == 1) {
        const aed_event *event = patch.events;
        CHECK(event->class_index == TONE && event->ended == (patches == 27));
        CHECK(event->first == 9 && event->n == (patches == 27 ? 18u : 1u));
        CHECK(event->score > 0.399F && event->score < 0.401F);
        CHECK(aed_detector_onset(&p.detector, event) == 9 * HOP);
        CHECK(aed_detector_offset(&p.detector, event) == (patches == 27 ? 26u : 9u) * HOP + 160u);
        events++;
      }
      if (open) {
        CHECK(patch.scores[TONE] == aed_detector_score(&p.detector, TONE));
      }
      patches++;
    }
    CHECK(patches == N_PATCHES && events == 2 && runs == 24);
    CHECK(aed_detector_start(&p.detector) == AED_OK);
  }
  release(&p);
}

static uint32_t push_all(parts *p, const int16_t *pcm, size_t n, int32_t *status) {
  uint32_t patches = 0;
  *status = 0;
  for (size_t at = 0, consumed; at < n && *status >= 0; at += consumed) {
    aed_detector_patch patch;
    *status = aed_detector_push(&p->detector, pcm + at, n - at, &consumed, &patch);
    patches += *status == 1;
  }
  return patches;
}

static void test_end_and_failure(void) {
  parts p;
  const aed_event *events;
  int16_t pcm[N_PCM];
  uint32_t n;
  int32_t status;
  make_pcm(pcm);
  bind(&p);
  CHECK(push_all(&p, pcm, 700, &status) == 17 && status >= 0); /* patches 9 to 16 */
  aed_detector_finish(&p.detector, &events, &n);
  CHECK(n == 1 && events->class_index == TONE && events->ended && events->first == 9 &&
        events->n == 8);
  aed_detector_finish(&p.detector, &events, &n);
  CHECK(n == 0);

  CHECK(aed_detector_start(&p.detector) == AED_OK);
  CHECK(push_all(&p, pcm, 700, &status) == 17);
  CHECK(aed_detector_start(&p.detector) == AED_OK); /* forgets the running event */
  aed_detector_finish(&p.detector, &events, &n);
  CHECK(n == 0);

  runs = 0;
  fails_after = 5;
  CHECK(push_all(&p, pcm, N_PCM, &status) == 10 && status == AED_ERR_IO);
  fails_after = 0;
  CHECK(aed_detector_start(&p.detector) == AED_OK);
  CHECK(push_all(&p, pcm, N_PCM, &status) == N_PATCHES && status >= 0);
  release(&p);
}

int main(void) {
  test_classifier_refuses();
  test_classifier_gives_patches(AED_ENGINE_INT8);
  test_classifier_gives_patches(AED_ENGINE_UINT8);
  test_classifier_gives_patches(AED_ENGINE_FLOAT32);
  test_decisions();
  test_detector_refuses();
  static const size_t pieces[] = {1, 7, HOP, 161, N_PCM};
  for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
    test_detector(pieces[i]);
  }
  test_end_and_failure();
  return aed_check_result("detector");
}
