#include "microphone.h"

#include <stddef.h>

#include "clock.h"
#include "registers.h"
#include "samples.h"

#define HALF 256u          /* samples from one interrupt to the next */
#define SILENCE 50000u     /* microseconds without a half, after which the path is started again */
#define STARTS_IN_VAIN 20u /* one behind the other, until it counts as dead */

/* Clock to the microphone: 15.36 MHz / divider, an even one where the rate allows it (its duty cycle
 * is specified nowhere); fifth-order filter / decimation, reshape / 4. A filter that decimates more
 * also amplifies more: `gain` steps of 3 dB make up for it. */
typedef struct {
  uint32_t rate, divider, decimation;
  int32_t gain;
} mode;

static const mode modes[] = {
    {16000, 10, 24, 0},
    {32000, 5, 24, 0},
    {48000, 5, 16, 6},
};

/* First clock pin as output, running by itself (CKGMOD 0): the interface needs it (40.4.3). */
#define CKGCR_VALUE(divider) (0x00000022u | (((divider) - 1u) << 16))
#define SITFCR_VALUE 0x00001F10u
#define DFLTCICR_VALUE(decimation, scale) (0x50u | (((decimation) - 1u) << 8) | ((scale) << 20))
/* Samples to the DMA, filter started by its enable bit, its first sample dropped. The enable bit
 * can't be read: this register is written whole (40.8.5). */
#define DFLTCR_VALUE (ADF1_DFLTCR_DMAEN | (1u << 20))
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
static aed_samples samples; /* written by the interrupt */
static const mode *running; /* NULL when stopped */
static volatile uint32_t settling, n_halves, failed, saturations, errors;
static volatile uint32_t arrived_at; /* the last half, or the start; microseconds */
static volatile uint32_t begun;      /* a half has counted: from the first one on time is kept */
static volatile uint32_t written_at; /* the last half that counts */
static volatile uint32_t resumed;    /* started again, and no half has counted yet */
static uint32_t restarts, in_vain, seen_halves; /* the reader's */

/* The gain's code: 0 to 24 are 0 dB and up, 32 to 47 lie below (-48 dB and up). */
static uint32_t scale_of(const mode *m) {
  int32_t step = AED_MIC_SCALE < 32 ? AED_MIC_SCALE : AED_MIC_SCALE - 48;
  step += m->gain;
  return (uint32_t)(step > 24 ? 24 : step < 0 ? step + 48 : step);
}

static void start_pins(void) {
  RCC_AHB2ENR1 |= RCC_AHB2ENR1_GPIOE;
  (void)RCC_AHB2ENR1;
  /* PE9 is the clock, PE10 the data: function 3. */
  GPIO_AFRH(GPIOE) = (GPIO_AFRH(GPIOE) & ~0xFF0u) | 0x330u;
  GPIO_MODER(GPIOE) = (GPIO_MODER(GPIOE) & ~0x003C0000u) | 0x00280000u;
}

/* A channel at work obeys neither RESET nor EN = 0: it is suspended first (17.4.4, 17.8.9). */
static int32_t stop_dma(void) {
  int32_t rests = 1;
  if ((DMA_CCR & DMA_CCR_EN) != 0) {
    DMA_CCR |= DMA_CCR_SUSP;
    rests = aed_wait(&DMA_CSR, DMA_FLAG_SUSP, DMA_FLAG_SUSP);
  }
  if (rests) {
    DMA_CCR |= DMA_CCR_RESET;
  }
  DMA_CFCR = DMA_FLAGS;
  return rests;
}

/* The channel rests: its registers can be written, and all are, since the hardware has changed them
 * (17.4.4); after an error the node, too (17.4.16). */
static void start_dma(void) {
  node = (dma_node){
      .ctr1 = CTR1_VALUE,
      .ctr2 = CTR2_VALUE,
      .cbr1 = sizeof halves,
      .csar = ADF1_PCM16,
      .cdar = (uint32_t)(uintptr_t)halves,
      .cllr = CLLR_ALL | ((uint32_t)(uintptr_t)&node & 0xFFFCu),
  };
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

static int32_t enable(volatile uint32_t *control, uint32_t value) {
  *control = value;
  *control = value | ADF1_ENABLE;
  return aed_wait(control, ADF1_ACTIVE, ADF1_ACTIVE);
}

/* What is being configured must not be active (40.4.13). */
static int32_t disable(volatile uint32_t *control, uint32_t value) {
  *control = value;
  return aed_wait(control, ADF1_ACTIVE, 0);
}

/* The DMA first, then against the stream (40.4.13, 40.8.5). */
static int32_t stop(void) {
  RCC_AHB3ENR |= RCC_AHB3ENR_ADF1;
  RCC_AHB1ENR |= RCC_AHB1ENR_GPDMA1;
  (void)RCC_AHB1ENR;
  NVIC_ICER(IRQ_GPDMA1_CH6) = AED_BIT(IRQ_GPDMA1_CH6 % 32u);
  int32_t rests = stop_dma();
  rests &= disable(&ADF1_DFLTCR, DFLTCR_VALUE);
  ADF1_DFLTCR = 0;
  rests &= disable(&ADF1_SITFCR, ADF1_SITFCR & ~ADF1_ENABLE);
  rests &= disable(&ADF1_CKGCR, ADF1_CKGCR & ~ADF1_ENABLE);
  ADF1_DFLTISR = ADF1_DFLTISR_DOVRF | ADF1_DFLTISR_SATF | ADF1_DFLTISR_RFOVRF;
  NVIC_ICPR(IRQ_GPDMA1_CH6) = AED_BIT(IRQ_GPDMA1_CH6 % 32u);
  return rests;
}

/* From kernel clock to filter, each part seen to run (tables 386, 406). */
static int32_t start(const mode *m) {
  if (!stop() || !aed_clock_start_audio()) {
    return 0;
  }
  RCC_CCIPR3 = (RCC_CCIPR3 & ~RCC_CCIPR3_ADF1SEL) | RCC_CCIPR3_ADF1SEL_PLL3_Q;
  RCC_AHB3RSTR |= RCC_AHB3RSTR_ADF1; /* empties the filter and its FIFO (40.7.2) */
  RCC_AHB3RSTR &= ~RCC_AHB3RSTR_ADF1;
  (void)RCC_AHB3RSTR;
  start_pins();
  settling = (m->rate / 8u + HALF - 1u) / HALF; /* an eighth of a second */
  arrived_at = aed_board_microseconds();
  failed = 0;
  if (!enable(&ADF1_CKGCR, CKGCR_VALUE(m->divider)) || !enable(&ADF1_SITFCR, SITFCR_VALUE)) {
    return 0;
  }
  ADF1_BSMXCR = AED_MIC_EDGE;
  ADF1_DFLTCICR = DFLTCICR_VALUE(m->decimation, scale_of(m));
  ADF1_DFLTRSFR = 0; /* reshape / 4, high-pass at 0.000625 of the rate */
  ADF1_DLYCR = 0;
  start_dma();
  NVIC_ISER(IRQ_GPDMA1_CH6) = AED_BIT(IRQ_GPDMA1_CH6 % 32u);
  return enable(&ADF1_DFLTCR, DFLTCR_VALUE);
}

int32_t aed_microphone_start(uint32_t rate) {
  const mode *m = NULL;
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
    m = modes[i].rate == rate ? &modes[i] : m;
  }
  aed_microphone_stop();
  aed_samples_reset(&samples);
  saturations = errors = begun = resumed = restarts = in_vain = 0;
  if (m != NULL && start(m)) {
    running = m;
  }
  return running != NULL;
}

