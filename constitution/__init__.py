"""What we want of a model: principles in YAML, read strictly, drawn by weight.

`constitution.load` reads a constitution, `constitution.document` any YAML file of Solon, and
`constitution.importer` the published JSON. This folder imports from no other.
"""

from constitution.document import DocumentError
from constitution.model import Constitution, Example, Principle

__all__ = ["Constitution", "DocumentError", "Example", "Principle"]
