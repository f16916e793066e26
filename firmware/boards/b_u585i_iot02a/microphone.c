#include "microphone.h"

#include <string.h>

#include "clock.h"
#include "registers.h"
#include "ring.h"

#define HALF 256u   /* samples from one interrupt to the next: 16 ms */
#define RING 16384u /* samples, a power of two: a second, longer than any inference */
#define SETTLING 8u /* halves that are dropped after the start: 128 ms */

/* Clock to the microphone: 15.36 MHz / 10 = 1.536 MHz;
 * fifth-order filter / 24, reshape / 4: 16 kHz. */
#define CKGCR_VALUE 0x00090032u /* / 10, first clock pin as output, starts with the trigger */
#define SITFCR_VALUE 0x00001F10u
#define DFLTCICR_VALUE (0x1750u | ((uint32_t)AED_MIC_SCALE << 20))
_Static_assert(AED_MIC_EDGE == 0 || AED_MIC_EDGE == 1, "AED_MIC_EDGE must be 0 or 1");
_Static_assert(AED_MIC_SCALE >= 0 && AED_MIC_SCALE <= 63, "AED_MIC_SCALE must be 0 to 63");

/* Half-words from one address to a growing one; request
 * 98 is the filter's. The node leads to itself. */
#define CTR1_VALUE 0x40091001u
#define CTR2_VALUE 98u
#define CLLR_ALL 0xF8010000u  /* update every register from the node */
#define CCR_VALUE 0x00C05F00u /* high priority, interrupts */

typedef struct {
  uint32_t ctr1, ctr2, cbr1, csar, cdar, cllr;
} dma_node;

static dma_node node __attribute__((aligned(32))); /* must not cross a 64 KB boundary */
static int16_t halves[2 * HALF] __attribute__((aligned(8)));
static int16_t samples[RING];
static aed_ring ring; /* written by the interrupt */
static volatile uint32_t settling;
static volatile aed_board_microphone counters;

static void start_pins(void) {
  RCC_AHB2ENR1 |= RCC_AHB2ENR1_GPIOE;
  (void)RCC_AHB2ENR1;
  /* PE9 is the clock, PE10 the data: function 3. */
  GPIO_AFRH(GPIOE) = (GPIO_AFRH(GPIOE) & ~0xFF0u) | 0x330u;
  GPIO_MODER(GPIOE) = (GPIO_MODER(GPIOE) & ~0x003C0000u) | 0x00280000u;
}

static void start_dma(void) {
  node = (dma_node){
      .ctr1 = CTR1_VALUE,
      .ctr2 = CTR2_VALUE,
      .cbr1 = sizeof halves,
      .csar = ADF1_PCM16,
      .cdar = (uint32_t)(uintptr_t)halves,
      .cllr = CLLR_ALL | ((uint32_t)(uintptr_t)&node & 0xFFFCu),
  };
  DMA_CCR = DMA_CCR_RESET;
  DMA_CFCR = DMA_FLAGS;
  /* Nothing to move yet: the channel's first act is to fetch the node. */
  DMA_CTR1 = 0;
  DMA_CTR2 = 0;
  DMA_CBR1 = 0;
  DMA_CSAR = 0;
  DMA_CDAR = 0;
  DMA_CLBAR = (uint32_t)(uintptr_t)&node & 0xFFFF0000u;
  DMA_CLLR = node.cllr;
  __asm volatile("dsb" ::: "memory");
  DMA_CCR = CCR_VALUE;
  DMA_CCR = CCR_VALUE | DMA_CCR_EN;
}

