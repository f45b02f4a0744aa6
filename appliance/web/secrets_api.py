"""The box's secrets, for `membox secrets` while the daemon runs: to the owner alone, and only on the machine itself."""

from typing import Annotated

from pydantic import BaseModel, Field

from appliance.principal import Role
from appliance.web.endpoint import LOCAL, SOCKET, Reach, Request, endpoint

# No browser, phone or tailnet ever carries a secret's value, whoever asks.
_DOORS = frozenset({SOCKET, LOCAL})

Value = Annotated[str, Field(repr=False, json_schema_extra={"format": "password"})]


class SecretNames(BaseModel):
    """Which secrets are set."""

    names: list[str]


class SecretValue(BaseModel):
    """A secret to keep; UTF-8 text of at most 64 KiB. Without `replace` one that is there stays."""

    value: Value
    replace: bool = True


class Secret(BaseModel):
    """A secret in clear."""

    name: str
    value: Value


class SecretKept(BaseModel):
    """That a secret is on the disk."""

    name: str


class SecretRemoved(BaseModel):
    """That a secret is forgotten."""

    name: str
    removed: bool


@endpoint(
    "GET",
    "/v1/secrets",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    doors=_DOORS,
    answer=SecretNames,
    summary="The names of the secrets.",
)
def names(request: Request) -> SecretNames:
    """The names; no value."""
    return SecretNames(names=request.box.secrets.names())


@endpoint(
    "GET",
    "/v1/secrets/<name>",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    doors=_DOORS,
    answer=Secret,
    errors=(404, 409),
    summary="One secret in clear.",
)
def secret(request: Request) -> Secret:
    """One secret."""
    name = request.params["name"]
    return Secret(name=name, value=request.box.secrets.get(name))


@endpoint(
    "PUT",
    "/v1/secrets/<name>",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    doors=_DOORS,
    body=SecretValue,
    answer=SecretKept,
    errors=(404, 409),
    summary="Keep a secret, in place of the one of that name.",
)
def set_secret(request: Request) -> SecretKept:
    """Keep a secret."""
    name = request.params["name"]
    request.box.secrets.set(name, request.body.value, request.body.replace)
    request.box.access.note(request.principal.agent_id, "secret_set", name)
    return SecretKept(name=name)


@endpoint(
    "DELETE",
    "/v1/secrets/<name>",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    doors=_DOORS,
    answer=SecretRemoved,
    errors=(404,),
    summary="Forget a secret.",
)
def remove_secret(request: Request) -> SecretRemoved:
    """Forget a secret."""
    name = request.params["name"]
    request.box.secrets.remove(name)
    request.box.access.note(request.principal.agent_id, "secret_removed", name)
    return SecretRemoved(name=name, removed=True)
