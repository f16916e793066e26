#include "aed_detector.h"

size_t aed_detector_size(const aed_detector_config *config) {
  return AED_DETECTOR_SIZE(aed_events_size(config->events), (size_t)config->events->n_classes);
}

aed_status aed_detector_init(aed_detector *detector, const aed_detector_config *config,
                             aed_classifier *classifier, void *memory, size_t size) {
  if (detector == NULL || config == NULL || classifier == NULL || memory == NULL ||
      config->gate == NULL || config->events == NULL || config->gate->block == 0 ||
      config->events->n_classes != classifier->n_classes) {
    return AED_ERR_ARGUMENT;
  }
  if (size < aed_detector_size(config)) {
    return AED_ERR_SIZE;
  }
  const aed_frontend_config *features = classifier->config->features;
  const uint32_t n_classes = classifier->n_classes;
  float *scores = memory;
  aed_event *found = (aed_event *)(void *)(scores + n_classes);
  *detector = (aed_detector){
      .config = config,
      .hop_samples = config->patch_hop * features->hop_length,
      .patch_samples =
          (features->patch_length - 1u) * features->hop_length + features->window_length,
      .classifier = classifier,
      .scores = scores,
      .found = found,
  };
  const aed_status status = aed_events_init(&detector->events, config->events, found + n_classes,
                                            aed_events_size(config->events));
  return status == AED_OK ? aed_detector_start(detector) : status;
}

aed_status aed_detector_start(aed_detector *detector) {
  aed_events_reset(&detector->events);
  aed_gate_init(&detector->gate, detector->config->gate);
  detector->position = detector->patches = 0;
  return aed_classifier_start(detector->classifier, detector->config->patch_hop);
}

/* Classify the patch that stands in the model's input, unless it is silent. */
static aed_status classify(aed_detector *detector, aed_detector_patch *patch) {
  const int32_t loud = aed_gate_is_open(&detector->gate);
  const aed_status status =
      loud ? aed_classifier_run(detector->classifier, detector->scores) : AED_OK;
  if (status != AED_OK) {
    return status;
  }
  *patch = (aed_detector_patch){
      .index = detector->patches++,
      .level = aed_gate_take_level(&detector->gate),
      .scores = loud ? detector->scores : NULL,
      .events = detector->found,
  };
  aed_events_push(&detector->events, patch->scores, detector->found, &patch->n_events);
  patch->decision = aed_events_decision(&detector->events);
  return AED_OK;
}

int32_t aed_detector_push(aed_detector *detector, const int16_t *pcm, size_t n, size_t *consumed,
                          aed_detector_patch *patch) {
  int32_t completed;
  aed_status status = aed_classifier_push(detector->classifier, pcm, n, consumed, &completed);
  aed_gate_push(&detector->gate, pcm, *consumed);
  detector->position += (uint32_t)*consumed;
  if (status == AED_OK && completed) {
    status = classify(detector, patch);
  }
  return status == AED_OK ? completed : (int32_t)status;
}

void aed_detector_finish(aed_detector *detector, const aed_event **events, uint32_t *n) {
  aed_events_finish(&detector->events, detector->found, n);
  *events = detector->found;
}

uint32_t aed_detector_onset(const aed_detector *detector, const aed_event *event) {
  return event->first * detector->hop_samples;
}

uint32_t aed_detector_offset(const aed_detector *detector, const aed_event *event) {
  return (event->first + event->n - 1u) * detector->hop_samples + detector->patch_samples;
}

float aed_detector_score(const aed_detector *detector, uint32_t class_index) {
  return aed_events_score(&detector->events, class_index);
}
