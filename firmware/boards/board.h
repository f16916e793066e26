/* What the application needs from a board: one folder
 * a board implements these, nothing else crosses. */
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

/* Parts that did not come up; the board goes on without them. */
enum {
  AED_PROBLEM_VOLTAGE = 1 << 0, /* clock problems: the core stays at its slow clock */
  AED_PROBLEM_BOOSTER = 1 << 1,
  AED_PROBLEM_PLL = 1 << 2,
  AED_PROBLEM_FLASH = 1 << 3,
  AED_PROBLEM_SWITCH = 1 << 4,
  AED_PROBLEM_SMPS = 1 << 5,
  AED_PROBLEM_CACHE = 1 << 6,
  AED_PROBLEM_UART = 1 << 7,
  AED_PROBLEM_COUNTER = 1 << 8,
  AED_PROBLEM_WATCHDOG = 1 << 9,
  AED_PROBLEM_CRYSTAL = 1 << 10,    /* the oscillator runs free */
  AED_PROBLEM_MICROPHONE = 1 << 11, /* it had to be started again since `listen` or `record` */
};

/* What a fault handler saw: the exception's number, the stacked registers, the fault registers. */
typedef struct {
  uint32_t exception;
  uint32_t pc; /* of the instruction; 0 when the frame can't be read */
  uint32_t lr;
  uint32_t xpsr;
  uint32_t cfsr;
  uint32_t hfsr;
  uint32_t mmfar; /* valid as cfsr says */
  uint32_t bfar;
} aed_board_fault;

/* What a board knows of itself; 0 where it has no such thing. */
typedef struct {
  uint32_t clock_hz;
  uint32_t problems;    /* AED_PROBLEM_... */
  uint32_t reset_cause; /* as docs/link.md has it */
  uint32_t device_id;   /* chip and revision */
  uint32_t unique_id[3];
  uint32_t uptime_ms;     /* modulo 2^32 */
  uint32_t counter;       /* aed_board_counter() at the same moment */
  uint32_t serial_lost;   /* bytes that came while the receive buffer was full */
  uint32_t serial_errors; /* times that characters came damaged or overran the hardware */
  uint32_t cache_hits;    /* of the instruction cache, as its monitor shows them */
  uint32_t cache_misses;
  uint32_t button;            /* 1 while pressed */
  aed_board_fault last_fault; /* before the last reset; all 0 when there was none */
} aed_board_state;

/* Clock, serial port, counter. Called once, first. */
void aed_board_init(void);

void aed_board_get_state(aed_board_state *state);

/* Switch the one LED that is the application's. */
void aed_board_led(int32_t on);

/* Bytes that have arrived, at most n of them; 0 when there are none. Never waits. Tells a watchdog
 * that the application lives. */
size_t aed_board_read(uint8_t *data, size_t n);

/* Nothing to do: sleep until a byte arrives or something else happens. May return at once. */
void aed_board_idle(void);

/* Send n bytes. Waits until the last one is on its way. */
void aed_board_write(const uint8_t *data, size_t n);

/* Time since the start, modulo 2^32. An emulator's time is not a chip's. */
uint32_t aed_board_microseconds(void);

/* Free-running 32-bit counter; differences are taken modulo 2^32. */
uint32_t aed_board_counter(void);

/* Ticks that a loop of fixed length took: lets the host check what the counter counts. */
uint32_t aed_board_calibrate(void);

/* Bytes of the stack, and the most that has been in use since the start. */
uint32_t aed_board_stack_size(void);
uint32_t aed_board_stack_used(void);

/* Bytes of flash and RAM that the image takes, stack included. */
uint32_t aed_board_flash_used(void);
uint32_t aed_board_ram_used(void);

/* Let the counters of the instruction cache in aed_board_get_state() begin at 0. */
void aed_board_clear_cache_counters(void);

/* Since the microphone was started. */
typedef struct {
  uint32_t lost;        /* samples that nobody took in time, or never came */
  uint32_t saturations; /* blocks (256 samples) in which the filter's output was clipped */
  uint32_t errors;      /* overruns inside the hardware, DMA errors */
  uint32_t restarts;    /* times that it went silent and was started again */
} aed_board_microphone;

/* Start the microphone at a rate in Hz. 0 when the board
 * has none with that rate, or it doesn't come up. */
int32_t aed_board_microphone_start(uint32_t rate);
void aed_board_microphone_stop(void);

/* Samples that have arrived, at most n of them, with zeros in the place of those that were lost:
 * positions keep time. Never waits. */
size_t aed_board_microphone_read(int16_t *pcm, size_t n);
void aed_board_microphone_get_counters(aed_board_microphone *counters);

/* Implemented by the application, called by a board's fault handler with interrupts off: may call
 * aed_board_write() and nothing else of the board. The board resets afterwards. A board with a
 * console of its own reports there instead. */
void aed_on_fault(const aed_board_fault *fault);

/* Stop for good. On an emulator the host sees the code (0..255); on a chip the board resets. */
_Noreturn void aed_board_exit(int32_t code);

#endif
