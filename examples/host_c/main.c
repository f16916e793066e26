/* detect FILE: the events of a recording, one a line: class, onset and offset in seconds, score. */
#include <stdio.h>
#include <stdlib.h>

#include "aed_detector_settings.h"
#include "aed_engine_model.h"
#include "aed_features.h"
#include "aed_identity.h"
#include "wav.h"

/* The parts ask for memory once; examples/firmware does without a heap. calloc aligns to 16. */
static void *get_memory(size_t size) {
  void *found = calloc(1, size);
  if (found == NULL) {
    fputs("out of memory\n", stderr);
    exit(EXIT_FAILURE);
  }
  return found;
}

static void check(aed_status status, const char *what) {
  if (status != AED_OK) {
    fprintf(stderr, "%s: status %d\n", what, (int)status);
    exit(EXIT_FAILURE);
  }
}

static void print_ended(const aed_detector *detector, const aed_event *events, uint32_t n) {
  const double rate = aed_features.sample_rate;
  for (uint32_t i = 0; i < n; i++) {
    if (events[i].ended) {
      printf("%s\t%.3f\t%.3f\t%.6f\n", aed_class_names[events[i].class_index],
             aed_detector_onset(detector, &events[i]) / rate,
             aed_detector_offset(detector, &events[i]) / rate, (double)events[i].score);
    }
  }
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  uint32_t bytes;
  if (file == NULL || wav_open(file, aed_features.sample_rate, &bytes) != 0) {
    fprintf(stderr, "usage: detect FILE, mono int16 of %u Hz: WAV or raw\n",
            (unsigned)aed_features.sample_rate);
    return EXIT_FAILURE;
  }

  aed_engine engine;
  size_t size = aed_engine_memory_size(&aed_image_model);
  void *engine_memory = get_memory(size);
  check(aed_engine_load(&engine, &aed_image_model, engine_memory, size), "engine");

  aed_classifier classifier;
  size = aed_classifier_size(&aed_features, &engine);
  void *classifier_memory = get_memory(size);
  check(
      aed_classifier_init(&classifier, &aed_classifier_settings, &engine, classifier_memory, size),
      "classifier");

  aed_detector detector;
  size = aed_detector_size(&aed_detector_settings);
  void *detector_memory = get_memory(size);
  check(aed_detector_init(&detector, &aed_detector_settings, &classifier, detector_memory, size),
        "detector");

  int16_t pcm[1024]; /* of the host's byte order, little-endian wherever this runs */
  size_t n;
  while ((n = fread(pcm, sizeof *pcm, bytes / 2 < 1024 ? bytes / 2 : 1024, file)) > 0) {
    bytes -= (uint32_t)(n * sizeof *pcm);
    for (size_t done = 0, consumed; done < n; done += consumed) {
      aed_detector_patch patch;
      const int32_t got = aed_detector_push(&detector, pcm + done, n - done, &consumed, &patch);
      check(got < 0 ? (aed_status)got : AED_OK, "detector");
      if (got > 0) {
        print_ended(&detector, patch.events, patch.n_events);
      }
    }
  }
  const aed_event *events; /* that were still running at the end */
  uint32_t n_events;
  aed_detector_finish(&detector, &events, &n_events);
  print_ended(&detector, events, n_events);

  free(detector_memory);
  free(classifier_memory);
  free(engine_memory);
  return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
