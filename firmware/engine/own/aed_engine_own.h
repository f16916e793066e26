/* What pyaed's generator writes for this engine: the model of nn_c and what an observer may ask. */
#ifndef AED_ENGINE_OWN_H
#define AED_ENGINE_OWN_H

#include "aed_engine.h"
#include "aed_nn.h"

typedef struct {
  uint32_t offset; /* in the arena, bytes */
  uint32_t size;   /* bytes */
} aed_engine_place;

struct aed_engine_model {
  const aed_nn_model *network;
  const char *const *node_names;        /* one a node */
  const aed_engine_place *node_outputs; /* where each node leaves its result */
};

#endif
