/* The engine from C alone, under the sanitizers: rounding against its definition, the walk over a
 * model, argument checks. Equality with TensorFlow Lite is tested from Python. */
#include <stdlib.h>
#include <string.h>

#include "aed_check.h"
#include "aed_nn.h"
#include "aed_nn_kernels.h"
#include "../src/aed_nn_math.h"

static uint32_t state = 1;

static uint32_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

/* n / 2^bits to the nearest integer; ties up, or away from zero. */
static int64_t divide(int64_t n, int bits, int away) {
  const int64_t unit = (int64_t)1 << bits;
  int64_t quotient = n / unit, rest = n % unit;
  if (rest < 0) { /* C truncates: make it a floor */
    quotient--;
    rest += unit;
  }
  const int up = 2 * rest > unit || (2 * rest == unit && (!away || n > 0));
  return quotient + (up ? 1 : 0);
}

static void test_rescale(void) {
  for (int i = 0; i < 2000000; i++) {
    const int32_t shift = (int32_t)(random_bits() % 61u) - 31;
    const int32_t multiplier = (int32_t)((random_bits() >> 2) | 0x40000000u);
    const int32_t limit = (1 << 30) >> (shift > 0 ? shift : 0);
    const int32_t x = (int32_t)((random_bits() >> 1) >> (random_bits() % 24u)) % limit;
    const int32_t signed_x = (random_bits() & 1u) != 0 ? x : -x;
    const int64_t left = (int64_t)signed_x * ((int64_t)1 << (shift > 0 ? shift : 0));
    const int64_t product = divide(left * multiplier, 31, 0);
    const int64_t expected = divide(product, shift < 0 ? -shift : 0, 1);
    CHECK(aed_rescale(signed_x, multiplier, shift) == expected);
  }
  CHECK(aed_rescale(3, 0, 0) == 0);
  CHECK(aed_rescale(1, 1 << 30, 0) == 1);    /* a tie goes up first ... */
  CHECK(aed_rescale(-1, 1 << 30, 0) == 0);   /* ... */
  CHECK(aed_rescale(-3, 1 << 30, 0) == -1);  /* ... */
  CHECK(aed_rescale(-6, 1 << 30, -1) == -2); /* ... and away from zero in the shift */
}

/* The sums are the biases, half of them lie on a tie: halves go away from zero. */
static void test_fully_connected_ties(void) {
  static const int8_t weights[2 * 16];
  const int32_t bias[8] = {1, -1, 5, -5, 2, -6}; /* whole groups of four are read */
  const double scale[6] = {0.5, 0.5, 0.5, 0.5, 0.25, 0.25};
  const int8_t expected[6] = {11, 9, 13, 7, 11, 8};
  const aed_dense_params params = {.input = 0,
                                   .output = 16,
                                   .rows = 1,
                                   .depth = 1,
                                   .out_c = 6,
                                   .output_zero_point = 10,
                                   .act_min = -128,
                                   .act_max = 127,
                                   .weights = weights,
                                   .bias = bias,
                                   .scale = scale};
  _Alignas(16) uint8_t arena[32] = {0};
  aed_fully_connected_s8(&params, arena);
  CHECK(memcmp(arena + 16, expected, sizeof expected) == 0);
}

/* Rows in which one exponential over the sum lies on a tie of the last rounding: what TensorFlow
 * Lite's reference kernel answers. */
