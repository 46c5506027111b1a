import numpy as np
import torch
from PIL import Image

from metaopt.tasks.omniglot.file import Drawings, pack, unpack
from metaopt.tasks.omniglot.pixels import shrink


def test_each_grey_is_the_share_of_ink_in_the_area_it_covers() -> None:
    ink = np.random.default_rng(1).random((105, 105)) < 0.3
    quarters = np.repeat(np.repeat(ink, 4, axis=0), 4, axis=1)  # 420 = 28 · 15 a side
    share = quarters.reshape(28, 15, 28, 15).mean(axis=(1, 3))
    greys = shrink(pack(ink)).view(28, 28).numpy()
    assert np.abs(greys - 255 * share).max() <= 0.5


def test_paper_is_0_and_ink_is_255() -> None:
    assert shrink(pack(np.zeros((105, 105), dtype=np.bool_))).unique().tolist() == [0]
    assert shrink(pack(np.ones((105, 105), dtype=np.bool_))).unique().tolist() == [255]


def test_drawings_agree_with_an_independent_box_filter(few: Drawings) -> None:
    greys = shrink(few.bits).view(-1, 28, 28).numpy()
    for bits, grey in zip(few.bits.reshape(-1, 14, 105), greys, strict=True):
        image = Image.fromarray(unpack(bits).astype(np.uint8) * 255)
        box = np.asarray(image.resize((28, 28), Image.Resampling.BOX), dtype=np.int64)
        # Pillow samples whole pixels: near its edges a grey may differ, the drawing may not.
        assert np.abs(box - grey).mean() < 6


def test_greys_do_not_depend_on_what_is_shrunk_together(few: Drawings) -> None:
    together = shrink(few.bits)
    assert together.shape == (5, 20, 784) and together.dtype == torch.uint8
    assert torch.equal(shrink(few.bits[3, 7]), together[3, 7])
