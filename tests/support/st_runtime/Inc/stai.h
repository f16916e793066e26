/* A stand-in for the header of the st-ai interface: the names and types that a firmware sees, written
 * anew for the tests. */
#ifndef STAI_H
#define STAI_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t stai_network;
typedef uint8_t *stai_ptr;
typedef uint32_t stai_size;
typedef enum {
  STAI_SUCCESS = 0,
  STAI_ERROR_NETWORK_INVALID_CONTEXT_SIZE = 0x030001,
  STAI_ERROR_NETWORK_INVALID_ACTIVATIONS_PTR = 0x040000
} stai_return_code;
typedef enum { STAI_MODE_SYNC = 1 } stai_run_mode;

stai_return_code stai_runtime_init(void);

#endif
