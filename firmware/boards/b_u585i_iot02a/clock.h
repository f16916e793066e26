/* From the 4 MHz of reset to 160 MHz, and back when a step doesn't come ready. */
#ifndef AED_CLOCK_H
#define AED_CLOCK_H

#include <stdint.h>

#define AED_CLOCK_SLOW 4000000u
#define AED_CLOCK_FAST 160000000u

/* Wait until the masked bits of a register have a value. 0 when they never get it (50,000 looks: a
 * few milliseconds at 160 MHz, a tenth of a second at 4 MHz). */
int32_t aed_wait(volatile const uint32_t *address, uint32_t mask, uint32_t value);

/* The same for a number of the cycle counter's ticks, which must be running. */
int32_t aed_wait_long(volatile const uint32_t *address, uint32_t mask, uint32_t value,
                      uint32_t ticks);

/* Supply range, booster, PLL, flash, switch, instruction cache, in this order. Returns the core's
 * clock in Hz: AED_CLOCK_FAST, or AED_CLOCK_SLOW after a step that failed. Sets that step's
 * AED_PROBLEM_... bit in *problems. */
uint32_t aed_clock_start(uint32_t *problems);

/* PLL3 for the microphone: 15.36 MHz on its Q output, to a millionth of the crystal where the
 * oscillator follows that. 0 when it doesn't lock. */
int32_t aed_clock_start_audio(void);

#endif
