"""What a constitution's YAML file may hold: the keys, their types and, once and for all, what they mean.

`load` reads files by it; the JSON Schema for editors and the table in `docs/constitution.md` are made of it.
"""

from pydantic import Field

from constitution.document import Section
from constitution.model import Description, Principle, Slug, Text, Weight


class Selection(Section):
    """Which inherited principles are kept: those with a tag or an id named here, less the excluded ones."""

    tags: tuple[Slug, ...] = Field(default=(), description="keep the principles that have one of these tags")
    ids: tuple[Slug, ...] = Field(default=(), description="keep these principles")
    exclude_tags: tuple[Slug, ...] = Field(
        default=(), description="leave out the principles that have one of these tags"
    )
    exclude_ids: tuple[Slug, ...] = Field(default=(), description="leave out these principles")

    def keeps(self, principle: Principle) -> bool:
        """Whether the principle stays; with neither `tags` nor `ids`, all stay that are not excluded."""
        everything = not self.tags and not self.ids
        wanted = everything or principle.id in self.ids or bool(set(self.tags) & set(principle.tags))
        excluded = principle.id in self.exclude_ids or bool(set(self.exclude_tags) & set(principle.tags))
        return wanted and not excluded


class ConstitutionFile(Section):
    """What a constitution's YAML file may hold."""

    name: Text = Field(description="what the constitution is called, in reports and dataset cards")
    version: Text = Field(description='its version, as text: "1.0" in quotes')
    description: Description = Field(default="", description="what it is for")
    extends: Text | None = Field(
        default=None,
        description="another constitution whose principles come first: "
        "a shipped name, or a path relative to this file",
    )
    select: Selection | None = Field(
        default=None, description="which of the inherited principles are kept; all, where it is left out"
    )
    weights: dict[Slug, Weight] = Field(
        default={}, description="new weights for inherited principles, by id; 0 means never drawn"
    )
    principles: tuple[Principle, ...] = Field(
        default=(), description="the principles of this file; they follow the inherited ones"
    )
