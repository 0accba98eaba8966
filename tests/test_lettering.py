import numpy as np

from goldenpair.simulation.lettering import FONTS, letters, text_cover


def grid(size: int = 128, side: float = 4.0):
    at = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * np.float32(side)
    return at[None, :], at[:, None], side / size


def extent(cover: np.ndarray, step: float) -> tuple[float, float]:
    down, across = np.nonzero(cover > 0.3)
    return (np.ptp(across) + 1) * step, (np.ptp(down) + 1) * step


def test_text_is_as_tall_as_asked_and_in_the_middle():
    x, y, step = grid()
    cover = text_cover(x, y, "808", 0, 1.0, 9.0, step)
    wide, tall = extent(cover, step)
    assert 0.75 < tall <= 1.05 and wide > tall
    down, across = np.nonzero(cover > 0.3)
    assert abs(down.mean() - 63.5) < 4 and abs(across.mean() - 63.5) < 4


def test_text_is_narrowed_where_it_would_be_too_wide():
    x, y, step = grid()
    wide, tall = extent(text_cover(x, y, "LM1234", 0, 1.0, 2.0, step), step)
    assert 1.7 < wide <= 2.05 and tall > 0.75


def test_text_is_upright():
    """An L has its foot at the lower end and its stem on the left."""
    x, y, step = grid()
    cover = text_cover(x, y, "L", 0, 2.0, 9.0, step)
    down, across = np.nonzero(cover > 0.3)
    middle = (down.min() + down.max()) / 2
    assert cover[int(middle) :].sum() > 1.2 * cover[: int(middle)].sum()
    middle = (across.min() + across.max()) / 2
    assert cover[:, : int(middle)].sum() > 1.2 * cover[:, int(middle) :].sum()


def test_fonts_differ():
    drawn = [letters("4702", font, 24) for font in range(FONTS)]
    assert drawn[1].shape[1] < drawn[0].shape[1]
    assert drawn[2].sum() > 1.1 * drawn[0].sum() > 1.1 * drawn[3].sum()
    assert all(cover.shape[0] == 24 and 0 <= cover.min() and cover.max() <= 1 for cover in drawn)
