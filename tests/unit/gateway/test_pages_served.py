"""The dashboard's files: the page for every address of its own, never for the API's."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from niftyflow.gateway.errors import handle_errors
from niftyflow.gateway.pages import Pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Build a dashboard of three files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>niftyflow</title>")
    (tmp_path / "assets" / "index-1a2b.js").write_text("let it = 1")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path.parent / "secret.txt").write_text("never")
    return tmp_path


def browser(folder: Path | None) -> httpx.AsyncClient:
    """Return a client of an application that has nothing but pages."""
    app = FastAPI(redirect_slashes=False, openapi_url=None)
    app.router.default = Pages(folder)
    handle_errors(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


@pytest.mark.parametrize("path", ["/", "/index.html", "/chart/NSE:RELIANCE", "/orders", "/signals/", "/apiary"])
async def test_every_address_of_the_page_gives_the_page(folder: Path, path: str):
    """And it is asked for again each time, so that a new build shows at once."""
    async with browser(folder) as client:
        response = await client.get(path)
    assert response.status_code == 200
    assert response.text == "<title>niftyflow</title>"
    assert response.headers["cache-control"] == "no-cache"


async def test_the_reference_of_the_api_is_a_page_of_its_own(folder: Path):
    """Built with the others, so that it needs no other host."""
    (folder / "docs.html").write_text("<title>API</title>")
    async with browser(folder) as client:
        response = await client.get("/docs")
    assert response.text == "<title>API</title>"
    assert response.headers["cache-control"] == "no-cache"


async def test_hashed_files_are_kept_for_ever_and_others_for_an_hour(folder: Path):
    """A changed file has another name."""
    async with browser(folder) as client:
        hashed, other = await client.get("/assets/index-1a2b.js"), await client.get("/favicon.svg")
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in hashed.headers["content-type"]
    assert other.headers["cache-control"] == "public, max-age=3600"


async def test_a_page_that_was_not_changed_is_not_sent_again(folder: Path):
    """By its tag."""
    async with browser(folder) as client:
        tag = (await client.get("/")).headers["etag"]
        assert (await client.get("/", headers={"If-None-Match": tag})).status_code == 304


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nothing", "/api", "/ws/nothing", "/health/nothing", "/metrics/x", "/docs/x", "/assets/index-old.js"],
)
async def test_what_is_no_page_is_not_found(folder: Path, path: str):
    """A missing script that came as a page would be hard to understand."""
    async with browser(folder) as client:
        response = await client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/%00", "/a%00b"]
)
async def test_nothing_outside_the_folder_is_served(folder: Path, path: str):
    """Whatever the spelling."""
    async with browser(folder) as client:
        response = await client.get(path)
    assert "never" not in response.text
    assert response.status_code in (200, 404)


async def test_pages_are_read_only(folder: Path):
    """A POST says what is possible."""
    async with browser(folder) as client:
        response = await client.post("/orders")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"


async def test_without_built_pages_the_api_says_so(tmp_path: Path):
    """Both when there is no folder, and when it is empty."""
    for folder in (None, tmp_path, tmp_path / "absent"):
        async with browser(folder) as client:
            response = await client.get("/")
        assert response.status_code == 404
        assert "not built" in response.json()["error"]["message"]
