#include "aed_detector.h"

#include <string.h>

aed_status aed_detector_start(aed_detector *detector, const aed_frontend_config *features,
                              uint32_t patch_hop) {
  detector->features = *features;
  detector->features.patch_hop = patch_hop;
  return aed_stream_init(detector->stream, &detector->features, detector->stream_memory,
                         detector->stream_size);
}

aed_status aed_detector_take_patch(const aed_detector *detector) {
  const aed_nn_io *input = &detector->model->input;
  switch (input->type) {
  case AED_NN_INT8:
    return aed_stream_patch_s8(detector->stream, input->scale, input->zero_point, detector->input);
  case AED_NN_UINT8:
    return aed_stream_patch_u8(detector->stream, input->scale, input->zero_point, detector->input);
  case AED_NN_FLOAT32:
    return aed_stream_patch(detector->stream, detector->input);
  default:
    return AED_ERR_UNSUPPORTED;
  }
}

/* Element i of the output as a probability. */
static float probability(const aed_nn_io *output, const void *values, uint32_t i) {
  float value;
  switch (output->type) {
  case AED_NN_INT8:
    return output->scale * (float)(((const int8_t *)values)[i] - output->zero_point);
  case AED_NN_UINT8:
    return output->scale * (float)(((const uint8_t *)values)[i] - output->zero_point);
  default:
    memcpy(&value, (const char *)values + i * sizeof value, sizeof value);
    return value;
  }
}

aed_status aed_detector_run(const aed_detector *detector, float *probabilities) {
  const aed_status status =
      aed_nn_run(detector->model, detector->input, detector->output, detector->arena, NULL, NULL);
  for (uint32_t i = 0; status == AED_OK && i < detector->n_classes; i++) {
    probabilities[i] = probability(&detector->model->output, detector->output, i);
  }
  return status;
}

aed_detection aed_detector_decide(const aed_detector *detector, const float *probabilities) {
  int32_t top = 0;
  for (uint32_t i = 1; i < detector->n_classes; i++) {
    if (probabilities[i] > probabilities[top]) {
      top = (int32_t)i;
    }
  }
  const int32_t known =
      probabilities[top] >= detector->unknown_threshold && top != detector->garbage_class;
  return (aed_detection){.top_class = top, .decision = known ? top : -1};
}