static void test_softmax_ties(void) {
  static const struct {
    int32_t multiplier, left_shift, depth;
    int8_t x[6], expected[6];
  } rows[] = {
      {1389248128, 21, 5, {121, 4, -56, -75, 30}, {69, -110, -123, -124, -97}},
      {1094099584, 27, 5, {115, 84, -90, 112, -4}, {117, -128, -128, -117, -128}},
      {1276897408, 22, 6, {-38, -50, -64, 85, -75, 54}, {-126, -127, -127, 63, -128, -68}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const aed_softmax_params params = {.input = 0,
                                       .output = 16,
                                       .rows = 1,
                                       .depth = rows[i].depth,
                                       .multiplier = rows[i].multiplier,
                                       .left_shift = rows[i].left_shift,
                                       .diff_min = -((31 << 26) >> rows[i].left_shift)};
    _Alignas(16) uint8_t arena[32];
    memcpy(arena, rows[i].x, 6);
    aed_softmax_s8(&params, arena);
    CHECK(memcmp(arena + 16, rows[i].expected, (size_t)rows[i].depth) == 0);
  }
}

/* Equal values share one: 1 / n in steps of 1 / 256, for more of them than there are steps too. */
static void test_softmax_shares(void) {
  enum { MOST = 4095 };
  static _Alignas(16) uint8_t arena[4096 + MOST];
  aed_softmax_params params = {
      .input = 0, .output = 4096, .rows = 1, .multiplier = 1 << 30, .left_shift = 24};
  params.diff_min = -((31 << 26) >> params.left_shift);
  for (int32_t n = 1; n <= MOST; n++) {
    params.depth = n;
    memset(arena, 7, (size_t)n);
    aed_softmax_s8(&params, arena);
    const int32_t share = (2 * 256 + n - 1) / (2 * n); /* halves come out a little low */
    const int8_t expected = (int8_t)(aed_min(share, 255) - 128);
    CHECK((int8_t)arena[4096] == expected && (int8_t)arena[4096 + n - 1] == expected);
  }
}

/* As many inputs as there may be, in an arena that ends with the output. */
static void test_concat(void) {
  enum { OUTER = 3, ROW = AED_CONCAT_INPUTS * (AED_CONCAT_INPUTS + 1) / 2 };
  aed_concat_params params = {.output = OUTER * ROW, .n_inputs = AED_CONCAT_INPUTS, .outer = OUTER};
  uint8_t *arena = malloc(2 * OUTER * ROW), *next = arena;
  for (int32_t i = 0; i < AED_CONCAT_INPUTS; i++) {
    params.sizes[i] = i + 1;
    params.inputs[i] = (uint32_t)(next - arena);
    for (int32_t k = 0; k < OUTER * (i + 1); k++) {
      *next++ = (uint8_t)(17 * i + k);
    }
  }
  aed_concat_8(&params, arena);
  for (int32_t o = 0; o < OUTER; o++) {
    for (int32_t i = 0; i < AED_CONCAT_INPUTS; i++) {
      for (int32_t k = 0; k < i + 1; k++) {
        CHECK(*next++ == (uint8_t)(17 * i + o * (i + 1) + k));
      }
    }
  }
  free(arena);
}

/* Behind other values, up to the arena's end. */
static void test_dequantize(void) {
  enum { N = 5, BEFORE = 32 };
  const uint8_t bytes[N] = {0, 1, 127, 128, 255};
  uint8_t *arena = malloc(BEFORE + N * sizeof(float));
  for (int32_t is_signed = 0; is_signed < 2; is_signed++) {
    const aed_affine_params params = {
        .input = 3, .output = BEFORE, .n = N, .scale = 0.5f, .zero_point = 7};
    memcpy(arena + params.input, bytes, N);
    (is_signed ? aed_dequantize_s8_f32 : aed_dequantize_u8_f32)(&params, arena);
    for (int32_t i = 0; i < N; i++) {
      float found;
      memcpy(&found, arena + BEFORE + (size_t)i * sizeof found, sizeof found);
      const int32_t q = is_signed ? (int8_t)bytes[i] : bytes[i];
      CHECK(found * 2.0f == (float)(q - 7));
    }
  }
  free(arena);
}

static void count(void *context, uint32_t node) {
  uint32_t *next = context;
  CHECK(node == *next);
  (*next)++;
}

static void test_run(void) {
  /* float32 -> int8, twice the value in place, int8 -> float32 */
  static uint8_t twice[256];
  for (int i = -128; i < 128; i++) {
    twice[i & 0xFF] = (uint8_t)aed_clamp(2 * i, -128, 127);
  }
  const aed_affine_params quantize = {.input = 0, .output = 32, .n = 5, .scale = 0.5f};
  const aed_lut_params lut = {.input = 32, .output = 32, .n = 5, .table = twice};
  const aed_affine_params dequantize = {.input = 32, .output = 0, .n = 5, .scale = 0.5f};
  const aed_nn_node nodes[] = {
      {aed_quantize_f32_s8, &quantize}, {aed_lut_8, &lut}, {aed_dequantize_s8_f32, &dequantize}};
  const aed_nn_io end = {.offset = 0,
                         .n_elements = 5,
                         .n_dims = 2,
                         .dims = {1, 5, 1, 1},
                         .type = AED_NN_FLOAT32,
                         .scale = 1.0f};
  const aed_nn_model model = {"test", "", nodes, 3, 48, end, end};
  const float input[5] = {0.0f, 1.0f, -3.0f, 40.0f, -40.0f};
  const float expected[5] = {0.0f, 2.0f, -6.0f, 63.5f, -64.0f};
  float output[5];
  _Alignas(16) static uint8_t arena[64];
  uint32_t seen = 0;
  CHECK(aed_nn_run(&model, input, output, arena, count, &seen) == AED_OK);
  CHECK(seen == 3);
  CHECK(memcmp(output, expected, sizeof output) == 0);
  CHECK(aed_nn_run(NULL, input, output, arena, NULL, NULL) == AED_ERR_ARGUMENT);
  CHECK(aed_nn_run(&model, NULL, output, arena, NULL, NULL) == AED_ERR_ARGUMENT);
  CHECK(aed_nn_run(&model, input, NULL, arena, NULL, NULL) == AED_ERR_ARGUMENT);
  CHECK(aed_nn_run(&model, input, output, NULL, NULL, NULL) == AED_ERR_ARGUMENT);
  CHECK(aed_nn_run(&model, input, output, arena + 8, NULL, NULL) == AED_ERR_ARGUMENT);
  CHECK(aed_nn_type_size(AED_NN_FLOAT32) == 4 && aed_nn_type_size(AED_NN_UINT8) == 1);
  CHECK(aed_nn_type_size((aed_nn_type)9) == 0);
}

int main(void) {
  test_rescale();
  test_fully_connected_ties();
  test_softmax_ties();
  test_softmax_shares();
  test_concat();
  test_dequantize();
  test_run();
  return aed_check_result("nn");
}
