"""Two agents share what they know, over REST alone.

    MEMBOX_URL=http://127.0.0.1:8080 MEMBOX_API_KEY=… python examples/shared_memory.py

The planner remembers what was decided, the gardener what was seen; either finds both. Standard library only. The key is
an admin's (`membox key create --role admin`): it may speak for any agent of its tenant.
"""

import json
import os
import sys
from typing import Any
from urllib.request import Request, urlopen


def call(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to the box; raises urllib.error.HTTPError when it refuses."""
    request = Request(os.environ["MEMBOX_URL"].rstrip("/") + path, method=method)  # noqa: S310 - the person's own box
    request.add_header("Authorization", f"Bearer {os.environ['MEMBOX_API_KEY']}")
    request.add_header("Content-Type", "application/json")
    with urlopen(request, json.dumps(body).encode() if body else None, timeout=30) as answer:  # noqa: S310 - likewise
        return json.load(answer)


def remember(tenant: str, agent: str, *items: dict[str, str]) -> list[str]:
    """Keep items for the whole team; their ids."""
    request = {"tenant_id": tenant, "agent_id": agent, "scope": "team", "items": items}
    stored: list[str] = call("POST", "/v0/memory/remember", request)["memory_ids"]
    return stored


def main() -> None:
    """Remember, recall, inspect and forget."""
    tenant = call("GET", "/v1/whoami")["tenant_id"]
    ids = remember(
        tenant,
        "planner",
        {"type": "policy", "text": "The beds by the well must not be dug before the frost is over."},
        {"type": "fact", "text": "The frost is usually over in the second week of May."},
    )
    seen = {"type": "event", "text": "Saw ground frost on the beds by the well this morning."}
    ids += remember(tenant, "gardener", seen)

    question = {"query": "When can the beds by the well be dug?", "budget": {"max_items": 5, "max_tokens": 400}}
    asked = {"tenant_id": tenant, "agent_id": "gardener", "scope": "team"}
    found = call("POST", "/v0/memory/recall", asked | question)
    for item in found["items"]:
        sys.stdout.write(f"{item['memory_id']}  {item['type']:6}  {item['text']}\n")

    best = found["items"][0]["memory_id"]
    whole = call("GET", f"/v0/memory/{best}?tenant_id={tenant}&agent_id=gardener&scope=team")
    sys.stdout.write(f"The first was remembered by {whole['agent_id']} ({whole['trust_level']}).\n")

    for memory_id in ids:
        call("DELETE", f"/v0/memory/{memory_id}", {"tenant_id": tenant, "agent_id": "planner"})
    sys.stdout.write(f"Forgot {len(ids)} items again.\n")


if __name__ == "__main__":
    main()
