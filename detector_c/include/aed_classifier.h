/* The classifier: PCM -> streaming front end -> patches in the model's own input type -> engine ->
 * probabilities.
 *
 * aed_detector.h turns the answers of patches that follow each other into events; by itself a
 * classifier says what one patch alone says.
 *
 * Typical use:
 *   aed_classifier_init(&classifier, &config, &engine, memory, sizeof memory);
 *   while (n > 0) {
 *     aed_classifier_push(&classifier, pcm, n, &consumed, &patch);
 *     pcm += consumed, n -= consumed;
 *     if (patch) { aed_classifier_run(&classifier, probabilities); ... }
 *   }
 */
#ifndef AED_CLASSIFIER_H
#define AED_CLASSIFIER_H

#include "aed_engine.h"
#include "aed_stream.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const aed_frontend_config *features; /* what the model was trained on */
  float unknown_threshold;             /* a top probability below it gives no decision */
  int32_t garbage_class;               /* class that gives no decision, -1 for none */
} aed_classifier_config;

/* All memory belongs to the caller. */
typedef struct {
  /* To be read: */
  const aed_classifier_config *config;
  const aed_engine *engine;
  aed_stream stream; /* its frames may be asked for */
  void *input;       /* engine->input.size bytes: the patch that was taken last; may be written */
  void *output;      /* engine->output.size bytes: the model's raw answer */
  uint32_t n_classes;
  /* Private: */
  aed_frontend_config features; /* what the stream runs with */
  void *stream_memory;
  size_t stream_size;
} aed_classifier;

typedef struct {
  int32_t top_class; /* the first of the highest probabilities */
  int32_t decision;  /* top_class, or -1 */
} aed_classification;

/* Bytes of memory behind a classifier, for static memory: of aed_stream_size and of the bytes of
 * the model's input and output. */
#define AED_CLASSIFIER_SIZE(stream_size, input_size, output_size)                                  \
  (((stream_size) + 7u) / 8u * 8u + ((input_size) + 7u) / 8u * 8u + ((output_size) + 7u) / 8u * 8u)

/* The same for a loaded engine; aligned to 8. */
size_t aed_classifier_size(const aed_frontend_config *features, const aed_engine *engine);

/* Binds configuration, engine and memory, which outlive the classifier, and starts a stream with
 * the features' own hop between patches; the model's input is zeros.
 *
 * AED_ERR_ARGUMENT for a null pointer, for settings that are no front end's, a model whose input is
 * not one patch, a garbage class that the model doesn't have or a threshold below 0 or NaN; AED_ERR_UNSUPPORTED for an unknown
 * type of input or output; AED_ERR_SIZE when `size` is below aed_classifier_size. */
aed_status aed_classifier_init(aed_classifier *classifier, const aed_classifier_config *config,
                               const aed_engine *engine, void *memory, size_t size);

/* Begins a stream afresh, with so many frames from one patch's start to the next.
 * AED_ERR_ARGUMENT unless patch_hop is 1 to the features' patch_length. */
aed_status aed_classifier_start(aed_classifier *classifier, uint32_t patch_hop);

/* Takes up to n samples. Stops early at a complete patch, which goes into the model's input: then
 * *patch is 1, else 0. *consumed says how many samples were taken. */
aed_status aed_classifier_push(aed_classifier *classifier, const int16_t *pcm, size_t n,
                               size_t *consumed, int32_t *patch);

/* The second half of a push, for callers that fill the stream themselves: takes the waiting patch
 * into the model's input. AED_ERR_STATE when none waits. */
aed_status aed_classifier_take_patch(aed_classifier *classifier);

/* Runs the model on its input. probabilities: n_classes floats. */
aed_status aed_classifier_run(aed_classifier *classifier, float *probabilities);

/* What a patch alone says. */
aed_classification aed_classifier_decide(const aed_classifier *classifier,
                                         const float *probabilities);

#ifdef __cplusplus
}
#endif

#endif
