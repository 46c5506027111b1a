"""Networks with sines for activations, which fit what rings.

Sitzmann et al. (2020), arXiv:2006.09661.
"""

import torch
from torch import nn


class Sines(nn.Module):
    """Two hidden layers of sin(ω·Wx), and an affine one."""

    def __init__(self, input_shape, outputs, width: int = 32, omega: float = 3.0):
        super().__init__()
        (inputs,) = input_shape
        self.omega = omega
        self.first, self.second = nn.Linear(inputs, width), nn.Linear(width, width)
        self.last = nn.Linear(width, outputs)

    def forward(self, x):
        h = torch.sin(self.omega * self.first(x))
        return self.last(torch.sin(self.second(h)))
