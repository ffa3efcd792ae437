"""``tongluo new``: a site file from what scan and identify have found, or from a template."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.line_words import known_profiles, profiles_option
from edge.core.errors import ConfigError
from edge.locale import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edge.app.commissioning.template import DeviceDraft, SiteDraft, Station
    from edge.app.config import ModbusProfile

_FALLBACK_ZONE = "Asia/Shanghai"
_LOCALTIME = Path("/etc/localtime")


@click.command()
@click.argument("site_file", metavar="SITE.toml", required=False, type=click.Path(path_type=Path))
@click.option("--template", "template_name", metavar="NAME", help="Kind of site to begin with.")
@click.option("--list-templates", "lists", is_flag=True, help="Show the templates, and stop.")
@click.option("--from-scan", "scans", multiple=True,
              type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="JSON that scan or identify printed; several may be given.")  # fmt: skip
@click.option("--id", "site_id", help="Id of the site: a-z, 0-9 and -.")
@click.option("--name", help="Name of the site, for people.")
@click.option("--time-zone", help="IANA time zone; without it that of this machine.")
@click.option("--profile", "chosen", multiple=True, metavar="ADDRESS=PROFILE",
              help="What a device is; without it the one that fits, if only one does.")  # fmt: skip
@click.option("--period-ms", type=click.IntRange(20, 3_600_000), default=500, show_default=True,
              help="How often each device is read.")  # fmt: skip
@click.option("--red", "rules", multiple=True, metavar="RULE",
              help='Red alarm, as "level.level >= 3.20 m"; several may be given.')  # fmt: skip
@click.option("--siren", "sirens", multiple=True, metavar="DEVICE",
              help="Device that sounds at red; several may be given.")  # fmt: skip
@profiles_option
@click.option("--yes", is_flag=True, help="Do not ask; what is not known is left out and named.")
def new(
    site_file: Path | None,
    template_name: str | None,
    lists: bool,
    scans: tuple[Path, ...],
    site_id: str | None,
    name: str | None,
    time_zone: str | None,
    chosen: tuple[str, ...],
    period_ms: int,
    rules: tuple[str, ...],
    sirens: tuple[str, ...],
    folder: Path | None,
    yes: bool,
) -> int:
    """Write SITE.toml from a scan or a template; asks only what cannot be seen."""
    from edge.app.commissioning import template

    if lists:
        return _list_templates()
    site_file = _new_file(site_file, bool(scans), template_name is not None)
    if template_name is not None:
        _refuse_scan_options({"--profile": chosen, "--red": rules, "--siren": sirens})
        return _from_template(template_name, site_file, site_id, name, time_zone)
    asks = not yes and sys.stdin.isatty()
    stations = template.merge(
        station
        for file in scans
        for station in template.read_stations(file.read_text(encoding="utf-8"), str(file))
    )
    profiles = known_profiles(folder)
    buses, elsewhere = template.draft_buses(stations)
    here = [station for station in stations if station not in elsewhere]
    devices = _devices(here, buses, profiles, _chosen(chosen, profiles), period_ms, asks=asks)
    draft = template.SiteDraft(
        site_id or _ask(asks, "template.ask-id", "site"),
        name or _ask(asks, "template.ask-name", site_id or "site"),
        time_zone or _time_zone(),
        buses,
        devices,
        elsewhere,
        [template.parse_rule(each) for each in rules],
        _known_sirens(sirens, devices, profiles),
    )
    if asks and not rules:
        _ask_rules(draft, profiles)
    if asks and draft.rules and not sirens:
        _ask_sirens(draft, profiles)
    _write(site_file, template.render(draft, profiles))
    return _report(site_file, draft)


def _list_templates() -> int:
    from edge.app.commissioning.site_templates import summaries

    found = list(summaries())
    width = max(len(name) for name, _ in found)
    for name, purpose in found:
        click.echo(f"{name:{width}}  {purpose}")
    return 0


def _new_file(file: Path | None, from_scan: bool, from_template: bool) -> Path:
    """The file to write, from one of the two. Raises ConfigError if it is there already."""
    if file is None:
        raise click.MissingParameter(param_type="argument", param_hint="SITE.toml")
    if from_scan == from_template:
        raise click.UsageError(text("template.one-source"))
    if file.exists():
        raise ConfigError(text("template.exists", file=str(file)))
    return file


def _refuse_scan_options(options: Mapping[str, tuple[str, ...]]) -> None:
    given = [option for option, values in options.items() if values]
    if given:
        raise click.UsageError(text("template.not-with-template", found=", ".join(given)))


def _from_template(
    template_name: str, file: Path, site_id: str | None, name: str | None, time_zone: str | None
) -> int:
    """Write a template out, and say how much of it is still to be set."""
    from edge.app.commissioning.site_templates import fill_in, read_template
    from edge.app.config import inspect_site
    from edge.app.config.marks import MARK, marked_lines
    from edge.app.proof import judge

    given = {"id": site_id, "name": name, "time_zone": time_zone}
    content = fill_in(read_template(template_name), {k: v for k, v in given.items() if v})
    _write(file, content)
    click.echo(text("template.written", file=str(file)))
    site, problems = inspect_site(file)
    if site is not None:
        problems = judge(site).problems
    for problem in problems:
        click.echo(str(problem))
    count = len(marked_lines(content))
    click.echo(text("template.left", count=count, mark=MARK, file=str(file)))
    return 1 if problems else 0


def _chosen(pairs: Iterable[str], profiles: Mapping[str, ModbusProfile]) -> dict[int, str]:
    found = {}
    for pair in pairs:
        address, equals, name = pair.partition("=")
        if not equals or not address.isdecimal() or name not in profiles:
            raise click.BadParameter(f"{pair!r}; {', '.join(profiles)}", param_hint="--profile")
        found[int(address)] = name
    return found


def _devices(
    stations: list[Station],
    buses: Mapping[str, object],
    profiles: Mapping[str, ModbusProfile],
    wanted: Mapping[int, str],
    period_ms: int,
    *,
    asks: bool,
) -> list[DeviceDraft]:
    from edge.app.commissioning.template import DeviceDraft, name_devices

    names = []
    for station in stations:
        name = wanted.get(station.address)
        if name is None and len(station.candidates) == 1 and station.candidates[0] in profiles:
            name = station.candidates[0]
        elif name is None and asks:
            name = _ask_profile(station, profiles)
        names.append(name)
    kinds = [str(profiles[name].device.kind) if name else "device" for name in names]
    ids = name_devices(kinds)
    bus_of = {place: bus for bus, place in buses.items()}
    return [
        DeviceDraft(each, bus_of[station.place], station.address, name, period_ms, station)
        for each, station, name in zip(ids, stations, names, strict=True)
    ]


def _ask(asks: bool, key: str, default: str) -> str:
    if not asks:
        raise ConfigError(text("template.not-given", what=text(key)))
    answer: str = click.prompt(text(key), default=default, err=True)
    return answer


def _ask_profile(station: Station, profiles: Mapping[str, ModbusProfile]) -> str | None:
    words = text(
        "template.ask-profile",
        address=station.address,
        place=str(station.place),
        profiles=", ".join(station.candidates or profiles),
    )
    default = station.candidates[0] if station.candidates else ""
    while True:
        answer: str = click.prompt(words, default=default, show_default=bool(default), err=True)
        if not answer or answer in profiles:
            return answer or None
        click.echo(text("template.unknown-profile", found=answer), err=True)


def _ask_rules(draft: SiteDraft, profiles: Mapping[str, ModbusProfile]) -> None:
    from edge.app.commissioning.template import RuleDraft, main_point

    for device in draft.devices:
        profile = profiles.get(device.profile or "")
        point = main_point(profile) if profile is not None else None
        if profile is None or point is None:
            continue
        unit = profile.points[point].unit.value
        words = text("template.ask-red", point=f"{device.id}.{point}", unit=unit)
        answer: str = click.prompt(words, default="", show_default=False, err=True)
        if answer.strip():
            written = answer.strip() if unit in answer else f"{answer.strip()} {unit}"
            draft.rules.append(RuleDraft(f"{device.id}.{point}", ">=", written))


def _ask_sirens(draft: SiteDraft, profiles: Mapping[str, ModbusProfile]) -> None:
    for device in draft.devices:
        profile = profiles.get(device.profile or "")
        if profile is None or not profile.actions:
            continue
        words = text("template.ask-siren", device=device.id, action=next(iter(profile.actions)))
        if click.confirm(words, default=False, err=True):
            draft.sirens.append(device.id)


def _known_sirens(
    sirens: tuple[str, ...], devices: list[DeviceDraft], profiles: Mapping[str, ModbusProfile]
) -> list[str]:
    usable = [each.id for each in devices if each.profile and profiles[each.profile].actions]
    for siren in sirens:
        if siren not in usable:
            allowed = ", ".join(usable) or text("type.nothing")
            raise click.BadParameter(f"{siren!r}; {allowed}", param_hint="--siren")
    return list(sirens)


def _time_zone() -> str:
    """That of this machine, as /etc/localtime points to it."""
    parts = _LOCALTIME.resolve().parts
    zone = "/".join(parts[parts.index("zoneinfo") + 1 :]) if "zoneinfo" in parts else ""
    return zone if "/" in zone and not zone.startswith("Etc/") else _FALLBACK_ZONE


def _write(file: Path, content: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(content)
    except FileExistsError as error:
        raise ConfigError(text("template.exists", file=str(file))) from error
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error


def _report(file: Path, draft: SiteDraft) -> int:
    """What was written, what is missing, and what the check says."""
    from edge.app.config import inspect_site
    from edge.app.proof import judge

    click.echo(text("template.written", file=str(file)))
    missing = draft.missing()
    for each in missing:
        click.echo(f"{text('template.missing')}: {each}")
    site, problems = inspect_site(file)
    if site is not None:
        problems = judge(site).problems
    for problem in problems:
        click.echo(str(problem))
    if missing or problems:
        return 1
    click.echo(text("template.next", file=str(file)))
    return 0
