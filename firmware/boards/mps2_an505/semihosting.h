/* The two calls of Arm semihosting that the board uses; QEMU answers them. */
#ifndef AED_SEMIHOSTING_H
#define AED_SEMIHOSTING_H

#include <stdint.h>

/* Write text (ended by zero) to QEMU's console. */
void semihosting_write(const char *text);

/* End QEMU with this exit code. */
_Noreturn void semihosting_exit(int32_t code);

#endif
