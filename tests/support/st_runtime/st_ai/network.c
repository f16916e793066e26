/* The stand-in of a generated network, st-ai interface: strict about the order of the calls. */
#include "network.h"

#include <string.h>

#include "stand_in.h"

typedef struct {
  uint32_t ready;
  uint8_t *activations;
} private_context;

stai_return_code stai_network_init(stai_network *network) {
  if (!stand_in_ready()) {
    return STAI_ERROR_NETWORK_INVALID_CONTEXT_SIZE;
  }
  memset(network, 0, STAI_NETWORK_CONTEXT_SIZE);
  ((private_context *)(void *)network)->ready = 1;
  return STAI_SUCCESS;
}

stai_return_code stai_network_deinit(stai_network *network) {
  memset(network, 0, STAI_NETWORK_CONTEXT_SIZE);
  return STAI_SUCCESS;
}

stai_return_code stai_network_set_activations(stai_network *network, const stai_ptr *activations,
                                              stai_size n) {
  private_context *c = (private_context *)(void *)network;
  if (!c->ready || n != 1 || activations[0] == NULL) {
    return STAI_ERROR_NETWORK_INVALID_ACTIVATIONS_PTR;
  }
  c->activations = activations[0];
  return STAI_SUCCESS;
}

stai_return_code stai_network_get_inputs(stai_network *network, stai_ptr *inputs, stai_size *n) {
  private_context *c = (private_context *)(void *)network;
  *n = 1;
  inputs[0] = c->activations == NULL ? NULL : c->activations + STAND_IN_INPUT_AT;
  return STAI_SUCCESS;
}

stai_return_code stai_network_get_outputs(stai_network *network, stai_ptr *outputs, stai_size *n) {
  private_context *c = (private_context *)(void *)network;
  *n = 1;
  outputs[0] = c->activations == NULL ? NULL : c->activations + STAND_IN_OUTPUT_AT;
  return STAI_SUCCESS;
}

stai_return_code stai_network_run(stai_network *network, stai_run_mode mode) {
  private_context *c = (private_context *)(void *)network;
  if (c->activations == NULL || mode != STAI_MODE_SYNC || stand_in_run(c->activations) != 0) {
    return STAI_ERROR_NETWORK_INVALID_ACTIVATIONS_PTR;
  }
  return STAI_SUCCESS;
}
