/* Packets of the serial link: COBS(payload, CRC-32 little-endian), then one zero byte.
 *
 * A receiver takes bytes as they come and hands out whole, correct payloads. Whatever else arrives
 * is dropped and counted; the next zero byte brings it back in step. Two zero bytes in a row are no
 * packet, and no error. */
#ifndef AED_PACKET_H
#define AED_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "aed_cobs.h"

#define AED_PACKET_CRC_SIZE 4u
/* Most bytes of an encoded packet with a payload of n bytes, zero byte included. */
#define AED_PACKET_MAX(n) (AED_COBS_MAX((n) + AED_PACKET_CRC_SIZE) + 1u)

typedef struct {
  uint32_t packets;   /* good ones */
  uint32_t overlong;  /* dropped: longer than the buffer */
  uint32_t garbage;   /* dropped: no COBS */
  uint32_t truncated; /* dropped: payload shorter than the shortest allowed */
  uint32_t bad_crc;   /* dropped: CRC-32 differs */
} aed_packet_counters;

typedef struct {
  uint8_t *buffer;    /* caller's; the payload is found here, at its start */
  size_t capacity;    /* bytes of buffer: AED_PACKET_MAX(largest payload) */
  size_t min_payload; /* bytes; shorter payloads are dropped as truncated */
  size_t length;      /* bytes of the packet that is coming in */
  int32_t skipping;   /* 1 while the rest of an over-long packet passes */
  aed_packet_counters counters;
} aed_packet_receiver;

void aed_packet_receiver_init(aed_packet_receiver *receiver, uint8_t *buffer, size_t capacity,
                              size_t min_payload);

/* Take one byte. Returns the length of a payload when this byte completed a good packet (it stays in
 * `buffer` until the next byte), else 0. */
size_t aed_packet_receive(aed_packet_receiver *receiver, uint8_t byte);

/* All packets dropped so far. */
uint32_t aed_packet_dropped(const aed_packet_counters *counters);

/* Encode a payload of n bytes to `out` (AED_PACKET_MAX(n) bytes). `payload` has room for
 * AED_PACKET_CRC_SIZE more bytes, which are overwritten. Returns the bytes to send. */
size_t aed_packet_encode(uint8_t *payload, size_t n, uint8_t *out);

#endif
