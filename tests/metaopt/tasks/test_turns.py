import torch

from metaopt.tasks.turns import mirrored_pixels, turned_pixels


def test_turns_are_quarter_turns_counter_clockwise() -> None:
    image = torch.rand(28, 28)
    for k, places in enumerate(turned_pixels(28)):
        assert torch.equal(image.reshape(-1)[places].view(28, 28), image.rot90(k))


def test_mirrored_is_left_and_right_of_what_was_turned() -> None:
    image = torch.rand(6, 6)
    for k, places in enumerate(mirrored_pixels(turned_pixels(6), 6)):
        assert torch.equal(image.reshape(-1)[places].view(6, 6), image.rot90(k).flip(-1))
    wide = torch.rand(2, 5)
    (places,) = mirrored_pixels(torch.arange(10)[None], 5)
    assert torch.equal(wide.reshape(-1)[places].view(2, 5), wide.flip(-1))
