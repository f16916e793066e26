/* Kernels of the engine and their parameter structs.
 *
 * Fields input, input_b, output and scratch are byte offsets in the arena; output may equal the
 * input of an elementwise kernel, of aed_pointwise_s8 without stride and with out_c = in_c, and of
 * aed_depthwise_s8 whose maps have one size and no dilation. scratch is memory that only this node
 * uses, while it runs. Feature maps are NHWC with N = 1. The lowering in pyaed.nn checks every
 * shape, so kernels do not; it also refuses layers whose accumulators could reach 2^30, which the
 * rescaling relies on.
 *
 * Rescaling (multiplier, shift): the real factor is multiplier * 2^(shift - 31), rounded as in
 * aed_nn_math.h. Channel tables (bias, multiplier, shift, scale, packed weights) are padded with
 * zeros to a multiple of 4 channels. */
#ifndef AED_NN_KERNELS_H
#define AED_NN_KERNELS_H

#include <stdint.h>

#include "aed_nn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
typedef struct {
  uint32_t input;
  uint32_t output;
  uint32_t scratch; /* sized by scratch_bytes in pyaed/nn/lowering, for the portable and the
                       Cortex-M33 kernels alike */
  int32_t in_h, in_w, in_c;
  int32_t out_h, out_w, out_c;
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t dilation_h, dilation_w;
  int32_t pad_top, pad_left;
  int32_t depth_multiplier; /* out_c / in_c of a depthwise layer, else 1 */
  int32_t group_in_c;       /* input channels of each group, in a grouped convolution only */
  int32_t input_zero_point, output_zero_point;
  int32_t act_min, act_max; /* clamp of the quantized output: fused activation and int8 range */
  int32_t tile;          /* conv, pointwise: output pixels that the Cortex-M33 kernel computes at a
                            time, even; depthwise: its output rows at a time, 0 for the portable
                            loop */
  int32_t fast_rounding; /* 1 when act_min = output_zero_point = -128, act_max = 127 and every
                            shift is in -22 .. -1: rounding may then treat negative values freely */
  const int8_t *weights; /* on a multiple of 4, zeros at the ends;
                            conv, pointwise: [out_c / 4][depth / 4][4 channels][4] with
                            depth = kernel_h * kernel_w * in_c;
                            depthwise: [out_c / 4][kernel_h][kernel_w][4];
                            grouped: as conv for each group, one group after the other, and so the
                            channel tables, every group filled up to a multiple of 4 channels */
  const int32_t *bias;   /* per channel; minus the input zero point times the sum of weights */
  const int32_t *multiplier;
  const int8_t *shift;
} aed_conv_params;

#define AED_CHAIN_STAGES 24

typedef enum {
  AED_STAGE_CONV = 0,  /* aed_conv_params */
  AED_STAGE_POOL = 1,  /* aed_pool_params */
  AED_STAGE_PAD = 2,   /* aed_pad_params */
  AED_STAGE_ADD_A = 3, /* aed_binary_params without broadcasting; operand a comes from the stage
                          before, operand b is a whole tensor */
  AED_STAGE_ADD_B = 4  /* the same with the operands exchanged */
} aed_stage_kind;

/* One layer of a chain. The sizes in params are those of the whole maps; output row r reads the
 * input rows from r * stride - pad on, `window` of them, as far as they exist. */
typedef struct {
  aed_nn_kernel kernel;
  const void *params;
  aed_stage_kind kind;
  uint32_t input, output; /* arena offsets; those in params do not count,
                             but for the other operand of a sum */
  int32_t in_h, out_h;
  int32_t in_row, out_row; /* bytes of a row */
  int32_t window, stride, pad;
  int32_t rows;     /* output rows at a time, the last time fewer */
  int32_t capacity; /* rows that the buffer behind this stage holds; unused in the last stage */
} aed_chain_stage;

/* Layers that each read the one before, which nobody else does. The first reads its whole input,
 * the last writes its whole output; what lies between exists as a few rows. */
typedef struct {
  int32_t n_stages; /* 2 to AED_CHAIN_STAGES */
  const aed_chain_stage *stages;
} aed_chain_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t rows, depth, out_c; /* input is [rows][depth], output [rows][out_c] */
  int32_t output_zero_point;
  int32_t act_min, act_max;
  const int8_t *weights; /* [out_c / 4][depth / 4][4 channels][4], zeros at the end */
  const int32_t *bias;   /* per channel, input zero point folded in */
  const double *scale;   /* per channel: input scale * weight scale / output scale */
} aed_dense_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t in_h, in_w, channels;
  int32_t out_h, out_w;
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t pad_top, pad_left;
  int32_t act_min, act_max;
} aed_pool_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t outer, reduce, inner; /* input is [outer][reduce][inner], output [outer][inner] */
  int32_t input_zero_point, output_zero_point;
  int32_t multiplier, shift; /* input scale / output scale / reduce */
} aed_mean_params;

