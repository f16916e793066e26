/* What the C tests check with: a failed CHECK says where and what, is counted, and the test goes on;
 * a failed REQUIRE, without which going on makes no sense, ends it. */
#ifndef AED_CHECK_H
#define AED_CHECK_H

#include <stdio.h>
#include <stdlib.h>

enum { AED_CHECK_PRINTED = 20 }; /* failures of a loop's every round would hide the first */

static unsigned aed_check_failures;

static inline int aed_check(int passed, const char *file, int line, const char *expression) {
  if (!passed && aed_check_failures++ < AED_CHECK_PRINTED) {
    printf("%s:%d: %s\n", file, line, expression);
  }
  return passed;
}

#define CHECK(condition) (void)aed_check(!!(condition), __FILE__, __LINE__, #condition)

#define REQUIRE(condition)                                                                         \
  do {                                                                                             \
    if (!aed_check(!!(condition), __FILE__, __LINE__, #condition)) {                               \
      exit(1);                                                                                     \
    }                                                                                              \
  } while (0)

/* Says how the test went; what main returns. */
static inline int aed_check_result(const char *name) {
  if (aed_check_failures != 0) {
    printf("%s: %u checks failed\n", name, aed_check_failures);
    return 1;
  }
  printf("%s: all tests passed\n", name);
  return 0;
}

#endif
