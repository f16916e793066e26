/* The link's framing from C alone, under the sanitizers: round trips, every single bit flipped,
 * truncation, floods. */
#include "aed_check.h"
#include "aed_cobs.h"
#include "aed_crc32.h"
#include "aed_packet.h"
#include "aed_status.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_PAYLOAD = 600, MIN_PAYLOAD = 8 };

static uint32_t random_state = 1;

static uint8_t random_byte(void) {
  random_state = random_state * 1664525U + 1013904223U;
  return (uint8_t)(random_state >> 24);
}

/* Feed n bytes; the number of good packets, the last payload in the receiver's buffer. */
static uint32_t feed(aed_packet_receiver *receiver, const uint8_t *bytes, size_t n,
                     size_t *length) {
  uint32_t good = 0;
  for (size_t i = 0; i < n; i++) {
    const size_t got = aed_packet_receive(receiver, bytes[i]);
    if (got > 0) {
      good++;
      *length = got;
    }
  }
  return good;
}

static void test_crc(void) {
  CHECK(aed_crc32(0, "123456789", 9) == 0xCBF43926U);
  CHECK(aed_crc32(aed_crc32(0, "1234", 4), "56789", 5) == 0xCBF43926U);
  CHECK(aed_crc32(0, "", 0) == 0);
}

static void test_cobs_vectors(void) {
  static const struct {
    uint8_t data[4];
    size_t n;
    uint8_t encoded[6];
    size_t encoded_n;
  } table[] = {
      {{0}, 0, {1}, 1},
      {{0}, 1, {1, 1}, 2},
      {{0, 0}, 2, {1, 1, 1}, 3},
      {{0x11, 0x22, 0, 0x33}, 4, {3, 0x11, 0x22, 2, 0x33}, 5},
      {{0x11, 0x22, 0x33, 0x44}, 4, {5, 0x11, 0x22, 0x33, 0x44}, 5},
      {{0x11, 0, 0, 0}, 4, {2, 0x11, 1, 1, 1}, 5},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    uint8_t out[8];
    CHECK(aed_cobs_encode(table[i].data, table[i].n, out) == table[i].encoded_n);
    CHECK(memcmp(out, table[i].encoded, table[i].encoded_n) == 0);
    CHECK(aed_cobs_decode(out, table[i].encoded_n) == (int32_t)table[i].n);
    CHECK(memcmp(out, table[i].data, table[i].n) == 0);
  }
  static const uint8_t wrong[][3] = {{0, 1, 1}, {4, 1, 1}, {2, 0, 1}, {255, 1, 1}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    uint8_t copy[3];
    memcpy(copy, wrong[i], 3);
    CHECK(aed_cobs_decode(copy, 3) == AED_ERR_ARGUMENT);
  }
  CHECK(aed_cobs_decode(NULL, 0) == AED_ERR_ARGUMENT);
}

/* Memory of exactly the documented sizes, so that the sanitizer sees one byte too many. */
static void test_round_trip(void) {
  for (size_t n = MIN_PAYLOAD; n <= MAX_PAYLOAD; n++) {
    for (uint32_t zeros = 0; zeros < 3; zeros++) { /* none, some, all */
      uint8_t *payload = malloc(n + AED_PACKET_CRC_SIZE);
      uint8_t *packet = malloc(AED_PACKET_MAX(n));
      uint8_t *buffer = malloc(AED_PACKET_MAX(n));
      size_t length = 0;
      REQUIRE(payload != NULL && packet != NULL && buffer != NULL);
      for (size_t i = 0; i < n; i++) {
        const uint8_t byte = random_byte();
        payload[i] = zeros == 2 || (zeros == 1 && byte < 128) ? 0 : (uint8_t)(byte | 1U);
      }
      const size_t size = aed_packet_encode(payload, n, packet);
      CHECK(size <= AED_PACKET_MAX(n) && packet[size - 1] == 0 &&
            memchr(packet, 0, size - 1) == NULL);
      aed_packet_receiver receiver;
      aed_packet_receiver_init(&receiver, buffer, AED_PACKET_MAX(n), MIN_PAYLOAD);
      CHECK(feed(&receiver, packet, size, &length) == 1 && length == n);
      CHECK(memcmp(buffer, payload, n) == 0);
      CHECK(receiver.counters.packets == 1 && aed_packet_dropped(&receiver.counters) == 0);
      free(buffer);
      free(packet);
      free(payload);
    }
  }
}

