"""Which generations stay, in what order they stand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.backup.generations import Generation, Manifest, free_name, superfluous

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def made(*moments: datetime) -> list[Generation]:
    """Generations made at `moments`, given oldest first; newest first."""
    return [
        Generation(
            Path(f"/mirror/generations/{number}"),
            Manifest(
                sequence=number, created_at=moment, membox="0", schema_version="0", content="", counts={}, files={}
            ),
        )
        for number, moment in enumerate(moments)
    ][::-1]


def kept(generations: list[Generation], now: datetime = NOW, keep_days: int = 30) -> list[datetime]:
    going = superfluous(generations, now, keep_days)
    return [each.manifest.created_at for each in reversed(generations) if each not in going]


def test_every_one_of_the_last_day_stays_then_each_days_last() -> None:
    hours = [NOW - timedelta(hours=hour) for hour in range(72)][::-1]
    left = kept(made(*hours))
    assert left[-24:] == hours[-24:]
    older = left[:-24]
    assert [moment.date() for moment in older] == sorted({moment.date() for moment in hours[:-24]})
    assert all(moment == max(m for m in hours[:-24] if m.date() == moment.date()) for moment in older)


def test_days_past_the_limit_go() -> None:
    days = [NOW - timedelta(days=day) for day in range(40)][::-1]
    left = kept(made(*days), keep_days=7)
    assert left == [moment for moment in days if NOW - moment <= timedelta(days=7)]


def test_the_newest_stays_however_old() -> None:
    old = [NOW - timedelta(days=400), NOW - timedelta(days=300)]
    assert kept(made(*old)) == [old[-1]]


def test_a_clock_that_was_ahead_costs_no_good_copy() -> None:
    ahead = NOW + timedelta(days=900)
    recent = [NOW - timedelta(hours=3), NOW - timedelta(hours=2)]
    left = kept(made(NOW - timedelta(hours=4), ahead, *recent))
    assert left == [NOW - timedelta(hours=4), ahead, *recent]


def test_a_name_that_is_taken_is_not_used_again(tmp_path: Path) -> None:
    (tmp_path / "generations" / "20261120T090000Z").mkdir(parents=True)
    assert free_name(tmp_path, NOW) == "20261120T090001Z"
