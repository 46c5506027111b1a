"""ResNet-12: the residual network of the few-shot literature, as a plain module."""

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.1  # of the leaky ReLUs


class ResNet12(nn.Module):
    """Four residual blocks of doubling width, the mean over space, then an affine layer.

    A block is three 3×3 convolutions, each with batch norm, leaky ReLUs between them; a 1×1
    convolution with batch norm beside them; leaky ReLU of the sum; 2×2 max-pooling.  Batch norm
    uses the statistics of the batch, and nothing is dropped.

    Args:
        input_shape: (channels, height, width), sides of 16 and more.
        outputs: Width C of the output.
        width: Channels of the first block; the others have 2, 4 and 8 times as many.
    Reference:
        Oreshkin, López & Lacoste (2018), arXiv:1805.10123, section 4.1 (12 layers, widths 64, 128,
        256, 512); Lee, Maji, Ravichandran & Soatto (2019), arXiv:1904.03758, and its code: slope
        0.1, initial weights.
    """

    def __init__(self, input_shape: tuple[int, ...], outputs: int, width: int = 64) -> None:
        super().__init__()
        widths = [input_shape[0], *(width * 2**i for i in range(4))]
        self.blocks = nn.Sequential(*map(Block, widths[:-1], widths[1:]))
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C) for images x (N, channels, height, width)."""
        outputs: Tensor = self.head(self.blocks(x).mean((-2, -1)))
        return outputs


class Block(nn.Module):
    """One residual block, which halves the sides, rounded down."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(channels, width, 3),
            norm(width),
            nn.LeakyReLU(SLOPE),
            convolution(width, width, 3),
            norm(width),
            nn.LeakyReLU(SLOPE),
            convolution(width, width, 3),
            norm(width),
        )
        self.shortcut = nn.Sequential(convolution(channels, width, 1), norm(width))

    def forward(self, h: Tensor) -> Tensor:
        """Return (N, width, H // 2, W // 2) for h (N, channels, H, W)."""
        return F.max_pool2d(F.leaky_relu(self.layers(h) + self.shortcut(h), SLOPE), 2)


def convolution(channels: int, width: int, side: int) -> nn.Conv2d:
    """A convolution that keeps the sides, without bias; weights of variance 2 / (1.01 fan out)."""
    layer = nn.Conv2d(channels, width, side, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, a=SLOPE, mode="fan_out", nonlinearity="leaky_relu")
    return layer


def norm(width: int) -> nn.BatchNorm2d:
    """Batch norm that keeps no running statistics."""
    return nn.BatchNorm2d(width, track_running_stats=False)
