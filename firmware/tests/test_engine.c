/* The own engine from C alone, under the sanitizers: what loading refuses, what it tells about a
 * model, and that an observer finds each node's result. */
#include "aed_check.h"
#include "aed_engine_own.h"
#include "aed_nn_kernels.h"
#include <string.h>

enum { N = 5, ARENA = 48, AT = 32, N_NODES = 3 };

/* float32 -> int8, twice the value in place, int8 -> float32 */
static uint8_t twice[256];
static const aed_affine_params quantize = {.input = 0, .output = AT, .n = N, .scale = 0.5f};
static const aed_lut_params lut = {.input = AT, .output = AT, .n = N, .table = twice};
static const aed_affine_params dequantize = {.input = AT, .output = 0, .n = N, .scale = 0.5f};
static const aed_nn_node nodes[N_NODES] = {
    {aed_quantize_f32_s8, &quantize}, {aed_lut_8, &lut}, {aed_dequantize_s8_f32, &dequantize}};
static const char *const names[N_NODES] = {"first", "second", "third"};
static const aed_engine_place places[N_NODES] = {{AT, N}, {AT, N}, {0, N * sizeof(float)}};
static const aed_nn_model network = {
    .name = "test",
    .hash = "0123",
    .nodes = nodes,
    .n_nodes = N_NODES,
    .arena_size = ARENA,
    .input = {0, N, 2, {1, N, 1, 1}, AED_NN_FLOAT32, 1.0f, 0},
    .output = {0, N, 3, {1, N, 1, 1}, AED_NN_FLOAT32, 1.0f, 0},
};
static const aed_engine_model model = {&network, names, places};

typedef struct {
  const aed_engine *engine;
  uint32_t seen;
} context;

static void observe(void *data, uint32_t node) {
  static const int8_t expected[N_NODES - 1][N] = {{0, 2, -6, 80, -80}, {0, 4, -12, 127, -128}};
  context *c = data;
  const void *result;
  size_t size;
  CHECK(node == c->seen++);
  CHECK(aed_engine_node_output(c->engine, node, &result, &size) == AED_OK);
  CHECK(size == places[node].size);
  if (node < N_NODES - 1) {
    CHECK(memcmp(result, expected[node], N) == 0);
  }
}

int main(void) {
  _Alignas(16) uint8_t memory[ARENA + 16];
  aed_engine engine;
  for (int i = -128; i < 128; i++) {
    const int two = 2 * i;
    twice[i & 0xFF] = (uint8_t)(two < -128 ? -128 : two > 127 ? 127 : two);
  }
  CHECK(aed_engine_memory_size(&model) == ARENA);
  CHECK(aed_engine_load(NULL, &model, memory, ARENA) == AED_ERR_ARGUMENT);
  CHECK(aed_engine_load(&engine, NULL, memory, ARENA) == AED_ERR_ARGUMENT);
  CHECK(aed_engine_load(&engine, &model, NULL, ARENA) == AED_ERR_ARGUMENT);
  CHECK(aed_engine_load(&engine, &model, memory + 8, ARENA) == AED_ERR_ARGUMENT);
  CHECK(aed_engine_load(&engine, &model, memory, ARENA - 1) == AED_ERR_SIZE);
  CHECK(aed_engine_load(&engine, &model, memory, ARENA) == AED_OK);

  CHECK(strcmp(engine.name, "test") == 0 && strcmp(engine.hash, "0123") == 0);
  CHECK(engine.n_nodes == N_NODES && strcmp(aed_engine_node_name(&engine, 1), "second") == 0);
  CHECK(engine.input.n_dims == 2 && engine.input.dims[0] == 1 && engine.input.dims[1] == N);
  CHECK(engine.input.n_elements == N && engine.input.size == N * sizeof(float));
  CHECK(engine.input.type == AED_ENGINE_FLOAT32 && engine.output.n_dims == 3);

  const float input[N] = {0.0f, 1.0f, -3.0f, 40.0f, -40.0f};
  const float expected[N] = {0.0f, 2.0f, -6.0f, 63.5f, -64.0f};
  float output[N] = {0};
  CHECK(aed_engine_run(&engine, input, output) == AED_OK);
  CHECK(memcmp(output, expected, sizeof output) == 0);
  memset(output, 0, sizeof output);
  context c = {.engine = &engine};
  CHECK(aed_engine_profile(&engine, input, output, observe, &c) == AED_OK);
  CHECK(c.seen == N_NODES && memcmp(output, expected, sizeof output) == 0);
  const void *result;
  size_t size;
  CHECK(aed_engine_node_output(&engine, N_NODES, &result, &size) == AED_ERR_ARGUMENT);
  return aed_check_result("engine");
}
