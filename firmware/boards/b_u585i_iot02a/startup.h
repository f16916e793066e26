/* Faults and restart. */
#ifndef AED_STARTUP_H
#define AED_STARTUP_H

#include "board.h"

/* The fault that led to the last reset; all 0 when another cause did. */
void aed_last_fault(aed_board_fault *fault);

_Noreturn void aed_restart(void);

/* The tick: 20 Hz. */
void aed_systick(void);

#endif
