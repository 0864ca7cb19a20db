"""How a server that Solon started says what it holds: a further model name that spells out the fingerprint.

`solon serve` gives it to the server with the name that is asked for; the openai engine finds it in the list
of models. So answers of the served model are kept under the same keys as those of the model in this process.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict

from engine.protocol import Fingerprint

_MARK = "solon:"


def speaking_name(name: str, fingerprint: Fingerprint) -> str:
    """The further name of a model that is served as `name`."""
    said = {"served_as": name, **asdict(fingerprint)}
    return _MARK + json.dumps(said, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def stated_fingerprint(names: Iterable[str], name: str) -> Fingerprint | None:
    """What a server that lists these names says of the model `name`; None where it says nothing."""
    for told in names:
        if not is_speaking(told):
            continue
        try:
            said = json.loads(told.removeprefix(_MARK))
            if said.pop("served_as") == name and all(isinstance(value, str) for value in said.values()):
                return Fingerprint(**said)
        except (ValueError, KeyError, TypeError, AttributeError):  # another Solon's, or nobody's
            continue
    return None


def is_speaking(name: str) -> bool:
    return name.startswith(_MARK)
