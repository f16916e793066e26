#include "aed_packet.h"

#include "aed_cobs.h"
#include "aed_crc32.h"

void aed_packet_receiver_init(aed_packet_receiver *receiver, uint8_t *buffer, size_t capacity,
                              size_t min_payload) {
  *receiver = (aed_packet_receiver){
      .buffer = buffer,
      .capacity = capacity,
      .min_payload = min_payload,
  };
}

/* The payload's length in `buffer`, or 0 after counting why there is none. */
static size_t finish(aed_packet_receiver *receiver) {
  aed_packet_counters *counters = &receiver->counters;
  const int32_t decoded = aed_cobs_decode(receiver->buffer, receiver->length);
  if (decoded < 0) {
    counters->garbage++;
    return 0;
  }
  const size_t n = (size_t)decoded;
  if (n < receiver->min_payload + AED_PACKET_CRC_SIZE) {
    counters->truncated++;
    return 0;
  }
  const size_t payload = n - AED_PACKET_CRC_SIZE;
  const uint8_t *sent = receiver->buffer + payload;
  const uint32_t crc = (uint32_t)sent[0] | (uint32_t)sent[1] << 8 | (uint32_t)sent[2] << 16 |
                       (uint32_t)sent[3] << 24;
  if (crc != aed_crc32(0, receiver->buffer, payload)) {
    counters->bad_crc++;
    return 0;
  }
  counters->packets++;
  return payload;
}

size_t aed_packet_receive(aed_packet_receiver *receiver, uint8_t byte) {
  size_t payload = 0;
  if (byte != 0) {
    if (receiver->length < receiver->capacity) {
      receiver->buffer[receiver->length++] = byte;
    } else if (!receiver->skipping) {
      receiver->skipping = 1;
      receiver->counters.overlong++;
    }
    return 0;
  }
  if (receiver->length > 0 && !receiver->skipping) {
    payload = finish(receiver);
  }
  receiver->length = 0;
  receiver->skipping = 0;
  return payload;
}

uint32_t aed_packet_dropped(const aed_packet_counters *counters) {
  return counters->overlong + counters->garbage + counters->truncated + counters->bad_crc;
}

size_t aed_packet_encode(uint8_t *payload, size_t n, uint8_t *out) {
  const uint32_t crc = aed_crc32(0, payload, n);
  for (size_t i = 0; i < AED_PACKET_CRC_SIZE; i++) {
    payload[n + i] = (uint8_t)(crc >> (8 * i));
  }
  const size_t length = aed_cobs_encode(payload, n + AED_PACKET_CRC_SIZE, out);
  out[length] = 0;
  return length + 1;
}
