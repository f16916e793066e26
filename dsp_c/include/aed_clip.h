/* Whole clips on a host: many frames side by side in the lanes of a
 * vector unit, each lane performing the operations of aed_frontend_frame,
 * so the bits don't depend on the instruction set. */
#ifndef AED_CLIP_H
#define AED_CLIP_H

#include "aed_frontend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* Instruction sets; each computes 1, 4, 8 or 16 frames at once. */
typedef enum {
  AED_ISA_SCALAR = 0,
  AED_ISA_SSE2 = 1,
  AED_ISA_AVX2 = 2,
  AED_ISA_AVX512 = 3 /* its foundation, AVX-512F */
} aed_isa;

/* 1 where this build has it and this processor runs it. */
int32_t aed_isa_available(aed_isa isa);

/* Bytes of memory, aligned to 8, that aed_clip_frames needs; 0 where the set is not available. The
 * configuration must have passed aed_frontend_check. */
size_t aed_clip_workspace_size(const aed_frontend_config *config, aed_isa isa);

/* Frames first .. first + count - 1 of a whole clip of n samples; where a window reaches beyond the
 * clip it sees zeros. frames: count x aed_frontend_width floats, frame by frame.
 * AED_ERR_UNSUPPORTED where the instruction set is not available. */
aed_status aed_clip_frames(const aed_frontend_config *config, aed_isa isa, const int16_t *pcm,
                           size_t n, size_t first, size_t count, float *frames, void *workspace);

/* Makes n values relative to the largest of them and raises what lies below -top_db to it. */
void aed_clip_relative(float *values, size_t n, float top_db);

/* Patches out of frames: patch p is frames starts[p] .. starts[p] + patch_length - 1, a row of
 * patch_length floats for each of a frame's values. */
void aed_clip_patches(const aed_frontend_config *config, const float *frames,
                      const uint32_t *starts, size_t n_patches, float *patches);

typedef struct {
  const int16_t *pcm; /* n_samples */
  size_t n_samples;
  size_t n_frames;        /* to be computed, from the first on */
  const uint32_t *starts; /* n_patches, as for aed_clip_patches */
  size_t n_patches;
  float *patches; /* room for n_patches */
} aed_clip;

/* The patches of several clips. top_db: as for aed_clip_relative, clip by clip; 0: values as they
 * are. frames: room for the frames of the clip that has most. */
aed_status aed_clips(const aed_frontend_config *config, aed_isa isa, const aed_clip *clips,
                     size_t n_clips, float top_db, float *frames, void *workspace);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
