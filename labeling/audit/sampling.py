"""Fewer pairs than there are, standing for all of them: a sample by source and kind, of whole clusters.

The same pairs for the same seed, whatever their order in the files.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from labeling.audit.model import HumanPair

Stratum = tuple[str, str]


def sample(pairs: Sequence[HumanPair], budget: int, *, seed: int) -> list[HumanPair]:
    """At most `budget` pairs, ordered by id: of every source and kind its share, by the largest remainder.

    Pairs of one cluster come all or not at all. A stratum's clusters are taken in a drawn order, one that is
    larger than what is left of the share being passed over; so a share may stay short by less than a cluster.

    Raises:
        ValueError: the budget is below 1.
    """
    if budget < 1:
        raise ValueError(f"a sample of {budget} pairs: expected at least 1")
    ordered = sorted(pairs, key=lambda pair: pair.id)
    if len(ordered) <= budget:
        return ordered
    strata = _strata(ordered)
    shares = largest_remainders({name: sum(map(len, found)) for name, found in strata.items()}, budget)
    taken = [pair for name, clusters in strata.items() for pair in _filled(clusters, shares[name], seed=seed)]
    return sorted(taken, key=lambda pair: pair.id)


def largest_remainders(sizes: Mapping[Stratum, int], budget: int) -> dict[Stratum, int]:
    """The budget split in proportion to the sizes: whole parts first, then one each by the largest rest.

    Equal rests go by name. The shares add up to the budget.
    """
    total = sum(sizes.values())
    shares = {name: budget * size // total for name, size in sizes.items()}
    by_rest = sorted(sizes, key=lambda name: (-(budget * sizes[name] % total), name))
    return shares | {name: shares[name] + 1 for name in by_rest[: budget - sum(shares.values())]}


def _strata(ordered: Iterable[HumanPair]) -> dict[Stratum, list[list[HumanPair]]]:
    """Clusters by stratum; a cluster whose pairs are of several belongs where most of them do."""
    clusters: dict[str, list[HumanPair]] = {}
    for pair in ordered:
        clusters.setdefault(pair.cluster, []).append(pair)
    strata: dict[Stratum, list[list[HumanPair]]] = {}
    for cluster in clusters.values():
        (stratum, _), *_ = Counter((pair.source, pair.kind) for pair in cluster).most_common(1)
        strata.setdefault(stratum, []).append(cluster)
    return dict(sorted(strata.items()))


def _filled(clusters: Iterable[list[HumanPair]], share: int, *, seed: int) -> list[HumanPair]:
    taken: list[HumanPair] = []
    for cluster in sorted(clusters, key=lambda cluster: _drawn(seed, cluster[0].cluster)):
        if len(taken) + len(cluster) <= share:
            taken += cluster
    return taken


def _drawn(seed: int, cluster: str) -> bytes:
    """A cluster's place in the drawn order: its own, whichever others there are."""
    return hashlib.sha256(f"{seed}\x1f{cluster}".encode(errors="surrogatepass")).digest()
