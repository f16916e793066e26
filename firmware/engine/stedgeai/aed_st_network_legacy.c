/* The older interface (ai_): X-CUBE-AI up to 9, ST Edge AI Core with --c-api legacy. */
#include "network.h"

#ifdef AI_NETWORK_H

#include <string.h>

#include "aed_engine_model.h"
#include "aed_st_network.h"
#include "network_data.h"

_Static_assert(AI_NETWORK_DATA_ACTIVATIONS_SIZE <= AED_ENGINE_MEMORY_SIZE,
               "the report and the generated network are of two runs");
_Static_assert(AI_NETWORK_IN_1_SIZE_BYTES == AED_ENGINE_INPUT_SIZE &&
                   AI_NETWORK_OUT_1_SIZE_BYTES == AED_ENGINE_OUTPUT_SIZE,
               "the report and the generated network are of two runs");
#if AI_NETWORK_IN_NUM != 1 || AI_NETWORK_OUT_NUM != 1
#error "a network of one input and one output is expected"
#endif

static ai_handle network = AI_HANDLE_NULL;

aed_status aed_st_network_load(void *activations) {
  const ai_handle pools[] = {activations};
  if (network != AI_HANDLE_NULL) {
    ai_network_destroy(network);
    network = AI_HANDLE_NULL;
  }
  const ai_error error = ai_network_create_and_init(&network, pools, NULL);
  return error.type == AI_ERROR_NONE ? AED_OK : AED_ERR_UNSUPPORTED;
}

aed_status aed_st_network_run(const void *input, void *output) {
  ai_buffer *in = ai_network_inputs_get(network, NULL);
  ai_buffer *out = ai_network_outputs_get(network, NULL);
  if (in == NULL || out == NULL) {
    return AED_ERR_STATE;
  }
#ifdef AI_NETWORK_INPUTS_IN_ACTIVATIONS
  memcpy(in[0].data, input, AED_ENGINE_INPUT_SIZE);
#else
  static ai_u8 room[AI_NETWORK_IN_1_SIZE_BYTES] __attribute__((aligned(16)));
  memcpy(room, input, AED_ENGINE_INPUT_SIZE);
  in[0].data = room;
#endif
#ifndef AI_NETWORK_OUTPUTS_IN_ACTIVATIONS
  out[0].data = output;
#endif
  if (ai_network_run(network, in, out) != 1) {
    return AED_ERR_STATE;
  }
#ifdef AI_NETWORK_OUTPUTS_IN_ACTIVATIONS
  memcpy(output, out[0].data, AED_ENGINE_OUTPUT_SIZE);
#endif
  return AED_OK;
}

#endif
