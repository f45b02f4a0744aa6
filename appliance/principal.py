"""Who is asking: established once by a door, then passed down unchanged."""

from dataclasses import dataclass
from enum import IntEnum

from appliance.errors import ForbiddenError


class Role(IntEnum):
    """What a key may do; each role includes those below it, but `capture` may only POST /note."""

    CAPTURE = 0
    READER = 1
    WRITER = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role's name in the contract."""
        return self.name.lower()

    @classmethod
    def named(cls, word: str) -> "Role":
        """The role of that name; KeyError when there is none."""
        return cls[word.upper()]


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: tenant, agent, role, and whether it is the box's owner in person.

    `owner` is set for a signed-in person and for a local command by the home's owner; only the owner may make
    sign-in links or keys for other tenants. `unbound` is set in auth mode `disabled`, where the caller is admin
    of whatever tenant and agent the request names.
    """

    tenant_id: str
    agent_id: str
    role: Role
    owner: bool = False
    unbound: bool = False
    key_id: str = ""

    def acting_as(self, tenant_id: str, agent_id: str, least: Role) -> "Principal":
        """This caller in the tenant and agent a request names.

        Raises:
            ForbiddenError: `tenant_mismatch`, `agent_mismatch` (an admin may name any agent of its tenant) or
                `insufficient_role`, the first that applies (contract memory-api, Errors).
        """
        if self.unbound:
            return Principal(tenant_id, agent_id, Role.ADMIN, unbound=True)
        if tenant_id != self.tenant_id:
            raise ForbiddenError("tenant_mismatch")
        if agent_id != self.agent_id and self.role is not Role.ADMIN:
            raise ForbiddenError("agent_mismatch")
        self.require(least)
        return Principal(tenant_id, agent_id, self.role, self.owner, key_id=self.key_id)

    def require(self, least: Role) -> None:
        """Raise ForbiddenError `insufficient_role` unless the role is at least `least`."""
        if self.role < least:
            raise ForbiddenError("insufficient_role")
