"""The key scanner: the same key paths as tomllib, each with the line a person would look for."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.app.config.linemap import KeyPath, LineMap, scan


def key_paths(value: object, path: KeyPath = ()) -> set[KeyPath]:
    """Every key path of a parsed document."""
    entries: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    found: set[KeyPath] = set()
    for key, each in entries:
        found |= {(*path, key)} | key_paths(each, (*path, key))
    return found


def test_tables_lists_and_keys_have_their_lines() -> None:
    """A key has its own line, a table its header's, a list of tables that of its first."""
    lines = scan(
        'title = "x"\n\n[a]\nb.c = 1\nb.d = 2\n\n[[r]]\nid = 1\n[[r]]\nid = 2\n[r.s]\nt=3\n'
    )
    expected = {
        ("title",): 1,
        ("a",): 3,
        ("a", "b"): 4,
        ("a", "b", "c"): 4,
        ("a", "b", "d"): 5,
        ("r",): 7,
        ("r", 0): 7,
        ("r", 0, "id"): 8,
        ("r", 1): 9,
        ("r", 1, "id"): 10,
        ("r", 1, "s"): 11,
        ("r", 1, "s", "t"): 12,
    }
    assert {path: lines.line(path) for path in lines.paths()} == expected


def test_list_elements_have_their_own_lines() -> None:
    """Elements of a list over several lines, comments between them, tables in it."""
    lines = scan("a = [\n  1, # one\n  # none\n  [2,\n   3],\n  { k = 4, l.m = 5 },\n]\nz = 6\n")
    found = [lines.line(path) for path in [("a", 0), ("a", 1), ("a", 1, 1), ("a", 2, "l", "m")]]
    assert found == [2, 4, 5, 6]
    assert lines.line(("z",)) == 8


@pytest.mark.parametrize(
    "text",
    [
        'a = """\n[x]\n"quoted" \\""" y = 1\n"""""\nb = 1\n',
        "a = '''\n[x]\n''y = 1'''''\nb = 1\n",
        'a = "\\"] # no comment"\nb = 1\n',
        "a = 'C:\\'\nb = 1\n",
        '"a.b" = 1\n"\\u00e9\\t" = 2\n\'c"d\' = 3\n',
        "[ a . 'b' . \"c\" ]\nd = 2020-01-01 07:00:00 # date\ne = -inf\n",
        "a = { b = [ { c = 1 }, { d = ']' } ], e = '}' }\nf = 1\n",
        "[a.b]\nx = 1\n[a]\ny = 2\n[a.c]\n",
        "[[a]]\n[[a.b]]\n[[a.b]]\nx = 1\n[[a]]\n[[a.b]]\ny = 2\n[a.c]\n",
        "a = []\nb = {}\nc = [[], {}]\n",
        "",
        "# nothing",
        "a = 1",
    ],
)
def test_hard_texts_have_the_paths_of_tomllib(text: str) -> None:
    """Quotes, escapes, dates, nesting: the scanner sees what tomllib sees."""
    assert scan(text).paths() == key_paths(tomllib.loads(text))


def test_lines_count_the_same_with_carriage_returns() -> None:
    """Files from Windows have the same line numbers."""
    text = 'a = 1\n[b]\nc = """\nx\n"""\nd = [\n1,\n2]\n'
    unix, windows = scan(text), scan(text.replace("\n", "\r\n"))
    assert unix.paths() == windows.paths()
    assert all(unix.line(path) == windows.line(path) for path in unix.paths())


def test_a_missing_key_stands_at_its_table() -> None:
    """The nearest table around it, or the top of the file."""
    lines = scan("[site]\nid = 'x'\n\n[[bus]]\nid = 'a'\n")
    assert lines.line(("site", "name")) == 1
    assert lines.line(("bus", 0, "port")) == 4
    assert lines.line(("rule", 3, "red")) == 1
    assert LineMap().line(("a", "b")) == 1


def test_an_explicit_header_beats_an_implicit_table() -> None:
    """[a] after [a.b] is where people look for a."""
    assert scan("[a.b]\nx = 1\n\n[a]\ny = 2\n").line(("a",)) == 4


KEYS = st.sampled_from(["a", "b", "c-d", '"e.f"', "'g h'", '"\\u00e9"', '"i\\"]"', "1", '"水位"'])
SPACE = st.sampled_from(["", " ", "\t"])
BREAK = st.sampled_from(["", "\n", " # ] } comment\n", "\n\n"])
SCALARS = st.sampled_from(
    [
        "1", "0x1F", "1_000.5e3", "true", "nan", "1979-05-27T07:32:00Z",
        "1979-05-27 07:32:00", "07:32:00", '"plain"', '"\\\\"', '"# [x] = {"', "'lit # ]'",
        '"""\nlong\n[x]\ny = 1\n"""', '"""a\\"""b"""""', "'''\n]\n''''", '""', "''", '""""""',
    ]
)  # fmt: skip


@st.composite
def dotted_keys(draw: st.DrawFn) -> str:
    """One to three parts with odd spaces."""
    parts = draw(st.lists(KEYS, min_size=1, max_size=3))
    return (draw(SPACE) + "." + draw(SPACE)).join(parts)


def lists(elements: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists with line breaks and comments anywhere."""
    pieces = st.lists(st.tuples(elements, BREAK, BREAK), max_size=3)
    inside = pieces.map(lambda found: "".join(f"{before}{e}{after}," for e, before, after in found))
    return st.builds("[{}{}{}]".format, BREAK, inside, BREAK)


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Inline tables on one line, as TOML 1.0 wants them."""
    flat = values.filter(lambda value: "\n" not in value)
    pairs = st.lists(st.tuples(dotted_keys(), flat), max_size=2)
    return pairs.map(lambda found: "{" + ",".join(f" {k} = {v} " for k, v in found) + "}")


VALUES = st.recursive(SCALARS, lambda inner: lists(inner) | inline_tables(inner), max_leaves=6)
STATEMENTS = (
    st.builds(lambda k, v, s: f"{s}{k}{s}={s}{v}{s}\n", dotted_keys(), VALUES, SPACE)
    | st.builds(lambda k, s: f"{s}[{s}{k}{s}] # x\n", dotted_keys(), SPACE)
    | st.builds(lambda k, s: f"[[{s}{k}{s}]]\n", dotted_keys(), SPACE)
    | st.sampled_from(["\n", "# comment = 1\n", "  \t\n"])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STATEMENTS, max_size=12))
def test_any_toml_has_the_paths_of_tomllib(statements: list[str]) -> None:
    """Statement by statement: equal path sets, and new keys lie in the new lines."""
    text, known, line = "", set[KeyPath](), 1
    for statement in statements:
        try:
            document = tomllib.loads(text + statement)
        except tomllib.TOMLDecodeError:
            continue
        text += statement
        lines, paths = scan(text), key_paths(document)
        assert lines.paths() == paths
        last = line + statement.count("\n") - 1
        assert all(line <= lines.line(path) <= last for path in paths - known), text
        known, line = paths, last + 1
