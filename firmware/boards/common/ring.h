/* Counters of a ring between one writer and one reader, either of which may be an interrupt. The
 * memory is the owner's, a power of two of elements; element i stands at i modulo that power. */
#ifndef AED_RING_H
#define AED_RING_H

#include <stdatomic.h>
#include <stdint.h>

/* A counter publishes memory: what the writer wrote must be there when the reader sees that `head`
 * has moved, and what the reader read must not be overwritten before it has moved `tail`. Volatile
 * counters don't say that: compiler and core may move accesses to the elements across them. So a
 * counter is moved with release order and the other side looks at it with acquire order. */
typedef struct {
  _Atomic uint32_t head; /* elements written so far, modulo 2^32; moved by the writer alone */
  _Atomic uint32_t tail; /* elements read so far, modulo 2^32; moved by the reader alone */
} aed_ring;

/* Empties it, while neither side is at work. */
static inline void aed_ring_reset(aed_ring *ring) {
  atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
  atomic_store_explicit(&ring->tail, 0, memory_order_release);
}

/* Elements that were written and not read: the reader may read so many, the writer has the rest. */
static inline uint32_t aed_ring_filled(aed_ring *ring) {
  const uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
  return atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
}

/* Where the writer goes on, and that it has written n elements. */
static inline uint32_t aed_ring_head(aed_ring *ring) {
  return atomic_load_explicit(&ring->head, memory_order_relaxed);
}
static inline void aed_ring_written(aed_ring *ring, uint32_t n) {
  atomic_store_explicit(&ring->head, aed_ring_head(ring) + n, memory_order_release);
}

/* Where the reader goes on, and that it has read n elements. */
static inline uint32_t aed_ring_tail(aed_ring *ring) {
  return atomic_load_explicit(&ring->tail, memory_order_relaxed);
}
static inline void aed_ring_taken(aed_ring *ring, uint32_t n) {
  atomic_store_explicit(&ring->tail, aed_ring_tail(ring) + n, memory_order_release);
}

#endif
