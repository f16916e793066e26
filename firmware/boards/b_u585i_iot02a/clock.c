#include "clock.h"

#include "board.h"
#include "registers.h"

#define ROUNDS 50000u
#define LONG_ROUNDS 2000000u  /* if the counter stands: more than 100 ms at 160 MHz */
#define CRYSTAL_WAITS 30u     /* of a tenth of a second at 4 MHz */
#define SETTLING_ROUNDS 2000u /* 1 ms or more at 4 MHz: the oscillator takes it to follow */
#define WAIT_STATES 4u        /* of the flash, for 160 MHz in voltage range 1 (table 54) */

/* MSIS (4 MHz) / 1 * 80 = 320 MHz, / 2 = 160 MHz. The booster's clock is MSIS / 1.
 * MSIS / 1 * 96 = 384 MHz, Q: / 25 = 15.36 MHz. An oscillator that follows the crystal has a whole
 * multiple of it, 122 * 32768 Hz = 3.997696 MHz: both factors get a fraction of n / 8192 more, which
 * gives 159.9997 MHz (it must not be more than 160) and 15.360 MHz to 0.3 ppm. */
#define PLL1CFGR_VALUE (1u /* MSIS */ | AED_BIT(18) /* R output */)
#define PLL1DIVR_VALUE (79u | (1u << 9) | (1u << 16) | (1u << 24))
#define PLL1_FRACN 377u
#define PLL3CFGR_VALUE (1u /* MSIS */ | AED_BIT(17) /* Q output */)
#define PLL3DIVR_VALUE (95u | (1u << 9) | (24u << 16) | (1u << 24))
#define PLL3_FRACN 453u

static int32_t follows_crystal;

int32_t aed_wait(volatile const uint32_t *address, uint32_t mask, uint32_t value) {
  for (uint32_t i = 0; i < ROUNDS; i++) {
    if ((*address & mask) == value) {
      return 1;
    }
  }
  return 0;
}

int32_t aed_wait_long(volatile const uint32_t *address, uint32_t mask, uint32_t value,
                      uint32_t ticks) {
  const uint32_t start = DWT_CYCCNT;
  for (uint32_t i = 0; i < LONG_ROUNDS; i++) {
    if ((*address & mask) == value) {
      return 1;
    }
    if (DWT_CYCCNT - start > ticks) {
      return 0;
    }
  }
  return 0;
}

/* The fraction is taken over when its enable bit rises (11.8.9). */
static void set_fraction(volatile uint32_t *cfgr, volatile uint32_t *fracr, uint32_t fracn) {
  *fracr = RCC_PLL_FRACN(fracn);
  if (fracn != 0) {
    *cfgr |= RCC_PLL_FRACEN;
  }
}

#if AED_MSI_PLL
/* The oscillator follows the 32.768 kHz crystal, which takes up to seconds to swing; it survives
 * resets, and its drive can be set only while it is off (11.8.49). */
static int32_t follow_crystal(void) {
  PWR_DBPR |= PWR_DBPR_DBP; /* the crystal's register is write-protected */
  (void)PWR_DBPR;           /* open when the write has been read back */
  if ((RCC_BDCR & (RCC_BDCR_LSEON | RCC_BDCR_LSERDY)) == 0) {
    RCC_BDCR |= RCC_BDCR_LSEDRV_HIGHER;
  }
  RCC_BDCR |= RCC_BDCR_LSEON;
  int32_t swings = 0;
  for (uint32_t i = 0; i < CRYSTAL_WAITS && !swings; i++) {
    swings = aed_wait(&RCC_BDCR, RCC_BDCR_LSERDY, RCC_BDCR_LSERDY);
  }
  if (!swings) {
    return 0;
  }
  RCC_BDCR |= RCC_BDCR_LSESYSEN; /* the crystal for all but the real-time clock (11.4.7) */
  if (!aed_wait(&RCC_BDCR, RCC_BDCR_LSESYSRDY, RCC_BDCR_LSESYSRDY)) {
    return 0;
  }
  RCC_CR |= RCC_CR_MSIPLLSEL_MSIS; /* only to be set while the mode is off */
  RCC_CR |= RCC_CR_MSIPLLEN;
  uint32_t rounds = SETTLING_ROUNDS; /* there is no flag for it (11.4.3) */
  __asm volatile("1: subs %0, %0, #1 \n"
                 "   bne 1b          \n"
                 : "+r"(rounds)
                 :
                 : "cc");
  return 1;
}
#endif

/* As after reset, whatever a bootloader has left: a PLL that is the system's clock can't be stopped
 * (11.8.1), and a jump resets nothing. */
static uint32_t to_oscillator(void) {
  RCC_CR |= RCC_CR_MSISON;
  if (!aed_wait(&RCC_CR, RCC_CR_MSISRDY, RCC_CR_MSISRDY)) {
    return AED_PROBLEM_SWITCH;
  }
  RCC_ICSCR1 = (RCC_ICSCR1 & ~RCC_ICSCR1_MSISRANGE) | RCC_ICSCR1_MSISRANGE_4_MHZ;
  RCC_ICSCR1 |= RCC_ICSCR1_MSIRGSEL;
  RCC_CFGR1 &= ~RCC_CFGR1_SW;
  if (!aed_wait(&RCC_CFGR1, RCC_CFGR1_SWS, 0)) {
    return AED_PROBLEM_SWITCH;
  }
  RCC_CR &= ~RCC_CR_PLL1ON;
  if (!aed_wait(&RCC_CR, RCC_CR_PLL1RDY, 0)) {
    return AED_PROBLEM_PLL;
  }
  PWR_VOSR &= ~PWR_VOSR_BOOSTEN;
  return aed_wait(&PWR_VOSR, PWR_VOSR_BOOSTRDY, 0) ? 0 : AED_PROBLEM_BOOSTER;
}

