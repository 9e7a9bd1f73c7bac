"""What is said of a database that has other TimescaleDB features than it should, and how each is mended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from niftyflow.model import Interval
from niftyflow.storage.timescale import (
    AGGREGATES,
    COMPRESSION,
    HYPERTABLES,
    MINUTES,
    NOW_BODY,
    NOW_FUNCTION,
    REFRESH,
    RETENTION,
    Difference,
    compared,
)
from niftyflow.storage.timescale_catalog import Found, FoundAggregate, FoundHypertable, Job

NOTHING = Found((2, 23, 0), None, frozenset({"candles_1m", "candles_1d"}), {}, {}, ())


def whole() -> Found:
    """Return a database as it should be."""
    settings = [(table.name, COMPRESSION, {"compress_after": table.compress_after_ms}) for table in HYPERTABLES]
    settings += [(MINUTES.name, RETENTION, {"drop_after": MINUTES.keep_ms})]
    settings += [
        (
            each.name,
            REFRESH,
            {"start_offset": each.refresh_from_ms, "end_offset": each.width_ms, "buckets_per_batch": each.at_once},
        )
        for each in AGGREGATES
    ]
    return Found(
        version=(2, 23, 1),
        now_body=f" {NOW_BODY} ",
        relations=frozenset(each.name for each in (*HYPERTABLES, *AGGREGATES)),
        hypertables={
            table.name: FoundHypertable(table.chunk_ms, NOW_FUNCTION, ("instrument",), ("time",))
            for table in HYPERTABLES
        },
        aggregates={each.name: FoundAggregate(is_materialized_only=False, comment=each.mark) for each in AGGREGATES},
        jobs=tuple(
            Job(1000 + number, name, procedure, {"hypertable_id": 1, **config}, is_scheduled=True)
            for number, (name, procedure, config) in enumerate(settings)
        ),
    )


def with_job(found: Found, relation: str, procedure: str, **changes: object) -> Found:
    """Return the same database with one of its jobs changed."""
    return replace(
        found,
        jobs=tuple(
            replace(job, **changes) if (job.relation, job.procedure) == (relation, procedure) else job
            for job in found.jobs
        ),
    )


def without_job(found: Found, relation: str, procedure: str) -> Found:
    """Return the same database without one of its jobs."""
    jobs = tuple(job for job in found.jobs if (job.relation, job.procedure) != (relation, procedure))
    return replace(found, jobs=jobs)


def with_table(found: Found, name: str, **changes: object) -> Found:
    """Return the same database with one of its hypertables changed."""
    return replace(found, hypertables={**found.hypertables, name: replace(found.hypertables[name], **changes)})


def only(found: Found) -> Difference:
    """Return the one difference that is told."""
    (difference,) = compared(found)
    return difference


def test_a_database_as_it_should_be_has_no_difference():
    """Nothing is told and nothing would be run."""
    assert list(compared(whole())) == []


def test_plain_tables_lack_everything_and_all_of_it_can_be_mended():
    """Function, two hypertables with three features each, retention, four aggregates with their policies."""
    told = list(compared(NOTHING))
    assert len(told) == 1 + 2 * 4 + 1 + 4 * 2
    assert all(difference.remedy for difference in told)
    assert "candles_1m is a plain table, not a hypertable" in [difference.words for difference in told]
    assert sum("CREATE MATERIALIZED VIEW" in statement for one in told for statement in one.remedy) == len(AGGREGATES)


def test_a_table_is_made_a_hypertable_before_anything_is_asked_of_it():
    """The order of the remedies is one in which they can run."""
    statements = [statement for difference in compared(NOTHING) for statement in difference.remedy]
    first = {
        word: next(number for number, each in enumerate(statements) if word in each)
        for word in ("FUNCTION", "create_hypertable", "set_integer_now_func", "timescaledb.compress,",
                     "add_compression_policy", "add_retention_policy", "CREATE MATERIALIZED VIEW",
                     "add_continuous_aggregate_policy")
    }  # fmt: skip
    assert list(first.values()) == sorted(first.values())


@pytest.mark.parametrize(
    ("found", "words", "remedy"),
    [
        (replace(whole(), now_body="SELECT 0"), "niftyflow_now_ms is another", "CREATE OR REPLACE FUNCTION"),
        (with_table(whole(), "candles_1m", chunk_ms=86_400_000), "chunks of 1 days", "set_chunk_time_interval"),
        (with_table(whole(), "candles_1d", now_function=None), "not told the time", "set_integer_now_func"),
        (with_table(whole(), "candles_1m", segment_by=()), "not set up to be compressed", "ALTER TABLE candles_1m"),
        (with_table(whole(), "candles_1m", order_by=("time DESC",)), "not set up to be", "compress_orderby = 'time'"),
        (with_job(whole(), "candles_1m", RETENTION, config={"drop_after": 86_400_000}), "drop_after 1 days",
         "add_retention_policy"),
        (with_job(whole(), "candles_1m", COMPRESSION, config={}), "compress_after none instead of 7 days",
         "add_compression_policy"),
        (with_job(whole(), "candles_1h", REFRESH, is_scheduled=False), "refresh policy of candles_1h is paused",
         "scheduled => true"),
        (without_job(whole(), "candles_1m", RETENTION), "policy of candles_1m is missing",
         "add_retention_policy"),
        (replace(whole(), aggregates=whole().aggregates | {"candles_5m": FoundAggregate(
            is_materialized_only=True, comment=AGGREGATES[0].mark)}), "newer than its last refresh",
         "materialized_only = false"),
    ],
)  # fmt: skip
def test_each_difference_is_told_alone_with_its_remedy(found: Found, words: str, remedy: str):
    """One thing is wrong: one line says which, and the statement that mends it is at hand."""
    difference = only(found)
    assert words in difference.words
    assert remedy in difference.remedy[-1]


def test_a_policy_too_much_is_told_and_removed():
    """Nobody asked for a retention of daily candles: it would drop them."""
    extra = Job(2000, "candles_1d", RETENTION, {"drop_after": 1}, is_scheduled=True)
    difference = only(replace(whole(), jobs=(*whole().jobs, extra)))
    assert difference == Difference(
        "candles_1d has a retention policy too much (job 2000)", ("SELECT delete_job(2000)",)
    )


def test_a_second_policy_of_a_kind_is_too_much():
    """The first one stays."""
    first = whole().jobs[0]
    difference = only(replace(whole(), jobs=(*whole().jobs, replace(first, number=2000))))
    assert difference.remedy == ("SELECT delete_job(2000)",)


def test_what_others_have_in_the_database_is_not_looked_at():
    """A table and a job of somebody else are theirs."""
    other = Job(2000, "somebody_s", RETENTION, {"drop_after": 1}, is_scheduled=True)
    hypertables = {**whole().hypertables, "somebody_s": FoundHypertable(1, None, (), ())}
    assert list(compared(replace(whole(), jobs=(*whole().jobs, other), hypertables=hypertables))) == []


@pytest.mark.parametrize("comment", [None, "niftyflow 0123456789abcdef"])
def test_an_aggregate_of_another_definition_is_left_to_a_person(comment: str | None):
    """Dropping it would lose candles whose minutes are gone."""
    aggregates = whole().aggregates | {"candles_1h": FoundAggregate(is_materialized_only=False, comment=comment)}
    difference = only(replace(whole(), aggregates=aggregates))
    assert "candles_1h has another definition" in difference.words
    assert difference.remedy == ()


def test_a_table_in_an_aggregate_s_place_is_left_to_a_person():
    """It is somebody's."""
    aggregates = {name: each for name, each in whole().aggregates.items() if name != "candles_15m"}
    jobs = tuple(job for job in whole().jobs if job.relation != "candles_15m")
    difference = only(replace(whole(), aggregates=aggregates, jobs=jobs))
    assert "candles_15m is there and is no aggregate" in difference.words
    assert difference.remedy == ()


def test_an_old_extension_is_named_and_nothing_else():
    """Its catalogs are others."""
    difference = only(replace(NOTHING, version=(2, 19, 3)))
    assert "2.19.3" in difference.words
    assert difference.remedy == ()


def test_the_aggregates_begin_at_a_quarter_past_nine():
    """5m and 15m fall on it by themselves, 30m and 1h by their offset."""
    offsets = {each.interval: each.offset_ms for each in AGGREGATES}
    assert offsets == {Interval.M5: 0, Interval.M15: 0, Interval.M30: 15 * 60_000, Interval.H1: 45 * 60_000}


def test_a_refresh_never_reaches_minutes_that_retention_may_have_dropped():
    """A chunk is dropped whole as soon as its newest minute is old enough."""
    assert MINUTES.keep_ms is not None
    for each in AGGREGATES:
        assert each.refresh_from_ms + MINUTES.chunk_ms < MINUTES.keep_ms
