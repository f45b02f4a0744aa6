"""What nobody thought of: requests made up from our own OpenAPI, valid and not, against a real server.

No answer is a fault of ours, and each has a status, content type and body that the document describes. Every run on a
workstation asks anew, and a failure names the request to repeat it; CI, which judges a change, asks the same each time.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

import appliance.web.app  # noqa: F401 - registers every endpoint, before the document is made
from appliance.access.keys import make_key
from appliance.box import Box
from appliance.hold import release
from appliance.web.endpoint import WEB, endpoints
from appliance.web.openapi import document

pytestmark = pytest.mark.slow

EXAMPLES = 40  # an operation: the whole takes about half a minute
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
)

AT_THE_SOCKET = {each.template for each in endpoints() if WEB not in each.doors}
# One of them writes a file wherever it is told to: not on somebody's machine.
schema = schemathesis.openapi.from_dict(document()).exclude(path="/v1/targets/add")
schema.config.generation.update(with_security_parameters=False)
pages = schema.include(method="GET").exclude(path_regex="^/(v0|v1|static)/")


@pytest.fixture(scope="module")
def owner(box: Box) -> dict[str, str]:
    key = make_key().key
    box.access.accept_owner_key(key)
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def cookie(box: Box) -> dict[str, str]:
    session = box.access.sign_in(box.access.create_ticket().ticket, "fuzz")
    return {"Cookie": f"membox_session={session.token}"}


def check(case: Any, served: Any, home: Path, headers: dict[str, str]) -> None:
    port = served.socket_door_port if case.path in AT_THE_SOCKET else served.port
    response = case.call(base_url=f"http://127.0.0.1:{port}", headers=headers)
    release(home)  # what it may have asked for: every write after it would be refused
    # Where the memory's contract is strict about fields, nothing outside the document is accepted.
    strict = (negative_data_rejection,) if case.path.startswith("/v0/") else ()
    case.validate_response(response, checks=(*CHECKS, *strict))


bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    derandomize="CI" in os.environ,
)


@pytest.mark.usefixtures("no_faults")
@schema.parametrize()
@bounded
def test_no_request_finds_a_fault(case: Any, served: Any, box: Box, owner: dict[str, str]) -> None:
    check(case, served, box.home, owner)


@pytest.mark.usefixtures("no_faults")
@pages.parametrize()
@bounded
def test_no_request_of_a_signed_in_browser_finds_a_fault(
    case: Any, served: Any, box: Box, cookie: dict[str, str]
) -> None:
    check(case, served, box.home, cookie)