/* The steps to 160 MHz; the problem bit of the first one that failed, or 0. */
static uint32_t speed_up(void) {
  const uint32_t failed = to_oscillator();
  if (failed != 0) {
    return failed;
  }
  PWR_VOSR |= PWR_VOSR_RANGE_1;
  /* VOSRDY may still be the old range's: the supply itself says it, too. */
  if (!aed_wait(&PWR_VOSR, PWR_VOSR_VOSRDY, PWR_VOSR_VOSRDY) ||
      !aed_wait(&PWR_SVMSR, PWR_SVMSR_ACTVOSRDY, PWR_SVMSR_ACTVOSRDY)) {
    return AED_PROBLEM_VOLTAGE;
  }
  /* The booster takes its clock from this register: set it first, leave it alone afterwards. */
  RCC_PLL1CFGR = PLL1CFGR_VALUE;
  RCC_PLL1DIVR = PLL1DIVR_VALUE;
  set_fraction(&RCC_PLL1CFGR, &RCC_PLL1FRACR, follows_crystal ? PLL1_FRACN : 0);
  PWR_VOSR |= PWR_VOSR_BOOSTEN;
  if (!aed_wait(&PWR_VOSR, PWR_VOSR_BOOSTRDY, PWR_VOSR_BOOSTRDY)) {
    return AED_PROBLEM_BOOSTER;
  }
  RCC_CR |= RCC_CR_PLL1ON;
  if (!aed_wait(&RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY)) {
    return AED_PROBLEM_PLL;
  }
  FLASH_ACR = WAIT_STATES; /* without prefetch, which can hang a Stop mode (ES0499, 2.2.26) */
  if (!aed_wait(&FLASH_ACR, FLASH_ACR_LATENCY, WAIT_STATES)) {
    return AED_PROBLEM_FLASH;
  }
  RCC_CFGR2 &= ~RCC_CFGR2_PRESCALERS;
  RCC_CFGR3 &= ~RCC_CFGR3_PPRE3;
  RCC_CFGR1 |= RCC_CFGR1_SW;
  if (!aed_wait(&RCC_CFGR1, RCC_CFGR1_SWS, RCC_CFGR1_SWS)) {
    return AED_PROBLEM_SWITCH;
  }
  return 0;
}

/* Back to the oscillator of reset. The wait states stay: too many do no harm. */
static void slow_down(void) {
  RCC_CFGR1 &= ~RCC_CFGR1_SW;
  (void)aed_wait(&RCC_CFGR1, RCC_CFGR1_SWS, 0);
  RCC_CR &= ~RCC_CR_PLL1ON;
  PWR_VOSR &= ~PWR_VOSR_BOOSTEN;
}

uint32_t aed_clock_start(uint32_t *problems) {
  RCC_AHB3ENR |= RCC_AHB3ENR_PWR;
  (void)RCC_AHB3ENR; /* the clock is on when the write has been read back */
#if AED_USE_SMPS     /* before the range is raised */
  PWR_CR3 |= PWR_CR3_REGSEL;
  if (!aed_wait(&PWR_SVMSR, PWR_SVMSR_REGS, PWR_SVMSR_REGS)) {
    *problems |= AED_PROBLEM_SMPS; /* the linear regulator carries on */
  }
#endif
#if AED_MSI_PLL
  follows_crystal = follow_crystal();
  if (!follows_crystal) {
    *problems |= AED_PROBLEM_CRYSTAL; /* it carries on as after reset */
  }
#endif
  const uint32_t failed = speed_up();
  *problems |= failed;
  if (failed != 0) {
    slow_down();
  }
  if (aed_wait(&ICACHE_SR, ICACHE_SR_BUSYF, 0)) {
    const uint32_t ways =
        AED_ICACHE_WAYS == 2 ? ICACHE_CR_WAYSEL : 0; /* only to be set while off */
    ICACHE_CR = ways;
    ICACHE_CR = ways | ICACHE_CR_HITMEN | ICACHE_CR_MISSMEN | ICACHE_CR_EN;
  } else {
    *problems |= AED_PROBLEM_CACHE;
  }
  return failed == 0 ? AED_CLOCK_FAST : AED_CLOCK_SLOW;
}

int32_t aed_clock_start_audio(void) {
  RCC_CR &= ~RCC_CR_PLL3ON;
  if (!aed_wait(&RCC_CR, RCC_CR_PLL3RDY, 0)) {
    return 0;
  }
  RCC_PLL3CFGR = PLL3CFGR_VALUE;
  RCC_PLL3DIVR = PLL3DIVR_VALUE;
  set_fraction(&RCC_PLL3CFGR, &RCC_PLL3FRACR, follows_crystal ? PLL3_FRACN : 0);
  RCC_CR |= RCC_CR_PLL3ON;
  return aed_wait(&RCC_CR, RCC_CR_PLL3RDY, RCC_CR_PLL3RDY);
}
