"""Style, scripts and icons of the pages: open to all, revalidated by ETag so that an upgrade counts at once."""

import hashlib
from functools import lru_cache
from pathlib import Path

from appliance.errors import NotFoundError
from appliance.web.endpoint import Answer, Request, endpoint

_ROOT = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}


@endpoint(
    "GET", "/static/<name:path>", role=None, summary="A file of the pages.", content_type="*/*", errors=(304, 404)
)
def static_file(request: Request) -> Answer:
    """A file below ``static/``."""
    return _file(request, request.params["name"])


@endpoint("GET", "/sw.js", role=None, summary="The service worker.", content_type=_TYPES[".js"], errors=(304,))
def service_worker(request: Request) -> Answer:
    """At the root, because a service worker governs only what lies below it."""
    return _file(request, "sw.js")


@endpoint(
    "GET",
    "/manifest.webmanifest",
    role=None,
    summary="The web app's manifest.",
    content_type=_TYPES[".webmanifest"],
    errors=(304,),
)
def manifest(request: Request) -> Answer:
    """What makes the pages installable."""
    return _file(request, "manifest.webmanifest")


def _file(request: Request, name: str) -> Answer:
    path = _files().get(name)
    if path is None:
        raise NotFoundError("not_found")
    content, etag = _read(path, path.stat().st_mtime_ns)
    headers = (("Cache-Control", "no-cache"), ("ETag", etag))
    if etag in request.header("If-None-Match"):
        return Answer(304, b"", _TYPES[path.suffix], headers)
    return Answer(200, content, _TYPES[path.suffix], headers)


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """The files there are, by name: what is not listed here cannot be asked for, however the path is written."""
    return {path.relative_to(_ROOT).as_posix(): path for path in _ROOT.rglob("*") if path.suffix in _TYPES}


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> tuple[bytes, str]:
    content = path.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
