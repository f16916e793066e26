"""How much scratch memory the convolutions take."""

from collections.abc import Mapping

#: Widened inputs of a convolution on the Cortex-M33, in bytes: of one tile of pixels and four channels of weights, and of
#: four channels of a depthwise layer.
TILE_BYTES = 8192
PLANE_BYTES = 16384
#: More pixels in a tile gain next to nothing.
TILE_PIXELS = 384


def scratch_bytes(kernel: str, p: Mapping[str, int], out_rows: int, budget: int = TILE_BYTES) -> tuple[int, int]:
    """Return the field `tile` of a convolution, and the scratch memory it needs when it computes `out_rows` rows at a time.

    The portable kernels and those of the Cortex-M33 make do with the same memory. A tile takes `budget` bytes where two
    pixels fit into that; depthwise layers take what they need.
    """
    taps = p["kernel_h"] * p["kernel_w"]
    if kernel != "aed_depthwise_s8":
        # Widened weights of four channels, widened pixels of a tile, and two gathered windows.
        depth = taps * p["in_c"]
        pixel_bytes = 8 * -(-depth // 4)
        windows = 0 if kernel == "aed_pointwise_s8" else 2 * depth
        pixels = out_rows * p["out_w"]
        tile = max(2, min((budget - windows) // pixel_bytes - 4, TILE_PIXELS, pixels + 1) // 2 * 2)
        parts = -(-pixels // tile)  # all of about one size
        tile = -(-pixels // (2 * parts)) * 2
        return tile, (4 + tile) * pixel_bytes + windows
    portable = 4 * taps + p["in_c"]
    fits = (p["kernel_h"], p["kernel_w"], p["dilation_h"], p["dilation_w"], p["depth_multiplier"]) == (3, 3, 1, 1, 1)
    if not fits or p["in_c"] % 4 or p["stride_h"] > 2:
        return 0, portable
    # Four widened channels of the input rows, two rows in a word.
    columns = (p["out_w"] + p["out_w"] % 2 - 1) * p["stride_w"] + 3

    def planes(rows: int) -> int:
        return 16 * columns * (-(-rows // 2) + 1 if p["stride_h"] == 1 else rows + 1)

    tile = out_rows
    if planes(tile) > PLANE_BYTES:
        step = 3 - p["stride_h"]  # output rows that come from one word
        tile = max(tile // step * step, step)
        while tile > step and planes(tile) > PLANE_BYTES:
            tile -= step
    return tile, max(portable, planes(tile))
