/* The newer interface (stai_): ST Edge AI Core from 2.0 on with --c-api st-ai. */
#include "network.h"

#ifdef STAI_NETWORK_H

#include <string.h>

#include "aed_engine_model.h"
#include "aed_st_network.h"

_Static_assert(STAI_NETWORK_ACTIVATION_1_SIZE_BYTES <= AED_ENGINE_MEMORY_SIZE,
               "the report and the generated network are of two runs");
_Static_assert(STAI_NETWORK_IN_1_SIZE_BYTES == AED_ENGINE_INPUT_SIZE &&
                   STAI_NETWORK_OUT_1_SIZE_BYTES == AED_ENGINE_OUTPUT_SIZE,
               "the report and the generated network are of two runs");
_Static_assert(STAI_NETWORK_IN_NUM == 1 && STAI_NETWORK_OUT_NUM == 1,
               "a network of one input and one output is expected");
_Static_assert(STAI_NETWORK_ACTIVATIONS_NUM == 1, "activations in one piece are expected");

static stai_network context[STAI_NETWORK_CONTEXT_SIZE] __attribute__((aligned(16)));
static stai_ptr in, out;

aed_status aed_st_network_load(void *activations) {
  static int running = 0;
  const stai_ptr pools[] = {activations};
  stai_size n = 1;
  if (running) {
    stai_network_deinit(context);
  } else if (stai_runtime_init() != STAI_SUCCESS) {
    return AED_ERR_UNSUPPORTED;
  }
  running = 1;
  /* In this order: where input and output lie is known when the activations are. */
  if (stai_network_init(context) != STAI_SUCCESS ||
      stai_network_set_activations(context, pools, 1) != STAI_SUCCESS ||
      stai_network_get_inputs(context, &in, &n) != STAI_SUCCESS ||
      stai_network_get_outputs(context, &out, &n) != STAI_SUCCESS || in == NULL || out == NULL) {
    return AED_ERR_UNSUPPORTED;
  }
  return AED_OK;
}

aed_status aed_st_network_run(const void *input, void *output) {
  memcpy(in, input, AED_ENGINE_INPUT_SIZE);
  if (stai_network_run(context, STAI_MODE_SYNC) != STAI_SUCCESS) {
    return AED_ERR_STATE;
  }
  memcpy(output, out, AED_ENGINE_OUTPUT_SIZE);
  return AED_OK;
}

#endif
