"""The small parts of the lab that need no lab."""

import json
import os
import platform
import re
import subprocess
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from lab import bootstrap, cluster, daemons, disk, node, process_tree, processes, project, toolchain, up
from lab.errors import LabError
from lab.lock import only_one
from lab.places import CGROUP, REPOSITORY, Network, network
from lab.steps import Steps
from stacks.images import lock


def test_a_failed_command_shows_the_end_of_its_output_and_the_cure(tmp_path: Path) -> None:
    steps = Steps(log=tmp_path / "log")
    with pytest.raises(LabError, match=r"(?s)ended with 3:.*no such luck.*cure: try harder"):
        steps.run(["sh", "-c", "echo no such luck; exit 3"], cure="try harder")


def test_when_the_whole_fails_the_command_that_another_thread_waits_for_is_ended(tmp_path: Path) -> None:
    steps = Steps(log=tmp_path / "log")

    def compiles_for_minutes(*_: object) -> dict[str, Path]:
        steps.run(["sleep", "600"], cure="none")
        return {}

    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(up, "tools", compiles_for_minutes)
        with pytest.raises(LabError, match="no cluster"), up.meanwhile(["pulumi"], "go", steps):
            raise LabError("no cluster", "./rag up")
    assert time.monotonic() - began < 60
    with pytest.raises(LabError, match="ended with -9"):
        steps.run(["sleep", "600"], cure="none")


def test_a_tool_that_fails_ends_what_is_built_beside_it_and_its_error_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> dict[str, Path]:
        raise LabError("no module", "the module proxy")

    monkeypatch.setattr(up, "tools", fail)
    steps = Steps(log=tmp_path / "log")
    with pytest.raises(LabError, match="no module"), up.meanwhile(["pulumi"], "go", steps):
        steps.run(["sleep", "600"], cure="none")


def test_a_step_prints_one_line_with_its_seconds_also_when_it_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps(log=tmp_path / "log")
    with steps.step("good"):
        pass
    with pytest.raises(ValueError, match="bad"), steps.step("bad"):
        raise ValueError("bad")
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\.+ +[\d.]+ s$", "", line) for line in lines] == ["  ok     good", "  FAILED bad"]
    assert set(steps.seconds) == {"good", "bad"}


def test_a_second_command_is_told_who_holds_the_lab() -> None:
    name = f"\0milvus-x10000-test-{os.getpid()}"
    with only_one(name), pytest.raises(LabError, match=rf"process {os.getpid()} \(.*\) is changing the lab"), only_one(name):
        pass
    with only_one(name):
        """Free again."""


def test_a_range_that_is_routed_already_is_refused_with_the_variable_that_moves_it() -> None:
    taken = Network(link=IPv4Network("127.0.0.0/30"), services=IPv4Network("203.0.113.0/28"), pods=IPv4Network("203.0.113.16/28"))
    with pytest.raises(LabError, match=r"(?s)127\.0\.0\.0/30, which the lab would take, overlaps .*LAB_LINK="):
        process_tree.check_addresses(taken)


def test_a_process_id_that_another_program_got_since_is_not_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "OUTER", tmp_path / "outer.json")
    assert process_tree.running() is None
    process_tree.OUTER.write_text(json.dumps({"pid": os.getpid(), "start": "1"}))
    assert process_tree.running() is None
    process_tree.OUTER.write_text(json.dumps({"pid": os.getpid(), "start": processes.start_time(os.getpid())}))
    assert process_tree.running() is not None


def test_a_stray_that_runs_from_the_labs_folder_is_ended_with_its_children_and_nothing_else(tmp_path: Path) -> None:
    script = tmp_path / "plugin"
    script.write_text("#!/bin/sh\nsleep 60\n")
    script.chmod(0o755)
    with subprocess.Popen([str(script)]) as stray, subprocess.Popen(["sleep", "60"]) as other:
        while not (children := [pid.name for pid in Path("/proc").glob("[0-9]*") if processes.stat(pid.name)[1:2] == [str(stray.pid)]]):
            pass
        process_tree.end_strays(tmp_path)
        assert stray.wait() == -9
        assert other.poll() is None
        other.kill()
    # a killed process dies in its own time
    process_tree.wait_for(lambda: not processes.start_time(int(children[0])), 30, "the child lives on", "")