int32_t aed_microphone_start(void) {
  aed_microphone_stop();
  start_pins();
  if (!aed_clock_start_audio()) {
    return 0;
  }
  RCC_CCIPR3 = (RCC_CCIPR3 & ~RCC_CCIPR3_ADF1SEL) | RCC_CCIPR3_ADF1SEL_PLL3_Q;
  aed_ring_reset(&ring);
  settling = SETTLING;
  counters.lost = counters.saturations = counters.errors = 0;

  ADF1_CKGCR = CKGCR_VALUE;
  ADF1_CKGCR = CKGCR_VALUE | ADF1_CKGCR_CKGDEN;
  ADF1_SITFCR = SITFCR_VALUE;
  ADF1_SITFCR = SITFCR_VALUE | ADF1_SITFCR_SITFEN;
  ADF1_BSMXCR = AED_MIC_EDGE;
  ADF1_DFLTCR = ADF1_DFLTCR_DMAEN;
  start_dma();
  NVIC_ISER(IRQ_GPDMA1_CH6) = AED_BIT(IRQ_GPDMA1_CH6 % 32u);
  ADF1_DFLTCR = ADF1_DFLTCR_DMAEN | ADF1_DFLTCR_SYNCHRONOUS;
  ADF1_DFLTCICR = DFLTCICR_VALUE;
  ADF1_DLYCR = 0;
  ADF1_DFLTRSFR = 0; /* reshape / 4, high-pass at 10 Hz */
  ADF1_DFLTCR = ADF1_DFLTCR_DMAEN | ADF1_DFLTCR_SYNCHRONOUS | ADF1_DFLTCR_DFLTEN;
  ADF1_GCR = ADF1_GCR_TRGO;
  return aed_wait(&ADF1_DFLTCR, ADF1_ACTIVE, ADF1_ACTIVE);
}

/* What is being configured must not be active; a part that never rests shows when it is started. */
void aed_microphone_stop(void) {
  RCC_AHB3ENR |= RCC_AHB3ENR_ADF1;
  RCC_AHB1ENR |= RCC_AHB1ENR_GPDMA1;
  (void)RCC_AHB1ENR;
  DMA_CCR = DMA_CCR_RESET;
  ADF1_DFLTCR &= ~ADF1_DFLTCR_DFLTEN;
  ADF1_SITFCR &= ~ADF1_SITFCR_SITFEN;
  ADF1_CKGCR &= ~ADF1_CKGCR_CKGDEN;
  (void)aed_wait(&ADF1_DFLTCR, ADF1_ACTIVE, 0);
  (void)aed_wait(&ADF1_SITFCR, ADF1_ACTIVE, 0);
  (void)aed_wait(&ADF1_CKGCR, ADF1_ACTIVE, 0);
  ADF1_DFLTISR = ADF1_DFLTISR_DOVRF | ADF1_DFLTISR_SATF | ADF1_DFLTISR_RFOVRF;
}

static void take(const int16_t *half) {
  if (settling > 0) {
    settling--;
    return;
  }
  if (RING - aed_ring_filled(&ring) < HALF) {
    counters.lost += HALF;
    return;
  }
  /* Halves never straddle the ring's end. */
  memcpy(samples + aed_ring_head(&ring) % RING, half, HALF * sizeof *half);
  aed_ring_written(&ring, HALF);
}

void aed_microphone_irq(void) {
  const uint32_t flags = DMA_CSR & DMA_FLAGS;
  const uint32_t filter = ADF1_DFLTISR;
  DMA_CFCR = flags;
  if ((filter & (ADF1_DFLTISR_DOVRF | ADF1_DFLTISR_RFOVRF)) != 0 ||
      (flags & DMA_FLAG_ERRORS) != 0) {
    counters.errors++;
  }
  if ((filter & ADF1_DFLTISR_SATF) != 0) {
    counters.saturations++;
  }
  ADF1_DFLTISR = filter & (ADF1_DFLTISR_DOVRF | ADF1_DFLTISR_SATF | ADF1_DFLTISR_RFOVRF);
  /* The DMA has written a half before it sets the flag: nothing of the half may be read before the
   * flag was. */
  __asm volatile("dmb" ::: "memory");
  const uint32_t both = DMA_FLAG_HT | DMA_FLAG_TC;
  if ((flags & both) == both) { /* came too late: one half is being overwritten */
    counters.lost += 2u * HALF;
  } else if ((flags & DMA_FLAG_HT) != 0) {
    take(halves);
  } else if ((flags & DMA_FLAG_TC) != 0) {
    take(halves + HALF);
  }
}

size_t aed_microphone_read(int16_t *pcm, size_t n) {
  const size_t filled = aed_ring_filled(&ring);
  const size_t got = n < filled ? n : filled;
  for (uint32_t i = 0; i < got; i++) {
    pcm[i] = samples[(aed_ring_tail(&ring) + i) % RING];
  }
  aed_ring_taken(&ring, (uint32_t)got);
  return got;
}

void aed_microphone_get_counters(aed_board_microphone *out) {
  *out = (aed_board_microphone){
      .lost = counters.lost,
      .saturations = counters.saturations,
      .errors = counters.errors,
  };
}
