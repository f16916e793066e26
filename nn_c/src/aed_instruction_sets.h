/* The instruction sets of the engine: which there are, and what each of them does instead of src.
 *
 * src is portable and complete by itself. The build adds the folder of an instruction set and
 * defines its macro (cmake/instruction_sets.cmake). -DAED_PORTABLE leaves all of them out, and the
 * tiles of src too: what a small core without an instruction set of its own here runs.
 *
 * To add one: its folder, its line there, and its line here, in the first table if the compiler
 * decides about it, in the second (aed_instruction_sets.c) if the processor does. */
#ifndef AED_INSTRUCTION_SETS_H
#define AED_INSTRUCTION_SETS_H

#include "aed_nn_kernels.h"

#ifdef AED_PORTABLE
#undef AED_CORTEX_M33
#undef AED_X86
#endif

/* Decided when compiling. src leaves out what the folder has, or lets it go first. */
#ifdef AED_CORTEX_M33
#include "../cortex_m33/aed_depthwise_planes.h"
#include "../cortex_m33/aed_four_channels.h"
#define AED_OWN_DOT       /* aed_dot_1x4 */
#define AED_OWN_TILE      /* aed_expand_2, aed_matmul_tile */
#define AED_OWN_DEPTHWISE /* aed_depthwise_planes, for layers whose tile isn't 0 */
#define AED_OWN_MAXIMA_4  /* aed_maxima_4: maxima of four channels */
#define AED_OWN_SUM_4     /* aed_sum_4: sums of four channels */
#endif

/* Kernels that widen tiles of pixels. Small cores whose instruction set has none of its own read
 * the values as they are. */
#if defined(AED_OWN_TILE) || !(defined(__thumb__) || defined(AED_PORTABLE))
#define AED_TILES
#endif

/* Decided when running. */
#ifdef AED_X86
#define AED_RUN_TIME_CHOICE
#endif

typedef struct {
  int (*available)(void); /* 1 where the processor has the instruction set */

  /* aed_matmul_tile of values that stand as aed_expand_2 of src leaves them. */
  void (*matmul_tile)(const aed_conv_params *p, int32_t depth, int32_t n, const uint32_t *x,
                      uint32_t *w, int8_t *y);

  /* One output pixel of a depthwise layer without a depth multiplier; taps holds the arena offset
   * of each window position. Does channels 0 .. n - 1 and returns n, a multiple of 4. */
  int32_t (*depthwise_pixel)(const aed_conv_params *p, const uint8_t *arena, const uint32_t *taps,
                             int8_t *y);
} aed_fast_kernels;

/* Those of this processor, or NULL. */
const aed_fast_kernels *aed_find_fast_kernels(void);

#endif
