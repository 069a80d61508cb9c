"""SLO files: what is wrong is named with its line."""

from pathlib import Path

import pytest
import yaml

from tests.validation.conftest import LAB
from validation.clients import fulltext, milvus, retrieval_models
from validation.judge import objectives
from validation.judge.errors import UsageError
from validation.judge.profile import Profile
from validation.judge.slo_file import read_profile


def test_the_lab_profile_can_be_read_and_gives_a_reason_for_every_number() -> None:
    lab = read_profile(LAB)
    assert lab.vectors.value >= 10_000
    assert lab.requests.value >= 2_000
    assert all(objective.reason for objective in lab.objectives.values())


@pytest.mark.parametrize("name", ["dev", "prod", "hybrid"])
def test_every_environment_has_a_profile_that_claims_no_measurement(name: str) -> None:
    found = read_profile(LAB.with_name(f"slo.{name}.yaml"))
    assert found.profile == name
    assert {objective.basis for objective in found.objectives.values()} == {"promise"}
    assert Profile.model_validate(found.model_dump(mode="json")) == found, "what a report holds of it can be read again"


def broken(tmp_path: Path, before: str, after: str) -> tuple[Path, str]:
    """Write the lab's profile with its first `before` replaced."""
    original = LAB.read_text(encoding="utf-8")
    assert before in original
    path, text = tmp_path / "slo.yaml", original.replace(before, after, 1)
    path.write_text(text)
    return path, text


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("before", "after", "at", "expected"),
    [
        ("value: 100\n", "value: fast\n", "value: fast", "valid number"),
        ("value: 100\n", "value: -1\n", "value: -1", "greater than 0"),
        ("  search_p50_ms:", "  search_p51_ms:", "search_p51_ms", "not a number that can be promised"),
        ("  search_p50_ms:", "  vectors:", "  vectors:", "not a number that can be promised"),
        ('limit: "<= 50"', 'limit: "< 50"', 'limit: "< 50"', '"<= NUMBER"'),
        ('limit: "<= 50"', 'limit: ">= 50"', 'limit: ">= 50"', "better when lower"),
        ('limit: "<= 50"', 'limit: "<= .nan"', "<= .nan", '"<= NUMBER"'),
        ('limit: "<= 50"', 'limit: "<= fifty"', "<= fifty", '"<= NUMBER"'),
        ('warn: "<= 25"', 'warn: "<= 60"', 'warn: "<= 60"', "must lie inside limit"),
        ('limit: "<= 50"', 'limit: "<= 10%"', '"<= 10%"', 'needs a sign: write "<= +10%"'),
        ('limit: "<= 50"', 'limit: "<= -10%"', '"<= -10%"', "every run to be better than the one before"),
        ('limit: ">= 0.95"', 'limit: ">= +0.1"', '">= +0.1"', "every run to be better than the one before"),
        ('limit: "<= 50"', 'limit: "<= 0"', '"<= 0"', "can never be true"),
        ('limit: ">= 0.95"', 'limit: ">= 1.5"', '">= 1.5"', "can never be true"),
        ('limit: ">= 0.95"', 'limit: ">= 0"', '">= 0"', "can never be missed"),
        ('limit: "<= 0.001"', 'limit: "<= 1"', '"<= 1"', "can never be missed"),
        ('limit: "<= 400"', 'limit: "<= 5000"', '"<= 5000"', "can never be missed: a search ends after timeout_ms: 5000"),
        ('limit: "<= 50"', 'limit: "<= 151"', '"<= 151"', "search_p50_ms can never be missed alone"),
        ('limit: ">= 0.84"', 'limit: ["<= 0.9", ">= 0.5"]', '"<= 0.9"', "is better when higher"),
        ('limit: "<= 50"', 'limit: ["<= 50", "<= 60"]', '"<= 60"', '"<= 60" never decides beside a stricter one'),
        ('limit: "<= 50"', 'limit: [["<= 50"], ["<= 60", "<= +9%"], ["<= 60"]]', '"<= +9%"', "never decides beside an alternative (OR)"),
        ('limit: "<= 50"', "limit: []", "limit: []", "at least 1 item"),
        ('limit: "<= 50"', 'limit:\n      - "<= 50"\n      - "<= x"', '- "<= x"', '"<= NUMBER"'),
        ('limit: "<= 50"', 'limit:\n      - ["<= 50", "<= +1%"]\n      - ["<= 40",\n         "<= x"]', '         "<= x"', '"<= NUMBER"'),
        ('warn: "<= 25"', 'warn: ["<= 25", "<= 30"]', '"<= 30"', "never decides"),
        ('warn: "<= 25"', 'warn: "<= 25"\n    weight: 2', "weight: 2", "weight means nothing without a score"),
        ('warn: "<= 25"', 'warn: "<= 25"\n    key: false', "key: false", "key means nothing without a score"),
        ('warn: "<= 25"', 'warn: "<= 25"\n    basis: measured', "basis: measured", "'promise' or 'calibrated'"),
        ("    unit: ms\n", "", "  search_p50_ms:", "unit: Field required"),
        (
            "objectives:",
            "score: {pass_from: 80, warn_from: 90, unit: percent, reason: forgives a little}\nobjectives:",
            "pass_from: 80",
            "warn_from must not lie above pass_from (80)",
        ),
        (
            "objectives:",
            'objectives:\n  search_answered_rate: {unit: requests/s, limit: ">= 101", reason: more than asked}',
            "search_answered_rate",
            "can never be true: no more than rate: 100",
        ),
        (
            "  hit_at_10:",
            '  hit_at_1: {unit: share, limit: ">= 0.9", reason: more than of ten}\n  hit_at_10:',
            'limit: ">= 0.84"',
            "hit_at_10 can never be missed alone",
        ),
        ("unit: requests/s", "unit: rps", "unit: rps", "'requests/s'"),
        ("    unit: ms", "    unit: s", "    unit: s", "measured in ms, not in s"),
        ("share: 0.4}", "share: 0.5}", "  filters:", "add up to 1"),
        ("judged: 0.3", "judged: 0.4", "  queries:", "add up to 1"),
        ("planted: 0.3", "planted: 0", "planted: 0}", "greater than 0"),
        ("  timeout_ms: ", "  timeoutms: ", "timeoutms", "Extra inputs are not permitted"),
        ("consistency: Bounded", "consistency: bounded", "consistency: bounded", "'Strong', 'Bounded'"),
        ("version: 1", "version: 2", "version: 2", "should be 1"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_what_is_expected(tmp_path: Path, before: str, after: str, at: str, expected: str) -> None:
    path, text = broken(tmp_path, before, after)
    with pytest.raises(UsageError) as caught:
        read_profile(path)
    assert f"{path}:{line_of(text, at)}: " in str(caught.value)
    assert expected in str(caught.value)


def test_a_key_that_stands_twice_is_named_with_its_second_line(tmp_path: Path) -> None:
    path, text = broken(tmp_path, "\nrate:\n", "\nprofile: other\nrate:\n")
    with pytest.raises(UsageError, match=rf"slo.yaml:{line_of(text, 'profile: other')}: key 'profile' stands here twice"):
        read_profile(path)


def test_broken_yaml_is_named_with_a_line(tmp_path: Path) -> None:
    path, text = broken(tmp_path, "profile: lab", "profile: [lab")
    with pytest.raises(UsageError, match=rf"slo.yaml:{line_of(text, 'profile: [lab') + 1}: not YAML"):
        read_profile(path)


@pytest.mark.parametrize(
    ("before", "after", "at", "expected"),
    [
        ('limit: "<= 50"', 'limit: !x "<= 50"', "!x", "tag '!x' means nothing here; write the value without one"),
        ("profile: lab", "profile: =", "profile: =", "text in quotes"),
        (
            "    reason: half of all",
            "    reason: 2026-02-30\n    # half of all",
            "2026-02-30",
            "looks like a value of type timestamp, but is none",
        ),
        ("value: 100\n", "value: !!int fast\n", "fast", "'fast' looks like a value of type int, but is none; put text in quotes"),
        ("value: 100\n", "value: !!bool maybe\n", "maybe", "type bool"),
        ("value: 100\n", "value: !!int ''\n", "!!int", "type int"),
        ("value: 100\n", f"value: {'1' * 5000}\n", "11111", "type int"),
        ("profile: lab", "{{ x }}: 1\nprofile: lab", "{{ x }}", "a key is expected (a template left unfilled?); write NAME: VALUE"),
        ("profile: lab", "profile: {{ x }}", "{{ x }}", "write NAME: VALUE"),
        ("profile: lab", "? [a, b]\n: 1\nprofile: lab", "[a, b]", "write NAME: VALUE"),
        ("profile: lab", "profile: lab\n<<: 5", "<<: 5", "expected a mapping or list of mappings for merging"),
        ("profile: lab", "profile: !!str [lab]", "[lab]", "expected a scalar"),
        ("profile: lab", r'profile: "\U00110000"', "U0011", "names no character"),
        ("profile: lab", "profile: lab\x07", "lab\x07", "character U+0007"),
        ("profile: lab", f"profile: {'[' * 3000}", "[[[", "nested more than 20 deep"),
        ("profile: lab", "profile: &a {b: *a}", "*a", "valid string"),
    ],
)
def test_a_value_that_yaml_or_python_cannot_make_is_named_with_file_line_and_what_is_expected(
    tmp_path: Path, before: str, after: str, at: str, expected: str
) -> None:
    path, text = broken(tmp_path, before, after)
    with pytest.raises(UsageError) as caught:
        read_profile(path)
    assert str(caught.value).startswith(f"{path}:{line_of(text, at)}: ")
    assert expected in str(caught.value)


def test_a_mistake_beside_merged_keys_is_named_at_the_key_that_counts(tmp_path: Path) -> None:
    path, text = broken(tmp_path, "\nrate:\n", "\nrate: &rate\n")
    path.write_text(text.replace("\n  value: 3000\n", "\n  <<: *rate\n  value: many\n"))
    with pytest.raises(UsageError, match=rf"slo.yaml:{line_of(path.read_text(), 'value: many')}: requests.value: .*valid integer"):
        read_profile(path)


def test_a_missing_key_is_named_at_the_line_of_its_parent(tmp_path: Path) -> None:
    path, text = broken(tmp_path, "  timeout_ms: 5000\n", "")
    with pytest.raises(UsageError, match=rf"slo.yaml:{line_of(text, 'search:')}: search.timeout_ms: Field required"):
        read_profile(path)


@pytest.mark.parametrize("name", ["recall_at_10", "search_error_share"])
def test_a_profile_that_does_not_promise_recall_and_errors_is_refused(tmp_path: Path, name: str) -> None:
    data = yaml.safe_load(LAB.read_text(encoding="utf-8"))
    del data["objectives"][name]
    path = tmp_path / "slo.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(UsageError, match=f"objectives lack {name}"):
        read_profile(path)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "\x00"])
