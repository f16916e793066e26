/* What pyaed's generator writes for this engine. The network itself, network.h and its sources, is
 * ST's generator's; one network an image. */
#ifndef AED_ENGINE_STEDGEAI_H
#define AED_ENGINE_STEDGEAI_H

#include "aed_engine.h"

struct aed_engine_model {
  const char *name;
  const char *hash; /* of the model file, as pyaed has it */
  aed_engine_tensor input;
  aed_engine_tensor output;
};

#endif
