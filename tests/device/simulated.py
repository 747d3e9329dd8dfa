"""A second device without a GPU: tensors that hold CPU numbers and mix with CPU tensors only where CUDA's kernels let them.

Not seen here: speed, memory, the order of a sum on a GPU, TF32, streams, and the few branches that ask for "cuda" by name.
It changes torch for the whole process: for a process of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "simulated"
DEVICE = torch.device("privateuseone", 0)

WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "unique_consecutive", "bincount"}
"""Operations whose answer the CPU waits for."""

INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
TAKES_NUMBERS = {"where", "masked_fill", "masked_fill_", "addcmul", "addcmul_", "addcdiv", "addcdiv_", "fill_"}
TAKES_NONE = {"clamp", "clamp_", "lerp", "lerp_"}


class Mixed(RuntimeError):
    """Tensors of two devices where CUDA takes none of another."""


class Far(torch.Tensor):
    """A tensor on the simulated device; its numbers are those of `near`."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near: torch.Tensor) -> Far:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=DEVICE,
        )
        made.near = near
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, dict(kwargs or {}))

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *arguments: Any, **keywords: Any) -> Any:
        raise TypeError("can't convert a tensor of another device to numpy. Use Tensor.cpu()")

    __array__ = numpy

    def __repr__(self, **keywords: Any) -> str:
        return f"Far({self.near!r})"


class _Module(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


class Simulated(TorchDispatchMode):
    """Inside, tensors may be made on `DEVICE`; `waits` counts how often the CPU waited for it."""

    waits = 0

    def __enter__(self) -> Any:
        if torch._C._get_privateuse1_backend_name() != NAME:
            _setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
        self.lifting = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device=DEVICE) comes by here
        Simulated.waits = 0
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self.lifting)  # one within another leaves that one as it is

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, dict(kwargs or {}))


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):  # in inference mode
        with Simulated():
            return func.decompose(*args, **kwargs)
    name, tensors = func._schema.name.partition("::")[2], [x for x in tree_leaves((args, kwargs)) if _is_tensor(x)]
    far, near = [x for x in tensors if isinstance(x, Far)], [x for x in tensors if not isinstance(x, Far)]
    if name == "_has_compatible_shallow_copy_type":
        return not far or not near
    asked = kwargs.get("device")
    to_far = bool(far) if asked is None else torch.device(asked).type == NAME
    if asked is not None and to_far:
        kwargs["device"] = torch.device("cpu")
    if name == "copy_":
        to_far = isinstance(args[0], Far)
    elif far and near and name != "_to_copy":
        _check(func, name, args, kwargs, near)
    _count(name, args, kwargs, bool(far), bool(far) != to_far or (name == "copy_" and bool(near)))
    back, shapes = {id(x.near): x for x in far}, [x.shape for x in far]
    bare, named = tree_map(lambda x: x.near if isinstance(x, Far) else x, (args, kwargs))
    found = func(*bare, **named)
    if torch.Tag.inplace_view in func.tags and far:
        with no_dispatch():
            func(*args, **kwargs)
    elif any(x.near.shape != shape for x, shape in zip(far, shapes)):
        raise RuntimeError(f"{func} changed a shape, which this device does not know how to")
    return tree_map(lambda x: back.get(id(x)) if id(x) in back else Far(x) if to_far and _is_tensor(x) else x, found)


def _check(func: Any, name: str, args: Any, kwargs: dict[str, Any], near: list[torch.Tensor]) -> None:
    """CUDA takes indices of the CPU, and numbers (tensors without dimensions) in what works number by number."""
    if name in INDEXING:
        values = args[2] if len(args) > 2 else None
        fits = isinstance(args[0], Far) and (values is None or isinstance(values, Far) or not values.dim())
    else:
        written = args[0] if name.endswith("_") else kwargs.get("out")
        fits = (
            all(not x.dim() for x in near) and name not in TAKES_NONE and (written is None or isinstance(written, Far))
        )
        fits = fits and (torch.Tag.pointwise in func.tags or name in TAKES_NUMBERS)
    if not fits:
        raise Mixed(f"Expected all tensors to be on the same device: {func}")


def _count(name: str, args: Any, kwargs: dict[str, Any], far: bool, moved: bool) -> None:
    by_mask = name in INDEXING and any(_is_tensor(x) and x.dtype == torch.bool for x in args[1])
    sizes = name == "repeat_interleave" and kwargs.get("output_size") is None
    carried = name in ("_to_copy", "copy_") and moved and not kwargs.get("non_blocking")
    Simulated.waits += carried or (far and (name in WAITING or by_mask or sizes))


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)
