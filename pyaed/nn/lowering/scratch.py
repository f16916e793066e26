"""How much scratch memory the convolutions take."""

#: Widened inputs of a convolution on the Cortex-M33, in bytes: of one tile of pixels (larger ones follow where the arena
#: has room for them), and of four channels of a depthwise layer.
TILE_BYTES = 8192
PLANE_BYTES = 16384


def scratch_bytes(kernel: str, p: dict, out_rows: int, tile: int | None = None) -> tuple[int, int]:
    """Return the field `tile` of a convolution, and the scratch memory it needs when it computes `out_rows` rows at a time.

    The portable kernels and those of the Cortex-M33 make do with the same memory. `tile` asks for a certain number of
    pixels, for kernels that are not depthwise.
    """
    taps = p["kernel_h"] * p["kernel_w"]
    if kernel != "aed_depthwise_s8":
        # Widened weights of four channels, widened pixels of a tile, and two gathered windows.
        depth = taps * p["in_c"]
        pixel_bytes = 8 * -(-depth // 4)
        tile = tile or max(2, min(TILE_BYTES // pixel_bytes, 64, out_rows * p["out_w"] + 1) // 2 * 2)
        return tile, (4 + tile) * pixel_bytes + (0 if kernel == "aed_pointwise_s8" else 2 * depth)
    portable = 4 * taps + p["in_c"]
    fits = (p["kernel_h"], p["kernel_w"], p["dilation_h"], p["dilation_w"], p["depth_multiplier"]) == (3, 3, 1, 1, 1)
    if not fits or p["in_c"] % 4 or p["stride_w"] > 2:
        return 0, portable
    # Four widened channels of the input rows.
    columns = -(-p["out_w"] // 2) + 1 if p["stride_w"] == 1 else p["out_w"] + 1

    def planes(rows: int) -> int:
        return 16 * columns * ((rows - 1) * p["stride_h"] + 3)

    tile = out_rows
    while tile > 1 and planes(tile) > PLANE_BYTES:
        tile -= 1
    return tile, max(portable, planes(tile))
