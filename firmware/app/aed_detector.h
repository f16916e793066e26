/* The detector: PCM -> streaming front end -> patches in the model's own input type -> engine ->
 * decision. */
#ifndef AED_DETECTOR_H
#define AED_DETECTOR_H

#include "aed_nn.h"
#include "aed_stream.h"

/* Bound once by the owner of the memory; the fields stay as they are. */
typedef struct {
  aed_stream *stream;
  const aed_nn_model *model; /* input: one patch; output: n_classes probabilities */
  void *input;               /* bytes of the model's input, aligned to 8 */
  void *output;              /* bytes of the model's output, aligned to 8 */
  void *arena;               /* model->arena_size bytes, aligned to 16 */
  uint32_t n_classes;
  float unknown_threshold; /* a top probability below it gives no decision */
  int32_t garbage_class;   /* class that gives no decision, -1 for none */
} aed_detector;

typedef struct {
  int32_t top_class; /* the first of the highest probabilities */
  int32_t decision;  /* top_class, or -1 */
} aed_detection;

/* Take the waiting patch from the stream into the model's input. */
aed_status aed_detector_take_patch(const aed_detector *detector);

/* Run the model on its input and decide. probabilities: n_classes floats. */
aed_status aed_detector_run(const aed_detector *detector, float *probabilities,
                            aed_detection *detection);

#endif
