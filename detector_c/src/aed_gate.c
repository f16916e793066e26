#include "aed_gate.h"

#define LONG_AGO (UINT32_MAX / 2u)

void aed_gate_init(aed_gate *gate, const aed_gate_config *config) {
  *gate = (aed_gate){.config = config, .quiet = LONG_AGO};
}

void aed_gate_push(aed_gate *gate, const int16_t *pcm, size_t n) {
  const aed_gate_config *config = gate->config;
  for (size_t i = 0; i < n; i++) {
    const int32_t sample = pcm[i];
    gate->sum += (uint32_t)(sample * sample);
    if (++gate->filled < config->block) {
      continue;
    }
    if (gate->sum > gate->peak) {
      gate->peak = gate->sum;
    }
    if (gate->sum >= config->threshold) {
      gate->quiet = 0;
    } else {
      gate->quiet = gate->quiet < LONG_AGO - config->block ? gate->quiet + config->block : LONG_AGO;
    }
    gate->sum = 0;
    gate->filled = 0;
  }
}

int32_t aed_gate_is_open(const aed_gate *gate) {
  return gate->config->threshold == 0 || gate->quiet + gate->filled < gate->config->span;
}

uint32_t aed_gate_take_level(aed_gate *gate) {
  const uint64_t peak = gate->peak;
  gate->peak = 0;
  return (uint32_t)(peak / gate->config->block);
}
