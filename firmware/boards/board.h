/* What the application needs from a board: one folder a board implements these, nothing else
 * crosses. */
#ifndef AED_BOARD_H
#define AED_BOARD_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name;         /* at most 31 characters */
  const char *counter_unit; /* "instructions" or "cycles" */
  /* One tick of aed_board_counter() is numerator / denominator units. */
  uint32_t counter_numerator;
  uint32_t counter_denominator;
  uint32_t calibration_count; /* units that aed_board_calibrate() takes; 0 when not known */
} aed_board_description;

extern const aed_board_description aed_board;

/* Clock, serial port, counter. Called once, first. */
void aed_board_init(void);

/* Bytes that have arrived, at most n of them; 0 when there are none. Never waits. */
size_t aed_board_read(uint8_t *data, size_t n);

/* Nothing to do: sleep until a byte arrives or something else happens. May return at once. */
void aed_board_idle(void);

/* Send n bytes. Waits until the last one is on its way. */
void aed_board_write(const uint8_t *data, size_t n);

/* Free-running 32-bit counter; differences are taken modulo 2^32. */
uint32_t aed_board_counter(void);

/* Ticks that a loop of fixed length took: lets the host check what the counter counts. */
uint32_t aed_board_calibrate(void);

/* Bytes of the stack, and the most that has been in use since the start. */
uint32_t aed_board_stack_size(void);
uint32_t aed_board_stack_used(void);

/* Stop for good. On an emulator the host sees the code (0..255); on a chip the board resets. */
_Noreturn void aed_board_exit(int32_t code);

#endif
