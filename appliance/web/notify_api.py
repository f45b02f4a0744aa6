"""Messages to the owner and the week's digest, over the web (docs/notifications.md)."""

from typing import Annotated

from pydantic import BaseModel, Field

from appliance.principal import Role
from appliance.web.endpoint import Request, endpoint


class NotifyFailure(BaseModel):
    """The last message that did not arrive."""

    at: str
    why: str


class NotifyTarget(BaseModel):
    """Where messages can go, what has to be set before they can, and whether the last one did."""

    name: str
    is_default: bool
    missing: str
    failure: NotifyFailure | None


class NotifyTargets(BaseModel):
    """Every target there is."""

    targets: list[NotifyTarget]


class NotifyTest(BaseModel):
    """Where a test message is to go; none: where all go."""

    target: Annotated[str, Field(max_length=64)] = ""


class NotifyTested(BaseModel):
    """Whether the test message was handed over, and else why not."""

    target: str
    sent: bool
    why: str


class DigestRequest(BaseModel):
    """Whether the digest is to be sent, or only shown."""

    send: bool = False


class DigestAnswer(BaseModel):
    """The digest of the last seven days: empty when nothing happened; `by` is the model, empty where it was composed.

    `done`: what became of it, where it was to be sent.
    """

    title: str = ""
    text: str = ""
    by: str = ""
    done: str = ""


@endpoint("GET", "/v1/notify", role=Role.ADMIN, answer=NotifyTargets, summary="Where messages to the owner can go.")
def targets(request: Request) -> NotifyTargets:
    """The targets."""
    return NotifyTargets.model_validate({"targets": request.box.notifier.targets()}, from_attributes=True)


@endpoint(
    "POST", "/v1/notify/test", role=Role.ADMIN, body=NotifyTest, answer=NotifyTested, summary="Send a test message."
)
def test(request: Request) -> NotifyTested:
    """Send one, and say whether it went."""
    notifier = request.box.notifier
    name = request.body.target or next(target.name for target in notifier.targets() if target.is_default)
    sent = notifier.send("A test by membox", "If you can read this, messages of your memory box arrive.", target=name)
    why = "" if sent else notifier.failure(name)
    return NotifyTested(target=name, sent=sent, why=why)


@endpoint(
    "POST",
    "/v1/digest",
    role=Role.ADMIN,
    body=DigestRequest,
    answer=DigestAnswer,
    errors=(503,),
    summary="The digest of the last seven days, shown or sent.",
)
def digest(request: Request) -> DigestAnswer:
    """Write it, and send it where that is asked for."""
    digest = request.box.digest
    if request.body.send:
        return DigestAnswer(done=digest.send())
    written = digest.written()
    return DigestAnswer(title=written.title, text=written.text, by=written.by) if written else DigestAnswer()
