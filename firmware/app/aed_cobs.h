/* Consistent overhead byte stuffing: a block of bytes
 * becomes one without zeros, at most 1/254 longer. */
#ifndef AED_COBS_H
#define AED_COBS_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes that n bytes can become. */
#define AED_COBS_MAX(n) ((n) + (n) / 254u + 1u)

/* Encode n bytes to `out`, which holds AED_COBS_MAX(n)
 * bytes and doesn't overlap. Returns the bytes written. */
size_t aed_cobs_encode(const uint8_t *data, size_t n, uint8_t *out);

/* Decode n bytes in place. Returns the bytes that result, or AED_ERR_ARGUMENT (negative) for bytes
 * that no encoder writes: a zero, a group that is longer than what is left, nothing at all. */
int32_t aed_cobs_decode(uint8_t *data, size_t n);

#endif
