"""The mistakes people make in a config file, and the exact words each one gets."""

from pathlib import Path

import pytest

from mirrord.config.loader import load
from mirrord.config.problem import InvalidConfigError

D = "sha256:" + "a" * 64
E = "sha256:" + "b" * 64
IMAGES = "images: [nginx]\n"

MISTAKES = {
    # keys
    "misspelt key": ("imagess: [nginx]\nimages: [nginx]", ['1: imagess: unknown key; did you mean "images"?']),
    "dash for underscore": (
        IMAGES + "public-url: https://m.example",
        ['2: public-url: unknown key; did you mean "public_url"?'],
    ),
    "key of another section": (
        IMAGES + "username: me",
        ["2: username: unknown key here; it belongs in registries"],
    ),
    "schedule of an image": (
        "images: [{name: nginx, schedule: '@daily'}]",
        ["1: images[0].schedule: unknown key here; it belongs in defaults or in groups or in retention or in verify"],
    ),
    "key that is like nothing": (
        IMAGES + "log: {colour: blue}",
        ["2: log.colour: unknown key; the keys here are level, format"],
    ),
    "python name of a key": (
        "images: [{name: nginx, as_: x}]",
        ['1: images[0].as_: unknown key; did you mean "as"?'],
    ),
    "unknown key at a list's item": (
        "images:\n- name: nginx\n  tags:\n  - {regexp: x, glob: y}",
        ['4: images[0].tags[0].regexp: unknown key; did you mean "regex"?'],
    ),
    "unknown key in a short rule": (
        "images:\n- name: nginx\n  tags: {semvar: x, glob: y}",
        ['3: images[0].tags.semvar: unknown key; did you mean "semver"?'],
    ),
    "key given twice": (
        "images: [nginx]\nroot: /a\nimages: [redis]",
        ["3: images: given twice; the first is on line 1: keep one"],
    ),
    "missing key": ("groups: [{name: a}]", ["1: groups[0].images: missing; this entry needs it"]),
    "nothing to mirror": (
        "root: /a",
        [" nothing says what to mirror; write images: and below it, e.g., - nginx:1.27"],
    ),
    # YAML
    "tab": ("images:\n\t- nginx", ["2: a tab in the indentation; indent with spaces"]),
    "tab below text": ("images:\n  - nginx\n\t- redis", ["3: a tab in the indentation; indent with spaces"]),
    "merge key": (
        "defaults: &d {jitter: 1m}\ngroups:\n- name: g\n  <<: *d\n  images: [nginx]",
        ["4: groups[0].<<: merge keys are not supported; repeat the keys, or say them once in defaults"],
    ),
    "glob without quotes": (
        "images: [{name: nginx, tags: [*-alpine]}]",
        [
            (
                '1: images[0].tags[0]: a value that begins with "*" is a YAML alias, and no anchor (&) of its '
                "name comes before it; put a glob in quotes"
            )
        ],
    ),
    "alias to itself": ("images: &a [nginx, *a]", ["1: images[1]: an alias (*) to what it stands in itself"]),
    "yaml tag": (
        "images: [!x nginx]",
        ['1: images[0]: a value that begins with "!" is a YAML tag, which has no meaning here; put it in quotes'],
    ),
    "two documents": (
        "images: [nginx]\n---\nimages: [redis]",
        ["2: a second document begins here; a config is one document, so remove the ---"],
    ),
    "list as a key": ("? [a]\n: b", ["1: a key must be plain text, not a list, a mapping or an alias"]),
    "colon in a value": (
        "images: [nginx]\nroot: a: b",
        ['2: a ": " where none can be; put the text in quotes, or look at the indentation'],
    ),
    "open quote": ('images:\n- "nginx\n- redis\n', ["2: a quote that is not closed"]),
    "open bracket": (
        "images: [nginx\nroot: /a",
        ['2: a "[" that is not closed with "]", or a "," that is missing'],
    ),
    "indentation": (
        "images:\n  - nginx\n root: /a",
        ["3: the indentation does not fit the lines before; line up the keys"],
    ),
    "at sign": ("images: [@nginx]", ['1: a value can\'t begin with "@"; put it in quotes']),
    "control character": ("images: [nginx]\nroot: a\x07b", ["2: the character U+0007 has no place in YAML"]),
    "escaped control character": (
        'images: [nginx]\nroot: "a\\u0007b"',
        ["2: root: holds the control character U+0007; write plain text"],
    ),
    "deep nesting": ("images: " + "[" * 40 + "]" * 40, [f"1: images{'[0]' * 31}: nested more than 32 deep"]),
    "only comments": ("# images:\n", [" is empty; a config needs images: or groups:"]),
    "a list": ("- nginx", ["1: a list was found; write images: above it, and indent it"]),
    "no space after the colon": (
        "images:nginx",
        ["1: a text was found; a config is keys and values, such as images: [nginx] (a colon needs a space after it)"],
    ),
    "nothing after a key": (
        "images: [nginx]\nroot:\nregistries:\n  # docker.io: {}\n",
        [
            '2: root: nothing stands here; give it a value, or remove the line ("" is an empty text)',
            '3: registries: nothing stands here; give it a value, or remove the line ("" is an empty text)',
        ],
    ),
    # kinds of values
    "text for a list": (
        "groups: [{name: a, images: nginx}]",
        ["1: groups[0].images: a text was found; a list is needed: [one, two], or a line each that begins with -"],
    ),
    "list for a mapping": (IMAGES + "limits: [1]", ["2: limits: a list was found; a mapping is needed: key: value"]),
    "list for a scalar": (
        IMAGES + "publish_every: [5m]",
        ["2: publish_every: a list is not a duration; write a number and a unit, e.g. 30s, 5m, 1h30m or 2d"],
    ),
    "duration without unit": (
        IMAGES + "publish_every: 5",
        ['2: publish_every: "5" has no unit; write 5s, 5m, 5h or 5d'],
    ),
    "duration out of bounds": (
        IMAGES + "limits: {connect_timeout: 0s}",
        ['2: limits.connect_timeout: "0s" is out of bounds; a duration here is at least 100ms'],
    ),
    "size in small letters": (
        IMAGES + "limits: {manifest_size: 8mib}",
        ['2: limits.manifest_size: "8mib" is not a size; did you mean 8MiB?'],
    ),
    "size too large": (
        IMAGES + "limits: {manifest_size: 9MiB}",
        ['2: limits.manifest_size: "9MiB" is out of bounds; a size here is at most 8MiB'],
    ),
    "size for a rate": (
        IMAGES + "limits: {bandwidth: 50MB}",
        ['2: limits.bandwidth: "50MB" is not a rate; did you mean 50MB/s?'],
    ),
    "share without sign": (IMAGES + "delete: {max: 25}", ['2: delete.max: "25" has no unit; write 25%']),
    "yes": (
        IMAGES + "serve: {status: yes}",
        ['2: serve.status: "yes" is not true or false; write true or false, in small letters and nothing else'],
    ),
    "number in words": (
        IMAGES + "limits: {attempts: many}",
        ['2: limits.attempts: "many" is not a whole number; write digits alone, e.g. 8'],
    ),
    "choice": (
        IMAGES + "log: {level: inf}",
        ['2: log.level: "inf" is none of debug, info, warning, error; did you mean "info"?'],
    ),
    "choice that is like nothing": (
        IMAGES + "delete: {upstream: x}",
        ['2: delete.upstream: "x" was found; write one of keep, remove'],
    ),
    "schedule": (
        IMAGES + "defaults: {schedule: '61 * * * *'}",
        ['2: defaults.schedule: "61 * * * *": "61" is no minute from 0 to 59; e.g. 23 */6 * * *'],
    ),
    "time zone": (
        IMAGES + "timezone: Mars/Olympus",
        ['2: timezone: "Mars/Olympus" is not a time zone this host knows; write e.g. Europe/Berlin'],
    ),
    "listen": (
        IMAGES + "listen: '5050'",
        ['2: listen: "5050" is not an address; write host:port, e.g. 127.0.0.1:5050, [::1]:5050 or :5050'],
    ),
    "public url without scheme": (
        IMAGES + "public_url: mirror.example",
        ['2: public_url: "mirror.example" has no scheme; write https://mirror.example or http://mirror.example'],
    ),
    "address for a network": (
        IMAGES + "serve: {allow: [10.0.0.1/8]}",
        ['2: serve.allow[0]: "10.0.0.1/8" is an address in a network; did you mean 10.0.0.0/8?'],
    ),
    "empty list of platforms": (
        "images: [{name: nginx, platforms: []}]",
        [
            (
                "1: images[0].platforms: an empty list chooses nothing; write all, or a list such as "
                "[linux/amd64, linux/arm64]"
            )
        ],
    ),
    "architecture alone": (
        "images:\n- name: nginx\n  platforms:\n  - linux/amd64\n  - amd64",
        [
            (
                "5: images[0].platforms[1]: 'amd64' is not a platform; expected os/architecture or "
                "os/architecture/variant, e.g. linux/arm64/v8"
            )
        ],
    ),
    "list for referrers": (
        "images: [{name: nginx, referrers: {recheck: x}}]",
        ['1: images[0].referrers.recheck: "x" is not a duration; write a number and a unit, e.g. 30s, 5m, 1h30m or 2d'],
    ),
    # images
    "space after the name's colon": (
        "images:\n- nginx: 1.27",
        ['2: images[0]: a mapping was found; write "nginx:1.27", or name: and tags:'],
    ),
    "scheme in a name": (
        "images: ['https://quay.io/x/y']",
        ['1: images[0]: "https://quay.io/x/y" begins with https://; a name has no scheme, write "quay.io/x/y"'],
    ),
    "two names in one": (
        "images: [nginx redis]",
        ['1: images[0]: "nginx redis" has a space in it; write one image an entry'],
    ),
    "upper case": (
        "images: [Nginx]",
        [
            (
                "1: images[0]: 'Nginx' is not a repository name; expected lower-case components joined by /, "
                "each of a-z and 0-9 with single . _ __ or - in between"
            )
        ],
    ),
    "glob in a name": (
        "images: ['quay.io/*/x']",
        ['1: images[0]: "quay.io/*/x": in a name, only /* at the end means many, e.g. harbor.lan/team/*'],
    ),
    "digest of a glob": (
        f"images: ['nginx:1.*@{D}']",
        [f'1: images[0]: "nginx:1.*@{D[:50]}…": a digest pins one tag, not the glob "1.*"'],
    ),
    "short digest": (
        "images: ['nginx@sha256:abc']",
        [
            (
                "1: images[0]: 'nginx@sha256:abc': 'sha256:abc' is not a digest; expected sha256: and 64, or sha512: "
                "and 128 lower-case hex digits"
            )
        ],
    ),
    "tag twice": (
        "images: [{name: nginx:1.27, tags: ['1.28']}]",
        ["1: images[0].tags: the name has a tag already; keep one of the two"],
    ),
    "no tags": (
        "images: [{name: nginx, tags: []}]",
        ["1: images[0].tags: an empty list selects nothing; leave tags out for latest"],
    ),
    "range for a tag": (
        "images: [{name: nginx, tags: '>=1.2'}]",
        ['1: images[0].tags: ">=1.2" is not a tag; a range of versions is written {semver: ">=1.2"}'],
    ),
    "signature for a tag": (
        f"images: ['nginx:sha256-{'a' * 64}.sig']",
        [f'1: images[0]: "sha256-{"a" * 53}…" follows its image; name the image, and its signatures come with it'],
    ),
    "empty rule": (
        "images: [{name: nginx, tags: {}}]",
        [
            (
                "1: images[0].tags: a rule needs one of glob, semver, regex, suffix, newest or exclude; every tag is "
                "written *, in quotes"
            )
        ],
    ),
    "bad expression": (
        "images: [{name: nginx, tags: {regex: '(1'}}]",
        [
            (
                r"""1: images[0].tags.regex: "(1" is not a regular expression: missing ), unterminated subpattern at """
                r"""position 0; correct it, e.g. '3\.\d+'"""
            )
        ],
    ),
    "taken local name": (
        "images: [{name: quay.io/x/y, as: library/nginx}]",
        ['1: images[0].as: "library/nginx" already means nginx of Docker Hub; choose another name'],
    ),
    "two upstreams of one name": (
        "images:\n- name: quay.io/x/y\n  as: app\n- ghcr.io/x/y\n- name: ghcr.io/x/z\n  as: app",
        [
            (
                "5: images: ghcr.io/x/z would have the name app that quay.io/x/y (F:2) has; give one of them another "
                "with as:"
            )
        ],
    ),
    "one image in two groups": (
        "images: [nginx]\ngroups:\n- name: g\n  images: [nginx:1.27]",
        [
            (
                "4: images: docker.io/library/nginx is in group g here and in group default at F:1; keep it in one, or "
                "give one of the two another name with as:"
            )
        ],
    ),
    "one image with two options": (
        "images:\n- nginx\n- {name: nginx:1.27, platforms: linux/amd64, referrers: false}",
        [
            (
                "3: images: docker.io/library/nginx differs from its entry at F:2 in platforms and referrers; say "
                "the same in both, or give one of the two another name with as:"
            )
        ],
    ),
    "pinned twice": (
        f"images:\n- nginx:1.27@{D}\n- nginx:1.27@{E}",
        ["3: images: docker.io/library/nginx:1.27 is asked for with another digest at F:2; keep one"],
    ),
    "pinned and not": (
        f"images:\n- nginx:1.27\n- nginx:1.27@{E}",
        ["3: images: docker.io/library/nginx:1.27 is asked for with another digest at F:2; keep one"],
    ),
    "as of many": (
        "images: [{name: harbor.lan/team/*, as: x}]",
        ["1: images[0].as: many repositories can't have one name; say as: on their registry"],
    ),
    # groups
    "default group": (
        "groups: [{name: default, images: [nginx]}]",
        ['1: groups[0].name: "default" is the group of the images outside groups; choose another name'],
    ),
    "group twice": (
        "groups:\n- {name: g, images: [nginx]}\n- {name: g, images: [redis]}",
        ["3: groups.g: given twice; the first is at F:2"],
    ),
    # registries
    "scheme of a host": (
        IMAGES + "registries:\n  https://quay.io/: {}",
        [
            (
                '3: registries.https://quay.io/: "https://quay.io/" is not a host; write "quay.io" alone (endpoint: '
                "says how to connect)"
            )
        ],
    ),
    "host that is none": (
        IMAGES + "registries: {lab: {}}",
        [
            (
                '2: registries.lab: "lab" is not a registry host; one has a dot, a port or is localhost, as the images '
                "name it"
            )
        ],
    ),
    "docker hub twice": (
        IMAGES + "registries:\n  docker.io: {}\n  index.docker.io: {}",
        ['4: registries.index.docker.io: the same registry as "docker.io"; keep one of the two'],
    ),
    "endpoint without scheme": (
        IMAGES + "registries: {r.lan: {endpoint: '10.0.0.7:5000'}}",
        [
            (
                '2: registries.r.lan.endpoint: "10.0.0.7:5000" has no scheme; write https://10.0.0.7:5000 or '
                "http://10.0.0.7:5000"
            )
        ],
    ),
    "endpoint with a path": (
        IMAGES + "registries: {r.lan: {endpoint: ['https://a', 'https://b/v2']}}",
        ['2: registries.r.lan.endpoint[1]: "https://b/v2" goes on after the host; write scheme, host and port alone'],
    ),
    "plain http by https": (
        IMAGES + "registries:\n  r.lan:\n    endpoint: https://a\n    plain_http: true",
        ["5: registries.r.lan.plain_http: true contradicts the endpoint's https://; remove one of the two"],
    ),
    "password without user": (
        IMAGES + "registries: {r.lan: {password_file: x}}",
        ["2: registries.r.lan.password_file: a password needs a username; add username:"],
    ),
    "user without password": (
        IMAGES + "registries: {r.lan: {username: x}}",
        [
            (
                "2: registries.r.lan.username: a username needs a password; add one of password, password_file, "
                "password_env, password_credential"
            )
        ],
    ),
    "two passwords": (
        IMAGES + "registries: {r.lan: {username: x, password_file: x, password_env: Y}}",
        ["2: registries.r.lan.password_env: one source of the password is enough, and password_file is given too"],
    ),
    "two logins": (
        IMAGES + "registries: {r.lan: {docker_config: x, credential_helper: y}}",
        ["2: registries.r.lan.credential_helper: one way to log in is enough, and docker_config is given too"],
    ),
    "certificate without key": (
        IMAGES + "registries: {r.lan: {client_cert: x}}",
        [
            (
                "2: registries.r.lan.client_cert: a client certificate needs its key, and a key its certificate; add "
                "client_key:"
            )
        ],
    ),
    "prefix": (
        IMAGES + "registries: {r.lan: {as: Lab}}",
        [
            (
                '2: registries.r.lan.as: "Lab" is not a name on the mirror; write lower-case parts, e.g. lab or '
                'team/hub; "" drops the host'
            )
        ],
    ),
    # the environment
    "variable that is not set": (
        IMAGES + "root: /srv/${MIRRORD_NOWHERE}",
        ["2: root: ${MIRRORD_NOWHERE} is not set in the environment; set it, or write $$ for a dollar"],
    ),
    "variable with a bad name": (
        IMAGES + "root: ${}/x",
        ['2: root: a "${" that begins no ${NAME}; write $$ for a dollar'],
    ),
    # several at once, in the order of the file
    "several": (
        "limits: {attempts: x}\nimages:\n- nginx:\n- name: redis\n  platform: y\n  platform: z\nfoo: 1",
        [
            '1: limits.attempts: "x" is not a whole number; write digits alone, e.g. 8',
            '3: images[0]: a mapping was found; write "nginx", or name: and tags:',
            '3: images[0].nginx: nothing stands here; give it a value, or remove the line ("" is an empty text)',
            '5: images[1].platform: unknown key; did you mean "platforms"?',
            "6: images[1].platform: given twice; the first is on line 5: keep one",
            "7: foo: unknown key; `mirrord config schema` lists all keys",
        ],
    ),
}


@pytest.mark.parametrize(("content", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line_and_what_would_be_right(
    tmp_path: Path, content: str, expected: list[str]
) -> None:
    """Every error names file, line, key, what was found and what would be right; all of them, and no other."""
    file = tmp_path / "mirrord.yaml"
    file.write_text(content)

    with pytest.raises(InvalidConfigError) as caught:
        load(file)

    assert [str(problem).replace(str(file), "F") for problem in caught.value.problems] == [
        f"F:{line}" for line in expected
    ]
