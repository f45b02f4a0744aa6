"""How pages are rendered, and the headers that keep a browser from being used against the box."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import __version__
from appliance.web.endpoint import HTML, JSON, Answer, Request, View

if TYPE_CHECKING:
    from jinja2 import Environment

_VIEWS = Path(__file__).parent / "views"

# No inline script or style, nothing from elsewhere, in nobody's frame.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_ALWAYS = (("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "same-origin"))
_API = (*_ALWAYS, ("Cache-Control", "no-store"), ("Content-Security-Policy", "default-src 'none'"))
_PAGE = (
    *_ALWAYS,
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    # Not no-referrer: under it browsers send `Origin: null` with a page's own requests.
    ("Referrer-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)


def security_headers(answer: Answer) -> tuple[tuple[str, str], ...]:
    """The headers that go with an answer of its kind; a static file says itself how long it may be kept."""
    if answer.content_type == HTML:
        return _PAGE
    return _API if answer.content_type == JSON else _ALWAYS


def rendered(view: View, request: Request) -> str:
    """A view as HTML."""
    template = _environment().get_template(view.template)
    session = request.session
    return template.render(
        **view.context,
        csrf_token=session.csrf_token if session else "",
        path=request.environ["PATH_INFO"],
        version=__version__,
    )


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader  # only a box whose pages are opened pays for it

    return Environment(loader=FileSystemLoader(_VIEWS), autoescape=True, auto_reload=False)
