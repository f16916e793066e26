/* The start that all boards with a Cortex-M33 share. */
#ifndef AED_START_H
#define AED_START_H

#include <stdint.h>

/* Set by the linker script. */
extern uint32_t aed_stack_start[], aed_stack_end[];

/* Entry of the image: stack guard, painted stack, FPU; goes on in the board's aed_start(). */
_Noreturn void aed_reset(void);
_Noreturn void aed_start(void);

/* Copy initialized data into RAM, clear the rest. First thing in aed_start(). */
void aed_start_memory(void);

#endif
