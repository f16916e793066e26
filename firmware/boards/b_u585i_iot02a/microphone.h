/* The microphone MIC1: audio digital filter ADF1, moved to memory by DMA channel 6. */
#ifndef AED_MICROPHONE_H
#define AED_MICROPHONE_H

#include "board.h"

#define AED_MICROPHONE_RATE 16000u

/* Start afresh, counters 0. 0 when a part doesn't come ready. */
int32_t aed_microphone_start(void);
void aed_microphone_stop(void);
size_t aed_microphone_read(int16_t *pcm, size_t n);
void aed_microphone_get_counters(aed_board_microphone *counters);

void aed_microphone_irq(void);

#endif