/* A broken packet, then a good one: the first is dropped and counted, the second arrives. */
static void test_broken_packets(void) {
  enum { N = 40 };
  uint8_t payload[N + AED_PACKET_CRC_SIZE], packet[AED_PACKET_MAX(N)], buffer[AED_PACKET_MAX(N)];
  aed_packet_receiver receiver;
  size_t length = 0;
  for (size_t i = 0; i < N; i++) {
    payload[i] = (uint8_t)(i % 7U);
  }
  const size_t size = aed_packet_encode(payload, N, packet);
  aed_packet_receiver_init(&receiver, buffer, sizeof buffer, MIN_PAYLOAD);

  for (size_t bit = 0; bit < 8 * (size - 1); bit++) { /* one bit flipped, the end left alone */
    packet[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    const uint32_t before = aed_packet_dropped(&receiver.counters);
    CHECK(feed(&receiver, packet, size, &length) == 0);
    CHECK(aed_packet_dropped(&receiver.counters) > before);
    packet[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    CHECK(feed(&receiver, packet, size, &length) == 1 && length == N);
  }
  for (size_t kept = 1; kept < size - 1; kept++) { /* cut short */
    const uint8_t end = 0;
    CHECK(feed(&receiver, packet, kept, &length) == 0 && feed(&receiver, &end, 1, &length) == 0);
    CHECK(feed(&receiver, packet, size, &length) == 1 && length == N);
  }
  CHECK(receiver.counters.garbage > 0 && receiver.counters.truncated > 0 &&
        receiver.counters.bad_crc > 0 && receiver.counters.overlong == 0);
}

static void test_floods(void) {
  uint8_t payload[MIN_PAYLOAD + AED_PACKET_CRC_SIZE] = {1, 2, 3},
                                packet[AED_PACKET_MAX(MIN_PAYLOAD)];
  uint8_t buffer[AED_PACKET_MAX(MIN_PAYLOAD)];
  aed_packet_receiver receiver;
  size_t length = 0;
  const size_t size = aed_packet_encode(payload, MIN_PAYLOAD, packet);
  aed_packet_receiver_init(&receiver, buffer, sizeof buffer, MIN_PAYLOAD);
  for (uint32_t i = 0; i < 100000; i++) {
    CHECK(aed_packet_receive(&receiver, 0xAA) == 0);
  }
  CHECK(aed_packet_receive(&receiver, 0) == 0);
  CHECK(receiver.counters.overlong == 1);
  for (uint32_t i = 0; i < 1000; i++) { /* no packet, no error */
    CHECK(aed_packet_receive(&receiver, 0) == 0);
  }
  CHECK(aed_packet_dropped(&receiver.counters) == 1);
  /* One byte is a bad packet too: an empty payload, and a broken one. */
  CHECK(aed_packet_receive(&receiver, 1) == 0 && aed_packet_receive(&receiver, 0) == 0);
  CHECK(receiver.counters.truncated == 1);
  CHECK(aed_packet_receive(&receiver, 2) == 0 && aed_packet_receive(&receiver, 0) == 0);
  CHECK(receiver.counters.garbage == 1);
  for (uint32_t i = 0; i < 1000000; i++) {
    CHECK(aed_packet_receive(&receiver, random_byte()) == 0);
  }
  CHECK(aed_packet_receive(&receiver, 0) == 0);
  CHECK(feed(&receiver, packet, size, &length) == 1 && length == MIN_PAYLOAD);
}

int main(void) {
  test_crc();
  test_cobs_vectors();
  test_round_trip();
  test_broken_packets();
  test_floods();
  return aed_check_result("packet");
}
