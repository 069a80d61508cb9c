"""The README tells the truth about names, and nothing is committed that belongs to one machine."""

import re
import subprocess

from lab.places import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def test_every_make_target_in_the_readme_exists() -> None:
    named = {name for span in re.findall(r"`[^`\n]+`", README) for name in re.findall(r"\bmake (?:-s )?([a-z-]+)", span)}
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert {"check", "test"} <= named <= targets


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_nothing_in_the_project_names_the_host_of_a_package_registry() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0")
    hosts = ("pypi" + ".org", "proxy.golang" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org")
    named = [
        f"{name}: {host}"
        for name in filter(None, tracked)
        for host in hosts
        if (REPOSITORY / name).is_file() and host in (REPOSITORY / name).read_text(errors="replace")
    ]
    assert named == []


def test_the_readme_has_no_gap() -> None:
    assert "@@" not in README


def test_no_committed_stack_holds_the_salt_of_somebodys_passphrase() -> None:
    stacks = sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml"))
    assert stacks
    assert [path.name for path in stacks if "encryptionsalt" in path.read_text()] == []
