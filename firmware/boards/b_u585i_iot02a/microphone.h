/* The microphone MIC1: audio digital filter ADF1, moved to memory by DMA channel 6. Sections are
 * those of the reference manual RM0456. */
#ifndef AED_MICROPHONE_H
#define AED_MICROPHONE_H

#include "board.h"

/* Start afresh at 16,000, 32,000 or 48,000 Hz, counters 0. 0 for another rate, or when a part doesn't
 * come ready. */
int32_t aed_microphone_start(uint32_t rate);
void aed_microphone_stop(void);

/* What has arrived, zeros in the place of what was lost. Starts a microphone again that has gone
 * silent: for that, call it more often than every 50 ms or so. */
size_t aed_microphone_read(int16_t *pcm, size_t n);
void aed_microphone_get_counters(aed_board_microphone *counters);

/* 1 when it was started again and again, and nothing came: only a reset is left. */
int32_t aed_microphone_is_dead(void);

void aed_microphone_irq(void);

#endif
