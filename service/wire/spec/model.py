"""The model of a spec: `metaopt.models` makes it."""

from typing import Annotated, Literal

from pydantic import Field

from service.wire.base import Wire

Precision = Literal["float32", "bfloat16"]
"""Of activations and their derivatives; weights, losses and optimizers are always float32."""


class MlpModel(Wire):
    """Fully connected layers with an activation between them.

    `init`: Glorot-uniform, or truncated normal 0.01 (MAML's own code); biases at zero.
    """

    kind: Literal["mlp"] = "mlp"
    widths: Annotated[
        list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=1, max_length=8)
    ] = [40, 40]
    activation: Literal["relu", "tanh"] = "relu"
    init: Literal["glorot", "truncated_normal"] = "glorot"
    precision: Precision = "float32"


class LinearModel(Wire):
    """One affine layer."""

    kind: Literal["linear"] = "linear"


class Conv4Model(Wire):
    """Four 3×3 convolutions, each with batch norm (batch statistics) and ReLU; affine layer."""

    kind: Literal["conv4"] = "conv4"
    filters: Annotated[int, Field(ge=1, le=512)] = 64
    pooling: Literal["stride", "max"] = "stride"
    adapt_norm: bool = True
    precision: Precision = "float32"


Model = Annotated[MlpModel | LinearModel | Conv4Model, Field(discriminator="kind")]
