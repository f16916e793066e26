#include "aed_nn.h"

#include <string.h>

size_t aed_nn_type_size(aed_nn_type type) {
  switch (type) {
  case AED_NN_INT8:
  case AED_NN_UINT8:
    return 1;
  case AED_NN_FLOAT32:
    return 4;
  }
  return 0;
}

aed_status aed_nn_run(const aed_nn_model *model, const void *input, void *output, void *arena,
                      aed_nn_observer observer, void *context) {
  if (model == NULL || input == NULL || output == NULL || arena == NULL ||
      ((uintptr_t)arena & 15u) != 0) {
    return AED_ERR_ARGUMENT;
  }
  uint8_t *base = arena;
  memcpy(base + model->input.offset, input,
         model->input.n_elements * aed_nn_type_size(model->input.type));
  for (uint32_t i = 0; i < model->n_nodes; i++) {
    model->nodes[i].kernel(model->nodes[i].params, base);
    if (observer != NULL) {
      observer(context, i);
    }
  }
  memcpy(output, base + model->output.offset,
         model->output.n_elements * aed_nn_type_size(model->output.type));
  return AED_OK;
}
