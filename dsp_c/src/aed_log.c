#include "aed_log.h"
#include "aed_log_core.h"

float aed_log(float x) {
  return log_core(lane_max(x, AED_SMALLEST));
}
