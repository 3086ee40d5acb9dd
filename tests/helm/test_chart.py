"""The chart: what it renders is valid Kubernetes, keeps the restricted profile, and is what our own readers accept."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel

from streams.configuration import parse
from streams.errors import SettingsError
from streams.runners.live.bounds import Bounds
from streams.shell.deployment import partitions_of
from streams.shell.pacemaker import paced
from streams.shell.settings import Settings, settings
from tests.helm.rendered import CHART, GOLDEN, NAMESPACE, RELEASE, ROOT, VALUES, containers, golden, objects, of_kind, pods, render, values

NAMES = [path.stem.removesuffix("-values") for path in VALUES]
OURS = {"ANDON_CACHE", "ANDON_SECRETS_DIR", "ANDON_DEBUG"}  # known to the code, not among the settings
OF_THE_CHART = {
    "ANDON_KAFKA__BOOTSTRAP_SERVERS", "ANDON_REGISTRY__URL", "ANDON_TOPIC_PREFIX", "ANDON_WEB__HOST", "ANDON_WEB__PORT",
    "ANDON_WORKER__SESSION_TIMEOUT_S",
}  # fmt: skip


def variables(model: type[BaseModel], prefix: str = "ANDON_") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from variables(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield f"{prefix}{name.upper()}"


def changed(name: str, at: str, to: Any) -> dict[str, Any]:
    """A values file with one value changed: `at` is its path, with dots."""
    found: Any = (whole := values(name))
    *path, last = (int(part) if part.isdigit() else part for part in at.split("."))
    for part in path:
        found = found[part] if isinstance(part, int) else found.setdefault(part, {})
    found[last] = to
    return whole


# ---- what is rendered


@pytest.mark.parametrize("path", VALUES, ids=NAMES)
def test_what_is_rendered_is_what_is_committed(path: Path) -> None:
    """`python -m tests.helm.rendered` mends it; look at the difference."""
    assert golden(path) == (GOLDEN / f"{path.stem.removesuffix('-values')}.yaml").read_text("utf-8")


@pytest.mark.parametrize("version", ["1.25", "1.37"])
@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_valid_kubernetes(name: str, version: str) -> None:
    for one in objects(values(name)):
        if one["kind"] != "PodMonitor":  # of the Prometheus operator; looked at below
            assert kubernetes_validate.validate(one, version, strict=True) == version, one["metadata"]["name"]


def test_the_validation_sees_a_misspelt_field_and_a_wrong_type() -> None:
    [worker] = of_kind(objects(values("minimal")), "StatefulSet")
    for wrong in ({"replica": 1}, {"replicas": "one"}):
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate({**worker, "spec": {**worker["spec"], **wrong}}, "1.37", strict=True)


def test_the_chart_passes_helms_own_lint() -> None:
    for name in NAMES:
        found = helm_python.lint(CHART, values=values(name), strict=True)
        assert [message for message in found["messages"] if message["severity"] > 1] == []  # 1: information


def test_names_are_not_used_twice_and_belong_to_the_release() -> None:
    for name in NAMES:
        found = objects(values(name))
        assert len({(one["kind"], one["metadata"]["name"]) for one in found}) == len(found)
        assert {one["metadata"]["labels"]["app.kubernetes.io/instance"] for one in found} == {RELEASE}


def test_the_version_of_the_chart_is_that_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


# ---- pods


def each_pod() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in NAMES:
        yield from pods(objects(values(name)))


def test_every_pod_keeps_the_restricted_profile() -> None:
    for name, pod in each_pod():
        spec, context = pod["spec"], pod["spec"]["securityContext"]
        assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"}), name
        assert isinstance(context["runAsUser"], int) and context["runAsUser"] > 0, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False), name
        assert {kind for volume in spec["volumes"] for kind in volume} <= {"name", "configMap", "secret", "emptyDir"}, name
        for container in containers(pod):
            mine = container["securityContext"]
            assert (mine["allowPrivilegeEscalation"], mine["readOnlyRootFilesystem"]) == (False, True), name
            assert mine["capabilities"] == {"drop": ["ALL"]}, name
            assert "hostPort" not in str(container.get("ports")), name


def test_every_mount_has_its_volume_and_every_volume_its_mount() -> None:
    for name, pod in each_pod():
        mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}, name


def test_every_configmap_that_is_mounted_is_rendered_and_holds_the_file_that_is_read() -> None:
    for name in NAMES:
        found = objects(values(name))
        maps = {one["metadata"]["name"]: one["data"] for one in of_kind(found, "ConfigMap")}
        for at, pod in pods(found):
            [held] = [maps[volume["configMap"]["name"]] for volume in pod["spec"]["volumes"] if "configMap" in volume]
            for container in containers(pod):
                arguments = container.get("args", [])
                read = [arguments[index + 1] for index, word in enumerate(arguments) if word == "--config"]
                assert [Path(path).parent.as_posix() for path in read] == ["/etc/andon/config"] * len(read), at
                assert {Path(path).name for path in read} <= set(held), at


def test_what_selects_pods_selects_those_of_one_workload_only() -> None:
    for name in NAMES:
        found = objects(values(name))
        labels = {at: pod["metadata"]["labels"] for at, pod in pods(found)}
        for one in of_kind(found, "StatefulSet", "Deployment", "Service", "PodDisruptionBudget"):
            wanted = one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
            chosen = [at.partition("/")[2] for at, has in labels.items() if wanted.items() <= has.items()]
            assert chosen == [one["metadata"]["name"]], (name, one["kind"])
        for one in of_kind(found, "StatefulSet"):
            assert one["spec"]["serviceName"] in {service["metadata"]["name"] for service in of_kind(found, "Service")}


def test_a_changed_configuration_restarts_its_own_pods_and_no_other() -> None:
    def sums(given: dict[str, Any]) -> dict[str, str]:
        return {at: pod["metadata"]["annotations"]["checksum/config"] for at, pod in pods(objects(given)) if not at.startswith("Job/")}

    before = sums(values("two-topologies"))
    text = values("two-topologies")["topologies"][1]["config"]
    after = sums(changed("two-topologies", "topologies.1.config", text.replace("10 s", "20 s")))
    assert {at for at in before if before[at] != after[at]} == {"StatefulSet/factory-downsample"}


# ---- what the containers run


def test_every_variable_is_one_that_the_settings_know_and_is_set_once() -> None:
    known = set(variables(Settings)) | OURS
    for name, pod in each_pod():
        for container in containers(pod):
            given = [one["name"] for one in container.get("env", []) if one["name"] != "POD_NAME"]
            assert set(given) <= known and len(set(given)) == len(given), name


def test_values_may_set_what_the_settings_know_and_passwords_only_by_reference() -> None:
    schema: Any = helm_python.Chart.load(CHART).schema
    plain, secret = (set(schema["properties"][key]["propertyNames"]["enum"]) for key in ("env", "secretRefs"))
    known = set(variables(Settings))

    assert plain == {name for name in known if "PASSWORD" not in name} - OF_THE_CHART | {"ANDON_SECRETS_DIR", "ANDON_DEBUG"}
    assert secret == {name for name in known if name.startswith(("ANDON_KAFKA__", "ANDON_REGISTRY__"))} - OF_THE_CHART


@pytest.mark.parametrize("name", NAMES)
def test_our_own_readers_accept_the_environment_and_the_configuration(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:  # fmt: skip
    """Secrets are replaced by texts, files of Secrets by files."""
    monkeypatch.chdir(tmp_path)
    for at, pod in pods(objects(values(name))):
        for container in containers(pod):
            with monkeypatch.context() as environment:
                for variable in container.get("env", []):
                    value = variable.get("value", "from-a-secret")
                    if variable["name"].endswith("_LOCATION"):
                        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
                        assert Path(value).parent.as_posix() in mounts, at
                        value = str(tmp_path / "pem")
                        Path(value).touch()
                    environment.setenv(variable["name"], value)
                if "args" in container:
                    found = settings()
                    assert found.kafka.bootstrap_servers == values(name)["kafka"]["bootstrapServers"]
                    assert found.topic_prefix == values(name)["kafka"].get("topicPrefix", "")
    for one in values(name)["topologies"]:
        configuration = parse(one["config"])
        assert one["replicaCount"] <= partitions_of(configuration)
        assert not one["pacemaker"] or paced(configuration)[0]
        assert one["topology"] == configuration.topology


def test_a_variable_that_is_missing_is_seen_by_that_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in variables(Settings):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="ANDON_KAFKA, ANDON_REGISTRY|ANDON_KAFKA: Field required"):
        settings()


def test_every_argument_is_one_that_the_program_has() -> None:
    commands: dict[tuple[str, ...], set[str]] = {}
    for _, pod in each_pod():
        for container in containers(pod):
            words = container.get("args", [])
            command = tuple(words[:2]) if words[:1] in (["topics"], ["schemas"]) else tuple(words[:1])
            commands.setdefault(command, set()).update(word for word in words if word.startswith("--"))
    commands.pop((), None)

    assert {command[0] for command in commands} == {"run", "pace", "topics", "schemas"}
    for command, options in commands.items():
        program = [sys.executable, "-c", "from streams.shell.cli import main; main()", *command, "--help"]
        told = subprocess.run(program, capture_output=True, text=True, check=True, env={"COLUMNS": "200", "PATH": ""}, cwd=ROOT).stdout
        assert {option for option in options if option not in told} == set(), command


def test_probes_ask_pages_that_a_worker_serves_and_only_readiness_depends_on_kafka() -> None:
    said = (ROOT / "streams" / "shell" / "web.py").read_text("utf-8")
    for name, pod in each_pod():
        for container in pod["spec"]["containers"]:
            kinds = [key for key in container if key.endswith("Probe")]
            asked = {kind.removesuffix("Probe"): container[kind]["httpGet"] for kind in kinds}
            pages = {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"} if container["name"] == "worker" else {}
            assert asked == {kind: {"path": page, "port": "metrics"} for kind, page in pages.items()}, name
            assert all(f'"{page}"' in said for page in pages.values())


def test_metrics_are_scraped_where_they_are_served() -> None:
    found = objects(values("two-topologies"))
    [monitor] = of_kind(found, "PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    [chosen] = monitor["spec"]["selector"]["matchExpressions"]
    workers = [pod for at, pod in pods(found) if at.startswith("StatefulSet/")]

    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [NAMESPACE]}
    assert (endpoint["path"], monitor["metadata"]["namespace"]) == ("/metrics", "monitoring")
    for pod in workers:
        [container] = pod["spec"]["containers"]
        environment = {one["name"]: one.get("value") for one in container["env"]}
        assert container["ports"] == [{"name": endpoint["port"], "containerPort": int(environment["ANDON_WEB__PORT"])}]
        assert environment["ANDON_WEB__HOST"] == "0.0.0.0"  # reached from outside the pod
        assert monitor["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert pod["metadata"]["labels"][chosen["key"]] in chosen["values"]
    assert len(chosen["values"]) == len(workers) == 2


def test_a_worker_is_given_longer_to_end_than_it_takes() -> None:
    bounds = Bounds()
    for one in of_kind([one for name in NAMES for one in objects(values(name))], "StatefulSet"):
        assert one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > bounds.stop_s + bounds.watchdog_s


def test_a_static_member_is_its_pod() -> None:
    def arguments(name: str) -> list[str]:
        [pod] = [pod for at, pod in pods(objects(values(name))) if at.startswith("StatefulSet/")]
        return list(pod["spec"]["containers"][0]["args"])

    assert arguments("minimal")[-2:] == ["--instance", "$(POD_NAME)"]
    assert "--instance" not in arguments("secured")


def test_topics_are_applied_before_workers_or_by_somebody_else() -> None:
    hooks = {one["kind"]: one["metadata"]["annotations"] for one in objects(values("minimal")) if "annotations" in one["metadata"]
             and "helm.sh/hook" in one["metadata"]["annotations"]}  # fmt: skip

    assert {kind: note["helm.sh/hook"] for kind, note in hooks.items()} == dict.fromkeys(("ConfigMap", "Job"), "pre-install,pre-upgrade")
    assert int(hooks["ConfigMap"]["helm.sh/hook-weight"]) < int(hooks["Job"]["helm.sh/hook-weight"])
    assert of_kind(objects(values("secured")), "Job") == []
    assert "topics apply" in render(values("secured"))["NOTES.txt"]


def test_the_hook_uses_no_account_that_is_made_after_it() -> None:
    [job] = of_kind(objects(changed("minimal", "serviceAccount", {"create": True, "name": "mine"})), "Job")
    [other] = of_kind(objects(changed("minimal", "serviceAccount", {"create": False, "name": "theirs"})), "Job")
    accounts = [one["spec"]["template"]["spec"].get("serviceAccountName") for one in (job, other)]
    assert accounts == [None, "theirs"]


# ---- what is refused


@pytest.mark.parametrize(("at", "to", "says"), [
    ("topologies", [], "topologies"),
    ("topologies.0.replicaCount", "1", "replicaCount"),
    ("topologies.0.name", "Down_Sample", "name"),
    ("topologies.0.replicas", 1, "replicas"),
    ("kafka.bootstrapServers", "", "bootstrapServers"),
    ("kafka.bootstrapServers", "kafka", "bootstrapServers"),
    ("kafka.schemaRegistryUrl", "registry:8081", "schemaRegistryUrl"),
    ("kafka.sessionTimeoutSeconds", 600, "sessionTimeoutSeconds"),
    ("kafka.topicPrefix", "no-dot", "topicPrefix"),
    ("env", {"ANDON_KAFKA__SASL_PASSWORD": "p4ss"}, "ANDON_KAFKA__SASL_PASSWORD"),
    ("env", {"ANDON_WEB__PORT": "1"}, "ANDON_WEB__PORT"),
    ("env", {"ANDON_WORKER__INBOX_BYTES": 8388608}, "ANDON_WORKER__INBOX_BYTES"),
    ("env", {"JAVA_OPTS": ""}, "JAVA_OPTS"),
    ("secretRefs", {"ANDON_KAFKA__SASL_PASSWORD": {"name": "kafka-user"}}, "key"),
    ("secretFilesRefs", [{"name": "ca", "mountPath": "relative"}], "mountPath"),
    ("topics.managedBy", "hand", "managedBy"),
    ("metrics.port", 80, "port"),
    ("pacemaker.silent", "soon", "silent"),
    ("terminationGracePeriodSeconds", 5, "terminationGracePeriodSeconds"),
    ("colour", "red", "colour"),
])  # fmt: skip
def test_values_that_cannot_work_are_refused_by_name(at: str, to: Any, says: str) -> None:
    with pytest.raises(helm_python.HelmValuesError, match=says):
        render(changed("minimal", at, to))


@pytest.mark.parametrize(("name", "at", "to", "says"), [
    ("minimal", "topologies.0.config", "application = ", "config of downsample is no TOML"),
    ("minimal", "topologies.0.config", 'topology = "downsample"', "names no application"),
    ("minimal", "topologies.0.topology", "context", "its config is for downsample"),
    ("two-topologies", "topologies.1.name", "context", "two are named context"),
    ("two-topologies", "topologies.1.config", 'application = "context"\ntopology = "downsample"', "two are the application context"),
])  # fmt: skip
def test_configurations_that_cannot_work_are_refused_while_rendering(name: str, at: str, to: Any, says: str) -> None:
    with pytest.raises(helm_python.HelmRenderError, match=says):
        render(changed(name, at, to))


def test_every_value_is_explained() -> None:
    """Each first-level value, and those of groups of ours, have a row in the chart's README."""
    told = (CHART / "README.md").read_text("utf-8")
    defaults = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    schema: Any = helm_python.Chart.load(CHART).schema
    assert set(defaults) == set(schema["properties"]) - {"global"}
    for key, value in defaults.items():
        group = schema["properties"][key].get("properties")
        for name in [f"{key}.{each}" for each in value] if group and isinstance(value, dict) else [key]:
            assert f"`{name}`" in told, name
    for each in schema["properties"]["topologies"]["items"]["properties"]:
        assert f"`topologies[].{each}`" in told, each
