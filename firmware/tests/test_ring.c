/* Two threads over a small ring, for the thread sanitizer: every element arrives once, in order,
 * and its memory is never touched by both sides at once. */
#include "aed_check.h"
#include "ring.h"
#include <pthread.h>
#include <sched.h>

enum { RING = 8, ELEMENTS = 20000 };

static aed_ring ring;
static uint32_t elements[RING];

static void *write_all(void *unused) {
  for (uint32_t value = 0; value < ELEMENTS;) {
    const uint32_t room = RING - aed_ring_filled(&ring);
    if (room == 0) {
      sched_yield();
      continue;
    }
    uint32_t n = 1u + value % 3u; /* pieces of 1 to 3 */
    n = n < room ? n : room;
    n = n < ELEMENTS - value ? n : ELEMENTS - value;
    for (uint32_t i = 0; i < n; i++) {
      elements[(aed_ring_head(&ring) + i) % RING] = value++;
    }
    aed_ring_written(&ring, n);
  }
  return unused;
}

int main(void) {
  pthread_t writer;
  /* The counters pass their end on the way. */
  aed_ring_reset(&ring);
  aed_ring_written(&ring, UINT32_MAX - 100u);
  aed_ring_taken(&ring, UINT32_MAX - 100u);
  CHECK(aed_ring_filled(&ring) == 0);
  REQUIRE(pthread_create(&writer, NULL, write_all, NULL) == 0);
  for (uint32_t next = 0; next < ELEMENTS;) {
    const uint32_t n = aed_ring_filled(&ring);
    CHECK(n <= RING);
    for (uint32_t i = 0; i < n; i++) {
      CHECK(elements[(aed_ring_tail(&ring) + i) % RING] == next++);
    }
    aed_ring_taken(&ring, n);
    if (n == 0) {
      sched_yield();
    }
  }
  REQUIRE(pthread_join(writer, NULL) == 0);
  aed_ring_reset(&ring);
  CHECK(aed_ring_filled(&ring) == 0 && aed_ring_head(&ring) == 0 && aed_ring_tail(&ring) == 0);
  return aed_check_result("ring");
}
