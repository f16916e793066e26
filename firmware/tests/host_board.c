/* A board for the host: the link on stdin and stdout, until stdin ends. The application runs on it
 * under the sanitizers. Its microphone hears the samples in the file AED_MICROPHONE, 16000 a
 * second by their rate, as fast as they are taken. */
#include "board.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const aed_board_description aed_board = {
    .name = "host",
    .counter_unit = "nanoseconds",
    .counter_numerator = 1,
    .counter_denominator = 1,
    .calibration_count = 0,
};

static FILE *microphone;

void aed_board_init(void) {
}

void aed_board_get_state(aed_board_state *state) {
  *state = (aed_board_state){.counter = aed_board_counter()};
}

void aed_board_led(int32_t on) {
  (void)on;
}

size_t aed_board_read(uint8_t *data, size_t n) {
  /* While the microphone runs, nobody waits for the link. */
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (n == 0 || (microphone != NULL && poll(&input, 1, 0) == 0)) {
    return 0;
  }
  const ssize_t got = read(STDIN_FILENO, data, n);
  if (got <= 0) {
    aed_board_exit(got == 0 ? 0 : 2);
  }
  return (size_t)got;
}

void aed_board_idle(void) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  (void)poll(&input, 1, 10);
}

void aed_board_write(const uint8_t *data, size_t n) {
  while (n > 0) {
    const ssize_t done = write(STDOUT_FILENO, data, n);
    if (done < 0) {
      aed_board_exit(3);
    }
    data += done;
    n -= (size_t)done;
  }
}

uint32_t aed_board_microseconds(void) {
  return aed_board_counter() / 1000u;
}

uint32_t aed_board_counter(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)((uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec);
}

uint32_t aed_board_calibrate(void) {
  return 0;
}

uint32_t aed_board_stack_size(void) {
  return 0;
}

uint32_t aed_board_stack_used(void) {
  return 0;
}

uint32_t aed_board_flash_used(void) {
  return 0;
}

uint32_t aed_board_ram_used(void) {
  return 0;
}

void aed_board_clear_cache_counters(void) {
}

int32_t aed_board_microphone_start(uint32_t rate) {
  const char *path = getenv("AED_MICROPHONE");
  aed_board_microphone_stop();
  microphone = path != NULL && rate == 16000 ? fopen(path, "rb") : NULL;
  return microphone != NULL;
}

void aed_board_microphone_stop(void) {
  if (microphone != NULL) {
    (void)fclose(microphone);
  }
  microphone = NULL;
}

size_t aed_board_microphone_read(int16_t *pcm, size_t n) {
  return microphone == NULL ? 0 : fread(pcm, sizeof *pcm, n, microphone);
}

void aed_board_microphone_get_counters(aed_board_microphone *counters) {
  *counters = (aed_board_microphone){.lost = 11, .saturations = 12, .errors = 13};
}

void aed_board_exit(int32_t code) {
  exit(code);
}
