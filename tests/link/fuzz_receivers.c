/* Puts standard input through the firmware's receiver; prints each payload behind its length (two bytes, little-endian), then
 * the counters. Arguments: largest and smallest payload. For fuzz_receivers.py, under the sanitizers. */
#include <stdio.h>
#include <stdlib.h>

#include "aed_packet.h"

int main(int argc, char **argv) {
  if (argc != 3) {
    return 2;
  }
  const size_t capacity = AED_PACKET_MAX(strtoul(argv[1], NULL, 10));
  uint8_t *buffer = malloc(capacity); /* so that the sanitizer sees its ends */
  if (buffer == NULL) {
    return 2;
  }
  aed_packet_receiver receiver;
  aed_packet_receiver_init(&receiver, buffer, capacity, strtoul(argv[2], NULL, 10));
  static uint8_t block[1 << 16];
  size_t n;
  while ((n = fread(block, 1, sizeof block, stdin)) > 0) {
    for (size_t i = 0; i < n; ++i) {
      const size_t length = aed_packet_receive(&receiver, block[i]);
      if (length > 0) {
        putchar((int)(length & 255u));
        putchar((int)(length >> 8));
        fwrite(buffer, 1, length, stdout);
      }
    }
  }
  fwrite(&receiver.counters, sizeof receiver.counters, 1, stdout);
  free(buffer);
  return 0;
}
