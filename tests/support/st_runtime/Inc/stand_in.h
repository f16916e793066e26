/* What both stand-ins of a generated network ask of the stand-in runtime. */
#ifndef STAND_IN_H
#define STAND_IN_H

#include <stdint.h>

#include "stai.h"

/* Whether stai_runtime_init has been called. */
int stand_in_ready(void);

/* Runs pyaed's own engine in the activations, and spoils the last bit of the first output where the
 * first byte of the input is odd: so that the engine is another one, by a known amount. */
int stand_in_run(uint8_t *activations);

#endif
