"""What mixing several goldens by attention asks of the rest of a spec."""

_STRIDES = (4, 8, 16, 32)
_MULTIPLE = 7 * 32  # tiles of 7 x 7 pixels of the coarsest map


def attention_misfits(module: str | None, strides: tuple[int, ...], height: int, width: int) -> list[str]:
    """What does not fit, as lines `path: sentence`; the joined picture is `height` x `width`."""
    at, found = "model.classify.golden_fusion: attention", []
    if module != "learnable":
        found.append(f"{at} mixes what learnable compares; set difference_module to learnable, or take best_match")
    if strides != _STRIDES:
        told = ", ".join(map(str, strides))
        found.append(f"{at} wants feature maps of the strides 4, 8, 16, 32, not {told}; take best_match")
    if height != width or height % _MULTIPLE:
        found.append(
            f"{at} wants a square joined picture with sides that are multiples of {_MULTIPLE}; it is {height} x "
            f"{width}; change dataset.classify.image_height and image_width, or take best_match"
        )
    return found
