"""A box, as the commands see it: requests of the JSON API as methods, refusals as errors of ours."""

import json
import os
from collections.abc import Mapping
from typing import Any, Self

from appliance.client.refusals import refusal
from appliance.client.transport import ANSWER_SECONDS, BrokenConnectionError, Transport
from appliance.errors import UnavailableError

Json = dict[str, Any]
LONG_WORK_SECONDS = 3600.0
ACTING_AS = "X-Membox-Acting-As"


class BoxClient:
    """Talks to one box through a `Transport`.

    Every method raises the class of appliance/errors.py that fits the box's refusal, UnavailableError when the box
    cannot be reached, does not answer, or what answers is no box.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._me: Json | None = None
        self._fields: dict[str, str] = {}  # headers of every request

    @property
    def place(self) -> str:
        """The box's name in a sentence."""
        return self._transport.place

    @property
    def is_served(self) -> bool:
        """Whether others reach the box too; not so when it was opened in this process."""
        return self._transport.is_served

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def get(self, path: str, seconds: float = ANSWER_SECONDS, /, **query: object) -> Json:
        """The answer to a GET; a query field that is None is left out."""
        return self._call("GET", _with_query(path, query), seconds=seconds)

    def post(self, path: str, body: Json | None = None, seconds: float = ANSWER_SECONDS) -> Json:
        """The answer to a POST of `body`."""
        return self._call("POST", path, body or {}, seconds=seconds)

    def put(self, path: str, body: Json) -> Json:
        """The answer to a PUT of `body`."""
        return self._call("PUT", path, body)

    def delete(self, path: str, body: Json | None = None) -> Json:
        """The answer to a DELETE."""
        return self._call("DELETE", path, body)

    def whoami(self) -> Json:
        """Whom the box takes us for: tenant_id, agent_id, role, owner. Asked once."""
        if self._me is None:
            self._me = self.get("/v1/whoami")
        return self._me

    def speaker(self, agent: str | None = None) -> Json:
        """The tenant_id and agent_id a memory request names: our own, or another `agent` of our tenant."""
        me = self.whoami()
        return {"tenant_id": me["tenant_id"], "agent_id": agent or me["agent_id"]}

    def act_as(self, tenant_id: str, agent_id: str, role: str) -> None:
        """Be `agent_id` with no more than `role` from now on; the box grants it to its owner and to admins."""
        said = {"tenant_id": tenant_id, "agent_id": agent_id, "role": role}
        self._me, self._fields = None, {ACTING_AS: json.dumps(said)}

    def note(self, fields: Json) -> Json:
        """Capture a note (contract notebook, Capture), once, however often it has to be sent."""
        return self._call("POST", "/note", fields, {"Idempotency-Key": _fresh_key()})

    def remember(self, request: Json) -> Json:
        """Store items (contract memory-api). Without a key of the caller's own it gets one, so it may be repeated."""
        request.setdefault("idempotency_key", _fresh_key())
        return self._call("POST", "/v0/memory/remember", request, repeatable=True)

    def recall(self, request: Json) -> Json:
        """Find items (contract memory-api)."""
        return self._call("POST", "/v0/memory/recall", request, repeatable=True)

    def _call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = ANSWER_SECONDS,
        repeatable: bool = False,
    ) -> Json:
        fields = {**self._fields, **(headers or {})}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            fields["Content-Type"] = "application/json"
        repeatable = repeatable or method == "GET" or "Idempotency-Key" in fields
        try:
            reply = self._transport.send(method, path, payload, fields, seconds)
        except BrokenConnectionError as error:
            if not repeatable:
                raise self._broken() from error
            reply = self._again(method, path, payload, fields, seconds)
        answer = self._parse(reply.body)
        if reply.status >= 300 or answer is None:
            raise refusal(reply.status, answer, self.place, reply.location)
        return answer

    def _again(self, method: str, path: str, payload: bytes | None, fields: Json, seconds: float) -> Any:
        try:
            return self._transport.send(method, path, payload, fields, seconds)
        except BrokenConnectionError as error:
            raise self._broken() from error

    def _broken(self) -> UnavailableError:
        return UnavailableError(
            "connection_broken", f"The connection to {self.place} broke before it answered; look, then try again."
        )

    @staticmethod
    def _parse(body: bytes) -> Json | None:
        try:
            answer = json.loads(body)
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None


def _fresh_key() -> str:
    return f"cli-{os.urandom(16).hex()}"


def _with_query(path: str, query: Mapping[str, object]) -> str:
    from urllib.parse import urlencode

    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def path_part(text: str) -> str:
    """`text` as one segment of a request's path."""
    from urllib.parse import quote

    return quote(text, safe="")
