/* B-U585I-IOT02A: STM32U585AI at 160 MHz, USART1 through the ST-LINK, two LEDs, a button. */
#include "board.h"

#include "clock.h"
#include "microphone.h"
#include "registers.h"
#include "startup.h"
#include "uart.h"

#define TICKS_PER_SECOND                                                                           \
  20u /* of SysTick: wakes an idle board in time to see a silent microphone */
#define CALIBRATION_ROUNDS 100000u

/* Both LEDs light when their pin is low. Red: the
 * clock did not come up. Green: the application's. */
#define LED_RED 6u
#define LED_GREEN 7u
#define BUTTON 13u

#define WATCHDOG_UPDATE 50u   /* ms: registers of a prescaled 32 kHz clock take up to 33 (61.4.1) */
#define WATCHDOG_PRESCALER 8u /* 32 kHz / 1024 */
#define WATCHDOG_RELOAD (AED_WATCHDOG_SECONDS * 32000u / 1024u)
_Static_assert(WATCHDOG_RELOAD <= 4096u, "AED_WATCHDOG_SECONDS must be at most 131");
_Static_assert(AED_BAUDRATE == 115200 || AED_BAUDRATE == 921600,
               "AED_BAUDRATE must be 115200 or 921600");
_Static_assert(AED_ICACHE_WAYS == 1 || AED_ICACHE_WAYS == 2, "AED_ICACHE_WAYS must be 1 or 2");

/* What the loop of aed_board_calibrate() takes isn't known exactly: calibration_count stays 0. */
const aed_board_description aed_board = {
    .name = "b_u585i_iot02a",
    .counter_unit = "cycles",
    .counter_numerator = 1,
    .counter_denominator = 1,
    .calibration_count = 0,
};

static uint32_t clock_hz, problems, reset_cause;
static uint32_t button_at_rest; /* which level means pressed isn't certain: a change is */
static uint32_t watchdog_runs;
static volatile uint32_t ticks;

static void start_leds_and_button(void) {
  RCC_AHB2ENR1 |= RCC_AHB2ENR1_GPIOC | RCC_AHB2ENR1_GPIOH;
  (void)RCC_AHB2ENR1;
#ifdef AED_ENGINE_NEEDS_CRC /* ST's older runtimes stand still without the clock of this unit */
  RCC_AHB1ENR |= RCC_AHB1ENR_CRC;
  (void)RCC_AHB1ENR;
#endif
  GPIO_BSRR(GPIOH) = AED_BIT(LED_RED) | AED_BIT(LED_GREEN); /* dark before they are outputs */
  GPIO_MODER(GPIOH) = (GPIO_MODER(GPIOH) & ~0xF000u) | 0x5000u;
  GPIO_MODER(GPIOC) &= ~(3u << (2u * BUTTON));
}

static int32_t start_counter(void) {
  DEMCR |= DEMCR_TRCENA;
  DWT_CTRL |= DWT_CTRL_CYCCNTENA;
  const uint32_t first = DWT_CYCCNT;
  return DWT_CYCCNT != first;
}

/* Can't be stopped again. It would bite slow inferences at the slow clock: not started there. */
static void start_watchdog(void) {
  if (AED_WATCHDOG_SECONDS == 0 || clock_hz != AED_CLOCK_FAST) {
    return;
  }
  DBGMCU_APB1FZR1 |= DBGMCU_APB1FZR1_IWDG; /* stands still while a debugger holds the core */
  IWDG_KR = IWDG_KR_START;
  IWDG_KR = IWDG_KR_UNLOCK;
  IWDG_PR = WATCHDOG_PRESCALER;
  IWDG_RLR = WATCHDOG_RELOAD - 1u;
  if (!aed_wait_long(&IWDG_SR, IWDG_SR_BUSY, 0, WATCHDOG_UPDATE * (AED_CLOCK_FAST / 1000u))) {
    problems |= AED_PROBLEM_WATCHDOG; /* runs, with its period of reset */
  }
  IWDG_KR = IWDG_KR_REFRESH;
  watchdog_runs = 1;
}

