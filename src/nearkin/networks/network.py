"""The network builder of document 001: convolutions, fully connected layers, a linear embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize as to_unit_length

from nearkin.core import InputError, InputTypeError, choice, derived_seed, flag, integer
from nearkin.networks.layers import ConvLayer, FcLayer, linear


class Network(nn.Module):
    """A plain convolutional network from images to embeddings, built layer by layer.

    >>> network = Network(28, 28, 1, 2)
    >>> network = network.add_conv(5, 5, 2, 2, 32).add_conv(5, 5, 2, 2, 64).add_fc(1024).add_fc(256)
    >>> network.connect(torch.zeros(7, 1, 28, 28)).shape
    torch.Size([7, 2])

    Equation:  x = (image - mean) / std; then, layer by layer,
               add_conv: ReLU(max pooling(convolution(x) + bias)); add_fc: ReLU(W x + bias);
               last, always: embedding = W x + bias, or that / max(‖.‖, 1e-12) with `normalize`
    Shapes:    images (B, channels, height, width), floating -> (B, embedding_size); B may be 0
    Weights:   the network's own random stream, made from `seed` or drawn from `generator`; global random state is
               neither read nor moved. Hidden layers: He normal, variance 2 / fan-in. Output: Glorot normal, variance
               2 / (fan-in + fan-out). Biases 0. The same seed gives the same weights on every device.
    Defaults:  seed 0; normalize False, because document 001 compares embeddings in the plane;
               mean 0 and std 1 (images as given) until `standardise` says otherwise
    Sharing:   every `connect` uses the same parameters: two or three calls make a Siamese or a triplet network
    Errors:    a layer that does not fit, a layer added after the first `connect` (an optimiser may already hold
               the parameters), images of another shape or kind: an InputError that says why
    Source:    document 001, its listing and its experiments
    Differs:   001 leaves open the activation (here ReLU), the meaning of "2, 2" (here max pooling with that stride)
               and the padding (here "same", as in the 28 -> 14 -> 7 net that its sizes fit; see `add_conv`)
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        height: int,
        width: int,
        channels: int,
        embedding_size: int,
        *,
        seed: int | None = None,
        generator: torch.Generator | None = None,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.height = integer("height", height, minimum=1)
        self.width = integer("width", width, minimum=1)
        self.channels = integer("channels", channels, minimum=1)
        self.embedding_size = integer("embedding_size", embedding_size, minimum=1)
        self.normalize = flag("normalize", normalize)
        self.seed = _own_seed(seed, generator)
        self.register_buffer("mean", torch.zeros(self.channels, 1, 1))
        self.register_buffer("std", torch.ones(self.channels, 1, 1))
        self.hidden = nn.Sequential()
        self._map: tuple[int, int, int] | None = (self.channels, self.height, self.width)
        self._connected = False
        self._renew_output(self.channels * self.height * self.width)

    def add_conv(
        self,
        kernel_h: int,
        kernel_w: int,
        pool_h: int,
        pool_w: int,
        filters: int,
        *,
        padding: str = "same",
        batch_norm: bool = False,
    ) -> Network:
        """Add a convolution (stride 1), max pooling (stride = pool, remainder dropped) and ReLU; return the network.

        With `batch_norm` each filter's map is normalised before the pooling: by its mean and variance over the batch
        while training, by their running averages (momentum 0.1) in evaluation mode; then scaled and shifted by numbers
        that are learned, from 1 and 0. The convolution has no bias then: the shift is one.

        Shapes:   (C, H, W) -> (filters, H' // pool_h, W' // pool_w), where H' = H with padding "same" (zeros around
                  the map; for an even kernel one more below and to the right) and H - kernel_h + 1 with "valid"
        Errors:   after `add_fc` (there is no map left), a kernel of which a part never meets the map, a pool larger
                  than the map
        """
        self._refuse_when_connected("add_conv")
        if self._map is None:
            raise InputError("add_conv after add_fc: a fully connected layer leaves no map; add all convolutions first")
        layer = ConvLayer(
            self._map,
            kernel=(integer("kernel_h", kernel_h, minimum=1), integer("kernel_w", kernel_w, minimum=1)),
            pool=(integer("pool_h", pool_h, minimum=1), integer("pool_w", pool_w, minimum=1)),
            filters=integer("filters", filters, minimum=1),
            padding=choice("padding", padding, ("same", "valid")),
            batch_norm=flag("batch_norm", batch_norm),
            generator=self._stream("hidden", len(self.hidden)),
        )
        self._map = layer.output_shape
        self._append(layer, self._map[0] * self._map[1] * self._map[2])
        return self

    def add_fc(self, units: int) -> Network:
        """Add a fully connected layer of `units` with ReLU; return the network. A map before it is flattened."""
        self._refuse_when_connected("add_fc")
        units = integer("units", units, minimum=1)
        layer = FcLayer(self.output.in_features, units, generator=self._stream("hidden", len(self.hidden)))
        self._map = None
        self._append(layer, units)
        return self

    def standardise(self, mean: float | Sequence[float], std: float | Sequence[float]) -> Network:
        """Set what is subtracted from and divided out of every image (one number, or one a channel); return the network.

        The two are buffers: a saved network knows its preprocessing. Units are those of the images given to `connect`.
        """
        new_mean = self._per_channel("mean", mean)
        new_std = self._per_channel("std", std)
        if not bool((new_std > 0).all()):
            raise InputError(f"std must be above 0 in every channel, got {std!r}")
        self.mean.copy_(new_mean)
        self.std.copy_(new_std)
        return self

    def connect(self, images: Tensor) -> Tensor:
        """Embeddings (B, embedding_size) of images (B, channels, height, width); every call shares the parameters."""
        embeddings: Tensor = self(images)
        return embeddings

    def forward(self, images: Tensor) -> Tensor:
        self._check_images(images)
        if not self._connected:
            self._connected = True
        x = (images.to(self.mean.dtype) - self.mean) / self.std
        embeddings: Tensor = self.output(torch.flatten(self.hidden(x), 1))
        return to_unit_length(embeddings, dim=1, eps=1e-12) if self.normalize else embeddings

    def configuration(self) -> dict[str, Any]:
        """What builds this network again with `Network.from_configuration`: plain values, fit for JSON; no weights."""
        return {
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "embedding_size": self.embedding_size,
            "seed": self.seed,
            "normalize": self.normalize,
            "layers": [layer.configuration() for layer in self.hidden],  # type: ignore[operator]
        }

    @classmethod
    def from_configuration(cls, configuration: Mapping[str, Any]) -> Network:
        """The network that `configuration()` described, with its initial weights; load a state_dict for trained ones."""
        settings = dict(configuration)
        layers = settings.pop("layers", [])
        network = cls(**settings)
        for layer in layers:
            options = dict(layer)
            kind = choice("kind of layer", options.pop("kind", None), ("conv", "fc"))
            network = network.add_conv(**options) if kind == "conv" else network.add_fc(**options)
        return network

    def extra_repr(self) -> str:
        return (
            f"height={self.height}, width={self.width}, channels={self.channels}, "
            f"embedding_size={self.embedding_size}, normalize={self.normalize}"
        )

    def _append(self, layer: nn.Module, features: int) -> None:
        self.hidden.append(layer.to(self.mean))
        self._renew_output(features)

    def _renew_output(self, features: int) -> None:
        """The output layer always exists, so that parameters() and state_dict() are complete before any `connect`."""
        deviation = (2.0 / (features + self.embedding_size)) ** 0.5
        layer = linear(features, self.embedding_size, deviation, generator=self._stream("output"))
        self.output = layer.to(self.mean)

    def _stream(self, *names: str | int) -> torch.Generator:
        return torch.Generator().manual_seed(derived_seed(self.seed, *names))

    def _per_channel(self, name: str, value: float | Sequence[float]) -> Tensor:
        numbers = torch.as_tensor(value, dtype=torch.float64).reshape(-1)
        if len(numbers) not in (1, self.channels) or not bool(numbers.isfinite().all()):
            raise InputError(f"{name} must be one finite number or {self.channels}, one a channel, got {value!r}")
        return numbers.reshape(-1, 1, 1).expand(self.channels, 1, 1)

    def _refuse_when_connected(self, what: str) -> None:
        if self._connected:
            raise InputError(
                f"{what} after connect: the network is in use and an optimiser may hold its parameters; "
                "add every layer before the first connect, or build a new Network"
            )

    def _check_images(self, images: Tensor) -> None:
        wanted = (self.channels, self.height, self.width)
        if not isinstance(images, Tensor):
            raise InputTypeError(
                f"images must be a torch tensor of shape (B, {_text(wanted)}), got {type(images).__name__}"
            )
        given = tuple(images.shape)
        if given[1:] != wanted or images.ndim != 4:
            raise InputError(
                f"images must have the shape (B, channels, height, width) = (B, {_text(wanted)}), "
                f"got ({_text(given)}){_likely_mistake(given, wanted)}"
            )
        if not images.is_floating_point():
            raise InputTypeError(
                f"images must be floating point, got {images.dtype}; scale them first, e.g. images.float() / 255"
            )


def _own_seed(seed: int | None, generator: torch.Generator | None) -> int:
    if generator is None:
        return 0 if seed is None else integer("seed", seed)
    if seed is not None:
        raise InputError("give the network a seed or a generator, not both")
    if not isinstance(generator, torch.Generator):
        raise InputTypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))


def _text(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))


def _likely_mistake(given: tuple[int, ...], wanted: tuple[int, int, int]) -> str:
    channels, height, width = wanted
    if given == wanted:
        return "; one image needs a batch dimension: images[None]"
    if channels == 1 and given[1:] == (height, width):
        return "; the channel dimension is missing: images[:, None]"
    if len(given) == 4 and given[1:] == (height, width, channels):
        return "; the channels come last: images.permute(0, 3, 1, 2)"
    if len(given) == 4 and given[1] != channels and given[2:] == (height, width):
        return f"; this network was built for {channels} channel{'s' if channels > 1 else ''}"
    if len(given) == 4 and given[1] == channels:
        return "; resize the images or build the network for their size"
    return ""
