#include "aed_decimal.h"

void aed_format_decimal(float value, uint32_t most, char text[AED_DECIMAL_SIZE]) {
  /* Bounded as a float: a conversion of NaN or of a value that doesn't fit is undefined. */
  const float largest = (float)most;
  const float bounded = value > 0.0f ? (value < largest ? value : largest) : 0.0f;
  const uint32_t thousandths = (uint32_t)(bounded * 1000.0f + 0.5f);
  const uint32_t whole = thousandths / 1000u;
  if (whole >= 100u) {
    *text++ = (char)('0' + whole / 100u);
  }
  if (whole >= 10u) {
    *text++ = (char)('0' + whole / 10u % 10u);
  }
  *text++ = (char)('0' + whole % 10u);
  *text++ = '.';
  *text++ = (char)('0' + thousandths / 100u % 10u);
  *text++ = (char)('0' + thousandths / 10u % 10u);
  *text++ = (char)('0' + thousandths % 10u);
  *text = 0;
}
