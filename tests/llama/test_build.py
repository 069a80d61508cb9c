"""Which llama.cpp a package holds is read from its own text, or refused."""

from pathlib import Path

import pytest

from components.engines import ENGINES
from components.engines.engine import Model
from lab.errors import LabError
from tests.llama import build

CHANGES = """
## [Unreleased]

## [0.3.36]

- fix: something
- feat: update llama.cpp to ggml-org/llama.cpp@0c1e57098

## [0.3.35]

- feat: update llama.cpp to ggml-org/llama.cpp@4df29be4f
"""


def unpacked(home: Path, released: str, example: str) -> Path:
    source = home / f"llama_cpp_python-{released}"
    readme = source / "vendor" / "llama.cpp" / "examples" / "test-cmake" / "README.md"
    readme.parent.mkdir(parents=True)
    readme.write_text(example)
    (source / "CHANGELOG.md").write_text(CHANGES)
    return source


def test_the_commit_is_that_of_the_release_and_the_build_no_newer_than_it(tmp_path: Path) -> None:
    example = "Using llama.cpp version 0.1.0-dev-b10335\nUsing llama.cpp version 0.0.9-b9000\n"
    assert build.version(unpacked(tmp_path, "0.3.36", example)) == ("0c1e57098", 10335)
    assert build.version(unpacked(tmp_path, "0.3.35", example)) == ("4df29be4f", 10335)


@pytest.mark.parametrize(("released", "example"), [("0.3.34", "llama.cpp version 0.1.0-b1"), ("0.3.36", "no build is named")])
def test_a_package_that_does_not_say_it_is_refused_by_name(tmp_path: Path, released: str, example: str) -> None:
    with pytest.raises(LabError, match=rf"llama_cpp_python-{released} does not say which llama\.cpp it holds"):
        build.version(unpacked(tmp_path, released, example))


def test_the_blueprint_reads_its_version_from_the_tag_and_judges_every_option_by_it() -> None:
    engine = ENGINES["llama_cpp"]
    version = engine.version("lab.local/llama.cpp", "server-0c1e57098-b10335")
    assert version == (10335, 0, 0)
    options = dict.fromkeys(engine.options[max(engine.options)] - {"cache-ram"}, 1)
    assert list(engine.notes(Model(role="llm", name="m", version=version, options=options))) == []
