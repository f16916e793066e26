#include "aed_version.h"

uint32_t aed_version(void) {
  return AED_VERSION;
}
