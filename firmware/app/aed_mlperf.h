/* The console of the MLPerf Tiny benchmark instead of the link (build
 * option AED_MLPERF): commands as text, each ended by '%', answers in
 * lines, the last of them m-ready. docs/benchmark.md has them. */
#ifndef AED_MLPERF_H
#define AED_MLPERF_H

#include "aed_classifier.h"

#ifndef AED_MLPERF
#define AED_MLPERF 0
#endif

/* Bytes of a command; longer ones are refused. */
#define AED_MLPERF_LINE 512u

typedef struct {
  aed_classifier *classifier;
  char line[AED_MLPERF_LINE + 1u];
  size_t length;     /* bytes of the command that is coming in; beyond AED_MLPERF_LINE: too long */
  uint32_t expected; /* bytes that `db load` announced */
  uint32_t loaded;   /* of these, bytes that have come */
} aed_mlperf;

/* Say that the device is there. */
void aed_mlperf_start(aed_mlperf *console, aed_classifier *classifier);

/* Take one byte; one that ends a command is answered at once. */
void aed_mlperf_receive(aed_mlperf *console, char byte);

#endif
