/* Requests about sound as it comes: `record`, `listen`, `stream`. */
#include <string.h>

#include "aed_exchange.h"
#include "aed_detector_settings.h"
#include "board.h"

static void stop_recording(aed_commands *commands) {
  aed_board_microphone_stop();
  commands->microphone_rate = 0;
  commands->recorded = 0;
}

/* Any rate but 0 starts a microphone that isn't running; 0 stops it. */
aed_status aed_on_record(aed_commands *commands, aed_exchange *x) {
  aed_link_record_request request;
  memcpy(&request, x->request, sizeof request);
  aed_live_stop(&commands->live);
  if (request.rate != commands->microphone_rate) {
    stop_recording(commands);
    if (request.rate != 0 && !aed_board_microphone_start(request.rate)) {
      return AED_ERR_UNSUPPORTED;
    }
    commands->microphone_rate = request.rate;
  }
  aed_board_microphone counters;
  aed_board_microphone_get_counters(&counters);
  const aed_link_record_reply reply = {
      .position = commands->recorded,
      .lost = counters.lost,
      .saturations = counters.saturations,
      .errors = counters.errors,
  };
  aed_put_reply(x, &reply, sizeof reply);
  int16_t *pcm = (int16_t *)(void *)(x->reply + sizeof reply);
  const size_t room = request.rate == 0 ? 0 : (AED_MAX_BODY - sizeof reply) / sizeof *pcm;
  const size_t n = aed_board_microphone_read(pcm, room);
  x->reply_size += n * sizeof *pcm;
  commands->recorded += (uint32_t)n;
  return AED_OK;
}

aed_status aed_on_listen(aed_commands *commands, aed_exchange *x) {
  aed_link_listen_request request;
  memcpy(&request, x->request, sizeof request);
  if (commands->microphone_rate != 0) {
    stop_recording(commands);
  }
  aed_start_clip(commands); /* a clip that was under way can't go on */
  const aed_status status = aed_live_start(&commands->live, request.source, request.output);
  const aed_link_listen_reply reply = {
      .source = commands->live.source,
      .patch_hop = commands->detector.hop_samples,
      .patch_samples = commands->detector.patch_samples,
      .settings_crc = AED_DETECTOR_CRC,
  };
  aed_put_reply(x, &reply, sizeof reply);
  return status;
}

aed_status aed_on_stream(aed_commands *commands, aed_exchange *x) {
  aed_live *live = &commands->live;
  aed_link_stream_request request;
  memcpy(&request, x->request, sizeof request);
  if (live->source != AED_LINK_SOURCE_LINK || request.position != live->detector->position) {
    return AED_ERR_STATE;
  }
  const int16_t *pcm = (const int16_t *)(const void *)(x->request + sizeof request);
  const aed_status status =
      aed_live_take(live, pcm, (x->request_size - sizeof request) / sizeof *pcm);
  const aed_link_stream_reply reply = {
      .position = live->detector->position,
      .patches = live->detector->patches,
  };
  aed_put_reply(x, &reply, sizeof reply);
  return status;
}
