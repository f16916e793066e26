/* Silence gate: by the level of blocks of PCM, in whole numbers, so that its bits can't differ. */
#ifndef AED_GATE_H
#define AED_GATE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
typedef struct {
  uint64_t threshold; /* sum of squares from which a block is loud; 0: the gate is always open */
  uint32_t block;     /* samples, 1 to 65535 */
  uint32_t span;      /* samples for which a loud block keeps the gate open: those of a patch */
} aed_gate_config;

/* All state belongs to the caller; the fields are private. */
typedef struct {
  const aed_gate_config *config;
  uint64_t sum;    /* of squares in the block that is coming in */
  uint64_t peak;   /* largest sum of a block since the level was asked for */
  uint32_t filled; /* samples of that block */
  uint32_t quiet;  /* samples since the last loud block's end, at most UINT32_MAX / 2 */
} aed_gate;

/* Binds the configuration; nothing has been loud. */
void aed_gate_init(aed_gate *gate, const aed_gate_config *config);

/* Takes n samples. */
void aed_gate_push(aed_gate *gate, const int16_t *pcm, size_t n);

/* 1 when a loud block ended within the last `span` samples. */
int32_t aed_gate_is_open(const aed_gate *gate);

/* Mean square (0 to 2^30) of the loudest block that ended since the last call. */
uint32_t aed_gate_take_level(aed_gate *gate);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
