/* The engine over nn_c: its memory is the arena. */
#include "aed_engine_own.h"

#include <string.h>

_Static_assert((int)AED_ENGINE_INT8 == (int)AED_NN_INT8 &&
                   (int)AED_ENGINE_UINT8 == (int)AED_NN_UINT8 &&
                   (int)AED_ENGINE_FLOAT32 == (int)AED_NN_FLOAT32,
               "types have the same codes");

static aed_engine_tensor describe(const aed_nn_io *end) {
  aed_engine_tensor tensor = {
      .n_dims = end->n_dims,
      .n_elements = end->n_elements,
      .size = end->n_elements * (uint32_t)aed_nn_type_size(end->type),
      .type = (aed_engine_type)end->type,
      .scale = end->scale,
      .zero_point = end->zero_point,
  };
  _Static_assert(sizeof tensor.dims == sizeof end->dims, "both have four dimensions");
  memcpy(tensor.dims, end->dims, sizeof tensor.dims);
  return tensor;
}

size_t aed_engine_memory_size(const aed_engine_model *model) {
  return model->network->arena_size;
}

aed_status aed_engine_load(aed_engine *engine, const aed_engine_model *model, void *memory,
                           size_t size) {
  if (engine == NULL || model == NULL || memory == NULL || ((uintptr_t)memory & 15u) != 0) {
    return AED_ERR_ARGUMENT;
  }
  if (size < aed_engine_memory_size(model)) {
    return AED_ERR_SIZE;
  }
  const aed_nn_model *network = model->network;
  *engine = (aed_engine){
      .name = network->name,
      .hash = network->hash,
      .n_nodes = network->n_nodes,
      .input = describe(&network->input),
      .output = describe(&network->output),
      .model = model,
      .memory = memory,
  };
  return AED_OK;
}

aed_status aed_engine_run(const aed_engine *engine, const void *input, void *output) {
  return aed_nn_run(engine->model->network, input, output, engine->memory, NULL, NULL);
}

aed_status aed_engine_profile(const aed_engine *engine, const void *input, void *output,
                              aed_engine_observer observer, void *context) {
  return aed_nn_run(engine->model->network, input, output, engine->memory, observer, context);
}

const char *aed_engine_node_name(const aed_engine *engine, uint32_t node) {
  return engine->model->node_names[node];
}

aed_status aed_engine_node_output(const aed_engine *engine, uint32_t node, const void **data,
                                  size_t *size) {
  if (node >= engine->n_nodes) {
    return AED_ERR_ARGUMENT;
  }
  const aed_engine_place *place = &engine->model->node_outputs[node];
  *data = (const uint8_t *)engine->memory + place->offset;
  *size = place->size;
  return AED_OK;
}
