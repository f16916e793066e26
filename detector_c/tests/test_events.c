/* Events and gate from C alone, under the sanitizers: refused settings, exact memory, every class
 * at once. tests/detector holds the rules. */
#include "aed_check.h"
#include "aed_events.h"
#include "aed_gate.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_CLASSES = 5, PATCHES = 4000 };

static const float on[N_CLASSES] = {0.5F, 0.5F, 0.6F, 0.7F, 0.1F};
static const float off[N_CLASSES] = {0.4F, 0.5F, 0.2F, 0.7F, 0.0F};

static aed_events_config make_config(uint32_t majority) {
  return (aed_events_config){
      .n_classes = N_CLASSES,
      .multi_label = 1,
      .garbage_class = 3,
      .on = on,
      .off = off,
      .alpha = 0.5F,
      .majority = majority,
      .min_patches = 2,
  };
}

static void test_refused(void) {
  aed_events events;
  uint32_t memory[256];
  aed_events_config config = make_config(3);
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_OK);
  CHECK(aed_events_init(&events, &config, memory, aed_events_size(&config) - 1) == AED_ERR_SIZE);
  CHECK(aed_events_init(NULL, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  CHECK(aed_events_init(&events, NULL, memory, sizeof memory) == AED_ERR_ARGUMENT);
  CHECK(aed_events_init(&events, &config, NULL, sizeof memory) == AED_ERR_ARGUMENT);
  config.on = off;
  config.off = on;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  const struct {
    uint32_t n_classes, majority, min_patches;
    float alpha;
  } wrong[] = {{0, 1, 1, 1.0F}, {5, 0, 1, 1.0F},  {5, 256, 1, 1.0F}, {5, 1, 0, 1.0F},
               {5, 1, 1, 0.0F}, {5, 1, 1, 1.01F}, {5, 1, 1, -0.5F}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    config = make_config(wrong[i].majority);
    config.n_classes = wrong[i].n_classes;
    config.min_patches = wrong[i].min_patches;
    config.alpha = wrong[i].alpha;
    CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  }
}

static void test_refused_thresholds(void) {
  aed_events events;
  uint32_t memory[256];
  const float not_a_number[N_CLASSES] = {0.5F, NAN, 0.6F, 0.7F, 0.1F};
  aed_events_config config = make_config(3);
  config.garbage_class = N_CLASSES;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  config.garbage_class = -2;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  config.garbage_class = -1;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_OK);
  config.unknown_threshold = NAN; /* no score would be below it or above */
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  config.unknown_threshold = -0.5F;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  config = make_config(3);
  config.on = not_a_number;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
  config = make_config(3);
  config.off = not_a_number;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_ERR_ARGUMENT);
}

/* A silent patch counts as one of zeros; nothing is active in it. */
static void test_silence(void) {
  aed_events events;
  uint32_t memory[64], n;
  const aed_events_config config = make_config(1);
  const float scores[N_CLASSES] = {0.8F, 0.8F, 0.8F, 0.8F, 0.8F};
  static const float smoothed[] = {0.8F, 0.4F, 0.6F, 0.3F, 0.15F};
  aed_event found[N_CLASSES];
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_OK);
  for (uint32_t patch = 0; patch < sizeof smoothed / sizeof smoothed[0]; patch++) {
    const int32_t silent = patch == 1 || patch > 2;
    aed_events_push(&events, silent ? NULL : scores, found, &n);
    for (uint32_t i = 0; i < N_CLASSES; i++) {
      const float error = aed_events_score(&events, i) - smoothed[patch];
      CHECK(error < 1e-6F && error > -1e-6F);
    }
    CHECK((aed_events_decision(&events) == -1) == silent);
  }
}

/* Every event that began ends, in order, and is long enough; nothing is written outside. */
static void test_balance(uint32_t majority) {
  const aed_events_config config = make_config(majority);
  aed_events events;
  void *memory = malloc(aed_events_size(&config));
  aed_event *found = malloc(N_CLASSES * sizeof *found);
  uint32_t open[N_CLASSES] = {0}, n, total = 0, noise = 7;
  CHECK(aed_events_init(&events, &config, memory, aed_events_size(&config)) == AED_OK);
  for (uint32_t patch = 0; patch <= PATCHES; patch++) {
    float scores[N_CLASSES];
    for (uint32_t i = 0; i < N_CLASSES; i++) {
      noise = noise * 1664525u + 1013904223u;
      scores[i] = (float)(noise >> 24) / 255.0F;
    }
    if (patch == PATCHES) {
      aed_events_finish(&events, found, &n);
    } else {
      aed_events_push(&events, patch % 97 == 0 ? NULL : scores, found, &n);
    }
    REQUIRE(n <= N_CLASSES);
    for (uint32_t i = 0; i < n; i++) {
      const uint32_t c = (uint32_t)found[i].class_index;
      REQUIRE(c < N_CLASSES && c != 3);
      CHECK(found[i].n >= 2 && found[i].first + found[i].n <= patch + 1);
      CHECK(found[i].score >= 0.0F && found[i].score <= 1.0F);
      CHECK((uint32_t)found[i].ended == open[c]);
      open[c] ^= 1u;
      total++;
    }
  }
  for (uint32_t i = 0; i < N_CLASSES; i++) {
    CHECK(open[i] == 0);
  }
  CHECK(total > 20);
  CHECK(aed_events_decision(&events) == -1);
  free(found);
  free(memory);
}

