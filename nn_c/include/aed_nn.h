/* Int8 network engine: walks a const table of nodes over one arena that belongs to the caller.
 *
 * A model is generated (aed_model.c) or filled in by the host binding; both hold the same numbers.
 * Every kernel computes the bits of TensorFlow Lite's reference kernel of the same operator;
 * docs/engine.md states the arithmetic. No heap, no libm. */
#ifndef AED_NN_H
#define AED_NN_H

#include <stddef.h>
#include <stdint.h>

#include "aed_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
typedef enum {
  AED_NN_INT8 = 0,   /* real = scale * (q - zero_point) */
  AED_NN_UINT8 = 1,  /* likewise, unsigned */
  AED_NN_FLOAT32 = 2 /* IEEE-754 binary32; scale and zero_point are 1 and 0 */
} aed_nn_type;

/* One kernel: reads its operands from the arena and from
 * const tables, writes one tensor into the arena. */
typedef void (*aed_nn_kernel)(const void *params, uint8_t *arena);

typedef struct aed_nn_node {
  aed_nn_kernel kernel;
  const void *params; /* the kernel's parameter struct, see aed_nn_kernels.h */
} aed_nn_node;

typedef struct {
  uint32_t offset;     /* byte offset in the arena */
  uint32_t n_elements; /* product of dims */
  uint32_t n_dims;     /* 1 to 4 */
  uint32_t dims[4];    /* dims[0..n_dims-1], batch first; the rest are 1 */
  aed_nn_type type;
  float scale;        /* > 0 */
  int32_t zero_point; /* in the range of type */
} aed_nn_io;

typedef struct {
  const char *name;
  const char *hash; /* hex SHA-256 of the .tflite file, 64 digits */
  const aed_nn_node *nodes;
  uint32_t n_nodes;
  uint32_t arena_size; /* bytes */
  aed_nn_io input;
  aed_nn_io output;
} aed_nn_model;

/* Called after each node, for profiles and layer dumps. Must not write into the arena. */
typedef void (*aed_nn_observer)(void *context, uint32_t node_index);

/* Runs one inference.
 *
 * input     model->input.n_elements values of model->input.type, copied into the arena first
 * output    room for model->output.n_elements values of model->output.type
 * arena     16-aligned memory of at least model->arena_size bytes;
 *           its content before the call does not matter
 * observer  called with context after each node; may be NULL
 *
 * Returns AED_OK, or AED_ERR_ARGUMENT for a null pointer or an arena that is not 16-aligned. */
aed_status aed_nn_run(const aed_nn_model *model, const void *input, void *output, void *arena,
                      aed_nn_observer observer, void *context);

/* Bytes of one element of a type, 0 for an unknown one. */
size_t aed_nn_type_size(aed_nn_type type);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