/* A part that never rests shows when it is started. */
void aed_microphone_stop(void) {
  (void)stop();
  running = NULL;
}

static void take(const int16_t *half) {
  const uint32_t now = aed_board_microseconds();
  n_halves++;
  arrived_at = now;
  if (settling > 0) {
    settling--;
    return;
  }
  if (resumed) { /* what should have come since the last half, but for this one */
    const uint64_t due = ((uint64_t)(now - written_at) * running->rate + 500000u) / 1000000u;
    aed_samples_lose(&samples, due > HALF ? (uint32_t)due - HALF : 0u);
    resumed = 0;
  }
  aed_samples_write(&samples, half, HALF);
  begun = 1;
  written_at = now;
}

/* Both halves are full, and one is being overwritten: the interrupt came too late. */
static void miss(void) {
  const uint32_t now = aed_board_microseconds();
  n_halves++;
  arrived_at = now;
  if (settling > 0) {
    settling--;
  } else if (begun && !resumed) { /* else the first half that counts says how long it took */
    aed_samples_lose(&samples, 2u * HALF);
    written_at = now;
  }
}

void aed_microphone_irq(void) {
  const uint32_t flags = DMA_CSR & DMA_FLAGS;
  const uint32_t filter = ADF1_DFLTISR;
  DMA_CFCR = flags;
  ADF1_DFLTISR = filter & (ADF1_DFLTISR_DOVRF | ADF1_DFLTISR_SATF | ADF1_DFLTISR_RFOVRF);
  if ((filter & (ADF1_DFLTISR_DOVRF | ADF1_DFLTISR_RFOVRF)) != 0 ||
      (flags & DMA_FLAG_ERRORS) != 0) {
    errors++;
  }
  /* After these the channel is off (17.4.16), or the samples are invalid (40.4.9), until all is
   * started again. */
  if ((filter & ADF1_DFLTISR_RFOVRF) != 0 || (flags & DMA_FLAG_FATAL) != 0) {
    failed = 1;
  }
  if ((filter & ADF1_DFLTISR_SATF) != 0) {
    saturations++;
  }
  /* The DMA has written a half before it sets the flag: nothing of the half may be read before the
   * flag was. */
  __asm volatile("dmb" ::: "memory");
  const uint32_t both = DMA_FLAG_HT | DMA_FLAG_TC;
  if ((flags & both) == both) {
    miss();
  } else if ((flags & DMA_FLAG_HT) != 0) {
    take(halves);
  } else if ((flags & DMA_FLAG_TC) != 0) {
    take(halves + HALF);
  }
}

/* A path that has failed, or brings nothing, is started again. */
static void watch(void) {
  const uint32_t then = arrived_at; /* before the clock is read: not later than it */
  const uint32_t now = aed_board_microseconds();
  if (n_halves != seen_halves) {
    seen_halves = n_halves;
    in_vain = 0;
  }
  if (failed || now - then >= SILENCE) {
    restarts++;
    in_vain++;
    NVIC_ICER(IRQ_GPDMA1_CH6) = AED_BIT(IRQ_GPDMA1_CH6 % 32u);
    resumed = begun;
    if (!start(running)) {
      arrived_at = now; /* the next attempt comes as late as after a start that worked */
      failed = 0;
    }
  }
}

size_t aed_microphone_read(int16_t *pcm, size_t n) {
  if (running != NULL) {
    watch();
  }
  return aed_samples_read(&samples, pcm, n);
}

void aed_microphone_get_counters(aed_board_microphone *out) {
  *out = (aed_board_microphone){
      .lost = samples.lost,
      .saturations = saturations,
      .errors = errors,
      .restarts = restarts,
  };
}

int32_t aed_microphone_is_dead(void) {
  return running != NULL && in_vain >= STARTS_IN_VAIN;
}
