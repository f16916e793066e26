"""From graph operators to kernel calls: one function per TensorFlow Lite operator, all of them in the table LOWERINGS.

A function returns a Step (call this kernel with these numbers) or a View (the output is the input's memory under another
shape). What it cannot express exactly it refuses with the operator, the tensor and the reason.
"""

from pyaed.nn.graph import Graph, Operator
from pyaed.nn.lowering import convolutions, elementwise, pools, shapes, tables
from pyaed.nn.lowering.common import Step, View, refuse
from pyaed.nn.lowering.scratch import scratch_bytes

__all__ = ["KERNELS", "LOWERINGS", "Step", "View", "lower", "scratch_bytes"]

#: Kernel -> its parameter struct in nn_c/include/aed_nn_kernels.h.
KERNELS = {
    "aed_conv_s8": "aed_conv_params",
    "aed_pointwise_s8": "aed_conv_params",
    "aed_depthwise_s8": "aed_conv_params",
    "aed_chain_s8": "aed_chain_params",
    "aed_fully_connected_s8": "aed_dense_params",
    "aed_average_pool_s8": "aed_pool_params",
    "aed_max_pool_s8": "aed_pool_params",
    "aed_mean_s8": "aed_mean_params",
    "aed_add_s8": "aed_binary_params",
    "aed_mul_s8": "aed_binary_params",
    "aed_pad_8": "aed_pad_params",
    "aed_transpose_8": "aed_transpose_params",
    "aed_lut_8": "aed_lut_params",
    "aed_softmax_s8": "aed_softmax_params",
    "aed_quantize_f32_s8": "aed_affine_params",
    "aed_quantize_f32_u8": "aed_affine_params",
    "aed_dequantize_s8_f32": "aed_affine_params",
    "aed_dequantize_u8_f32": "aed_affine_params",
}

#: TensorFlow Lite operator -> lowering.
LOWERINGS = {
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pools.pool("aed_average_pool_s8"),
    "CONV_2D": convolutions.conv_2d,
    "DEPTHWISE_CONV_2D": convolutions.depthwise_conv_2d,
    "DEQUANTIZE": tables.dequantize,
    "EXPAND_DIMS": shapes.view,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "HARD_SWISH": tables.hard_swish,
    "LEAKY_RELU": tables.leaky_relu,
    "LOGISTIC": tables.logistic,
    "MAX_POOL_2D": pools.pool("aed_max_pool_s8"),
    "MEAN": pools.mean,
    "MUL": elementwise.mul,
    "PAD": shapes.pad,
    "PADV2": shapes.pad,
    "QUANTIZE": tables.quantize,
    "REDUCE_MAX": pools.reduce_max,
    "RELU": tables.relu("RELU"),
    "RELU6": tables.relu("RELU6"),
    "RELU_N1_TO_1": tables.relu("RELU_N1_TO_1"),
    "RESHAPE": shapes.view,
    "SOFTMAX": tables.softmax,
    "SQUEEZE": shapes.view,
    "TRANSPOSE": shapes.transpose,
}


def lower(graph: Graph, operator: Operator) -> Step | View:
    """Turn one operator into a Step or a View, or raise UserError naming operator, tensor and shape."""
    if operator.name not in LOWERINGS:
        refuse(graph, operator, f"operator not supported (supported: {', '.join(sorted(LOWERINGS))})")
    if len(operator.outputs) != 1 or not operator.inputs or operator.inputs[0] < 0:
        refuse(graph, operator, "expected at least one input and exactly one output")
    return LOWERINGS[operator.name](graph, operator)
