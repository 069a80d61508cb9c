"""The generator against a server that answers at once."""

from validation.clients.searcher import LoadTarget
from validation.judge.profile import Profile
from validation.load import loopback


def test_every_search_is_answered_and_costs_what_the_generator_does(profile: Profile) -> None:
    search = profile.search.model_copy(update={"warmup_requests": 5})
    target = LoadTarget(uri="http://127.0.0.1:1", database="db", collection="x", search=search, limit=10, connections=3)
    samples = loopback.samples(target, 384)
    assert len(samples) == 200
    assert {sample.error for sample in samples} == {""}
    assert all(0 < sample.latency_s < 60 for sample in samples)
