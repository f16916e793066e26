/* The largest error of aed_log over the positive normal floats: test_log [STRIDE], 1 for all of
 * them (half a minute). */
#include "aed_check.h"
#include "aed_log.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  const long stride = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  double worst = 0.0;
  float where = 0.0F;
  REQUIRE(stride >= 1 && stride <= 1 << 20);
  CHECK(aed_log(1.0F) == 0.0F);
  for (uint32_t bits = 0x00800000U; bits < 0x7f800000U; bits += (uint32_t)stride) {
    float x;
    memcpy(&x, &bits, sizeof x);
    const double exact = log((double)x);
    if (exact != 0.0) { /* 1: seen above */
      const double ulp = ldexp(1.0, ilogb(exact) - 23);
      const double error = fabs((double)aed_log(x) - exact) / ulp;
      if (error > worst) {
        worst = error;
        where = x;
      }
    }
  }
  printf("log: at most %.4f ulp, at %a\n", worst, (double)where);
  CHECK(worst <= 0.86);
  return aed_check_result("log");
}
