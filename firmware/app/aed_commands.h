/* The command loop's core: one request payload in, one reply payload out. docs/link.md describes
 * every message. */
#ifndef AED_COMMANDS_H
#define AED_COMMANDS_H

#include "aed_classifier.h"
#include "aed_packet.h"
#include "aed_live.h"

typedef struct {
  aed_engine engine;
  aed_classifier classifier;     /* over `engine` */
  aed_detector detector;         /* over `classifier` */
  aed_live live;                 /* of `detector` */
  aed_packet_receiver *receiver; /* its counters are reported */
  uint32_t position;             /* samples of the current clip taken so far */
  uint32_t patches;              /* patches of the current clip taken so far */
  uint32_t microphone_rate;      /* Hz; 0 while it is off */
  uint32_t recorded;             /* samples given out since the microphone was started */
} aed_commands;

/* The state of a fresh start. All parts must be bound. */
void aed_commands_reset(aed_commands *commands);

/* Answer a request of n bytes (at least a header; aligned to 8). reply:
 * AED_LINK_MAX_PAYLOAD bytes, aligned to 8. Returns the reply's bytes.
 * Every request gets a reply; what went wrong stands in its status. */
size_t aed_commands_answer(aed_commands *commands, const uint8_t *request, size_t n,
                           uint8_t *reply);

#endif
