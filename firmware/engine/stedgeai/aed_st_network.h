/* ST's network behind two functions, whichever of its C interfaces it was generated for. */
#ifndef AED_ST_NETWORK_H
#define AED_ST_NETWORK_H

#include "aed_engine.h"

/* Binds the network to AED_ENGINE_MEMORY_SIZE bytes of activations, aligned to 16.
 * AED_ERR_UNSUPPORTED when the runtime refuses. */
aed_status aed_st_network_load(void *activations);

/* One inference: AED_ENGINE_INPUT_SIZE bytes in, AED_ENGINE_OUTPUT_SIZE bytes out.
 * AED_ERR_STATE when the runtime fails. */
aed_status aed_st_network_run(const void *input, void *output);

#endif
