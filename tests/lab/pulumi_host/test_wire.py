"""Promises of the property model: nothing is lost on the wire, secrets stay secret, whole numbers stay whole."""

from hypothesis import given
from hypothesis import strategies as st

from lab.pulumi_host.kubernetes.wire import (
    UNKNOWN,
    Object,
    Secret,
    dump,
    has_secret,
    has_unknown,
    load,
    mark,
    mark_object,
    plain,
    without_nulls,
)

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
KEYS = st.text(max_size=10)


def _containers(children: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(children, max_size=3) | st.dictionaries(KEYS, children, max_size=3) | children.map(Secret)


@given(st.dictionaries(KEYS, st.recursive(LEAVES, _containers, max_leaves=8), max_size=3))
def test_what_is_dumped_is_loaded_again(data: Object) -> None:
    assert load(dump(data)) == data


def test_a_whole_number_comes_back_as_an_integer() -> None:
    loaded = load(dump({"replicas": 2, "ratio": 0.5}))
    assert (type(loaded["replicas"]), type(loaded["ratio"])) == (int, float)


def test_a_secret_carries_pulumis_signature_on_the_wire() -> None:
    struct = dump({"password": Secret("x")}).fields["password"].struct_value
    assert struct.fields["4dabf18193072939515e22adb298388d"].string_value == "1b47061264138c4ac30d75fd1eb44270"


def test_plain_lays_every_secret_open() -> None:
    assert plain({"a": [Secret({"b": Secret("c")})]}) == {"a": [{"b": "c"}]}


def test_an_unknown_is_found_even_inside_a_secret() -> None:
    assert has_unknown({"a": [Secret({"b": UNKNOWN})]})
    assert not has_unknown({"a": [Secret("b")]})


def test_nulls_go_but_empty_values_stay() -> None:
    assert without_nulls({"a": None, "b": {}, "c": [], "d": 0, "e": {"f": None}}) == {"b": {}, "c": [], "d": 0, "e": {}}


def test_a_mark_goes_to_the_same_place() -> None:
    assert mark({"a": {"b": "1", "c": "2"}}, {"a": {"b": Secret("old")}}) == {"a": {"b": Secret("1"), "c": "2"}}


def test_a_list_that_changed_its_length_becomes_secret_whole() -> None:
    assert mark({"a": ["1", "2"]}, {"a": [Secret("old")]}) == {"a": Secret(["1", "2"])}


def test_the_data_of_a_kubernetes_secret_is_secret_without_being_told() -> None:
    marked = mark_object({"kind": "Secret", "data": {"k": "dg=="}, "stringData": {"k": "v"}, "type": "Opaque"}, {})
    assert has_secret(marked["data"])
    assert has_secret(marked["stringData"])
    assert marked["type"] == "Opaque"


def test_the_data_of_a_config_map_stays_open() -> None:
    assert not has_secret(mark_object({"kind": "ConfigMap", "data": {"k": "v"}}, {}))
