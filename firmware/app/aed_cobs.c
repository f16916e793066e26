#include "aed_cobs.h"
#include "aed_status.h"

size_t aed_cobs_encode(const uint8_t *data, size_t n, uint8_t *out) {
  size_t code_at = 0; /* where the length of the open group belongs */
  size_t written = 1;
  uint8_t code = 1;
  for (size_t i = 0; i < n; i++) {
    if (data[i] != 0) {
      out[written++] = data[i];
      code++;
    }
    /* A group ends at a zero, or full; the last one needs no successor. */
    if (data[i] == 0 || (code == 0xFF && i + 1 < n)) {
      out[code_at] = code;
      code_at = written++;
      code = 1;
    }
  }
  out[code_at] = code;
  return written;
}

int32_t aed_cobs_decode(uint8_t *data, size_t n) {
  size_t in = 0, out = 0;
  if (n == 0) {
    return AED_ERR_ARGUMENT;
  }
  while (in < n) {
    const size_t code = data[in++];
    if (code == 0 || code - 1 > n - in) {
      return AED_ERR_ARGUMENT;
    }
    for (size_t i = 1; i < code; i++) {
      if (data[in] == 0) {
        return AED_ERR_ARGUMENT;
      }
      data[out++] = data[in++];
    }
    if (code != 0xFF && in < n) {
      data[out++] = 0;
    }
  }
  return (int32_t)out;
}