def test_a_stray_whose_parent_is_at_work_is_left_alone(tmp_path: Path) -> None:
    script = tmp_path / "plugin"
    script.write_text("#!/bin/sh\nsleep 60\n")
    script.chmod(0o755)
    with subprocess.Popen([str(script)]) as plugin:
        process_tree.end_strays(tmp_path, without=Path("/proc/self/comm").read_text().strip())
        assert plugin.poll() is None
        process_tree.end_strays(tmp_path, without="pulumi", within="KUBECONFIG=/of/another/cluster")
        assert plugin.poll() is None
        process_tree.end_strays(tmp_path, without="pulumi")
        assert plugin.wait() == -9


def test_no_daemon_has_a_secret_among_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "administrator", lambda: ("ACCESS", "SECRET"))
    net = network()
    started = daemons.all_parts(net)
    words = [word for daemon in started for word in daemon.command]
    assert not {word for word in words if "SECRET" in word or "ACCESS" in word}
    assert started[0].environment["ROOT_SECRET_KEY"] == "SECRET"


def test_machine_facts_lie_over_the_committed_configuration_key_by_key() -> None:
    assert project.merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "e": 5}) == {"a": {"b": 1, "c": 4}, "d": 3, "e": 5}


def test_versions_are_read_from_what_a_tool_prints() -> None:
    assert toolchain.version_on_path(sys.executable, "--version") == sys.version_info[:3]
    assert toolchain.version_on_path("no-such-tool-here", "--version") is None


def test_every_tool_is_pinned_by_a_go_sum_and_declares_the_version_that_is_shown() -> None:
    for build in toolchain.BUILDS.values():
        folder = REPOSITORY / "lab" / "tools" / build.module
        assert (folder / "go.sum").stat().st_size > 0
        # Pulumi's plugin has no tag that the proxy serves
        assert f" v{build.version}\n" in (folder / "go.mod").read_text() or build.version == toolchain.PLUGIN


GO_BESIDE_ANOTHER = """#!/bin/sh
[ "$1" = env ] && exec echo go1.0
for each in "$@"; do case $each in *.partial-*) mkdir -p "${each%.partial-*}" && echo theirs >"${each%.partial-*}/registry";; esac; done
"""


def test_a_build_that_another_process_ended_first_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "CACHE", tmp_path)
    go = tmp_path / "go"
    go.write_text(GO_BESIDE_ANOTHER)
    go.chmod(0o755)
    home = toolchain.built("registry", str(go), Steps(log=tmp_path / "log"))
    assert (home / "registry").read_text() == "theirs\n"
    assert list(home.parent.iterdir()) == [home]


def test_with_pulumi_on_the_path_neither_it_nor_its_plugin_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"pulumi", "pulumi-kubernetes"} <= set(toolchain.BUILDS)
    on_path = {"pulumi": (3, 259, 0)}
    monkeypatch.setattr(toolchain, "version_on_path", lambda command, *_: on_path.get(command))
    assert toolchain.needed() == ["kubernetes", "versitygw"]
    on_path["pulumi"] = (3, 100, 0)
    assert toolchain.needed() == ["kubernetes", "versitygw", "pulumi", "pulumi-kubernetes"]


def test_what_will_be_built_is_said_with_its_minutes_and_what_shortens_it() -> None:
    text = toolchain.forecast(["versitygw", "pulumi", "pulumi-kubernetes"])
    assert f"pulumi-kubernetes {toolchain.PLUGIN}" in text
    assert f"on PATH {sum(toolchain.BUILDS[name].minutes for name in toolchain.PULUMI_BUILDS):.0f} min less" in text
    assert text.startswith(f"about {0.9 + 3.4 + 8 + toolchain.REST_MINUTES:.0f} min")
    assert "PATH" not in toolchain.forecast(["versitygw"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"system": "Darwin"}, "runs on Linux x86_64 only, this is Darwin x86_64"),
        ({"machine": "aarch64"}, "runs on Linux x86_64 only, this is Linux aarch64"),
        ({"euid": 1000}, "needs root"),
    ],
)
def test_a_machine_that_cannot_host_the_lab_is_told_so_and_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object], said: str
) -> None:
    machine = {"system": "Linux", "machine": "x86_64", "euid": 0, **wrong}
    monkeypatch.setattr(platform, "system", lambda: machine["system"])
    monkeypatch.setattr(platform, "machine", lambda: machine["machine"])
    monkeypatch.setattr(os, "geteuid", lambda: machine["euid"])
    with pytest.raises(LabError, match=f"(?s){said}.*cure: "):
        bootstrap.check_machine()


