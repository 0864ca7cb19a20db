"""The datasets of a run's judged pairs: what is left out of them, what people add, and the further exports.

In: a recipe, its run folder with the comparisons, and the preference rows as labeling makes them. Out: the
rows that are kept, `data/unpaired` and `data/ranked`, each with its card. Nobody is asked for any of it.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast, get_args

from labeling.audit.human.load import HumanLabels, load_human
from labeling.dataset import Exported, Provenance, ProvenanceColumns, write_dataset
from labeling.filter import Filter, filtered
from labeling.helpfulness import People, mixed
from labeling.model import Labelled
from labeling.pair_settings import Export
from labeling.preferences import PreferenceRow
from labeling.ranked import ranked_dataset
from labeling.settings import LabelingSettings
from labeling.trust import Believing
from labeling.unpaired import unpaired_dataset
from pipeline.shards import read_manifest
from pipeline.store import StoredRecords, StoredRows
from solon.console import Reporter
from solon.loaded_recipe import LoadedRecipe
from solon.run_folder import RunFolder

Row = TypeVar("Row", bound=ProvenanceColumns)
Facts = Callable[[], Mapping[str, str]]


def comparisons_by_people(loaded: LoadedRecipe) -> HumanLabels:
    """The pairs of `labeling.helpfulness`, and what came of each file; none where the recipe names none.

    Raises:
        InputError: there is no such file, or none of its rows is a pair.
    """
    return load_human([loaded.helpfulness]) if loaded.helpfulness else HumanLabels((), ())


def told(counts: Mapping[str, int]) -> str:
    """What was kept and left out, in a line."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


@dataclass(frozen=True)
class LabelDatasets:
    """The datasets of one run's comparisons, which are whole; `warning` is what their cards say first."""

    loaded: LoadedRecipe
    believed: Believing
    folder: RunFolder
    provenance: Provenance
    reporter: Reporter
    warning: str = ""

    @property
    def settings(self) -> LabelingSettings:
        return self.believed.settings

    def selected(self, pairs: Exported[PreferenceRow]) -> Exported[PreferenceRow]:
        """The rows that the recipe's filter keeps, and people's comparisons behind them."""
        keep = Filter(self.settings.filter)
        kept = filtered(pairs, keep)
        return mixed(kept, self._people, keep, provenance=self.provenance) if self._people else kept

    def people_facts(self, counts: Mapping[str, int]) -> dict[str, str]:
        """What people added, for a card."""
        return {"helpfulness": self._people.reached(counts)} if self._people else {}

    def write_others(self, facts: Facts) -> None:
        """Write what the recipe exports besides the preferences; other datasets are of earlier settings."""
        if "unpaired" in self.settings.exports:
            pairs = cast("Iterable[PreferenceRow]", StoredRows(self.folder.preferences))
            self._write("unpaired", unpaired_dataset(pairs), facts)
        if "ranked" in self.settings.exports:
            labelled = StoredRecords(self.folder.comparisons, Labelled)
            self._write("ranked", ranked_dataset(labelled, self.believed, self.provenance), facts)
        for name in get_args(Export):
            folder = self.folder.dataset(name)
            if name not in self.settings.exports and read_manifest(folder) is not None:
                shutil.rmtree(folder)

    @cached_property
    def _people(self) -> People | None:
        if self.settings.helpfulness is None:
            return None
        found = comparisons_by_people(self.loaded)
        for file in found.files:
            self.reporter.say(f"labeling.helpfulness: {file}")
        return People(found.pairs, self.settings.helpfulness)

    def _write(self, name: Export, dataset: Exported[Row], facts: Facts) -> None:
        title = f"{self.loaded.recipe.name}: {name}"
        write_dataset(self.folder.dataset(name), dataset, title=title, facts=facts, warning=self.warning)
        self.reporter.say(f"{name} dataset: {told(dataset.counts)}")
