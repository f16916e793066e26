/* The engine on an emulated board, for tests and benchmarks: runs each
 * model of models.h on its inputs. Every run sends the output, then for
 * each node a checksum of what it wrote and the ticks that it took. */
#include <string.h>

#include "aed_nn.h"
#include "board.h"
#include "models.h" /* generated: the table `models` and the sizes of what follows */

static _Alignas(16) uint8_t arena[ARENA_SIZE];
static uint8_t output[OUTPUT_SIZE];
static uint32_t records[MAX_NODES][2];
static const model_entry *current;
static uint32_t start;

/* FNV-1a */
static void checksum(void *context, uint32_t node) {
  const uint8_t *byte = arena + current->offsets[node];
  uint32_t hash = 2166136261u;
  (void)context;
  for (uint32_t i = 0; i < current->sizes[node]; i++) {
    hash = (hash ^ byte[i]) * 16777619u;
  }
  records[node][0] = hash;
}

static void count(void *context, uint32_t node) {
  (void)context;
  records[node][1] = aed_board_counter() - start;
  start = aed_board_counter();
}

int main(void) {
  aed_board_init();
  for (uint32_t i = 0; i < N_MODELS; i++) {
    current = &models[i];
    const aed_nn_model *model = current->model;
    const uint8_t *input = current->inputs;
    for (uint32_t k = 0; k < current->n_inputs; k++, input += current->input_size) {
      memset(arena, (int)(0x5A + k), sizeof arena);
      if (aed_nn_run(model, input, output, arena, checksum, 0) != AED_OK) {
        return 1;
      }
      start = aed_board_counter();
      if (aed_nn_run(model, input, output, arena, count, 0) != AED_OK) {
        return 1;
      }
      aed_board_write(output, current->output_size);
      aed_board_write((const uint8_t *)records, sizeof records[0] * model->n_nodes);
    }
  }
  return 0;
}
