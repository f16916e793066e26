/* The live detector: where its PCM comes from, the microphone or the link, and how its results are
 * told: JSON lines, events of the link, the LED. docs/detector.md and docs/link.md describe both. */
#ifndef AED_LIVE_H
#define AED_LIVE_H

#include "aed_detector.h"
#include "aed_packet.h"
#include "aed_identity.h"
#include "aed_link_messages.h"

/* Largest unsolicited payload, with room for the CRC. */
#define AED_LIVE_PAYLOAD                                                                           \
  (sizeof(aed_link_header) + sizeof(aed_link_patch_event) + AED_N_CLASSES * sizeof(float) +        \
   AED_PACKET_CRC_SIZE)

/* All memory belongs to the caller, who sets the first block of fields; the rest is private. */
typedef struct {
  aed_detector *detector;
  uint8_t *payload; /* AED_LIVE_PAYLOAD bytes, aligned to 8 */
  uint8_t *encoded; /* AED_PACKET_MAX(AED_LIVE_PAYLOAD) bytes */

  uint32_t source, output; /* AED_LINK_SOURCE_..., sum of AED_LINK_OUTPUT_... */
  uint32_t busy;           /* ticks since the last patch */
  uint32_t sequence;       /* events sent since the start */
} aed_live;

/* Begin afresh. AED_ERR_ARGUMENT for an unknown source or output, AED_ERR_UNSUPPORTED when there is
 * no microphone of the model's rate. */
aed_status aed_live_start(aed_live *live, uint32_t source, uint32_t output);

/* End the running events and stop; nothing happens when it doesn't listen. */
void aed_live_stop(aed_live *live);

/* Take n samples and tell what was found. A failure stops it. */
aed_status aed_live_take(aed_live *live, const int16_t *pcm, size_t n);

/* Take what the microphone has, a piece at a time. 1 when there was something to do. */
int32_t aed_live_poll(aed_live *live);

#endif
