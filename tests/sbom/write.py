"""Writes a CycloneDX file for each part of a release, valid by CycloneDX's own schema; runs in the environment of `make sbom`."""

import re
import sys
from pathlib import Path

from contents import Component, subjects  # type: ignore[import-not-found]  # this folder is the script's
from cyclonedx.model import HashAlgorithm, HashType  # type: ignore[import-not-found]  # in that environment alone
from cyclonedx.model.bom import Bom  # type: ignore[import-not-found]  # in that environment alone
from cyclonedx.model.component import Component as Entry  # type: ignore[import-not-found]  # in that environment alone
from cyclonedx.model.component import ComponentType
from cyclonedx.output.json import JsonV1Dot6  # type: ignore[import-not-found]  # in that environment alone
from cyclonedx.schema import SchemaVersion  # type: ignore[import-not-found]  # in that environment alone
from cyclonedx.validation.json import JsonStrictValidator  # type: ignore[import-not-found]  # in that environment alone
from packageurl import PackageURL  # type: ignore[import-not-found]  # in that environment alone


def entry(of: Component) -> Entry:
    """As CycloneDX has it; where a lock allows several files, which of them is installed depends on the machine, so none is named."""
    namespace, _, name = of.name.rpartition("/") if of.kind == "golang" else ({"deb": "debian"}.get(of.kind, ""), "", of.name)
    place = PackageURL(of.kind, namespace or None, name, of.version)
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=of.hashes[0])] if len(of.hashes) == 1 else []
    return Entry(type=ComponentType.LIBRARY, name=of.name, version=of.version, purl=place, bom_ref=str(place), hashes=hashes)


def main(root: Path, target: Path) -> None:
    """Write them all; the process ends with 1 where one is not valid."""
    version = re.search(r'^version = "(.+)"', (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    target.mkdir(parents=True, exist_ok=True)
    for name, components in subjects(root).items():
        bom = Bom(components=[entry(each) for each in sorted(set(components))])
        bom.metadata.component = Entry(
            type=ComponentType.APPLICATION, name=f"milvus-x10000/{name}", version=version[1] if version else None
        )
        text = JsonV1Dot6(bom).output_as_string(indent=1)
        if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
            sys.exit(f"{name}: {wrong}")
        (target / f"{name}.cdx.json").write_text(text, encoding="utf-8")
        print(f"{target / name}.cdx.json: {len(components)} components")


if __name__ == "__main__":
    main(Path.cwd(), Path("build/sbom"))
