"""What `./rag status` says is wrong, and what it says helps."""

import datetime as dt
from dataclasses import replace

import pytest

from lab.diagnosis import Facts, Part, Pod, diagnose, notes

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
WELL = Facts(
    checkout="/here",
    here="/here",
    since="2026-11-24T11:00:00Z",
    runs=True,
    parts=[Part(name="etcd", pid=7, running_s=60, memory_mib=90)],
    pods=[Pod(namespace="rag", name="milvus-0", ready=True, restarts=0)],
    addresses={"S3 API": ("https://10.0.0.2:7070", True)},
    certificates_end=NOW + dt.timedelta(days=3650),
    free_gib={"/state": 40.0},
)


def test_a_lab_that_is_well_has_no_problem_and_no_note() -> None:
    assert diagnose(WELL, NOW) == []
    assert notes(WELL) == []


def test_no_lab_is_told_as_that_and_as_nothing_else() -> None:
    (only,) = diagnose(Facts(here="/here"), NOW)
    assert (only.problem, only.cure) == ("there is no lab on this machine", "./rag up")


WRONG = {
    "restart of the machine": ({"runs": False, "restarted": True}, "this machine was restarted", "./rag up  (goes on"),
    "killed processes": ({"runs": False}, "the lab's processes were killed", "./rag up  (goes on"),
    "state without a lab": ({"checkout": "", "runs": False, "state_left": True}, "a lab that was never started", "./rag down  (removes"),
    "no route": ({"wired": False}, "no route of this host leads to it", "./rag up  (starts its parts anew"),
    "damaged cache": ({"damaged": {"kube-1": "kube is gone"}}, "kube-1 in the cache is damaged: kube is gone", "./rag up  (builds"),
    "killed ./rag up": ({"cut_short": "`gate` (now, in /here)"}, "failed or was killed in the step `gate`", "./rag up"),
    "killed pulumi": ({"stack_trouble": "a killed Pulumi left its lock"}, "a killed Pulumi left its lock", "./rag up  (looks up"),
    "full disk": ({"free_gib": {"/state": 0.2}}, "0.2 GiB free under /state", "du -xh"),
    "expired certificate": (
        {"certificates_end": NOW - dt.timedelta(hours=1)},
        "have expired (2026-11-24 11:00 UTC)",
        "./rag up  (renews",
    ),
    "expiring certificate": ({"certificates_end": NOW + dt.timedelta(days=3)}, "expire soon (2026-11-27", "./rag up  (renews"),
    "a part that is gone": ({"parts": [Part(name="etcd")]}, "etcd does not run", "tail the log of etcd"),
    "a part that keeps ending": (
        {"parts": [Part(name="etcd", pid=7, restarts=4)]},
        "etcd was started again 4 times",
        "tail the log of etcd",
    ),
    "an address that is silent": ({"addresses": {"S3 API": ("https://x", False)}}, "S3 API at https://x does not answer", "./rag up"),
    "a pod that waits": (
        {"pods": [Pod(namespace="rag", name="llm-0", ready=False, restarts=2, why="CrashLoopBackOff")]},
        "pod rag/llm-0 is not ready: CrashLoopBackOff",
        "kubectl -n rag describe pod llm-0",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_each_trouble_is_told_apart_with_what_helps(what: str) -> None:
    change, problem, cure = WRONG[what]
    (only,) = diagnose(replace(WELL, **change), NOW)  # type: ignore[arg-type]  # a table of fields
    assert problem in only.problem
    assert cure in only.cure


def test_no_two_troubles_are_told_in_the_same_words() -> None:
    told = [diagnose(replace(WELL, **change), NOW)[0].problem for change, _, _ in WRONG.values()]  # type: ignore[arg-type]  # a table of fields
    assert len(set(told)) == len(WRONG)


def test_a_command_at_work_is_not_told_as_one_that_was_killed() -> None:
    assert diagnose(replace(WELL, busy="process 17", cut_short="`gate`", stack_trouble="a lock"), NOW) == []


def test_a_lab_whose_processes_are_gone_is_not_asked_about_its_pods() -> None:
    gone = replace(WELL, runs=False, parts=[Part(name="etcd")], addresses={"S3 API": ("https://x", False)})
    assert len(diagnose(gone, NOW)) == 1


def test_another_checkout_and_a_command_at_work_are_notes_and_no_problems() -> None:
    noted = notes(replace(WELL, here="/there", busy="process 17"))
    assert ["process 17" in noted[0].problem, "/here" in noted[1].problem] == [True, True]
    assert "other code" in notes(replace(WELL, other_code=True))[0].problem
    assert diagnose(replace(WELL, here="/there", busy="process 17"), NOW) == []
