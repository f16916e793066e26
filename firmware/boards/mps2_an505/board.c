/* QEMU's mps2-an505: UART0 by polling, CMSDK dual timer as instruction counter. */
#include "board.h"

#include "semihosting.h"

#define UART0 0x50200000u
#define UART_DATA (*(volatile uint32_t *)(UART0 + 0x00u))
#define UART_STATE (*(volatile uint32_t *)(UART0 + 0x04u))
#define UART_CTRL (*(volatile uint32_t *)(UART0 + 0x08u))
#define UART_BAUDDIV (*(volatile uint32_t *)(UART0 + 0x10u))
#define UART_INTCLEAR (*(volatile uint32_t *)(UART0 + 0x0Cu))
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_CTRL_TX_RX_RXINT 0xBu
#define UART_INT_RX 2u
#define UART_RX_IRQ 32u
#define NVIC_ISER1 (*(volatile uint32_t *)0xE000E104u)
#define NVIC_ICPR1 (*(volatile uint32_t *)0xE000E284u)

#define TIMER 0x50002000u
#define TIMER_LOAD (*(volatile uint32_t *)(TIMER + 0x00u))
#define TIMER_VALUE (*(volatile uint32_t *)(TIMER + 0x04u))
#define TIMER_CTRL (*(volatile uint32_t *)(TIMER + 0x08u))
#define TIMER_CTRL_ENABLE_32_BIT 0x82u
#define TIMER_TICKS_PER_MICROSECOND 20u

#define CALIBRATION_ROUNDS 100000u

/* Under `-icount shift=6` an instruction takes 64 ns and the timer ticks every 50 ns. Without
 * -icount the timer shows the host's clock instead; calibration_count tells. */
const aed_board_description aed_board = {
    .name = "mps2_an505",
    .counter_unit = "instructions",
    .counter_numerator = 50,
    .counter_denominator = 64,
    .calibration_count = 2 * CALIBRATION_ROUNDS,
};

void aed_board_init(void) {
  UART_BAUDDIV = 16; /* the least that it accepts; QEMU ignores the rate */
  /* The receive interrupt never runs a handler (interrupts are masked): it only ends the sleep in
   * aed_board_idle(). */
  __asm volatile("cpsid i");
  UART_CTRL = UART_CTRL_TX_RX_RXINT;
  NVIC_ISER1 = 1u << (UART_RX_IRQ - 32u);
  TIMER_CTRL = 0;
  TIMER_LOAD = 0xFFFFFFFFu;
  TIMER_CTRL = TIMER_CTRL_ENABLE_32_BIT;
}

void aed_board_get_state(aed_board_state *state) {
  *state = (aed_board_state){.counter = aed_board_counter()};
}

void aed_board_clear_cache_counters(void) {
}

void aed_board_led(int32_t on) {
  (void)on;
}

size_t aed_board_read(uint8_t *data, size_t n) {
  size_t got = 0;
  while (got < n && (UART_STATE & UART_STATE_RX_FULL) != 0) {
    data[got++] = (uint8_t)UART_DATA;
  }
  return got;
}

/* A loop that only polls would keep QEMU from fetching the next byte. */
void aed_board_idle(void) {
  UART_INTCLEAR = UART_INT_RX;
  NVIC_ICPR1 = 1u << (UART_RX_IRQ - 32u);
  if ((UART_STATE & UART_STATE_RX_FULL) == 0) {
    __asm volatile("wfi");
  }
}

void aed_board_write(const uint8_t *data, size_t n) {
  for (size_t i = 0; i < n; i++) {
    while ((UART_STATE & UART_STATE_TX_FULL) != 0) {
    }
    UART_DATA = data[i];
  }
}

uint32_t aed_board_microseconds(void) {
  static uint64_t passed;
  static uint32_t last;
  const uint32_t now = aed_board_counter();
  passed += now - last;
  last = now;
  return (uint32_t)(passed / TIMER_TICKS_PER_MICROSECOND);
}

uint32_t aed_board_counter(void) {
  return ~TIMER_VALUE; /* it counts down */
}

uint32_t aed_board_calibrate(void) {
  uint32_t rounds = CALIBRATION_ROUNDS;
  const uint32_t start = aed_board_counter();
  __asm volatile("1: subs %0, %0, #1 \n"
                 "   bne 1b          \n"
                 : "+r"(rounds)
                 :
                 : "cc");
  return aed_board_counter() - start;
}

int32_t aed_board_microphone_start(uint32_t rate) {
  (void)rate;
  return 0;
}

void aed_board_microphone_stop(void) {
}

size_t aed_board_microphone_read(int16_t *pcm, size_t n) {
  (void)pcm;
  (void)n;
  return 0;
}

void aed_board_microphone_get_counters(aed_board_microphone *counters) {
  *counters = (aed_board_microphone){0};
}

void aed_board_exit(int32_t code) {
  semihosting_exit(code);
}
