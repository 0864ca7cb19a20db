"""Stops an online method that has lost its hold: the policy far from its reference, or answers without end.

Numbers of a rollout in, `TrainingError` out where they are beyond the settings' bounds, naming the last
checkpoint whose policy was within them.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from training.model import TrainingError


@dataclass(slots=True)
class Watch:
    """`first_length`: the mean length of the first rollout's answers; 0 before there is one."""

    max_kl: float | None
    max_length_growth: float | None
    checkpoints: Path
    first_length: float = 0.0

    def look(self, step: int, *, kl: float, length: float) -> None:
        """`kl` and `length` are means over answers, in nats and tokens, of the policy after `step` steps.

        Raises:
            TrainingError: one of them is out of bounds, or no finite number.
        """
        self.first_length = self.first_length or length
        fault = self._fault(kl, length)
        if fault:
            raise TrainingError(f"stopped at step {step}: {fault}\n{self._last_sound(step)}")

    def _fault(self, kl: float, length: float) -> str:
        if not math.isfinite(kl):
            return (
                "the log-probabilities of the answers are no finite numbers\n"
                "lower learning_rate, or set dtype: float32"
            )
        if self.max_kl is not None and kl > self.max_kl:
            return (
                f"answers are {kl:.1f} nats from the reference, and max_kl is {self.max_kl:g}\n"
                "raise beta or lower learning_rate; with a larger max_kl the run goes on where it stands"
            )
        growth = length / self.first_length
        if self.max_length_growth is not None and growth > self.max_length_growth:
            return (
                f"answers are {growth:.1f} times as long as at the start ({length:.0f} tokens), and "
                f"max_length_growth is {self.max_length_growth:g}\n"
                "raise missing_eos_penalty or beta, or add the function brevity to reward_funcs; with a "
                "larger max_length_growth the run goes on where it stands"
            )
        return ""

    def _last_sound(self, step: int) -> str:
        """A checkpoint of this very step holds the policy that ran away."""
        found = {int(path.name.rpartition("-")[2]): path for path in self.checkpoints.glob("checkpoint-*")}
        before = [number for number in found if number < step]
        if not before:
            return "there is no checkpoint from before; a smaller save_steps keeps more of them"
        return f"the last checkpoint from before, which can be used as it is: {found[max(before)]}"