def test_a_file_that_is_no_mapping_is_refused_with_its_first_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"slo.yaml:1: "):
        read_profile(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--slo FILE"):
        read_profile(tmp_path / "none.yaml")


def test_a_promise_about_ingest_without_a_rate_of_ingest_is_refused_at_its_line(tmp_path: Path) -> None:
    text = LAB.read_text()
    start, end = text.index("ingesting:"), text.index("objectives:")
    path = tmp_path / "slo.yaml"
    path.write_text(text[:start] + text[end:])
    with pytest.raises(UsageError, match=r"slo.yaml:\d+: .*during_ingest_\w+ is never measured.*add ingesting"):
        read_profile(path)


def test_more_ingest_than_is_sent_can_never_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(LAB.read_text().replace('">= 150"', '">= 250"').replace('">= 190"', '">= 260"'))
    with pytest.raises(UsageError, match=r"can never be true: no more than ingesting: 200 is sent"):
        read_profile(path)


@pytest.mark.parametrize(
    ("objective", "limit", "why"),
    [
        ("search_p99_ms", '"<= 5000"', "timeout_ms: 5000"),
        ("search_p99_ms", '[["<= 5000"], ["<= +10%"]]', "timeout_ms: 5000"),
        ("search_p99_ms", '["<= 6000", "<= +10%"]', "timeout_ms: 5000"),
        ("filter_10_p95_ms", '"<= 9000"', "timeout_ms: 5000"),
        ("growing_p95_ms", '"<= 5000"', "timeout_ms: 5000"),
        ("during_ingest_p95_ms", '"<= 5001"', "timeout_ms: 5000"),
        ("first_token_p95_ms", '"<= 30000"', "timeout_s: 30"),
        ("answer_p95_ms", '"<= 31000"', "timeout_s: 30"),
        ("embedding_p95_ms", '"<= 60000"', "after 60 s"),
        ("cold_first_ms", '"<= 60000"', "after 60 s"),
        ("freshness_p95_ms", '"<= 60000"', "patience.searchable_s: 60"),
        ("searchable_s", '"<= 60"', "patience.searchable_s: 60"),
        ("indexed_s", '"<= 1000"', "patience.indexed_s: 900"),
        ("load_s", '"<= 600"', "patience.loaded_s: 600"),
        ("recall_at_10", '">= -1"', "whatever the baseline was"),
        ("recall_at_10", '">= -100%"', "whatever the baseline was"),
        ("answer_error_share", '"<= +1"', "whatever the baseline was"),
    ],
)
def test_a_limit_that_no_run_can_miss_is_refused_at_its_line(tmp_path: Path, objective: str, limit: str, why: str) -> None:
    lines = LAB.read_text(encoding="utf-8").splitlines()
    at = lines.index(f"  {objective}:")
    at = next(number for number in range(at, len(lines)) if lines[number].startswith("    limit:"))
    lines[at] = f"    limit: {limit}"
    if lines[at + 1].startswith("    warn:"):
        del lines[at + 1]
    path = tmp_path / "slo.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=f"{path}:{at + 1}: .*can never be missed: .*{why}") as refused:
        read_profile(path)
    assert refused.value.code == "slo.cannot_bind"


def test_the_longest_call_is_what_clients_wait_for() -> None:
    assert objectives._CALL_S == retrieval_models._TIMEOUT_S == milvus._TIMEOUT_S == fulltext._TIMEOUT_S


def test_nobody_promises_what_is_judged_anyway(tmp_path: Path) -> None:
    path, text = broken(tmp_path, "  search_p50_ms:", "  broken_answers:")
    with pytest.raises(UsageError, match=f"{path}:{line_of(text, 'broken_answers')}: .*is judged in every run, with zero tolerance"):
        read_profile(path)