/* Patches, one after the other, of one class beside a weaker one; which of them made it active. */
static void expect_active(uint32_t multi_label, float unknown_threshold, const float *scores,
                          const uint32_t *active, uint32_t n) {
  static const float begin[2] = {0.5F, 1.0F}, end[2] = {0.25F, 1.0F};
  const aed_events_config config = {.n_classes = 2,
                                    .multi_label = multi_label,
                                    .garbage_class = -1,
                                    .unknown_threshold = unknown_threshold,
                                    .on = begin,
                                    .off = end,
                                    .alpha = 1.0F,
                                    .majority = 1,
                                    .min_patches = 1};
  aed_events events;
  aed_event found[2];
  uint32_t memory[16], patches;
  CHECK(aed_events_init(&events, &config, memory, sizeof memory) == AED_OK);
  for (uint32_t i = 0; i < n; i++) {
    const float both[2] = {scores[i], 0.0F};
    aed_events_push(&events, both, found, &patches);
    CHECK(aed_events_decision(&events) == (active[i] ? 0 : -1));
  }
}

/* A score that equals a threshold reaches it: `on`, `off` and the one of unknown sounds. */
static void test_equality(void) {
  const float below_on = 0.49999997F, below_off = 0.24999999F;
  const float scores[] = {below_on, 0.5F, 0.25F, below_off, 0.25F, 0.5F, below_on};
  const uint32_t active[] = {0, 1, 1, 0, 0, 1, 1};
  expect_active(0, 0.0F, scores, active, 7);
  expect_active(1, 0.0F, scores, active, 7);
  const float unknown[] = {0.75F, 0.74999994F, 0.75F};
  const uint32_t known[] = {1, 0, 1};
  expect_active(0, 0.75F, unknown, known, 3);
  expect_active(1, 0.75F, unknown, known, 3);
}

/* Silence of any length keeps the gate closed: the counter stops at UINT32_MAX / 2. */
static void test_long_silence(void) {
  const aed_gate_config config = {.threshold = 1, .block = 4, .span = 10};
  const int16_t silence[64] = {0}, loud[4] = {1, 0, 0, 0};
  for (uint32_t before = 0; before < 12; before++) {
    aed_gate gate;
    aed_gate_init(&gate, &config);
    gate.quiet = UINT32_MAX / 2u - before;
    for (uint32_t i = 0; i < 4; i++) {
      aed_gate_push(&gate, silence, 64);
      CHECK(gate.quiet == UINT32_MAX / 2u);
      CHECK(!aed_gate_is_open(&gate));
    }
    aed_gate_push(&gate, loud, 4);
    CHECK(aed_gate_is_open(&gate));
    aed_gate_push(&gate, silence, 4);
    CHECK(gate.quiet == 4);
  }
}

static void test_gate(void) {
  const aed_gate_config config = {.threshold = 4 * 100 * 100, .block = 4, .span = 10};
  const int16_t loud[4] = {100, -100, 100, -100};
  const int16_t full[4] = {-32768, -32768, -32768, -32768};
  const int16_t quiet[4] = {99, -100, 100, -100};
  aed_gate gate;
  aed_gate_init(&gate, &config);
  CHECK(!aed_gate_is_open(&gate));
  aed_gate_push(&gate, quiet, 4);
  CHECK(!aed_gate_is_open(&gate));
  CHECK(aed_gate_take_level(&gate) == 9950);
  aed_gate_push(&gate, loud, 3);
  CHECK(!aed_gate_is_open(&gate));
  aed_gate_push(&gate, loud + 3, 1);
  CHECK(aed_gate_is_open(&gate));
  aed_gate_push(&gate, quiet, 4);
  aed_gate_push(&gate, quiet, 4);
  aed_gate_push(&gate, quiet, 1);
  CHECK(aed_gate_is_open(&gate)); /* 9 samples ago */
  aed_gate_push(&gate, quiet, 1);
  CHECK(!aed_gate_is_open(&gate));
  aed_gate_init(&gate, &config);
  aed_gate_push(&gate, full, 4);
  CHECK(aed_gate_take_level(&gate) == 1u << 30);
  CHECK(aed_gate_take_level(&gate) == 0);
}

int main(void) {
  test_refused();
  test_refused_thresholds();
  test_silence();
  test_balance(1);
  test_balance(4);
  test_equality();
  test_gate();
  test_long_silence();
  return aed_check_result("events");
}
