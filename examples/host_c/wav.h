/* The samples of a sound file: WAV (mono, int16), or nothing but little-endian int16. */
#ifndef WAV_H
#define WAV_H

#include <stdint.h>
#include <stdio.h>

/* Leaves the file at its first sample and says how many bytes of samples follow. 0, or -1 when it
 * is a WAV file of another kind or rate. */
int wav_open(FILE *file, uint32_t rate, uint32_t *bytes);

#endif