def test_a_full_disk_is_seen_before_anything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SPARE_GIB", 10**6)
    with pytest.raises(LabError, match=r"(?s)GiB free under .* need 1[.\d]*e\+06 \([\d,]+ of 1,073,7[\d,]+ bytes\).*cure: free space"):
        disk.check_room()


def test_without_root_make_up_says_so_in_one_line_and_changes_nothing() -> None:
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "lab", "up"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if ended.returncode in (126, 127):
        pytest.skip("this Python cannot be read by another user")
    assert ended.returncode == 2
    assert "needs root" in ended.stderr
    assert "cure: sudo ./rag up" in ended.stderr


def test_the_lab_pins_the_images_that_it_built_in_the_form_of_make_pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "HOME", tmp_path)
    image = "lab.local/milvus:2.3.5@sha256:" + "ab" * 32
    config = {"milvus-x10000:images": {"milvus": image}, "milvus-x10000:milvus": {"chart": "lab/chart/milvus"}}
    written = project.write_pins("lab", config)
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(tmp_path / "Pulumi.lab.yaml"))
    monkeypatch.setenv("PULUMI_STACK", "lab")
    found = lock.read("lab")
    assert found is not None
    assert written == lock.path_of("lab")
    assert found.images["milvus"].reference == image


@pytest.mark.parametrize(
    ("milvus", "chart"),
    [
        ({"chart": "lab/chart/milvus"}, {"name": "lab/chart/milvus", "version": "0.1.0", "sha256": None}),
        ({"chart": "milvus", "chart_version": "5.0.25"}, {"name": "milvus", "version": "5.0.25", "sha256": None}),
    ],
)
def test_the_lab_pins_a_chart_as_a_folder_or_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, milvus: dict[str, str], chart: dict[str, str | None]
) -> None:
    monkeypatch.setattr(project, "HOME", tmp_path)
    written = project.write_pins("lab", {"milvus-x10000:images": {}, "milvus-x10000:milvus": milvus})
    assert yaml.safe_load(written.read_text())["chart"] == chart


def test_a_chart_that_is_neither_here_nor_has_a_version_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "HOME", tmp_path)
    with pytest.raises(LabError, match=r"neither a folder nor an archive.*(?s:.)*--chart-version"):
        project.write_pins("lab", {"milvus-x10000:images": {}, "milvus-x10000:milvus": {"chart": "nowhere/milvus-5.0.25.tgz"}})


def test_every_hierarchy_of_cgroup_v1_gets_the_labs_folder(tmp_path: Path) -> None:
    for controller in ("cpu", "memory"):
        (tmp_path / controller).mkdir()
    (tmp_path / "cpuacct").symlink_to("cpu")
    node.make_cgroups(tmp_path, cgroup_v1=True)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob(f"*/{CGROUP}")) == [
        f"{one}/{CGROUP}" for one in ("cpu", "cpuacct", "memory")
    ]


def test_controllers_of_cgroup_v2_are_handed_down_before_the_labs_folder_is_made(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids\n")
    node.make_cgroups(tmp_path, cgroup_v1=False)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+pids"  # an ordinary file keeps the last word; the kernel takes each
    assert (tmp_path / CGROUP).is_dir()


def test_status_can_be_told_without_the_labs_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "NODE_BIN", tmp_path)
    asked = cluster.kubectl("get", "pods")
    assert (asked.returncode, asked.stdout) == (127, "")
    assert "is gone" in asked.stderr
