/* The detector: PCM -> streaming front end -> patches in the model's own input type -> engine ->
 * decision. */
#ifndef AED_DETECTOR_H
#define AED_DETECTOR_H

#include "aed_nn.h"
#include "aed_stream.h"

/* Bound once by the owner of the memory; the fields stay as they are, but for `features`. */
typedef struct {
  aed_stream *stream;
  void *stream_memory; /* aed_stream_size bytes, aligned to 8 */
  size_t stream_size;
  aed_frontend_config features; /* what the stream runs with; set by aed_detector_start */
  const aed_nn_model *model;    /* input: one patch; output: n_classes probabilities */
  void *input;                  /* bytes of the model's input, aligned to 8 */
  void *output;                 /* bytes of the model's output, aligned to 8 */
  void *arena;                  /* model->arena_size bytes, aligned to 16 */
  uint32_t n_classes;
  float unknown_threshold; /* a top probability below it gives no decision */
  int32_t garbage_class;   /* class that gives no decision, -1 for none */
} aed_detector;

typedef struct {
  int32_t top_class; /* the first of the highest probabilities */
  int32_t decision;  /* top_class, or -1 */
} aed_detection;

/* Begin a stream with its own hop between patches (frames). Fails for settings that are no front
 * end's. */
aed_status aed_detector_start(aed_detector *detector, const aed_frontend_config *features,
                              uint32_t patch_hop);

/* Take the waiting patch from the stream into the model's input. */
aed_status aed_detector_take_patch(const aed_detector *detector);

/* Run the model on its input. probabilities: n_classes floats. */
aed_status aed_detector_run(const aed_detector *detector, float *probabilities);

/* What a patch alone says. */
aed_detection aed_detector_decide(const aed_detector *detector, const float *probabilities);

#endif
