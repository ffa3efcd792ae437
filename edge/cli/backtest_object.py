"""A back-test's outcome as one JSON object. Times are milliseconds since 1970, UTC."""

from __future__ import annotations

from dataclasses import asdict

from edge.analysis.backtest.curve import best
from edge.analysis.backtest.model import Event
from edge.analysis.backtest.score import Score, doubt_ms, waits
from edge.app.backtest import Report, Result


def report_object(report: Report) -> dict[str, object]:
    """Everything that the report says, as numbers."""
    return {
        "span": span_object(report.span),
        "events": [_event(event) for event in report.inside],
        "outside": [_event(event) for event in report.outside],
        "sites": [_site(result) for result in report.results],
        "sweep": _sweep(report),
        "answers": [
            {
                "level": each.level.name.lower(),
                "count": each.count,
                "median_ms": each.median_ms,
                "most_ms": each.most_ms,
            }
            for each in waits(report.answers)
        ],
        "input": {
            **{key: value for key, value in asdict(report.intake).items() if key != "ignored"},
            "ignored": dict(report.intake.ignored.most_common()),
            "series": [
                {"series": series.name, "point": series.point, **asdict(seen)}
                for series, seen in report.seen
            ],
        },
    }


def span_object(span: tuple[int, int]) -> dict[str, int]:
    """A span of time."""
    return {"begin_ms": span[0], "end_ms": span[1]}


def score_object(score: Score) -> dict[str, object]:
    """One rule at one level."""
    return {
        "rule": score.rule,
        "level": score.level.name.lower(),
        "alarms": len(score.alarms),
        "alarms_per_year": score.alarms_per_year,
        "alarm_ms": score.alarm_ms,
        "labelled": score.labelled,
        "hits": len(score.hits),
        "misses": len(score.misses),
        "false": len(score.false),
        "false_per_year": score.false_per_year,
        "detection": score.detection,
        "false_ratio": score.false_ratio,
        "lead_ms": score.lead_ms,
        "least_lead_ms": score.least_lead_ms,
    }


def _site(result: Result) -> dict[str, object]:
    return {
        "file": str(result.site.path),
        "config": result.site.digest,
        "samples": result.fed,
        "decisions": result.decisions,
        "unfed": {rule: list(points) for rule, points in result.unfed.items()},
        "rules": [
            {
                **score_object(score),
                "shadow": score.rule in result.shadows,
                "spans": [span_object(span) for span in score.alarms],
                "warned": [
                    {"label": hit.event.label, "raised_ms": hit.raised_ms, "lead_ms": hit.lead_ms}
                    for hit in score.hits
                ],
                "missed": [_event(event) for event in score.misses],
                "unfounded": [span_object(span) for span in score.false],
            }
            for score in result.scores
        ],
        "not_judged": {
            rule: {why: doubt_ms(track, why) for why in sorted({d.why for d in track.doubts})}
            for rule, track in result.tracks.items()
        },
    }


def _sweep(report: Report) -> object:
    order = report.order.sweep
    if order is None:
        return None
    curves = []
    for curve in report.curves:
        choice = best(curve.choices)
        curves.append(
            {
                "file": curve.name,
                "best": choice.threshold if choice is not None else None,
                "choices": [
                    {
                        "threshold": each.threshold,
                        "written": each.words,
                        "present": each.present,
                        **score_object(each.score),
                    }
                    for each in curve.choices
                ],
            }
        )
    return {"rule": order.rule, "level": order.level.name.lower(), "curves": curves}


def _event(event: Event) -> dict[str, object]:
    return {
        **span_object(event.span),
        "label": event.label,
        "level": event.level.name.lower() if event.level is not None else None,
        "rule": event.rule,
    }
