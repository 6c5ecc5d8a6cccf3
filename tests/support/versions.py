"""Tags as they stand in real lists, and what they are: the cases that `oci/version.py` was made for."""

from typing import NamedTuple


class Case(NamedTuple):
    """One tag; without numbers it is no version."""

    tag: str
    numbers: str = ""
    prerelease: str = ""
    variant: str = ""
    build: str = ""


TAGS = tuple(
    Case(*row)
    for row in (
        # nginx
        ("1", "1"),
        ("1.27", "1.27"),
        ("1.27.0", "1.27.0"),
        ("1.27.0-alpine", "1.27.0", "", "-alpine"),
        ("1.27.0-alpine3.19", "1.27.0", "", "-alpine3.19"),
        ("1.27.0-alpine3.19-slim", "1.27.0", "", "-alpine3.19-slim"),
        ("1.27-bookworm-perl", "1.27", "", "-bookworm-perl"),
        ("1-alpine-otel", "1", "", "-alpine-otel"),
        ("mainline",),
        ("stable",),
        ("stable-alpine3.19",),
        ("latest",),
        ("perl",),
        # alpine
        ("3.20", "3.20"),
        ("3.20.3", "3.20.3"),
        ("3.21.0_rc1", "3.21.0", "rc1"),
        ("20240329", "20240329"),
        ("20231219", "20231219"),
        ("edge",),
        # node
        ("22", "22"),
        ("22.4.1-bookworm-slim", "22.4.1", "", "-bookworm-slim"),
        ("20-alpine3.20", "20", "", "-alpine3.20"),
        ("lts",),
        ("lts-alpine3.20",),
        ("iron-bookworm",),
        ("current-slim",),
        ("argon",),
        # prometheus
        ("v2.53.0", "2.53.0"),
        ("v2.53.0-rc.1", "2.53.0", "rc.1"),
        ("v3.0.0-beta.1", "3.0.0", "beta.1"),
        ("v3.0.0-beta.1-distroless", "3.0.0", "beta.1", "-distroless"),
        ("v3.1.0-distroless", "3.1.0", "", "-distroless"),
        ("v2", "2"),
        ("main",),
        ("release-2.53",),
        # postgres
        ("16", "16"),
        ("16.3", "16.3"),
        ("16.3-alpine3.20", "16.3", "", "-alpine3.20"),
        ("17beta2", "17", "beta2"),
        ("17beta3-alpine", "17", "beta3", "-alpine"),
        ("17rc1", "17", "rc1"),
        ("17rc1-bookworm", "17", "rc1", "-bookworm"),
        ("9.6.24-stretch", "9.6.24", "", "-stretch"),
        ("bullseye",),
        # debian
        ("12", "12"),
        ("12.6-slim", "12.6", "", "-slim"),
        ("12-backports", "12", "", "-backports"),
        ("bookworm-20240701",),
        ("bookworm-slim",),
        ("testing-20240701-slim",),
        ("sid",),
        ("rc-buggy",),
        # ubuntu
        ("24.04", "24.04"),
        ("22.04", "22.04"),
        ("noble-20240605",),
        ("jammy",),
        ("devel",),
        ("rolling",),
        # golang
        ("1.22", "1.22"),
        ("1.22.5-bookworm", "1.22.5", "", "-bookworm"),
        ("1.23rc1", "1.23", "rc1"),
        ("1.23rc2-alpine3.20", "1.23", "rc2", "-alpine3.20"),
        ("1.21beta1-nanoserver-1809", "1.21", "beta1", "-nanoserver-1809"),
        ("1-windowsservercore-ltsc2022", "1", "", "-windowsservercore-ltsc2022"),
        ("1.22.5-nanoserver", "1.22.5", "", "-nanoserver"),
        ("tip",),
        ("tip-20240703-alpine",),
        # python
        ("3.12.4", "3.12.4"),
        ("3.12-slim-bookworm", "3.12", "", "-slim-bookworm"),
        ("3.13-rc", "3.13", "rc"),
        ("3.13-rc-slim", "3.13", "rc", "-slim"),
        ("3.13.0b3", "3.13.0", "b3"),
        ("3.13.0a6-alpine3.19", "3.13.0", "a6", "-alpine3.19"),
        ("3.13.0rc1-bookworm", "3.13.0", "rc1", "-bookworm"),
        ("3.14.0a7-slim", "3.14.0", "a7", "-slim"),
        ("3-windowsservercore", "3", "", "-windowsservercore"),
        ("slim-bookworm",),
        # php
        ("8.3.9-fpm-alpine", "8.3.9", "", "-fpm-alpine"),
        ("8.4.0RC1-cli", "8.4.0", "RC1", "-cli"),
        ("8.4.0alpha1-zts", "8.4.0", "alpha1", "-zts"),
        ("8.4-rc-apache-bookworm", "8.4", "rc", "-apache-bookworm"),
        ("fpm-alpine",),
        # registry.k8s.io: pause, etcd, coredns, and what is built from a date and a commit
        ("3.9", "3.9"),
        ("3.10", "3.10"),
        ("3.5.12-0", "3.5.12", "", "-0"),
        ("3.5.9-rc.0-0", "3.5.9", "rc.0", "-0"),
        ("3.6.0-alpha.0", "3.6.0", "alpha.0"),
        ("v1.11.1", "1.11.1"),
        ("v1.11.3-amd64", "1.11.3", "", "-amd64"),
        ("1.8.6", "1.8.6"),
        ("v1.30.2", "1.30.2"),
        ("v1.31.0-alpha.3", "1.31.0", "alpha.3"),
        ("v1.31.0-alpha.3.12_4f3b1c2d5e6f7a", "1.31.0", "alpha.3.12", "_4f3b1c2d5e6f7a"),
        ("v20210913-2a4dc1b", "20210913", "", "-2a4dc1b"),
        ("v20230407", "20230407"),
        ("v0.0.8-amd64", "0.0.8", "", "-amd64"),
        ("2.10.1-gke.4", "2.10.1", "", "-gke.4"),
        # grafana
        ("11.1.0", "11.1.0"),
        ("11.1.0-ubuntu", "11.1.0", "", "-ubuntu"),
        ("11.1.0-71283", "11.1.0", "", "-71283"),
        ("10.0.0-preview", "10.0.0", "preview"),
        ("9.0.0-beta1-ubuntu", "9.0.0", "beta1", "-ubuntu"),
        ("8.5.0-dev-3421beta1", "8.5.0", "dev", "-3421beta1"),
        ("11.1.0-security-01", "11.1.0", "", "-security-01"),
        ("nightly",),
        ("main-ubuntu",),
        # redis
        ("7.2.5", "7.2.5"),
        ("7.4-rc2", "7.4", "rc2"),
        ("7.4-rc2-alpine", "7.4", "rc2", "-alpine"),
        ("8.0-M02", "8.0", "M02"),
        ("8.0-M02-bookworm", "8.0", "M02", "-bookworm"),
        ("32bit",),
        ("7.2-32bit-bookworm", "7.2", "", "-32bit-bookworm"),
        # cilium
        ("v1.15.6", "1.15.6"),
        ("v1.16.0-pre.3", "1.16.0", "pre.3"),
        ("v1.16.0-rc.0", "1.16.0", "rc.0"),
        ("v1.14.0-snapshot.4", "1.14.0", "snapshot.4"),
        ("v1.12.90-dev", "1.12.90", "dev"),
        ("stable-with-a-name",),
        # gitlab
        ("17.1.1-ce.0", "17.1.1", "", "-ce.0"),
        ("17.1.1-ee.0", "17.1.1", "", "-ee.0"),
        ("17.1.0-rc42.ce.0", "17.1.0", "rc42", "-ce.0"),
        ("v17.1.0", "17.1.0"),
        ("alpine-v17.1.0",),
        ("ubuntu-bleeding",),
        # mariadb, mysql, mongo
        ("11.4.2-noble", "11.4.2", "", "-noble"),
        ("11.6.1-ubi9-rc", "11.6.1", "rc", "-ubi9"),
        ("11.5-rc", "11.5", "rc"),
        ("8.4.1-oraclelinux9", "8.4.1", "", "-oraclelinux9"),
        ("7.0.12-rc1-jammy", "7.0.12", "rc1", "-jammy"),
        ("8.0.0-rc9-nanoserver-ltsc2022", "8.0.0", "rc9", "-nanoserver-ltsc2022"),
        # java: temurin, openjdk, tomcat, maven
        ("21.0.3_9-jre", "21.0.3", "", "-jre", "9"),
        ("21.0.3_9-jdk-alpine", "21.0.3", "", "-jdk-alpine", "9"),
        ("8u412-b08-jdk",),
        ("11.0.23_9-jdk-windowsservercore", "11.0.23", "", "-jdk-windowsservercore", "9"),
        ("24-ea-5-jdk-slim", "24", "ea-5", "-jdk-slim"),
        ("11.0.0-M22-jdk21", "11.0.0", "M22", "-jdk21"),
        ("10.1.25-jre21-temurin-jammy", "10.1.25", "", "-jre21-temurin-jammy"),
        ("4.0.0-rc-2-eclipse-temurin-17", "4.0.0", "rc-2", "-eclipse-temurin-17"),
        ("4.0.0-beta-3-amazoncorretto-21", "4.0.0", "beta-3", "-amazoncorretto-21"),
        # .NET
        ("8.0.6-jammy-chiseled", "8.0.6", "", "-jammy-chiseled"),
        ("9.0-preview", "9.0", "preview"),
        ("9.0.100-preview.5-alpine3.19-amd64", "9.0.100", "preview.5", "-alpine3.19-amd64"),
        ("9.0.0-rc.2.24473.5-noble", "9.0.0", "rc.2.24473.5", "-noble"),
        # cuda, pytorch
        ("12.5.0-devel-ubuntu22.04", "12.5.0", "", "-devel-ubuntu22.04"),
        ("12.5.0-cudnn-runtime-ubi8", "12.5.0", "", "-cudnn-runtime-ubi8"),
        ("2.3.1-cuda12.1-cudnn8-devel", "2.3.1", "", "-cuda12.1-cudnn8-devel"),
        # charts, operators, and whoever counts otherwise
        ("1.2.3_up2.0.1", "1.2.3", "", "_up2.0.1"),
        ("104.0.0_up45.31.1-rc.2", "104.0.0", "rc.2", "_up45.31.1"),
        ("3.3.8-0.dev.git.6098.h5c5b0a6", "3.3.8", "dev", "-0.git.6098.h5c5b0a6"),
        ("2024.6.2", "2024.6.2"),
        ("2024.7.0b9", "2024.7.0", "b9"),
        ("2024.7.0.dev202406280219", "2024.7.0", "dev202406280219"),
        ("RELEASE.2024-06-29T01-20-47Z",),
        ("2.4.1.5", "2.4.1.5"),
        ("10.0.17763.5936-amd64", "10.0.17763.5936", "", "-amd64"),
        ("1.2.3.4.5",),
        ("16.3.0-debian-12-r14", "16.3.0", "", "-debian-12-r14"),
        ("v1.15.0-12-gabcdef0", "1.15.0", "", "-12-gabcdef0"),
        ("1.0.0-SNAPSHOT", "1.0.0", "SNAPSHOT"),
        ("2.0.0.beta2", "2.0.0", "beta2"),
        ("26.1.3.Final",),
        ("1.2-nightly-20240102", "1.2", "nightly-20240102"),
        ("0.0.0-canary.20240612", "0.0.0", "canary.20240612"),
        ("3-unstable", "3", "unstable"),
        ("1.2.3-next.1", "1.2.3", "next.1"),
        # what only looks like one
        ("v",),
        ("va1",),
        ("1.",),
        ("1..2",),
        ("1.2.",),
        ("7f3b2ac",),
        ("1.2rc1foo",),
        ("12345678901234567890",),
        ("V1.2",),
        ("1.2-rcx", "1.2", "", "-rcx"),
        ("1.2-predator", "1.2", "", "-predator"),
        ("1.2-dev2alpine", "1.2", "", "-dev2alpine"),
        ("1.2-", "1.2", "", "-"),
        ("1.2_", "1.2", "", "_"),
        ("01.02", "1.2"),
        ("sha256-0123456789abcdef",),
    )
)


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NGINX = _split(
    "1 1.26 1.26.0 1.26.1 1.27 1.27.0 1.27.0-alpine 1.27.0-alpine3.19 1.26.1-alpine 1.27-alpine latest stable "
    "mainline alpine 1.25.5 1.25.4 1.25.5-alpine"
)
PROMETHEUS = _split(
    "v2.49.0 v2.50.0-rc.0 v2.50.0 v2.50.1 v2.51.0 v2.52.0 v2.53.0-rc.1 v2.53.0 v2.53.1 v3.0.0-beta.0 v3.0.0 v3.1.0 "
    "v3.1.0-distroless v4.0.0-rc.0 latest main"
)
NODE = _split(
    "18 18.20.3 18.20.3-alpine 20 20.9.0-alpine3.18 20.15.0 20.15.0-alpine 20.15.0-alpine3.19 20.15.0-alpine3.20 "
    "22.3.0-alpine 22.4.0 22.4.0-alpine 22.4.0-alpine3.20 22.4.0-slim lts-alpine current"
)
PYTHON = _split(
    "3.9.19 3.10.14 3.11.9 3.12.3 3.12.4 3.12.4-slim 3.13.0a6 3.13.0b3 3.13.0rc1 3.13-rc 3.13.0rc1-slim latest"
)
PAUSE = _split("2.0 3.0 3.1 3.2 3.8 3.9 3.10 latest go test2")
ETCD = _split("3.4.13-0 3.5.0-0 3.5.9-0 3.5.10-0 3.5.12-0 3.5.12-1 3.6.0-alpha.0")
GITLAB = _split("16.11.5-ce.0 17.0.3-ce.0 17.1.1-ce.0 17.1.1-ee.0 17.1.0-rc42.ce.0 latest nightly")
TEMURIN = _split("21.0.2_13-jre 21.0.3_9-jre 21.0.3_9-jdk 21.0.3_10-jre 21-jre 17.0.11_9-jre latest")
UBUNTU = _split("20.04 22.04 23.10 24.04 noble-20240605 latest rolling")

