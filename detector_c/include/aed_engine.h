/* A network behind one small interface, whichever code generator made it.
 *
 * An image has one engine, a folder of firmware/engine (AED_ENGINE in CMake). The application and
 * detector_c know this header and nothing of what is behind it. The generator of an engine also
 * writes aed_engine_model.h, which has the model and the sizes for static memory.
 *
 * Typical use:
 *   static uint8_t memory[AED_ENGINE_MEMORY_SIZE] __attribute__((aligned(16)));
 *   aed_engine engine;
 *   aed_engine_load(&engine, &aed_image_model, memory, sizeof memory);
 *   fill engine.input.size bytes of input as engine.input says;
 *   aed_engine_run(&engine, input, output);
 */
#ifndef AED_ENGINE_H
#define AED_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "aed_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Codes as the link has them. */
typedef enum {
  AED_ENGINE_INT8 = 0,   /* real = scale * (q - zero_point) */
  AED_ENGINE_UINT8 = 1,  /* likewise, unsigned */
  AED_ENGINE_FLOAT32 = 2 /* IEEE-754 binary32; scale and zero_point are 1 and 0 */
} aed_engine_type;

typedef struct {
  uint32_t n_dims;     /* 1 to 4 */
  uint32_t dims[4];    /* dims[0 .. n_dims - 1], batch first; the rest are 1 */
  uint32_t n_elements; /* product of dims */
  uint32_t size;       /* bytes */
  aed_engine_type type;
  float scale;        /* > 0 */
  int32_t zero_point; /* in the range of type */
} aed_engine_tensor;

/* A model as the engine's generator writes it; what is inside only the engine knows. */
typedef struct aed_engine_model aed_engine_model;

/* A loaded model. All memory belongs to the caller. */
typedef struct {
  /* Set by aed_engine_load, to be read: */
  const char *name;
  const char *hash; /* hex SHA-256 of the .tflite file, 64 digits */
  uint32_t n_nodes;
  aed_engine_tensor input;
  aed_engine_tensor output;
  /* The engine's own: */
  const aed_engine_model *model;
  void *memory;
} aed_engine;

/* Bytes of memory (aligned to 16) that a loaded model works in. */
size_t aed_engine_memory_size(const aed_engine_model *model);

/* Binds a model and memory, both of which outlive the engine. AED_ERR_ARGUMENT for a null pointer
 * or memory that is not aligned to 16, AED_ERR_SIZE when `size` is below aed_engine_memory_size,
 * AED_ERR_UNSUPPORTED when the engine's runtime refuses the model. */
aed_status aed_engine_load(aed_engine *engine, const aed_engine_model *model, void *memory,
                           size_t size);

/* Runs one inference. input: engine->input.size bytes, left as they are; output: room for
 * engine->output.size bytes; both aligned to 8 and outside the engine's memory. */
aed_status aed_engine_run(const aed_engine *engine, const void *input, void *output);

/* Called after each node has run. It may read node outputs and clocks, nothing else of the engine.
 */
typedef void (*aed_engine_observer)(void *context, uint32_t node);

/* The same inference, with an observer. AED_ERR_UNSUPPORTED when the engine can't tell when a node
 * ends. */
aed_status aed_engine_profile(const aed_engine *engine, const void *input, void *output,
                              aed_engine_observer observer, void *context);

/* Name of a node, 0 to n_nodes - 1: UTF-8, of any length. */
const char *aed_engine_node_name(const aed_engine *engine, uint32_t node);

/* Where the result of the node that has just run lies, inside an observer's call: other nodes'
 * results may be overwritten already. AED_ERR_UNSUPPORTED when the engine doesn't show what is
 * inside a network, AED_ERR_ARGUMENT when there is no such node. */
aed_status aed_engine_node_output(const aed_engine *engine, uint32_t node, const void **data,
                                  size_t *size);

#ifdef __cplusplus
}
#endif

#endif
