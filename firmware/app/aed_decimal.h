/* Scores as text. */
#ifndef AED_DECIMAL_H
#define AED_DECIMAL_H

#include <stdint.h>

/* Bytes of a text: up to 3 digits, the point, 3 digits, the end. */
#define AED_DECIMAL_SIZE 8u
#define AED_DECIMAL_MAX 999u

/* Write a value with three decimals. What is below 0 or above `most` (at most AED_DECIMAL_MAX) is
 * written as the nearest of these, NaN as 0. */
void aed_format_decimal(float value, uint32_t most, char text[AED_DECIMAL_SIZE]);

#endif
