#include "aed_events.h"

#include <string.h>

enum { MAX_MAJORITY = 255, NO_CLASS = -1 };

_Static_assert(sizeof(aed_events_class) == 20, "the same on every machine: images reserve it");

size_t aed_events_size(const aed_events_config *config) {
  return (size_t)config->n_classes * (sizeof(aed_events_class) + config->majority);
}

static int32_t is_sound(const aed_events_config *config) {
  if (config->n_classes == 0 || config->on == NULL || config->off == NULL ||
      !(config->alpha > 0.0f && config->alpha <= 1.0f) || config->majority == 0 ||
      config->majority > MAX_MAJORITY || config->min_patches == 0 ||
      !(config->unknown_threshold >= 0.0f) || config->garbage_class < NO_CLASS ||
      config->garbage_class >= (int64_t)config->n_classes) {
    return 0;
  }
  for (uint32_t i = 0; i < config->n_classes; i++) {
    if (!(config->off[i] <= config->on[i])) {
      return 0;
    }
  }
  return 1;
}

aed_status aed_events_init(aed_events *events, const aed_events_config *config, void *memory,
                           size_t size) {
  if (events == NULL || config == NULL || memory == NULL || !is_sound(config)) {
    return AED_ERR_ARGUMENT;
  }
  if (size < aed_events_size(config)) {
    return AED_ERR_SIZE;
  }
  events->config = config;
  events->classes = memory;
  events->votes = (uint8_t *)memory + config->n_classes * sizeof(aed_events_class);
  aed_events_reset(events);
  return AED_OK;
}

void aed_events_reset(aed_events *events) {
  memset(events->classes, 0, aed_events_size(events->config));
  events->slot = 0;
  events->patches = 0;
}

/* The first patch stands for those before it. keep * score is exactly 0 when alpha is 1. */
static void smooth(aed_events *events, const float *scores) {
  const float alpha = events->config->alpha;
  const float keep = 1.0f - alpha;
  for (uint32_t i = 0; i < events->config->n_classes; i++) {
    const float score = scores == NULL ? 0.0f : scores[i];
    aed_events_class *c = &events->classes[i];
    const float kept = keep * c->score;
    c->score = events->patches == 0 ? score : kept + alpha * score;
  }
}

/* The first class with the highest smoothed score. */
static uint32_t find_top(const aed_events *events) {
  uint32_t top = 0;
  for (uint32_t i = 1; i < events->config->n_classes; i++) {
    if (events->classes[i].score > events->classes[top].score) {
      top = i;
    }
  }
  return top;
}

/* One label: the top class if it reaches its threshold, else the class that was active while it
 * keeps its own. */
static void choose_one(aed_events *events, uint32_t top) {
  const aed_events_config *config = events->config;
  const int32_t won = events->classes[top].score >= config->on[top];
  for (uint32_t i = 0; i < config->n_classes; i++) {
    aed_events_class *c = &events->classes[i];
    c->active = won ? i == top : c->active && c->score >= config->off[i];
  }
}

static void choose_many(aed_events *events) {
  const aed_events_config *config = events->config;
  for (uint32_t i = 0; i < config->n_classes; i++) {
    aed_events_class *c = &events->classes[i];
    c->active = c->score >= (c->active ? config->off[i] : config->on[i]);
  }
}

static void choose(aed_events *events, int32_t silent) {
  const aed_events_config *config = events->config;
  const uint32_t top = find_top(events);
  if (silent || events->classes[top].score < config->unknown_threshold) {
    for (uint32_t i = 0; i < config->n_classes; i++) {
      events->classes[i].active = 0;
    }
  } else if (config->multi_label) {
    choose_many(events);
  } else {
    choose_one(events, top);
  }
  if (config->garbage_class != NO_CLASS) {
    events->classes[config->garbage_class].active = 0;
  }
}

static void vote(aed_events *events) {
  const uint32_t n_classes = events->config->n_classes;
  uint8_t *row = events->votes + (size_t)events->slot * n_classes;
  for (uint32_t i = 0; i < n_classes; i++) {
    aed_events_class *c = &events->classes[i];
    c->votes = (uint8_t)(c->votes - row[i] + c->active);
    row[i] = c->active;
  }
  events->slot = events->slot + 1u == events->config->majority ? 0u : events->slot + 1u;
}

static void put(const aed_events *events, uint32_t i, int32_t ended, aed_event *found,
                uint32_t *n) {
  const aed_events_class *c = &events->classes[i];
  if (c->n < events->config->min_patches) {
    return;
  }
  found[(*n)++] = (aed_event){
      .first = c->first,
      .n = c->n,
      .score = c->sum / (float)c->n,
      .class_index = (int32_t)i,
      .ended = ended,
  };
}

void aed_events_push(aed_events *events, const float *scores, aed_event *found, uint32_t *n) {
  *n = 0;
  smooth(events, scores);
  choose(events, scores == NULL);
  vote(events);
  for (uint32_t i = 0; i < events->config->n_classes; i++) {
    aed_events_class *c = &events->classes[i];
    if (2u * c->votes <= events->config->majority) {
      put(events, i, 1, found, n);
      c->n = 0;
      continue;
    }
    if (c->n == 0) {
      c->first = events->patches;
      c->sum = 0.0f;
    }
    c->sum += c->score;
    c->n++;
    if (c->n == events->config->min_patches) {
      put(events, i, 0, found, n);
    }
  }
  events->patches++;
}

void aed_events_finish(aed_events *events, aed_event *found, uint32_t *n) {
  *n = 0;
  for (uint32_t i = 0; i < events->config->n_classes; i++) {
    put(events, i, 1, found, n);
  }
  aed_events_reset(events);
}

int32_t aed_events_decision(const aed_events *events) {
  int32_t best = NO_CLASS;
  for (uint32_t i = 0; i < events->config->n_classes; i++) {
    const aed_events_class *c = &events->classes[i];
    if (c->n > 0 && (best == NO_CLASS || c->score > events->classes[best].score)) {
      best = (int32_t)i;
    }
  }
  return best;
}

float aed_events_score(const aed_events *events, uint32_t class_index) {
  return events->classes[class_index].score;
}
