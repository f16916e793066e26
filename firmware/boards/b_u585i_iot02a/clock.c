#include "clock.h"

#include "board.h"
#include "registers.h"

#define ROUNDS 50000u
#define CRYSTAL_WAITS 30u /* of a tenth of a second at 4 MHz */
#define WAIT_STATES 4u    /* of the flash, for 160 MHz in voltage range 1 */

/* MSIS (4 MHz) / 1 * 80 = 320 MHz, / 2 = 160 MHz. The booster's clock is MSIS / 1. */
#define PLL1CFGR_VALUE (1u /* MSIS */ | AED_BIT(18) /* R output */)
#define PLL1DIVR_VALUE (79u | (1u << 9) | (1u << 16) | (1u << 24))
/* MSIS / 1 * 96 = 384 MHz, Q: / 25 = 15.36 MHz. */
#define PLL3CFGR_VALUE (1u /* MSIS */ | AED_BIT(17) /* Q output */)
#define PLL3DIVR_VALUE (95u | (1u << 9) | (24u << 16) | (1u << 24))

int32_t aed_wait(volatile const uint32_t *address, uint32_t mask, uint32_t value) {
  for (uint32_t i = 0; i < ROUNDS; i++) {
    if ((*address & mask) == value) {
      return 1;
    }
  }
  return 0;
}

#if AED_MSI_PLL
/* The oscillator follows the 32.768 kHz crystal, which takes up to seconds to swing. */
static int32_t follow_crystal(void) {
  PWR_DBPR |= PWR_DBPR_DBP; /* the crystal's register is write-protected */
  (void)PWR_DBPR;           /* open when the write has been read back */
  RCC_BDCR |= RCC_BDCR_LSEDRV_HIGHER;
  RCC_BDCR |= RCC_BDCR_LSEON;
  int32_t swings = 0;
  for (uint32_t i = 0; i < CRYSTAL_WAITS && !swings; i++) {
    swings = aed_wait(&RCC_BDCR, RCC_BDCR_LSERDY, RCC_BDCR_LSERDY);
  }
  if (!swings) {
    return 0;
  }
  RCC_CR |= RCC_CR_MSIPLLSEL_MSIS; /* only to be set while the mode is off */
  RCC_CR |= RCC_CR_MSIPLLEN;
  return 1;
}
#endif

/* The steps to 160 MHz; the problem bit of the first one that failed, or 0. */
static uint32_t speed_up(void) {
  PWR_VOSR |= PWR_VOSR_RANGE_1;
  if (!aed_wait(&PWR_VOSR, PWR_VOSR_VOSRDY, PWR_VOSR_VOSRDY)) {
    return AED_PROBLEM_VOLTAGE;
  }
  RCC_CR &= ~RCC_CR_PLL1ON;
  if (!aed_wait(&RCC_CR, RCC_CR_PLL1RDY, 0)) {
    return AED_PROBLEM_PLL;
  }
  /* The booster takes its clock from this register: set it first, leave it alone afterwards. */
  RCC_PLL1CFGR = PLL1CFGR_VALUE;
  RCC_PLL1DIVR = PLL1DIVR_VALUE;
  RCC_PLL1FRACR = 0;
  PWR_VOSR |= PWR_VOSR_BOOSTEN;
  if (!aed_wait(&PWR_VOSR, PWR_VOSR_BOOSTRDY, PWR_VOSR_BOOSTRDY)) {
    return AED_PROBLEM_BOOSTER;
  }
  RCC_CR |= RCC_CR_PLL1ON;
  if (!aed_wait(&RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY)) {
    return AED_PROBLEM_PLL;
  }
  FLASH_ACR = WAIT_STATES | FLASH_ACR_PRFTEN;
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
#if AED_MSI_PLL
  if (!follow_crystal()) {
    *problems |= AED_PROBLEM_CRYSTAL; /* it carries on as after reset */
  }
#endif
  const uint32_t failed = speed_up();
  *problems |= failed;
  if (failed != 0) {
    slow_down();
  }
#if AED_USE_SMPS
  PWR_CR3 |= PWR_CR3_REGSEL;
  if (!aed_wait(&PWR_SVMSR, PWR_SVMSR_REGS, PWR_SVMSR_REGS)) {
    *problems |= AED_PROBLEM_SMPS; /* the linear regulator carries on */
  }
#endif
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
  RCC_PLL3FRACR = 0;
  RCC_CR |= RCC_CR_PLL3ON;
  return aed_wait(&RCC_CR, RCC_CR_PLL3RDY, RCC_CR_PLL3RDY);
}
