"""What may be said of images: in `defaults` for all, in a group for its images, in an image for itself."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Struct, field
from msgspec.structs import replace
from pydantic import Discriminator, GetCoreSchemaHandler, GetJsonSchemaHandler, Tag, ValidatorFunctionWrapHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from mirrord.config.rules import Globs
from mirrord.config.scalars import BOOLEAN, DURATION, Scalar, text_like
from mirrord.config.schedule import SCHEDULE
from mirrord.config.section import ONE_OR_MANY, Section
from mirrord.errors import InvalidPlatformError
from mirrord.oci.platform import Platform, PlatformChoice


def _platform(text: str) -> Platform:
    try:
        return Platform.parse(str(text))
    except InvalidPlatformError as error:
        raise ValueError(str(error)) from None


PLATFORM: Scalar[Platform] = Scalar(
    "a platform",
    "os/architecture, e.g. linux/amd64",
    _platform,
    str,
    (Platform,),
    {"type": "string", "examples": ["linux/amd64", "linux/arm64/v8"]},
)


class _AllOrSome:
    """``all``, or a list of platforms."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        listed = handler.generate_schema(Annotated[tuple[Annotated[Platform, PLATFORM], ...], ONE_OR_MANY])
        write = core_schema.plain_serializer_function_ser_schema(_write_platforms, when_used="unless-none")
        return core_schema.no_info_wrap_validator_function(_choose_platforms, listed, serialization=write)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        one = dict(PLATFORM.schema)
        return {"anyOf": [{"const": "all"}, one, {"type": "array", "items": one, "minItems": 1}]}


def _choose_platforms(written: object, listed: ValidatorFunctionWrapHandler) -> PlatformChoice:
    if isinstance(written, PlatformChoice):
        return written
    if written == "all":
        return PlatformChoice()
    wanted = listed(written)
    if not wanted:
        raise ValueError("an empty list chooses nothing; write all, or a list such as [linux/amd64, linux/arm64]")
    return PlatformChoice(wanted)


def _write_platforms(choice: PlatformChoice) -> object:
    return "all" if choice.wanted is None else [str(platform) for platform in choice.wanted]


def _type(text: str) -> str:
    if not text or any(character.isspace() for character in text):
        raise ValueError
    return str(text)


TYPE = text_like("an artifact type", "e.g. application/vnd.dev.sigstore.bundle.v0.3+json, or a glob", _type)


class Referrers(Section):
    """Which referrers (signatures, SBOMs, …) come with an image, and how often one that is held is looked at again."""

    types: Annotated[tuple[Annotated[str, TYPE], ...], ONE_OR_MANY] = ()
    """Artifact types; none is all of them."""
    recheck: Annotated[float, DURATION] = 86_400.0
    """How often the referrers of an unchanged image are looked for."""


FLAG = replace(BOOLEAN, what="true, false or a mapping", write_so="true, false, or {types: [...], recheck: 24h}")
_FLAG_OR_CHOICE = Discriminator(lambda written: "|choice" if isinstance(written, Mapping | Referrers) else "|flag")
ReferrersOption = Annotated[Annotated[bool, FLAG, Tag("|flag")] | Annotated[Referrers, Tag("|choice")], _FLAG_OR_CHOICE]


class ImageOptions(Section):
    """What an image may say for itself. None is: not said here."""

    stale_after: Annotated[float, DURATION] | None = None
    """How old the last success may be before an image counts as stale."""
    platforms: Annotated[PlatformChoice, _AllOrSome()] | None = None
    """Platforms of an index that are mirrored."""
    referrers: ReferrersOption | None = None
    """Whether signatures, SBOMs and other referrers come with their image, or which."""
    cooldown: Annotated[float, DURATION] | None = None
    """How long a new digest of a tag has to be seen unchanged before it is published."""
    immutable: Globs | None = None
    """Globs of tags that are never asked for again once held."""
    foreign_layers: Literal["skip", "follow"] | None = None
    """Whether layers that live elsewhere (`urls`) are fetched."""
    missing_children: Literal["fail", "keep"] | None = None
    """What an index is whose upstream lacks a part of it: an error, or kept without the part."""


class Options(ImageOptions):
    """What `defaults` and groups may say."""

    schedule: Annotated[str, SCHEDULE] | None = None
    """When a group is synced: cron, @daily or the like, or "every 30m"."""
    jitter: Annotated[float, DURATION] | None = None
    """Up to how much later than its schedule a run begins."""


class Resolved(Struct, frozen=True):
    """What holds for an image when all has been said; its defaults hold where nobody said anything."""

    schedule: str = "23 */6 * * *"
    jitter: float = 300.0
    stale_after: float = 172_800.0
    platforms: PlatformChoice = field(default_factory=PlatformChoice)
    referrers: bool | Referrers = True
    cooldown: float = 0.0
    immutable: tuple[str, ...] = ()
    foreign_layers: Literal["skip", "follow"] = "skip"
    missing_children: Literal["fail", "keep"] = "fail"


def merged(*layers: ImageOptions) -> Resolved:
    """The options of ``layers`` together: a later one that says something wins."""
    said = {
        name: value
        for layer in layers
        for name in _SAID_BY[isinstance(layer, Options)]
        if (value := getattr(layer, name)) is not None
    }
    return Resolved(**said)


_SAID_BY = {False: tuple(ImageOptions.model_fields), True: tuple(Options.model_fields)}
