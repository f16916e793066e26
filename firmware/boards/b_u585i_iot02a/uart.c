#include "uart.h"

#include "clock.h"
#include "registers.h"
#include "ring.h"

#define RING                                                                                       \
  8192u /* a power of two, larger than any frame: a host that waits for replies can't fill it */
#define SLOW_BAUDRATE 115200u /* the one that a 4 MHz clock can make */

/* Written by the interrupt. */
static uint8_t bytes[RING];
static aed_ring ring;
static volatile uint32_t lost, errors;

int32_t aed_uart_start(uint32_t clock) {
  const uint32_t baudrate = clock == AED_CLOCK_FAST ? AED_BAUDRATE : SLOW_BAUDRATE;
  RCC_AHB2ENR1 |= RCC_AHB2ENR1_GPIOA;
  RCC_APB2ENR |= RCC_APB2ENR_USART1;
  (void)RCC_APB2ENR;
  RCC_CCIPR1 &= ~RCC_CCIPR1_USART1SEL; /* the bus clock */
  /* PA9 sends, PA10 receives: function 7, pull-up on the
   * receiver. The port's other pins are the debugger's. */
  GPIO_AFRH(GPIOA) = (GPIO_AFRH(GPIOA) & ~0xFF0u) | 0x770u;
  GPIO_PUPDR(GPIOA) = (GPIO_PUPDR(GPIOA) & ~0x00300000u) | 0x00100000u;
  GPIO_MODER(GPIOA) = (GPIO_MODER(GPIOA) & ~0x003C0000u) | 0x00280000u;
  USART1_CR1 = 0;
  USART1_CR2 = 0;
  USART1_CR3 = USART_CR3_EIE;
  USART1_PRESC = 0;
  USART1_BRR = (clock + baudrate / 2u) / baudrate;
  USART1_CR1 = USART_CR1_FIFOEN | USART_CR1_TE | USART_CR1_RE | USART_CR1_UE;
  const int32_t ready =
      aed_wait(&USART1_ISR, USART_ISR_TEACK | USART_ISR_REACK, USART_ISR_TEACK | USART_ISR_REACK);
  USART1_CR1 |= USART_CR1_RXNEIE;
  NVIC_ISER(IRQ_USART1) = AED_BIT(IRQ_USART1 % 32u);
  return ready;
}

void aed_uart_irq(void) {
  const uint32_t wrong = USART1_ISR & USART_ISR_ERRORS;
  if (wrong != 0) { /* an overrun that isn't cleared stops the receiver for good */
    USART1_ICR = wrong;
    errors++;
  }
  while ((USART1_ISR & USART_ISR_RXNE) != 0) {
    const uint8_t byte = (uint8_t)USART1_RDR;
    if (aed_ring_filled(&ring) < RING) {
      bytes[aed_ring_head(&ring) % RING] = byte;
      aed_ring_written(&ring, 1);
    } else {
      lost++;
    }
  }
}

size_t aed_uart_read(uint8_t *data, size_t n) {
  const size_t filled = aed_ring_filled(&ring);
  const size_t got = n < filled ? n : filled;
  for (uint32_t i = 0; i < got; i++) {
    data[i] = bytes[(aed_ring_tail(&ring) + i) % RING];
  }
  aed_ring_taken(&ring, (uint32_t)got);
  return got;
}

int32_t aed_uart_is_empty(void) {
  return aed_ring_filled(&ring) == 0;
}

void aed_uart_write(const uint8_t *data, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!aed_wait(&USART1_ISR, USART_ISR_TXE, USART_ISR_TXE)) {
      errors++; /* the rest isn't sent */
      return;
    }
    USART1_TDR = data[i];
  }
  (void)aed_wait(&USART1_ISR, USART_ISR_TC, USART_ISR_TC);
}

uint32_t aed_uart_lost(void) {
  return lost;
}

uint32_t aed_uart_errors(void) {
  return errors;
}
