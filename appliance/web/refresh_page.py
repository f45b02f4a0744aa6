"""The page Refresh: what waits for the curated memory, what waits for a person, and what refreshes did lately."""

from dataclasses import dataclass

from appliance.box import Box
from appliance.notebook.refresh.models import Offered, Outcome, Refreshed
from appliance.web.diffs import Row, rows_of
from appliance.web.endpoint import Request, View, page, render
from appliance.web.moments import Moment, moment_of

_LATELY = 20
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A refresh as the page shows it: `said` the sentence, `lines` those it names, `cost` in dollars or empty."""

    refresh: Refreshed
    moment: Moment
    said: str
    lines: list[str]
    cost: str
    diff: list[Row]


@page("/refresh")
def refresh(request: Request) -> View:
    """Refresh: run it, decide on what it proposes, look back."""
    box = request.box
    decisions = box.refresh.decisions
    awaiting = decisions.refreshes(_LATELY, outcome=Outcome.AWAITING)
    lately = [each for each in decisions.refreshes(_LATELY) if each.outcome is not Outcome.AWAITING]
    last = next((each.id for each in lately if each.outcome is Outcome.APPLIED), None)
    return render(
        "refresh.html",
        state=box.refresh.state(),
        awaiting=[_shown(each, box, rows_of(decisions.refresh(each.id).diff)) for each in awaiting],
        offers=[_offer(each, box) for each in decisions.offers()],
        lately=[_shown(each, box) for each in lately],
        last_applied=last,
    )


def _shown(refresh: Refreshed, box: Box, diff: list[Row] | None = None) -> Shown:
    said, *lines = refresh.detail.split("\n")
    cost = f"${refresh.cost_micros / _MICROS:.3f}" if refresh.cost_micros else ""
    return Shown(refresh, moment_of(refresh.at, box), said, lines, cost, diff or [])


def _offer(offer: Offered, box: Box) -> tuple[Offered, Moment]:
    return offer, moment_of(offer.at, box)
