"""What the user `agent` does for the daemon, and nothing else: one errand, asked for on standard input.

systemd starts this for each connection to the socket (roles/membox_claude), with the connection as standard input and
output: ``python -m appliance.daemon.errand``.
"""

import json
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.errand import MAX_BYTES
from appliance.errors import MemboxError


class _Errand(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BringTargets(_Errand):
    """Look after instruction files in the agent's reach (`instruction_files.do`)."""

    errand: Literal["targets"]
    how: Literal["check", "sync", "automatic", "remove"]
    paths: list[str] = Field(max_length=100)
    memory: str

    def done(self) -> dict[str, Any]:
        """How the targets are."""
        from appliance import instruction_files

        seen = instruction_files.do(self.how, self.paths, self.memory, instruction_files.state_directory())
        return {"targets": [each.as_dict() for each in seen]}


class ReadTranscripts(_Errand):
    """Read on in the agent's transcripts, from the positions named (`agents.harvest.transcripts.read_on`)."""

    errand: Literal["transcripts"]
    positions: dict[str, int]

    def done(self) -> dict[str, Any]:
        """What is new in one of them; null when none has anything."""
        from appliance.agents.harvest import transcripts

        portion = transcripts.read_on(transcripts.directory(), self.positions)
        return {"portion": portion.model_dump() if portion else None}


class Complete(_Errand):
    """Ask a language model by the agent's own signed-in `claude` (`providers.claude_command.complete_here`)."""

    errand: Literal["complete"]
    request: dict[str, Any]
    seconds: Annotated[float, Field(gt=0, le=3600)]

    def done(self) -> dict[str, Any]:
        """Its reply, or why there is none."""
        from appliance.providers.claude_command import complete_here

        return complete_here(self.request, self.seconds)


_ERRANDS: dict[str, type[BringTargets | ReadTranscripts | Complete]] = {
    "targets": BringTargets,
    "transcripts": ReadTranscripts,
    "complete": Complete,
}


def answer(asked: bytes) -> dict[str, Any]:
    """Do what was asked for: what came of it, or why nothing did."""
    try:
        wanted = json.loads(asked)
        errand = _ERRANDS[wanted["errand"]].model_validate(wanted)
    except (ValueError, KeyError, TypeError):
        return {"failed": "no such errand"}
    try:
        return errand.done()
    except (MemboxError, OSError, TypeError) as fault:  # the last: no fields of a request
        return {"failed": str(fault)}


def main() -> None:
    """One errand, from standard input to standard output."""
    sys.stdout.write(json.dumps(answer(sys.stdin.buffer.read(MAX_BYTES))))


if __name__ == "__main__":
    main()