void aed_board_init(void) {
  reset_cause = RCC_CSR >> RCC_CSR_CAUSE_SHIFT;
  RCC_CSR |= RCC_CSR_RMVF;
  start_leds_and_button();
  clock_hz = aed_clock_start(&problems);
  if (clock_hz != AED_CLOCK_FAST) {
    GPIO_BSRR(GPIOH) = AED_BIT(LED_RED + 16u);
  }
  /* Time stamps are taken in the other interrupts, so the tick comes before them; the port's eight
   * bytes are full after 90 us, a microphone's half after 5 ms. */
  NVIC_IPR(IRQ_USART1) |= NVIC_PRIORITY(IRQ_USART1, 4);
  NVIC_IPR(IRQ_GPDMA1_CH6) |= NVIC_PRIORITY(IRQ_GPDMA1_CH6, 8);
  SYST_LOAD = clock_hz / TICKS_PER_SECOND - 1u;
  SYST_VAL = 0;
  SYST_CTRL = SYST_CTRL_ON;
  if (!start_counter()) {
    problems |= AED_PROBLEM_COUNTER;
  }
  button_at_rest = GPIO_IDR(GPIOC) & AED_BIT(BUTTON);
  if (!aed_uart_start(clock_hz)) {
    problems |= AED_PROBLEM_UART;
  }
  start_watchdog();
}

void aed_systick(void) {
  ticks++;
}

void aed_board_get_state(aed_board_state *state) {
  aed_board_microphone microphone;
  aed_microphone_get_counters(&microphone);
  *state = (aed_board_state){
      .clock_hz = clock_hz,
      .problems = problems | (microphone.restarts > 0 ? AED_PROBLEM_MICROPHONE : 0u),
      .reset_cause = reset_cause,
      .device_id = DBGMCU_IDCODE,
      .unique_id = {UNIQUE_ID(0u), UNIQUE_ID(1u), UNIQUE_ID(2u)},
      .uptime_ms = ticks * (1000u / TICKS_PER_SECOND),
      .counter = aed_board_counter(),
      .serial_lost = aed_uart_lost(),
      .serial_errors = aed_uart_errors(),
      .cache_hits = ICACHE_HMONR,
      .cache_misses = ICACHE_MMONR,
      .button = (GPIO_IDR(GPIOC) & AED_BIT(BUTTON)) != button_at_rest,
  };
  aed_last_fault(&state->last_fault);
}

/* The monitors stay at their largest value when they reach it: they are for one piece of work. */
void aed_board_clear_cache_counters(void) {
  const uint32_t running = ICACHE_CR;
  ICACHE_CR = running | ICACHE_CR_RESET_MONITORS;
  ICACHE_CR = running;
}

void aed_board_led(int32_t on) {
  GPIO_BSRR(GPIOH) = on ? AED_BIT(LED_GREEN + 16u) : AED_BIT(LED_GREEN);
}

size_t aed_board_read(uint8_t *data, size_t n) {
  if (watchdog_runs && !aed_microphone_is_dead()) {
    IWDG_KR = IWDG_KR_REFRESH;
  }
  return aed_uart_read(data, n);
}

/* With interrupts held off, a byte that comes after the look still ends the sleep. */
void aed_board_idle(void) {
  __asm volatile("cpsid i" ::: "memory");
  if (aed_uart_is_empty()) {
    __asm volatile("dsb \n wfi" ::: "memory");
  }
  __asm volatile("cpsie i \n isb" ::: "memory");
}

void aed_board_write(const uint8_t *data, size_t n) {
  aed_uart_write(data, n);
}

uint32_t aed_board_microseconds(void) {
  uint32_t before, left;
  do { /* again when the tick came between */
    before = ticks;
    left = SYST_VAL;
  } while (before != ticks);
  return before * (1000000u / TICKS_PER_SECOND) + (SYST_LOAD - left) / (clock_hz / 1000000u);
}

uint32_t aed_board_counter(void) {
  return DWT_CYCCNT;
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
  return aed_microphone_start(rate);
}

void aed_board_microphone_stop(void) {
  aed_microphone_stop();
}

size_t aed_board_microphone_read(int16_t *pcm, size_t n) {
  return aed_microphone_read(pcm, n);
}

void aed_board_microphone_get_counters(aed_board_microphone *counters) {
  aed_microphone_get_counters(counters);
}

void aed_board_exit(int32_t code) {
  (void)code;
  aed_restart();
}
