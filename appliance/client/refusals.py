"""A box's refusal, read back into the error it was: status → class, word → a sentence for a person."""

from typing import Any

from appliance.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    MalformedReplyError,
    MemboxError,
    NoProviderError,
    NotConfiguredError,
    NotFoundError,
    ProviderError,
    RefusedError,
    StorageError,
    StorageFullError,
    TooLargeError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)

_CLASSES: dict[int, type[MemboxError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    422: InvalidError,
    424: NoProviderError,
    429: TooManyError,
    502: ProviderError,
    503: UnavailableError,
    507: StorageFullError,
}

_PARTS = (["body"], ["query"], ["path"])

# Words that say more than the status they come with.
_BY_WORD: dict[str, type[MemboxError]] = {
    "no_mirror": NotConfiguredError,
    "bad_config": NotConfiguredError,
    "malformed_reply": MalformedReplyError,
    "refused": RefusedError,
}

# What a word of the contract (memory-api, Errors) means to the person at the terminal, and what to do.
_SENTENCES = {
    "missing_api_key": "The box wants a key: put one in MEMBOX_API_KEY (made on the box by `membox key create`).",
    "invalid_api_key": "The box does not know this key: it was revoked or mistyped; make one on the box with "
    "`membox key create`.",
    "unauthorized": "The box does not know this key: it was revoked or mistyped; make one on the box with "
    "`membox key create`.",
    "insufficient_role": "This key's role may not do that; make one that may with `membox key create NAME --role`.",
    "tenant_mismatch": "This key belongs to another tenant than the one asked for.",
    "agent_mismatch": "This key speaks for another agent; only an admin may name a different one.",
    "global_scope_requires_admin": "Only an admin key may write to the scope global.",
    "job_not_found": "There is no job of that id in your tenant; `membox jobs list` shows the newest.",
    "memory_not_found": "There is no memory item of that id (or none this key may see).",
    "document_not_found": "There is no such file in the notebook; `membox memory list` shows what there is.",
    "version_not_found": "That file has no version of that number; `membox memory history PATH` lists them.",
    "key_not_found": "There is no key of that id; `membox key list` shows them.",
    "canary_not_set": "There is no canary to promote; `membox models register` or a training makes one.",
    "idempotency_conflict": "That idempotency key was already used for a different text; use a new one.",
    "empty note": "The note is empty; nothing was written.",
    "held": "The box takes no changes for a moment, as it is being upgraded; nothing was changed, try again soon.",
    "edit_conflict": "The file changed in the meantime, in the same lines.",
}


def refusal(status: int, answer: dict[str, Any] | None, place: str, location: str = "") -> MemboxError:
    """The error of an answer with `status`; `answer` is its JSON object, None when it had none.

    `detail` of the error is the whole answer, so that a conflict's sides travel along.
    """
    if answer is None or not ("detail" in answer or "error" in answer):
        return _no_box(status, place, location)
    said = answer.get("detail", answer.get("error"))
    if isinstance(said, list):
        return InvalidError("invalid", _fields(said), answer)
    word = str(said)
    sentence = str(answer.get("message") or _SENTENCES.get(word) or _plain(status, word))
    kind = _BY_WORD.get(word) or _CLASSES.get(status, StorageError if status >= 500 else InvalidError)
    return kind(word, sentence, answer)


def _no_box(status: int, place: str, location: str) -> UnavailableError:
    if location:
        return UnavailableError(
            "redirected", f"{place} sends on to {location}; set MEMBOX_URL to the box's own address."
        )
    return UnavailableError("no_box", f"What answers at {place} is no box (status {status}); check the address.")


def _fields(faults: list[Any]) -> str:
    """A 422's list of faults in one sentence, the request's own field names kept."""
    told = [_fault(fault) for fault in faults]
    if len(told) == 1 and not _where(faults[0]):
        return told[0] + "."
    return f"The box refuses this: {'; '.join(told)}."


def _fault(fault: Any) -> str:
    said = (
        str(fault.get("msg", "wrong") if isinstance(fault, dict) else fault).removeprefix("Value error, ").rstrip(".")
    )
    return f"{where}: {said}" if (where := _where(fault)) else said


def _where(fault: Any) -> str:
    """The field a fault is about, without the part of the request it stood in."""
    places = list(fault.get("loc", ())) if isinstance(fault, dict) else []
    return ".".join(str(place) for place in (places[1:] if places[:1] in _PARTS else places))


def _plain(status: int, word: str) -> str:
    if " " in word:
        return word[:1].upper() + word[1:] + ("" if word.endswith(".") else ".")
    if status == 404:
        return f"The box has no such thing ({word}); is it an older version? `membox health` shows it."
    if status == 413:
        return "That is more than the box takes at once; send less."
    if status == 429:
        return "Too many wrong keys came from here; wait a minute, and check MEMBOX_API_KEY."
    if status == 507:
        return "The box's disk is full; nothing was written. Make room there, then try again."
    if status == 503:
        return "The box cannot answer now (starting, stopping or busy); try again in a moment."
    if status >= 500:
        return f"The box failed at this ({word}); its log says why: `membox daemon logs` there."
    return f"The box refuses this: {word}."
