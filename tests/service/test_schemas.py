"""The status files against their published JSON Schemas, as real runs and a real daemon write them."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from support.daemon import Daemon
from support.docker_registry import free_port
from support.mirror import HOST, Mirror
from support.scripted import Scripted, answer

from mirrord.demo import images
from mirrord.sync.journal import RUNS
from mirrord.sync.status_file import STATUS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


class Hub(Scripted):
    """An upstream that counts pulls."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Say how many are left."""
        response = await super().respond(request)
        if not response.prepared:
            response.headers["ratelimit-limit"] = "100;w=21600"
            response.headers["ratelimit-remaining"] = "76;w=21600"
        return response


def validator(name: str) -> Draft202012Validator:
    """Of one schema, here without keys that it does not name: what is written is described."""
    schema = json.loads((REFERENCE / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    _close(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _close(schema: Any) -> None:  # noqa: ANN401 - JSON
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _close(each)
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) and "required" in schema:
        schema["additionalProperties"] = False


def documents(mirror: Mirror) -> tuple[Any, list[Any]]:
    """The status and the runs, each found to be as its schema says."""
    status = json.loads((mirror.layout.status / STATUS).read_text())
    runs = [json.loads(line) for line in (mirror.layout.status / RUNS).read_text().splitlines()]
    validator("status").validate(status)
    for run in runs:
        validator("runs").validate(run)
    return status, runs


async def test_what_runs_write_is_as_the_schemas_say(tmp_path: Path) -> None:
    """Images that are fresh, failed, deferred and not to be found, groups, and an upstream that counts pulls."""
    async with Hub.running() as upstream:
        for number in ("1", "2"):
            upstream.push("app", images.image(number), number)
        upstream.push("late", images.image("3"), "3")
        mirror = Mirror(tmp_path, upstream.url)
        upstream.when("manifests/2", then=answer(503))
        upstream.when("manifests/3", then=answer(429, headers={"Retry-After": "7200"}))
        groups = "groups:\n  - name: whole\n    together: true\n    images: ['{host}/app:1', '{host}/app:2']\n"
        mirror.configure("{host}/late:3", "{host}/none:[0-9]", extra=groups.format(host=HOST))
        assert (await mirror.command("sync")).status == 1
        upstream.stop_playing()
        mirror.configure("{host}/app:1", "{host}/app:2")
        assert (await mirror.command("sync")).status == 0
        mirror.configure("{host}/app:1")
        assert (await mirror.command("sync")).status == 0
        status, runs = documents(mirror)
        assert status["upstreams"][HOST]["remaining"] == 76
        assert [run["pulls_left"] for run in runs] == [{HOST: 76}] * 3
        assert {"failed", "removed", "unchanged"} <= {state for run in runs for state in run["counts"]}
        told = await mirror.command("status")
        assert f"{HOST}  76 of 100 in 6 h 0 min are left, as it said" in told.out


async def test_what_a_daemon_writes_is_as_the_schemas_say(tmp_path: Path) -> None:
    """With what it alone knows of groups; its metrics tell of the pulls that are left, after a restart at once."""
    async with Hub.running() as upstream:
        upstream.push("app", images.image("1"), "1")
        mirror = Mirror(tmp_path, upstream.url)
        port = free_port()
        mirror.configure("{host}/app:1", extra=f"listen: 127.0.0.1:{port}\n")
        async with Daemon.of(mirror) as daemon:
            await daemon.told("STATUS=1 images")
        async with Daemon.of(mirror), aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answered:
                metrics = await answered.text()
            assert f'mirrord_upstream_pulls_remaining{{registry="{HOST}"}} 76.0' in metrics
            assert f'mirrord_upstream_pulls_limit{{registry="{HOST}"}} 100.0' in metrics
        status, _ = documents(mirror)
        assert status["groups"]["default"]["next_is_retry"] is False


def test_the_schema_is_held_to() -> None:
    """A document that lacks a key, or has one of another kind, is found."""
    line = {"run": "a", "group": "g"}
    assert not validator("runs").is_valid(line)


@pytest.mark.parametrize("name", ["status", "runs"])
def test_each_key_is_described(name: str) -> None:
    """No key stands in a schema without what it means."""
    schema = json.loads((REFERENCE / f"{name}.schema.json").read_text())
    for shape in (schema, *schema["$defs"].values()):
        assert all(each["description"] for each in shape["properties"].values())
