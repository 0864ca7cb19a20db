"""What is alive at once while tensors are computed with, by the stage of the computation that made it.

In: torch's operations, as they are dispatched; tensors may be real, or fake ones without data. Out: bytes at
the moment that most are alive. What an operation takes and gives back within itself is not seen.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Alive(TorchDispatchMode):
    """Counts every storage that an operation in here makes, until it is let go of.

    `stage` is what is being done, set from outside; `most` are bytes by stage at the peak. Storages of the
    `outside` are not counted, whatever views of them are made.
    """

    def __init__(self, outside: Iterable[Tensor]) -> None:
        super().__init__()
        self.stage = ""
        self.most: Mapping[str, int] = {}
        self._now: Counter[str] = Counter()
        self._blocks: dict[int, _Block] = {}
        self._outside = {_key(tensor.untyped_storage()) for tensor in outside}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, Tensor):
                self._count(each.untyped_storage())
        if self._now.total() > sum(self.most.values()):
            self.most = dict(self._now)
        return made

    def belongs(self, tensor: Tensor, stage: str) -> None:
        """Count a tensor that is alive as made by this stage."""
        block = self._blocks.get(_key(tensor.untyped_storage()))
        if block is not None:
            self._now[block.stage] -= block.size
            block.stage = stage
            self._now[stage] += block.size

    def _count(self, storage: UntypedStorage) -> None:
        key = _key(storage)
        if key in self._outside or key in self._blocks:
            return

        def forget(_: object) -> None:
            block = self._blocks.pop(key)
            self._now[block.stage] -= block.size

        self._blocks[key] = _Block(self.stage, storage.nbytes(), weakref.ref(storage, forget))
        self._now[self.stage] += storage.nbytes()


class _Block:
    __slots__ = ("life", "size", "stage")

    def __init__(self, stage: str, size: int, life: "weakref.ref[UntypedStorage]") -> None:
        self.stage, self.size, self.life = stage, size, life


def _key(storage: UntypedStorage) -> int:
    return storage._cdata
