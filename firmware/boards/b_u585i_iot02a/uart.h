/* USART1, which the ST-LINK passes on as a virtual serial port. */
#ifndef AED_UART_H
#define AED_UART_H

#include <stddef.h>
#include <stdint.h>

/* Pins, rate, receive interrupt. clock: Hz of the core. 0 when the port doesn't come ready. */
int32_t aed_uart_start(uint32_t clock);

/* Bytes received, at most n. Never waits. */
size_t aed_uart_read(uint8_t *data, size_t n);

/* 1 when nothing has been received that aed_uart_read() hasn't given out. */
int32_t aed_uart_is_empty(void);

/* Send n bytes by polling, so that a fault handler
 * can, too. Gives up on a port that doesn't move. */
void aed_uart_write(const uint8_t *data, size_t n);

/* Bytes lost because the ring was full; characters that came damaged or overran the hardware. */
uint32_t aed_uart_lost(void);
uint32_t aed_uart_errors(void);

void aed_uart_irq(void);

#endif
