"""What each trainee of an encoder of texts has: texts cut once, and weights that learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from coterie.errors import BadInputError
from coterie.finetuning.networks import TextNetwork
from coterie.training.loop import Trainee


class TextTrainee(Trainee):
    """An encoder of texts that learns from some texts, cut into word pieces once."""

    network: TextNetwork

    def __init__(
        self, network: TextNetwork, texts: Sequence[str], longest: int, device: torch.device
    ) -> None:
        """Cut all texts.

        Args:
            network: What learns.
            texts: What it learns from.
            longest: Word pieces of a text at most.
            device: Where it learns; who comes after this brings the network there.
        """
        super().__init__()
        self.network, self._device = network, device
        cut = network.tokens(texts, longest)
        self._lengths = np.array([len(one) for one in cut], np.int64)
        self._tokens = np.zeros((len(cut), int(self._lengths.max())), np.int64)
        self._tokens[self._there(self._tokens, self._lengths)] = np.concatenate(cut)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Give what learns, and no more: a table of word pieces is most of an encoder."""
        whole = super().state_dict(*args, **kwargs)
        return {name: whole[name] for name, one in self.named_parameters() if one.requires_grad}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take what :meth:`state_dict` gave.

        Raises:
            BadInputError: It is of another encoder.
        """
        if strict and set(state_dict) != set(self.state_dict()):
            raise BadInputError("the weights are of another encoder, or of other settings")
        return super().load_state_dict(state_dict, strict=False, assign=assign)

    def _cut_of(
        self, rows: npt.NDArray[np.int64], step: int = 1
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Give some texts' word pieces, as long as the longest, up to a multiple of ``step``."""
        lengths = self._lengths[rows]
        return self._tokens[rows, : -(-int(lengths.max()) // step) * step], lengths

    def _sent(self, array: npt.NDArray[np.int64]) -> Tensor:
        made = torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type != "cuda":
            return made
        return made.pin_memory().to(self._device, non_blocking=True)

    @staticmethod
    def _there(ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Tell which places of cut texts have a piece, shape (texts, longest)."""
        return np.arange(ids.shape[1]) < lengths[:, None]
