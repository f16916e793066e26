/* What a generated network of the st-ai interface declares, for the stand-in of the tests. */
#ifndef STAI_NETWORK_H
#define STAI_NETWORK_H

#include "network_details.h"
#include "stai.h"
#include "stai_debug.h"

#define STAI_NETWORK_CONTEXT_SIZE (32)
#define STAI_NETWORK_IN_NUM (1)
#define STAI_NETWORK_OUT_NUM (1)
#define STAI_NETWORK_IN_1_SIZE_BYTES (STAND_IN_BYTES)
#define STAI_NETWORK_OUT_1_SIZE_BYTES (STAND_IN_OUT_BYTES)
#define STAI_NETWORK_ACTIVATIONS_NUM (1)
#define STAI_NETWORK_ACTIVATION_1_SIZE_BYTES (STAND_IN_ACTIVATIONS)

stai_return_code stai_network_init(stai_network *network);
stai_return_code stai_network_deinit(stai_network *network);
stai_return_code stai_network_set_activations(stai_network *network, const stai_ptr *activations,
                                              stai_size n);
stai_return_code stai_network_get_inputs(stai_network *network, stai_ptr *inputs, stai_size *n);
stai_return_code stai_network_get_outputs(stai_network *network, stai_ptr *outputs, stai_size *n);
stai_return_code stai_network_run(stai_network *network, stai_run_mode mode);

#endif