typedef struct {
  uint32_t input;   /* operand a, unless constant_a is set */
  uint32_t input_b; /* operand b, unless constant_b is set */
  uint32_t output;
  const int8_t *constant_a, *constant_b; /* operand in flash, or NULL */
  int32_t dims[4];                       /* output shape, leading ones */
  int32_t strides_a[4], strides_b[4];    /* in elements; 0 where the operand is broadcast */
  int32_t zero_point_a, zero_point_b, output_zero_point;
  int32_t multiplier_a, shift_a; /* sums and differences; in aed_prelu_s8 of values of 0 or more */
  int32_t multiplier_b, shift_b; /* aed_add_s8, aed_sub_s8 */
  int32_t multiplier, shift;
  int32_t act_min, act_max;
} aed_binary_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t in_dims[4]; /* leading ones */
  int32_t before[4];  /* elements of padding before each dimension */
  int32_t out_dims[4];
  int32_t value; /* quantized value of the padding */
} aed_pad_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t first;      /* element of the input that comes first */
  int32_t dims[4];    /* output shape, leading ones */
  int32_t strides[4]; /* stride in the input, in elements, of each output dimension: 0 repeats,
                         below 0 goes backwards */
} aed_strided_params;

#define AED_CONCAT_INPUTS 16

/* Input i is [outer][sizes[i]], the output [outer][sum of sizes]. */
typedef struct {
  uint32_t inputs[AED_CONCAT_INPUTS]; /* byte offsets in the arena */
  uint32_t output;
  int32_t n_inputs; /* 1 to AED_CONCAT_INPUTS */
  int32_t outer;
  int32_t sizes[AED_CONCAT_INPUTS];
} aed_concat_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t n;            /* elements */
  const uint8_t *table; /* 256 values, indexed by the input byte read as unsigned */
} aed_lut_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t rows, depth; /* softmax over the last dimension, at most 4095 */
  /* The difference to the row's maximum, times multiplier * 2^(left_shift - 31), is the exponent
   * with 26 fraction bits; differences below diff_min count as minus infinity. */
  int32_t multiplier, left_shift, diff_min;
} aed_softmax_params;

typedef struct {
  uint32_t input;
  uint32_t output;
  int32_t n; /* elements */
  float scale;
  int32_t zero_point;
} aed_affine_params;

/* Convolutions: aed_conv_params. In this order: CONV_2D of any kernel, stride, dilation and
 * padding; 1x1 CONV_2D without padding; DEPTHWISE_CONV_2D; CONV_2D in groups. */
void aed_conv_s8(const void *params, uint8_t *arena);
void aed_pointwise_s8(const void *params, uint8_t *arena);
void aed_depthwise_s8(const void *params, uint8_t *arena);
void aed_grouped_conv_s8(const void *params, uint8_t *arena);
/* Layers one after the other in bands of rows: aed_chain_params. */
void aed_chain_s8(const void *params, uint8_t *arena);
/* FULLY_CONNECTED: aed_dense_params. */
void aed_fully_connected_s8(const void *params, uint8_t *arena);
/* Pools: aed_pool_params. */
void aed_average_pool_s8(const void *params, uint8_t *arena);
void aed_max_pool_s8(const void *params, uint8_t *arena);
/* MEAN: aed_mean_params. */
void aed_mean_s8(const void *params, uint8_t *arena);
/* Two operands with broadcasting: aed_binary_params. MINIMUM and MAXIMUM compare the quantized
 * values as they are. */
void aed_add_s8(const void *params, uint8_t *arena);
void aed_sub_s8(const void *params, uint8_t *arena);
void aed_mul_s8(const void *params, uint8_t *arena);
void aed_squared_difference_s8(const void *params, uint8_t *arena);
void aed_prelu_s8(const void *params, uint8_t *arena);
void aed_minimum_s8(const void *params, uint8_t *arena);
void aed_maximum_s8(const void *params, uint8_t *arena);
/* Movements, one byte an element, signed or not.
 * PAD, PADV2: aed_pad_params.
 * Any choice and order of elements with constant strides (TRANSPOSE, STRIDED_SLICE, ...):
 * aed_strided_params.
 * CONCATENATION, PACK: aed_concat_params. */
void aed_pad_8(const void *params, uint8_t *arena);
void aed_strided_8(const void *params, uint8_t *arena);
void aed_concat_8(const void *params, uint8_t *arena);
/* Any function of one byte (LOGISTIC, RELU*, QUANTIZE between 8-bit types): aed_lut_params. */
void aed_lut_8(const void *params, uint8_t *arena);
/* SOFTMAX: aed_softmax_params. */
void aed_softmax_s8(const void *params, uint8_t *arena);
/* QUANTIZE from float32 and DEQUANTIZE to float32: aed_affine_params. */
void aed_quantize_f32_s8(const void *params, uint8_t *arena);
void aed_quantize_f32_u8(const void *params, uint8_t *arena);
void aed_dequantize_s8_f32(const void *params, uint8_t *arena);
void aed_dequantize_u8_f32(const void *params, uint8_t *arena);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
