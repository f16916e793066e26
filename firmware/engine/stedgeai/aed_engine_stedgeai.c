/* The engine over ST's runtime: what both of its C interfaces have in common. Its memory is the
 * activations; the runtime keeps a little of its own beside them, so one engine is loaded at a
 * time. Nothing is known of what happens inside a network: it is one node. */
#include "aed_engine_stedgeai.h"

#include <stddef.h>

#include "aed_engine_model.h"
#include "aed_st_network.h"

static const char node_name[] = "network";

size_t aed_engine_memory_size(const aed_engine_model *model) {
  (void)model;
  return AED_ENGINE_MEMORY_SIZE;
}

aed_status aed_engine_load(aed_engine *engine, const aed_engine_model *model, void *memory,
                           size_t size) {
  if (engine == NULL || model == NULL || memory == NULL || ((uintptr_t)memory & 15u) != 0) {
    return AED_ERR_ARGUMENT;
  }
  if (size < aed_engine_memory_size(model)) {
    return AED_ERR_SIZE;
  }
  *engine = (aed_engine){
      .name = model->name,
      .hash = model->hash,
      .n_nodes = AED_ENGINE_N_NODES,
      .input = model->input,
      .output = model->output,
      .model = model,
      .memory = memory,
  };
  return aed_st_network_load(memory);
}

aed_status aed_engine_run(const aed_engine *engine, const void *input, void *output) {
  (void)engine;
  return aed_st_network_run(input, output);
}

aed_status aed_engine_profile(const aed_engine *engine, const void *input, void *output,
                              aed_engine_observer observer, void *context) {
  const aed_status status = aed_engine_run(engine, input, output);
  if (status == AED_OK) {
    observer(context, 0);
  }
  return status;
}

const char *aed_engine_node_name(const aed_engine *engine, uint32_t node) {
  (void)engine;
  (void)node;
  return node_name;
}

aed_status aed_engine_node_output(const aed_engine *engine, uint32_t node, const void **data,
                                  size_t *size) {
  (void)data;
  (void)size;
  return node < engine->n_nodes ? AED_ERR_UNSUPPORTED : AED_ERR_ARGUMENT;
}
