#include "aed_commands.h"

#include <string.h>

#include "aed_detector_settings.h"
#include "aed_engine_model.h"
#include "aed_exchange.h"
#include "aed_features.h"
#include "aed_identity.h"
#include "board.h"

/* What C calls these is what the link carries. */
_Static_assert((int)AED_OK == AED_LINK_STATUS_OK &&
                   (int)AED_ERR_ARGUMENT == AED_LINK_STATUS_ERR_ARGUMENT &&
                   (int)AED_ERR_SIZE == AED_LINK_STATUS_ERR_SIZE &&
                   (int)AED_ERR_STATE == AED_LINK_STATUS_ERR_STATE &&
                   (int)AED_ERR_UNSUPPORTED == AED_LINK_STATUS_ERR_UNSUPPORTED &&
                   (int)AED_ERR_IO == AED_LINK_STATUS_ERR_IO,
               "aed_status");
_Static_assert((int)AED_ENGINE_INT8 == AED_LINK_ELEMENT_TYPE_INT8 &&
                   (int)AED_ENGINE_UINT8 == AED_LINK_ELEMENT_TYPE_UINT8 &&
                   (int)AED_ENGINE_FLOAT32 == AED_LINK_ELEMENT_TYPE_FLOAT32,
               "aed_engine_type");
#define SAME_PROBLEM(name) _Static_assert((int)AED_PROBLEM_##name == AED_LINK_PROBLEM_##name, #name)
SAME_PROBLEM(VOLTAGE);
SAME_PROBLEM(BOOSTER);
SAME_PROBLEM(PLL);
SAME_PROBLEM(FLASH);
SAME_PROBLEM(SWITCH);
SAME_PROBLEM(SMPS);
SAME_PROBLEM(CACHE);
SAME_PROBLEM(UART);
SAME_PROBLEM(COUNTER);
SAME_PROBLEM(WATCHDOG);
SAME_PROBLEM(CRYSTAL);
SAME_PROBLEM(MICROPHONE);

#define HEADER sizeof(aed_link_header)

typedef aed_status (*handler)(aed_commands *commands, aed_exchange *x);

/* Text into a field of n bytes: cut to fit, zeros
 * behind. Not NUL-terminated when it fills the field. */
static void put_text(char *field, const char *text, size_t n) {
  size_t i = 0;
  for (; i < n && text[i] != 0; i++) {
    field[i] = text[i];
  }
  memset(field + i, 0, n - i);
}

#define PUT_TEXT(field, text) put_text(field, text, sizeof(field))

void aed_put_reply(aed_exchange *x, const void *fields, size_t size) {
  memcpy(x->reply, fields, size);
  x->reply_size = size;
}

/* `detect` and its like take the stream from the live detector. */
void aed_start_clip(aed_commands *commands) {
  aed_live_stop(&commands->live);
  /* Can't fail: main has tried it. */
  (void)aed_classifier_start(&commands->classifier, aed_features.patch_hop);
  commands->position = 0;
  commands->patches = 0;
}

aed_status aed_on_identify(aed_commands *commands, aed_exchange *x) {
  const aed_engine_tensor *input = &commands->engine.input;
  const aed_engine_tensor *output = &commands->engine.output;
  aed_link_identify_reply reply = {
      .protocol_version = AED_LINK_PROTOCOL_VERSION,
      .max_payload = AED_LINK_MAX_PAYLOAD,
      .n_classes = AED_N_CLASSES,
      .n_nodes = AED_ENGINE_N_NODES,
      .sample_rate = aed_features.sample_rate,
      .hop_length = aed_features.hop_length,
      .n_mels = AED_FEATURES_WIDTH,
      .patch_length = AED_FEATURES_PATCH_LENGTH,
      .garbage_class = (int16_t)aed_classifier_settings.garbage_class,
      .multi_label = (uint16_t)aed_detector_settings.events->multi_label,
      .unknown_threshold = aed_classifier_settings.unknown_threshold,
      .input_type = (uint32_t)input->type,
      .input_size = input->size,
      .input_scale = input->scale,
      .input_zero_point = input->zero_point,
      .output_type = (uint32_t)output->type,
      .output_size = output->size,
      .output_scale = output->scale,
      .output_zero_point = output->zero_point,
      .arena_size = AED_ENGINE_MEMORY_SIZE,
      .counter_numerator = aed_board.counter_numerator,
      .counter_denominator = aed_board.counter_denominator,
      .calibration_count = aed_board.calibration_count,
      .flash_used = aed_board_flash_used(),
      .ram_used = aed_board_ram_used(),
  };
  for (uint32_t i = 0; i < 4; i++) {
    reply.input_dims[i] = i < input->n_dims ? input->dims[i] : 0;
    reply.output_dims[i] = i < output->n_dims ? output->dims[i] : 0;
  }
  PUT_TEXT(reply.counter_unit, aed_board.counter_unit);
  PUT_TEXT(reply.board, aed_board.name);
  PUT_TEXT(reply.pyaed_version, aed_pyaed_version);
  PUT_TEXT(reply.model_name, commands->engine.name);
  PUT_TEXT(reply.model_hash, commands->engine.hash);
  PUT_TEXT(reply.feature_hash, aed_features_hash);
  aed_put_reply(x, &reply, sizeof reply);
  return AED_OK;
}

