#include "wav.h"

#include <string.h>

static uint32_t u32(const uint8_t *b) {
  return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

int wav_open(FILE *file, uint32_t rate, uint32_t *bytes) {
  uint8_t head[16];
  int known = 0; /* the format was read, and is ours */
  *bytes = UINT32_MAX;
  if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) != 0 ||
      memcmp(head + 8, "WAVE", 4) != 0) {
    rewind(file);
    return 0;
  }
  while (fread(head, 1, 8, file) == 8) { /* chunk by chunk: a name, a size */
    const uint32_t size = u32(head + 4);
    if (memcmp(head, "data", 4) == 0) {
      *bytes = size;
      return known ? 0 : -1;
    }
    if (memcmp(head, "fmt ", 4) == 0) {
      if (size < 16 || fread(head, 1, 16, file) != 16) {
        return -1;
      }
      /* PCM, one channel; samples a second; 16 bits */
      known = u32(head) == 0x00010001u && u32(head + 4) == rate && head[14] == 16;
      if (fseek(file, (long)(size - 16 + (size & 1u)), SEEK_CUR) != 0) {
        return -1;
      }
    } else if (fseek(file, (long)size + (long)(size & 1u), SEEK_CUR) != 0) {
      return -1;
    }
  }
  return -1;
}
