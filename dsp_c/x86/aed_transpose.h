/* Values of every lane's memory into lanes and back, for any width of x86. A vector is made of
 * blocks of four lanes; the header of the instruction set, included before this one, joins and
 * splits them. */
#ifndef AED_TRANSPOSE_H
#define AED_TRANSPOSE_H

enum { BLOCKS = AED_LANES / 4 };

/* 16 bytes of each of the lanes row, row + 4, row + 8, row + 12; offset in bytes. */
AED_INLINE lane_int load_row(const void *const from[AED_LANES], size_t offset, unsigned row) {
  __m128i block[BLOCKS];
  AED_UNROLL
  for (unsigned b = 0; b < BLOCKS; b++) {
    const char *at = (const char *)from[row + 4U * b] + offset;
    block[b] = _mm_loadu_si128((const __m128i *)(const void *)at);
  }
  return join_blocks(block);
}

AED_INLINE void store_row(void *const to[AED_LANES], size_t offset, unsigned row, lane_int x) {
  __m128i block[BLOCKS];
  split_blocks(x, block);
  AED_UNROLL
  for (unsigned b = 0; b < BLOCKS; b++) {
    char *at = (char *)to[row + 4U * b] + offset;
    _mm_storeu_si128((__m128i *)(void *)at, block[b]);
  }
}

/* Transposes every block of four rows and four columns in place. */
AED_INLINE void transpose4(lane_int x[4]) {
  const lane_int a = unpack_low_32(x[0], x[1]);
  const lane_int b = unpack_high_32(x[0], x[1]);
  const lane_int c = unpack_low_32(x[2], x[3]);
  const lane_int d = unpack_high_32(x[2], x[3]);
  x[0] = unpack_low_64(a, c);
  x[1] = unpack_high_64(a, c);
  x[2] = unpack_low_64(b, d);
  x[3] = unpack_high_64(b, d);
}

/* Four 32-bit values of every lane, offset bytes behind each lane's address: value c of all lanes
 * in x[c]. */
AED_INLINE void lane_load4(const void *const from[AED_LANES], size_t offset, lane_int x[4]) {
  for (unsigned row = 0; row < 4U; row++) {
    x[row] = load_row(from, offset, row);
  }
  transpose4(x);
}

AED_INLINE void lane_store4(void *const to[AED_LANES], size_t offset, lane_int x[4]) {
  transpose4(x);
  for (unsigned row = 0; row < 4U; row++) {
    store_row(to, offset, row, x[row]);
  }
}

#endif
