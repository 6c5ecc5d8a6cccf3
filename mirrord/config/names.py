"""Names of images in the config: the shorthand forms, and whole namespaces. One text, taken apart."""

from typing import Self

from msgspec import Struct

from mirrord.config.document import shown
from mirrord.config.rules import TAG, has_wildcard
from mirrord.config.scalars import Scalar
from mirrord.errors import MirrordError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Reference, Repository

_CATALOG = "/*"


class ImageName(Struct, frozen=True):
    """``nginx``, ``nginx:1.27``, ``nginx:1.2*``, ``nginx@sha256:…``, both, or ``harbor.lan/team/*``."""

    text: str
    """As it was written."""
    repository: Repository
    """For a catalog, host and path with the ``*``."""
    tag: str | None = None
    """A tag or a glob."""
    digest: Digest | None = None
    is_catalog: bool = False
    """Whether every repository below a prefix is meant."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one name. Raises ValueError that says which part is wrong."""
        text = str(text)
        scheme, separator, rest = text.partition("://")
        if separator:
            raise ValueError(f"{shown(text)} begins with {scheme}://; a name has no scheme, write {shown(rest)}")
        if text != text.strip() or " " in text:
            raise ValueError(f"{shown(text)} has a space in it; write one image an entry")
        try:
            return cls._of_catalog(text) if text.endswith(_CATALOG) else cls._of_image(text)
        except MirrordError as error:
            raise ValueError(str(error)) from None

    @classmethod
    def _of_catalog(cls, text: str) -> Self:
        # the components stand in for the ones the catalog would name: two, so that docker.io gets no library/
        sample = Repository.parse(f"{text.removesuffix(_CATALOG)}/x/x")
        return cls(text, Repository(sample.host, f"{sample.path.removesuffix('x/x')}*"), is_catalog=True)

    @classmethod
    def _of_image(cls, text: str) -> Self:
        rest, at, _ = text.partition("@")
        head, colon, tag = rest.rpartition(":")
        if has_wildcard(head if colon else rest):
            raise ValueError(f"{shown(text)}: in a name, only /* at the end means many, e.g. harbor.lan/team/*")
        if not (colon and has_wildcard(tag)):
            reference = Reference.parse(text)
            if reference.tag:
                TAG(reference.tag)
            return cls(text, reference.repository, reference.tag, reference.digest)
        if at:
            raise ValueError(f"{shown(text)}: a digest pins one tag, not the glob {shown(tag)}")
        return cls(text, Repository.parse(head), TAG(tag))

    def __str__(self) -> str:
        return self.text


NAME: Scalar[ImageName] = Scalar(
    "an image",
    "a name such as nginx:1.27 or quay.io/coreos/flannel",
    ImageName.parse,
    str,
    (ImageName,),
    {"type": "string", "examples": ["nginx:1.27", "quay.io/coreos/flannel", "harbor.lan/team/*"]},
)
