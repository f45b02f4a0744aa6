"""Instruction targets over the web: `membox targets`, here and on other machines (contract notebook, Instruction
targets and drift).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from appliance.instruction_files import Seen
from appliance.managed_block import State
from appliance.notebook.targets.checkins import TargetRow
from appliance.notebook.targets.service import MOST_TARGETS
from appliance.principal import Role
from appliance.web.endpoint import LOCAL, SOCKET, Reach, Request, endpoint

FilePath = Annotated[str, Field(min_length=1, max_length=512)]
Machine = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Target(_Model):
    """A file of the box's machine, by its absolute path."""

    path: FilePath


class SeenTarget(_Model):
    """A target as its machine sees it: `hash` is that of its block, null without one; `said` explains the state."""

    path: FilePath
    state: State
    hash: Hash | None = None
    said: Annotated[str, Field(max_length=1000)] = ""


class CheckIn(_Model):
    """All targets of a machine; those it told of before and does not name now are forgotten."""

    machine: Machine
    targets: Annotated[list[SeenTarget], Field(max_length=MOST_TARGETS)]


class CheckedIn(_Model):
    """`memory`: the hash that a block of the memory of now has."""

    memory: str


class Forget(_Model):
    """A machine that checks in no more."""

    machine: Machine


class Forgotten(_Model):
    """How many targets it had."""

    machine: str
    targets: int


class Targets(_Model):
    """Every target of every machine, the box's own (machine "") first."""

    targets: list[TargetRow]


@endpoint(
    "GET",
    "/v1/targets",
    role=Role.READER,
    answer=Targets,
    errors=(404,),
    summary="Every target as its machine last told.",
)
def overview(request: Request) -> Targets:
    """Every target."""
    return Targets(targets=request.box.targets.overview())


@endpoint(
    "POST",
    "/v1/targets/add",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    body=Target,
    answer=SeenTarget,
    errors=(409,),
    doors=frozenset({SOCKET, LOCAL}),
    summary="Keep a file of the box's machine up to date with the curated memory.",
)
def add(request: Request) -> SeenTarget:
    """Add a target."""
    return _answer(request.box.targets.add(request.body.path))


@endpoint(
    "POST",
    "/v1/targets/remove",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    body=Target,
    answer=SeenTarget,
    errors=(404, 409),
    doors=frozenset({SOCKET, LOCAL}),
    summary="Take the block out of a file of the box's machine, and leave it alone from now on.",
)
def remove(request: Request) -> SeenTarget:
    """Remove a target."""
    return _answer(request.box.targets.remove(request.body.path))


@endpoint(
    "POST", "/v1/targets/sync", role=Role.ADMIN, answer=Targets, errors=(404,), summary="Repair the box's own targets."
)
def sync(request: Request) -> Targets:
    """Bring the box's targets to the memory."""
    return Targets(targets=request.box.targets.sync())


@endpoint(
    "POST", "/v1/targets/check", role=Role.ADMIN, answer=Targets, errors=(404,), summary="Look at the box's targets."
)
def check(request: Request) -> Targets:
    """Look at the box's targets; nothing is written."""
    return Targets(targets=request.box.targets.check())


@endpoint(
    "POST",
    "/v1/targets/checkin",
    role=Role.READER,
    body=CheckIn,
    answer=CheckedIn,
    errors=(400, 404),
    summary="A machine tells how its targets are.",
)
def check_in(request: Request) -> CheckedIn:
    """Take a machine's check-in."""
    told: CheckIn = request.body
    seen = {each.path: Seen(each.path, each.state, each.hash, each.said) for each in told.targets}
    wanted = request.box.targets.check_in(told.machine, request.principal.agent_id, list(seen.values()))
    return CheckedIn(memory=wanted)


@endpoint(
    "POST",
    "/v1/targets/forget",
    role=Role.ADMIN,
    body=Forget,
    answer=Forgotten,
    errors=(404,),
    summary="Forget a machine that checks in no more.",
)
def forget(request: Request) -> Forgotten:
    """Forget a machine."""
    machine = request.body.machine
    return Forgotten(machine=machine, targets=request.box.targets.forget_machine(machine))


def _answer(seen: Seen) -> SeenTarget:
    return SeenTarget(path=seen.path, state=seen.state, hash=seen.hash, said=seen.said)
