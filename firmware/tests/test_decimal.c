/* Scores as text, under the sanitizers: whatever a model answers becomes a number in its bounds. */
#include "aed_check.h"
#include "aed_decimal.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  static const struct {
    float value;
    uint32_t most;
    const char *text;
  } table[] = {
      {0.0f, 1, "0.000"},         {0.0004f, 1, "0.000"},      {0.0005f, 1, "0.001"},
      {0.934f, 1, "0.934"},       {0.9996f, 1, "1.000"},      {1.0f, 1, "1.000"},
      {1.5f, 1, "1.000"},         {-0.25f, 1, "0.000"},       {-1e30f, 1, "0.000"},
      {NAN, 1, "0.000"},          {-NAN, 1, "0.000"},         {INFINITY, 1, "1.000"},
      {-INFINITY, 1, "0.000"},    {9.5f, 999, "9.500"},       {42.25f, 999, "42.250"},
      {100.125f, 999, "100.125"}, {998.875f, 999, "998.875"}, {1e30f, 999, "999.000"},
      {NAN, 999, "0.000"},        {-7.0f, 999, "0.000"},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    char text[AED_DECIMAL_SIZE]; /* exactly: the sanitizer sees a byte too many */
    aed_format_decimal(table[i].value, table[i].most, text);
    CHECK(strcmp(text, table[i].text) == 0);
  }
  /* Every thousandth to the largest value, halves up from just below and just above. */
  for (uint32_t n = 0; n <= 999000; n += n < 12000 ? 1 : 125) { /* eighths are exact in binary32 */
    char text[AED_DECIMAL_SIZE], expected[16];
    aed_format_decimal((float)n / 1000.0f, 999, text);
    (void)snprintf(expected, sizeof expected, "%u.%03u", n / 1000u, n % 1000u);
    CHECK(strcmp(text, expected) == 0);
  }
  return aed_check_result("decimal");
}
