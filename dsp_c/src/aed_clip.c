#include "aed_clip.h"
#include "aed_isa.h"

#define ALIGNMENT 64U

/* Scratch of all lanes, then a window of PCM for each of them (the clip's ends), then a frame that
 * nobody wants (the last group's spare lanes). */
static size_t scratch_bytes(const aed_frontend_config *config, const aed_isa_entry *isa) {
  const size_t bytes =
      aed_frontend_scratch_size(config) * isa->lanes + sizeof(float) * isa->lanes * config->n_mels;
  return (bytes + ALIGNMENT - 1U) & ~(size_t)(ALIGNMENT - 1U);
}

size_t aed_clip_workspace_size(const aed_frontend_config *config, aed_isa isa) {
  const aed_isa_entry *entry = aed_isa_find(isa);
  if (entry == NULL) {
    return 0;
  }
  const size_t window = config->window_length * sizeof(int16_t) * entry->lanes;
  return ALIGNMENT + scratch_bytes(config, entry) + window + config->n_mels * sizeof(float) + 8U;
}

aed_status aed_clip_frames(const aed_frontend_config *config, aed_isa isa, const int16_t *pcm,
                           size_t n, size_t first, size_t count, float *frames, void *workspace) {
  const aed_isa_entry *entry = aed_isa_find(isa);
  if (entry == NULL) {
    return AED_ERR_UNSUPPORTED;
  }
  const size_t length = config->window_length;
  const uintptr_t address = (uintptr_t)workspace;
  char *scratch = (char *)workspace + (ALIGNMENT - address % ALIGNMENT) % ALIGNMENT;
  float *unwanted = (float *)(void *)(scratch + scratch_bytes(config, entry));
  int16_t *edges = (int16_t *)(void *)(unwanted + config->n_mels);
  for (size_t done = 0; done < count; done += entry->lanes) {
    const int16_t *from[AED_ISA_MAX_LANES];
    float *to[AED_ISA_MAX_LANES];
    for (uint32_t l = 0; l < entry->lanes; l++) {
      if (done + l >= count) {
        from[l] = from[0];
        to[l] = unwanted;
        continue;
      }
      const int64_t begin =
          (int64_t)((first + done + l) * config->hop_length) + config->first_sample;
      to[l] = frames + (done + l) * aed_frontend_width(config);
      if (begin >= 0 && (size_t)begin + length <= n) {
        from[l] = pcm + begin;
        continue;
      }
      int16_t *edge = edges + l * length;
      for (size_t i = 0; i < length; i++) {
        const int64_t at = begin + (int64_t)i;
        edge[i] = 0;
        if (at >= 0 && (size_t)at < n) {
          edge[i] = pcm[at];
        }
      }
      from[l] = edge;
    }
    entry->frames(config, from, to, scratch);
  }
  return AED_OK;
}

void aed_clip_patches(const aed_frontend_config *config, const float *frames,
                      const uint32_t *starts, size_t n_patches, float *patches) {
  const size_t width = aed_frontend_width(config);
  for (size_t p = 0; p < n_patches; p++) {
    const float *first = frames + starts[p] * width;
    for (size_t v = 0; v < width; v++) {
      for (size_t t = 0; t < config->patch_length; t++) {
        *patches++ = first[t * width + v];
      }
    }
  }
}

void aed_clip_relative(float *values, size_t n, float top_db) {
  float largest = n > 0U ? values[0] : 0.0F;
  for (size_t i = 0; i < n; i++) {
    largest = values[i] > largest ? values[i] : largest;
  }
  for (size_t i = 0; i < n; i++) {
    const float value = values[i] - largest;
    values[i] = value > -top_db ? value : -top_db;
  }
}

aed_status aed_clips(const aed_frontend_config *config, aed_isa isa, const aed_clip *clips,
                     size_t n_clips, float top_db, float *frames, void *workspace) {
  for (size_t i = 0; i < n_clips; i++) {
    const aed_clip *clip = clips + i;
    const aed_status status = aed_clip_frames(config, isa, clip->pcm, clip->n_samples, 0,
                                              clip->n_frames, frames, workspace);
    if (status != AED_OK) {
      return status;
    }
    if (top_db > 0.0F) {
      aed_clip_relative(frames, clip->n_frames * aed_frontend_width(config), top_db);
    }
    aed_clip_patches(config, frames, clip->starts, clip->n_patches, clip->patches);
  }
  return AED_OK;
}
