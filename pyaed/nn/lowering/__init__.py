"""From graph operators to kernel calls: one function per TensorFlow Lite operator, all of them in the table LOWERINGS.

A function returns a Step (call this kernel with these numbers) or a View (the output is the input's memory under another
shape). What it cannot express exactly it refuses with the operator, the tensor and the reason.
"""

from pyaed.nn.graph import Graph, Operator
from pyaed.nn.lowering import convolutions, dilated, elementwise, pools, shapes, tables
from pyaed.nn.lowering.common import Fields, Lowering, Step, View, refuse
from pyaed.nn.lowering.scratch import scratch_bytes

__all__ = ["KERNELS", "LOWERINGS", "Fields", "Step", "View", "lower", "scratch_bytes"]

#: Kernel -> its parameter struct in nn_c/include/aed_nn_kernels.h.
KERNELS = {
    "aed_conv_s8": "aed_conv_params",
    "aed_pointwise_s8": "aed_conv_params",
    "aed_depthwise_s8": "aed_conv_params",
    "aed_grouped_conv_s8": "aed_conv_params",
    "aed_chain_s8": "aed_chain_params",
    "aed_fully_connected_s8": "aed_dense_params",
    "aed_average_pool_s8": "aed_pool_params",
    "aed_max_pool_s8": "aed_pool_params",
    "aed_mean_s8": "aed_mean_params",
    "aed_add_s8": "aed_binary_params",
    "aed_sub_s8": "aed_binary_params",
    "aed_mul_s8": "aed_binary_params",
    "aed_squared_difference_s8": "aed_binary_params",
    "aed_prelu_s8": "aed_binary_params",
    "aed_minimum_s8": "aed_binary_params",
    "aed_maximum_s8": "aed_binary_params",
    "aed_pad_8": "aed_pad_params",
    "aed_strided_8": "aed_strided_params",
    "aed_concat_8": "aed_concat_params",
    "aed_lut_8": "aed_lut_params",
    "aed_softmax_s8": "aed_softmax_params",
    "aed_quantize_f32_s8": "aed_affine_params",
    "aed_quantize_f32_u8": "aed_affine_params",
    "aed_dequantize_s8_f32": "aed_affine_params",
    "aed_dequantize_u8_f32": "aed_affine_params",
}

#: TensorFlow Lite operator -> lowering.
LOWERINGS: dict[str, Lowering] = {
    "ADD": elementwise.binary("aed_add_s8", elementwise.sum_fields),
    "AVERAGE_POOL_2D": pools.pool("aed_average_pool_s8"),
    "BATCH_TO_SPACE_ND": dilated.batch_to_space,
    "CONCATENATION": shapes.concatenation,
    "CONV_2D": convolutions.convolution,
    "DEPTHWISE_CONV_2D": convolutions.convolution,
    "DEQUANTIZE": tables.dequantize,
    "EXPAND_DIMS": shapes.view,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "GELU": tables.of_float(tables.gelu),
    "HARD_SWISH": tables.hard_swish,
    "LEAKY_RELU": tables.leaky_relu,
    "LOGISTIC": tables.of_float(tables.logistic, unit_output=True),
    "MAXIMUM": elementwise.binary("aed_maximum_s8", elementwise.choice_fields),
    "MAX_POOL_2D": pools.pool("aed_max_pool_s8"),
    "MEAN": pools.mean,
    "MINIMUM": elementwise.binary("aed_minimum_s8", elementwise.choice_fields),
    "MUL": elementwise.binary("aed_mul_s8", elementwise.product_fields),
    "PACK": shapes.concatenation,
    "PAD": shapes.pad,
    "PADV2": shapes.pad,
    "PRELU": elementwise.binary("aed_prelu_s8", elementwise.prelu_fields),
    "QUANTIZE": tables.quantize,
    "REDUCE_MAX": pools.reduce_max,
    "RELU": tables.relu("RELU"),
    "RELU6": tables.relu("RELU6"),
    "RELU_N1_TO_1": tables.relu("RELU_N1_TO_1"),
    "RESHAPE": shapes.view,
    "SLICE": shapes.movement(shapes.cut),
    "SOFTMAX": tables.softmax,
    "SQUARED_DIFFERENCE": elementwise.binary("aed_squared_difference_s8", elementwise.squared_difference_fields),
    "SQUEEZE": shapes.view,
    "STRIDED_SLICE": shapes.movement(shapes.strided_slice),
    "SUB": elementwise.binary("aed_sub_s8", elementwise.sum_fields),
    "TABLE": tables.given,
    "TANH": tables.of_float(tables.tanh),
    "TRANSPOSE": shapes.movement(shapes.transpose),
}


def lower(graph: Graph, operator: Operator) -> Step | View:
    """Turn one operator into a Step or a View, or raise UserError naming operator, tensor and shape."""
    if operator.name not in LOWERINGS:
        refuse(graph, operator, f"operator not supported (supported: {', '.join(sorted(LOWERINGS))})")
    if len(operator.outputs) != 1 or not operator.inputs or operator.inputs[0] < 0:
        refuse(graph, operator, "expected at least one input and exactly one output")
    return LOWERINGS[operator.name](graph, operator)
