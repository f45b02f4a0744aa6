"""Are the files that provisioning wrote still as it left them?"""

from collections.abc import Iterator

from appliance.daemon.findings import Finding, ok, warn
from appliance.machine import Machine
from appliance.provision import managed

_REMEDY = (
    "Put what you want into the playbook's variables and run it again (`sudo membox provision --local`), which writes "
    "these files anew; a change made by hand would be lost at the next upgrade."
)


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """Each managed file against its digest in the manifest."""
    if machine.read(managed.MANIFEST) is None:
        return
    try:
        found = managed.changed_by_hand(machine)
    except ValueError:
        remedy = "Run the playbook again: `sudo membox provision --local`."
        yield warn("managed_files", f"{managed.MANIFEST} cannot be read as a list of files.", remedy)
        return
    for state, said in (("changed", "Changed by hand since provisioning"), ("gone", "Removed since provisioning")):
        if paths := [path for path in found if found[path] == state]:
            yield warn("managed_files", f"{said}: {', '.join(paths)}.", _REMEDY)
    if not found:
        yield ok("managed_files", "The files of the system are as provisioning wrote them.")