aed_status aed_on_names(aed_commands *commands, aed_exchange *x) {
  aed_link_names_request request;
  memcpy(&request, x->request, sizeof request);
  if (request.list > AED_LINK_NAME_LIST_NODES) {
    return AED_ERR_ARGUMENT;
  }
  const uint32_t n =
      request.list == AED_LINK_NAME_LIST_CLASSES ? AED_N_CLASSES : commands->engine.n_nodes;
  aed_link_names_reply reply = {.first = request.first, .count = 0};
  size_t used = sizeof reply;
  for (uint32_t i = request.first; i < n; i++) {
    const char *name = request.list == AED_LINK_NAME_LIST_CLASSES
                           ? aed_class_names[i]
                           : aed_engine_node_name(&commands->engine, i);
    const size_t size = strlen(name) + 1;
    if (size > AED_MAX_BODY - used) {
      break;
    }
    memcpy(x->reply + used, name, size);
    used += size;
    reply.count++;
  }
  aed_put_reply(x, &reply, sizeof reply);
  x->reply_size = used;
  return AED_OK;
}

aed_status aed_on_counters(aed_commands *commands, aed_exchange *x) {
  const aed_packet_counters *counters = &commands->receiver->counters;
  const aed_link_counters_reply reply = {
      .packets = counters->packets,
      .overlong = counters->overlong,
      .garbage = counters->garbage,
      .truncated = counters->truncated,
      .bad_crc = counters->bad_crc,
      .stack_size = aed_board_stack_size(),
      .stack_used = aed_board_stack_used(),
  };
  aed_put_reply(x, &reply, sizeof reply);
  return AED_OK;
}

void aed_commands_reset(aed_commands *commands) {
  aed_start_clip(commands);
  memset(commands->classifier.input, 0, AED_ENGINE_INPUT_SIZE);
  memset(&commands->receiver->counters, 0, sizeof commands->receiver->counters);
}

aed_status aed_on_reset(aed_commands *commands, aed_exchange *x) {
  aed_commands_reset(commands);
  x->reply_size = 0;
  return AED_OK;
}

aed_status aed_on_state(aed_commands *commands, aed_exchange *x) {
  aed_board_state state;
  (void)commands;
  aed_board_get_state(&state);
  const aed_board_fault *fault = &state.last_fault;
  const aed_link_state_reply reply = {
      .clock_hz = state.clock_hz,
      .problems = state.problems,
      .reset_cause = state.reset_cause,
      .device_id = state.device_id,
      .unique_id = {state.unique_id[0], state.unique_id[1], state.unique_id[2]},
      .uptime_ms = state.uptime_ms,
      .counter = state.counter,
      .serial_lost = state.serial_lost,
      .serial_errors = state.serial_errors,
      .cache_hits = state.cache_hits,
      .cache_misses = state.cache_misses,
      .button = state.button,
      .fault = {fault->exception, fault->pc, fault->lr, fault->xpsr, fault->cfsr, fault->hfsr,
                fault->mmfar, fault->bfar},
  };
  aed_put_reply(x, &reply, sizeof reply);
  return AED_OK;
}

static const struct {
  uint32_t type;
  size_t size;      /* bytes of the request's fields */
  size_t tail_size; /* bytes of one element of its tail, 0 without a tail */
  handler handle;
} messages[] = {
#define MESSAGE(name, code, size, tail_size) {code, size, tail_size, aed_on_##name},
    AED_LINK_MESSAGES(MESSAGE)
#undef MESSAGE
};

static aed_status dispatch(aed_commands *commands, uint32_t type, aed_exchange *x) {
  for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
    if (messages[i].type != type) {
      continue;
    }
    if (x->request_size < messages[i].size) {
      return AED_ERR_SIZE;
    }
    const size_t tail = x->request_size - messages[i].size;
    if (tail != 0 && (messages[i].tail_size == 0 || tail % messages[i].tail_size != 0)) {
      return AED_ERR_SIZE;
    }
    return messages[i].handle(commands, x);
  }
  return AED_ERR_UNSUPPORTED;
}

size_t aed_commands_answer(aed_commands *commands, const uint8_t *request, size_t n,
                           uint8_t *reply) {
  aed_link_header header;
  memcpy(&header, request, HEADER);
  aed_exchange x = {
      .request = request + HEADER,
      .request_size = n - HEADER,
      .reply = reply + HEADER,
      .reply_size = 0,
  };
  const aed_status status = dispatch(commands, header.type, &x);
  header.type |= AED_LINK_REPLY;
  header.status = (int8_t)status;
  header.dropped = aed_packet_dropped(&commands->receiver->counters);
  memcpy(reply, &header, HEADER);
  return HEADER + (status == AED_OK ? x.reply_size : 0); /* an error has no body */
}
