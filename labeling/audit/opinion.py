"""A judgment of a pair that people decided in, an `Opinion` out: what the audit's figures are made of."""

from labeling.audit.model import HumanPair, Opinion
from labeling.model import Judgment


def opinion_of(pair: HumanPair, judgment: Judgment | None, *, chosen_is_first: bool = True) -> Opinion:
    """What the judgment says of people's choice, which was the comparison's first response, or its second.

    Without a judgment, where the judge could not be asked, nothing of it can be used.
    """
    forward, backward = (judgment.forward_logit, judgment.backward_logit) if judgment else (None, None)
    probability = judgment.probability if judgment else None
    if not chosen_is_first:
        forward, backward = backward, forward
        probability = None if probability is None else 1 - probability
    return Opinion(
        pair.id,
        pair.cluster,
        chosen_first=forward,
        # The log-odds of an order are those of the response shown first, here the one people rejected.
        chosen_second=None if backward is None else -backward,
        probability=probability,
        chosen_words=len(pair.chosen.split()),
        rejected_words=len(pair.rejected.split()),
        kind=pair.kind,
        source=pair.source,
    )
