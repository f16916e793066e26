/* What the handlers of requests share: one handler
 * a message, in three files by what it is about. */
#ifndef AED_EXCHANGE_H
#define AED_EXCHANGE_H

#include "aed_commands.h"
#include "aed_link_messages.h"

/* Most bytes of a body. */
#define AED_MAX_BODY (AED_LINK_MAX_PAYLOAD - sizeof(aed_link_header))

/* A request's body (checked against the message table) and the room for its reply's body. */
typedef struct {
  const uint8_t *request;
  size_t request_size;
  uint8_t *reply;
  size_t reply_size; /* set by the handler */
} aed_exchange;

/* Copy a reply's fields to its start; a tail is put behind them by the handler. */
void aed_put_reply(aed_exchange *x, const void *fields, size_t size);

/* Begin a clip of `features` or `detect`. */
void aed_start_clip(aed_commands *commands);

/* aed_on_identify and so on: act on a request and fill the reply. */
#define DECLARE(name, code, size, tail_size)                                                       \
  aed_status aed_on_##name(aed_commands *commands, aed_exchange *x);
AED_LINK_MESSAGES(DECLARE)
#undef DECLARE

#endif
