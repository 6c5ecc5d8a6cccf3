"""Images and groups as the config lists them. What they come to together is decided in `images`."""

import re
from typing import Annotated, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from mirrord.config.document import Block, Text, shown
from mirrord.config.names import NAME, ImageName
from mirrord.config.options import ImageOptions, Options
from mirrord.config.problem import quoted
from mirrord.config.rules import TagRule
from mirrord.config.scalars import BOOLEAN, text_like
from mirrord.config.section import ONE_OR_MANY, PlacedSection, problem_at
from mirrord.oci.reference import MAX_DEPTH, Repository, is_local_name

DEFAULT_GROUP = "default"
"""The group of the images outside `groups`."""
_GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def is_free_name(name: str) -> bool:
    """Whether ``name`` can be a local name and reaches no other image by Docker Hub's aliases (``library/nginx``)."""
    if not is_local_name(name):
        return False
    first, _, rest = name.partition("/")
    return first not in {"docker.io", "index.docker.io"} and not (first == "library" and rest and "/" not in rest)


def _local_name(text: str) -> str:
    if not is_local_name(text):
        raise ValueError
    if not is_free_name(text):
        meant = Repository.parse(text).local_name()
        raise ValueError(f"{shown(text)} already means {meant} of Docker Hub; choose another name")
    return str(text)


def _group_name(text: str) -> str:
    if text == DEFAULT_GROUP:
        raise ValueError(f'"{DEFAULT_GROUP}" is the group of the images outside groups; choose another name')
    if not _GROUP_NAME.fullmatch(text):
        raise ValueError
    return str(text)


LOCAL_NAME = text_like(
    "a name on the mirror", f"at most {MAX_DEPTH} lower-case parts joined by /, e.g. team/app", _local_name
)
GROUP_NAME = text_like("a group's name", "letters, digits, . _ and -, at most 64, e.g. kubernetes", _group_name)


class ImageConfig(ImageOptions, PlacedSection):
    """One entry of ``images``: a repository with its rules."""

    name: Annotated[ImageName, NAME]
    """The image: nginx:1.27, quay.io/x/y, name@sha256:…, harbor.lan/team/*."""
    tags: Annotated[tuple[TagRule, ...], ONE_OR_MANY] | None = None
    """Tags, globs and rules; an image is all tags that one of them selects. Without: latest."""
    as_: Annotated[str, LOCAL_NAME] | None = Field(default=None, alias="as")
    """Its name on the mirror."""

    @classmethod
    def from_short(cls, written: object) -> object:
        """``nginx:1.27`` is short for ``{name: nginx:1.27}``."""
        if isinstance(written, str):
            return {"name": written}
        if isinstance(written, Block) and len(written) == 1:
            ((key, value),) = written.items()
            if key not in ("as", *cls.model_fields) and isinstance(value, Text):
                meant = f"{key}:{value.written}" if value else key
                raise ValueError(f"a mapping was found; write {quoted(meant)}, or name: and tags:")
        return written

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.tags is not None and not self.tags:
            raise problem_at("tags", "an empty list selects nothing; leave tags out for latest")
        said = "a digest" if self.name.digest else "a tag"
        if self.tags is not None and (self.name.tag or self.name.digest):
            raise problem_at("tags", f"the name has {said} already; keep one of the two")
        if self.name.is_catalog and self.as_ is not None:
            raise problem_at("as", "many repositories can't have one name; say as: on their registry")
        return self

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> object:
        said = {key: value for key, value in handler(self).items() if value is not None}
        return said["name"] if len(said) == 1 else {"name": said.pop("name"), **said}


class GroupConfig(Options, PlacedSection):
    """One entry of ``groups``: images with a schedule of their own."""

    name: Annotated[str, GROUP_NAME]
    """The group's name."""
    together: Annotated[bool, BOOLEAN] = False
    """Whether all changes of the group are published, or none."""
    images: tuple[ImageConfig, ...]
    """Its images."""

    @model_serializer(mode="wrap")
    def _name_first(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        said = {key: value for key, value in handler(self).items() if value is not None}
        return {"name": said.pop("name"), **said}
