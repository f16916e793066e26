/* The application: owns all memory, receives requests, answers them. */
#include <string.h>

#include "aed_commands.h"
#include "aed_detector_settings.h"
#include "aed_engine_model.h"
#include "aed_features.h"
#include "aed_identity.h"
#include "aed_link_messages.h"
#include "aed_mlperf.h"
#include "board.h"

#define EXIT_BAD_IMAGE 1

#define ALIGNED(n, name) __attribute__((aligned(n), section(".bss." name)))

/* Named sections, so that the size report can tell them apart. */
static uint8_t arena[AED_ENGINE_MEMORY_SIZE] ALIGNED(16, "aed_arena");
static uint8_t
    classifier_memory[AED_CLASSIFIER_SIZE(AED_FEATURES_STREAM_SIZE, AED_ENGINE_INPUT_SIZE,
                                          AED_ENGINE_OUTPUT_SIZE)] ALIGNED(8, "aed_classifier");
static uint8_t detector_memory[AED_DETECTOR_MEMORY_SIZE] ALIGNED(8, "aed_detector");
static uint8_t received[AED_PACKET_MAX(AED_LINK_MAX_PAYLOAD)] ALIGNED(8, "aed_link");
static uint8_t reply[AED_LINK_MAX_PAYLOAD + AED_PACKET_CRC_SIZE] ALIGNED(8, "aed_link");
static uint8_t encoded[AED_PACKET_MAX(AED_LINK_MAX_PAYLOAD)] ALIGNED(8, "aed_link");
static uint8_t unsolicited[AED_LIVE_PAYLOAD] ALIGNED(8, "aed_link");

static aed_packet_receiver receiver;
static aed_commands commands;

/* Instead of the link: the console of a benchmark. */
static _Noreturn void run_mlperf(aed_classifier *classifier) {
  static aed_mlperf console;
  aed_mlperf_start(&console, classifier);
  for (;;) {
    uint8_t bytes[64];
    const size_t n = aed_board_read(bytes, sizeof bytes);
    if (n == 0) {
      aed_board_idle();
    }
    for (size_t i = 0; i < n; i++) {
      aed_mlperf_receive(&console, (char)bytes[i]);
    }
  }
}

/* The link may be in the middle of a packet: a zero ends it. */
void aed_on_fault(const aed_board_fault *fault) {
  const aed_link_header header = {.type = AED_LINK_FAULT_EVENT};
  const aed_link_fault_event event = {
      .exception = fault->exception,
      .pc = fault->pc,
      .lr = fault->lr,
      .xpsr = fault->xpsr,
      .cfsr = fault->cfsr,
      .hfsr = fault->hfsr,
      .mmfar = fault->mmfar,
      .bfar = fault->bfar,
  };
  uint8_t payload[sizeof header + sizeof event + AED_PACKET_CRC_SIZE];
  uint8_t packet[1 + AED_PACKET_MAX(sizeof header + sizeof event)] = {0};
  memcpy(payload, &header, sizeof header);
  memcpy(payload + sizeof header, &event, sizeof event);
  aed_board_write(packet, 1 + aed_packet_encode(payload, sizeof header + sizeof event, packet + 1));
}

/* Binds all parts to their memory. */
static aed_status load(void) {
  aed_status status = aed_engine_load(&commands.engine, &aed_image_model, arena, sizeof arena);
  if (status == AED_OK) {
    status = aed_classifier_init(&commands.classifier, &aed_classifier_settings, &commands.engine,
                                 classifier_memory, sizeof classifier_memory);
  }
  if (status == AED_OK) {
    status = aed_detector_init(&commands.detector, &aed_detector_settings, &commands.classifier,
                               detector_memory, sizeof detector_memory);
  }
  return status;
}

int main(void) {
  aed_board_init();
  aed_packet_receiver_init(&receiver, received, sizeof received, sizeof(aed_link_header));
  commands = (aed_commands){
      .live = {.detector = &commands.detector, .payload = unsolicited, .encoded = encoded},
      .receiver = &receiver,
  };
  if (load() != AED_OK) {
    aed_board_exit(EXIT_BAD_IMAGE);
  }
  aed_commands_reset(&commands);
  if (AED_MLPERF) {
    run_mlperf(&commands.classifier);
  }
  int32_t alone = AED_DETECTOR_AUTOSTART; /* until a host speaks */
  if (alone) {
    (void)aed_live_start(&commands.live, AED_LINK_SOURCE_MICROPHONE, AED_LINK_OUTPUT_LINES);
  }
  for (;;) {
    uint8_t bytes[64];
    const size_t n = aed_board_read(bytes, sizeof bytes);
    if (n == 0 && !aed_live_poll(&commands.live)) {
      aed_board_idle();
    }
    for (size_t i = 0; i < n; i++) {
      const size_t request = aed_packet_receive(&receiver, bytes[i]);
      if (request > 0) {
        if (alone) {
          aed_live_stop(&commands.live);
          alone = 0;
        }
        const size_t size = aed_commands_answer(&commands, received, request, reply);
        aed_board_write(encoded, aed_packet_encode(reply, size, encoded));
      }
    }
  }
}
