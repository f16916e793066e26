#include "aed_classifier.h"

#include <string.h>

size_t aed_classifier_size(const aed_frontend_config *features, const aed_engine *engine) {
  return AED_CLASSIFIER_SIZE(aed_stream_size(features), (size_t)engine->input.size,
                             (size_t)engine->output.size);
}

static int32_t is_known(aed_engine_type type) {
  return type == AED_ENGINE_INT8 || type == AED_ENGINE_UINT8 || type == AED_ENGINE_FLOAT32;
}

aed_status aed_classifier_init(aed_classifier *classifier, const aed_classifier_config *config,
                               const aed_engine *engine, void *memory, size_t size) {
  if (classifier == NULL || config == NULL || engine == NULL || memory == NULL) {
    return AED_ERR_ARGUMENT;
  }
  const aed_frontend_config *features = config->features;
  const aed_status status = aed_frontend_check(features);
  if (status != AED_OK) {
    return status;
  }
  const uint32_t n_classes = engine->output.n_elements;
  if (engine->input.n_elements != aed_frontend_width(features) * features->patch_length ||
      n_classes == 0 || config->garbage_class < -1 || config->garbage_class >= (int64_t)n_classes ||
      !(config->unknown_threshold >= 0.0f)) {
    return AED_ERR_ARGUMENT;
  }
  if (!is_known(engine->input.type) || !is_known(engine->output.type)) {
    return AED_ERR_UNSUPPORTED;
  }
  if (size < aed_classifier_size(features, engine)) {
    return AED_ERR_SIZE;
  }
  const size_t stream_size = AED_CLASSIFIER_SIZE(aed_stream_size(features), 0u, 0u);
  uint8_t *input = (uint8_t *)memory + stream_size;
  *classifier = (aed_classifier){
      .config = config,
      .engine = engine,
      .input = input,
      .output = input + AED_CLASSIFIER_SIZE(0u, (size_t)engine->input.size, 0u),
      .n_classes = n_classes,
      .stream_memory = memory,
      .stream_size = stream_size,
  };
  memset(classifier->input, 0, engine->input.size);
  return aed_classifier_start(classifier, features->patch_hop);
}

aed_status aed_classifier_start(aed_classifier *classifier, uint32_t patch_hop) {
  classifier->features = *classifier->config->features;
  classifier->features.patch_hop = patch_hop;
  return aed_stream_init(&classifier->stream, &classifier->features, classifier->stream_memory,
                         classifier->stream_size);
}

aed_status aed_classifier_push(aed_classifier *classifier, const int16_t *pcm, size_t n,
                               size_t *consumed, int32_t *patch) {
  const aed_status status = aed_stream_push(&classifier->stream, pcm, n, consumed);
  *patch = status == AED_OK && aed_stream_patch_ready(&classifier->stream);
  return *patch ? aed_classifier_take_patch(classifier) : status;
}

aed_status aed_classifier_take_patch(aed_classifier *classifier) {
  const aed_engine_tensor *input = &classifier->engine->input;
  aed_stream *stream = &classifier->stream;
  switch (input->type) {
  case AED_ENGINE_INT8:
    return aed_stream_patch_s8(stream, input->scale, input->zero_point, classifier->input);
  case AED_ENGINE_UINT8:
    return aed_stream_patch_u8(stream, input->scale, input->zero_point, classifier->input);
  default:
    return aed_stream_patch(stream, classifier->input);
  }
}

/* Element i of the output as a probability. */
static float probability(const aed_engine_tensor *output, const void *values, uint32_t i) {
  float value;
  switch (output->type) {
  case AED_ENGINE_INT8:
    return output->scale * (float)(((const int8_t *)values)[i] - output->zero_point);
  case AED_ENGINE_UINT8:
    return output->scale * (float)(((const uint8_t *)values)[i] - output->zero_point);
  default:
    memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
    return value;
  }
}

aed_status aed_classifier_run(aed_classifier *classifier, float *probabilities) {
  const aed_status status =
      aed_engine_run(classifier->engine, classifier->input, classifier->output);
  for (uint32_t i = 0; status == AED_OK && i < classifier->n_classes; i++) {
    probabilities[i] = probability(&classifier->engine->output, classifier->output, i);
  }
  return status;
}

aed_classification aed_classifier_decide(const aed_classifier *classifier,
                                         const float *probabilities) {
  int32_t top = 0;
  for (uint32_t i = 1; i < classifier->n_classes; i++) {
    if (probabilities[i] > probabilities[top]) {
      top = (int32_t)i;
    }
  }
  const int32_t known = probabilities[top] >= classifier->config->unknown_threshold &&
                        top != classifier->config->garbage_class;
  return (aed_classification){.top_class = top, .decision = known ? top : -1};
}