SELECTIONS = (
    # list, rule, what it selects
    (NGINX, {"newest": "3"}, "1.26.1 1.27 1.27.0"),
    (NGINX, {"semver": "1.26.x"}, "1.26 1.26.0 1.26.1"),
    (NGINX, {"semver": "1.26"}, "1.26 1.26.0 1.26.1"),
    (NGINX, {"semver": "=1.26.0"}, "1.26 1.26.0"),
    (NGINX, {"semver": "!=1.26"}, "1 1.25.4 1.25.5 1.27 1.27.0"),
    (NGINX, {"semver": ">1.26"}, "1.27 1.27.0"),
    (NGINX, {"semver": ">1.26.0"}, "1.26.1 1.27 1.27.0"),
    (NGINX, {"semver": "<=1.26"}, "1 1.25.4 1.25.5 1.26 1.26.0 1.26.1"),
    (NGINX, {"semver": "<1.26"}, "1 1.25.4 1.25.5"),
    (NGINX, {"semver": "1.25.5 - 1.26"}, "1.25.5 1.26 1.26.0 1.26.1"),
    (NGINX, {"semver": "^1.26.1"}, "1.26.1 1.27 1.27.0"),
    (NGINX, {"semver": "~1.26.1"}, "1.26.1"),
    (NGINX, {"semver": "~1.26"}, "1.26 1.26.0 1.26.1"),
    (NGINX, {"semver": "~1"}, "1 1.25.4 1.25.5 1.26 1.26.0 1.26.1 1.27 1.27.0"),
    (NGINX, {"semver": "1.25.4 || 1.27"}, "1.25.4 1.27 1.27.0"),
    (NGINX, {"semver": "*", "suffix": "-alpine", "newest": "2"}, "1.27-alpine 1.27.0-alpine"),
    (NGINX, {"suffix": "-alpine*"}, "1.25.5-alpine 1.26.1-alpine 1.27-alpine 1.27.0-alpine 1.27.0-alpine3.19"),
    (NGINX, {"regex": r"1\.\d+\.\d+", "newest": "2"}, "1.26.1 1.27.0"),
    (NGINX, {"glob": "1.2?", "newest": "1"}, "1.27"),
    (NGINX, {"semver": ">=1.26", "exclude": "1.2?"}, "1.26.0 1.26.1 1.27.0"),
    (NGINX, {"newest": "1", "exclude": ["1.27*"]}, "1.26.1"),
    (NGINX, {"semver": "2.x"}, ""),
    (PROMETHEUS, {"semver": ">=2.50 <4", "newest": "5"}, "v2.52.0 v2.53.0 v2.53.1 v3.0.0 v3.1.0"),
    (PROMETHEUS, {"semver": ">=2.50 <4", "newest": "3", "prerelease": "true"}, "v3.0.0 v3.0.0-beta.0 v3.1.0"),
    (PROMETHEUS, {"semver": "^2.53", "prerelease": "true"}, "v2.53.0 v2.53.0-rc.1 v2.53.1"),
    (PROMETHEUS, {"semver": "^2.53.0", "prerelease": "true"}, "v2.53.0 v2.53.1"),
    (PROMETHEUS, {"semver": "<3", "prerelease": "true", "newest": "1"}, "v2.53.1"),
    (PROMETHEUS, {"semver": "<3.0.0", "prerelease": "true", "newest": "1"}, "v2.53.1"),
    (PROMETHEUS, {"semver": "4", "prerelease": "true"}, "v4.0.0-rc.0"),
    (PROMETHEUS, {"semver": ">=4.0.0", "prerelease": "true"}, ""),
    (PROMETHEUS, {"semver": "v2.53"}, "v2.53.0 v2.53.1"),
    (PROMETHEUS, {"semver": "3.x", "suffix": "-distroless"}, "v3.1.0-distroless"),
    (PROMETHEUS, {"suffix": "-rc*"}, "v2.50.0-rc.0 v2.53.0-rc.1 v4.0.0-rc.0"),
    (PROMETHEUS, {"suffix": "-distroless", "newest": "9"}, "v3.1.0-distroless"),
    (PROMETHEUS, {"newest": "2", "exclude": "v3.1.*"}, "v2.53.1 v3.0.0"),
    (NODE, {"semver": ">=20", "suffix": "-alpine", "newest": "2"}, "22.3.0-alpine 22.4.0-alpine"),
    (
        NODE,
        {"semver": ">=20", "suffix": "-alpine3.*"},
        "20.15.0-alpine3.19 20.15.0-alpine3.20 20.9.0-alpine3.18 22.4.0-alpine3.20",
    ),
    (NODE, {"semver": "20", "suffix": "-alpine3.*", "newest": "1"}, "20.15.0-alpine3.20"),
    (NODE, {"semver": ">=20, <22"}, "20 20.15.0"),
    (NODE, {"semver": ">= 20 < 21"}, "20 20.15.0"),
    (PYTHON, {"newest": "2"}, "3.12.3 3.12.4"),
    (PYTHON, {"newest": "3", "prerelease": "true"}, "3.13-rc 3.13.0b3 3.13.0rc1"),
    (PYTHON, {"semver": "3.10 - 3.12"}, "3.10.14 3.11.9 3.12.3 3.12.4"),
    (PYTHON, {"suffix": "-slim", "newest": "1"}, "3.12.4-slim"),
    (PYTHON, {"suffix": "-slim", "newest": "1", "prerelease": "true"}, "3.13.0rc1-slim"),
    (PAUSE, {"newest": "2"}, "3.10 3.9"),
    (PAUSE, {"semver": ">=3.8"}, "3.10 3.8 3.9"),
    (PAUSE, {"semver": "~3.9"}, "3.9"),
    (PAUSE, {"semver": "^3.9"}, "3.10 3.9"),
    (ETCD, {"newest": "1"}, ""),
    (ETCD, {"suffix": "-[0-9]*", "newest": "2"}, "3.5.12-0 3.5.12-1"),
    (ETCD, {"semver": "~3.5", "suffix": "-0", "newest": "2"}, "3.5.10-0 3.5.12-0"),
    (GITLAB, {"suffix": "-ce.*", "newest": "2"}, "17.0.3-ce.0 17.1.1-ce.0"),
    (GITLAB, {"suffix": "-ce.*", "prerelease": "true", "semver": "17.1.x"}, "17.1.0-rc42.ce.0 17.1.1-ce.0"),
    (TEMURIN, {"semver": "21", "suffix": "-jre", "newest": "2"}, "21.0.3_10-jre 21.0.3_9-jre"),
    (UBUNTU, {"newest": "1"}, "24.04"),
    (UBUNTU, {"semver": ">=22.04", "exclude": "23.*"}, "22.04 24.04"),
)
