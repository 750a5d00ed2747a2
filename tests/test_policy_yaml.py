from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlproxy.policy_yaml import Refused, dotted, read_documents, short


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("-4", -4),
        ("0.5", 0.5),
        ("1e3", "1e3"),
        ("true", True),
        ("null", None),
        ("no", "no"),
        ("on", "on"),
        ("none", "none"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("'4'", "4"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_are_what_they_look_like(text: str, value: object) -> None:
    found = read_documents(f"key: {text}\n")[0].value["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_place_has_its_line_in_every_document() -> None:
    text = "# note\na: 1\nb:\n  c: [x,\n    y]\n  d:\n    long\n---\n\ne: {f: 2}\n"
    first, second = read_documents(text)
    assert first.lines == {
        (): 2,
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "c", 0): 4,
        ("b", "c", 1): 5,
        ("b", "d"): 6,
    }
    assert second.lines == {(): 10, ("e",): 10, ("e", "f"): 10}


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("a: 1\n\tb: 2\n", 2, "YAML, indented by spaces"),
        ("a: [1\nb: 2\n", 2, "YAML, indented by spaces"),
        ("a: 'x\n", 2, "YAML, indented by spaces"),
        ("a: 1\n}\n", 2, "YAML, indented by spaces"),
        ("devices:\n- *\n", 2, "globs in quotes"),
        ("a: 1\nb: \x07\n", 2, "character"),
        ("a: &x 1\n", 1, "value '&x' is not allowed"),
        ("a: 1\nb: *any\n", 2, 'quote a glob that starts with a star: "*"'),
        ("a: &l [x]\nb: [*l, *l]\n", 1, "plain values"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "no tags"),
        ("a: 1\nb: !!str 4\n", 2, "no tags"),
        ("a: ! 4\n", 1, "no tags"),
        ("%YAML 9.9\n---\na: 1\n", 1, "YAML"),
        ("a:\n  {b: [[[[[[[[1]]]]]]]]}\n", 2, "at most 8 levels deep"),
        ("[" * 60000, 1, "at most 8 levels deep"),
        ("- " * 30000, 1, "at most 8 levels deep"),
    ],
)
def test_other_yaml_is_refused_with_its_line(text: str, line: int, fragment: str) -> None:
    with pytest.raises(Refused) as caught:
        read_documents(text)
    message = str(caught.value)
    assert message.startswith(f"{line}: yaml: ")
    assert " is not allowed: allowed is " in message
    assert fragment in message
    assert "\n" not in message


def test_eight_levels_are_deep_enough() -> None:
    assert read_documents("a: [[[[[[1]]]]]]\n")[0].value == {"a": [[[[[[1]]]]]]}
    with pytest.raises(Refused, match="at most 8 levels"):
        read_documents("a: [[[[[[[1]]]]]]]\n")


def test_a_repeated_key_is_named_with_both_lines() -> None:
    (document,) = read_documents("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert [str(rule) for rule in document.broken] == [
        "4: a.b: repeated key 'b' is not allowed: allowed is each key once (first on line 2)"
    ]
    assert document.value == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize("text", ["{a: 1}: 2\n", "? [x]\n: 2\n"])
def test_a_key_must_be_a_word(text: str) -> None:
    (document,) = read_documents(text)
    assert [rule.allowed for rule in document.broken] == ["a word"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only a note\n"])
def test_nothing_is_no_document(text: str) -> None:
    assert read_documents(text) == []


def test_places_and_values_are_shown_short() -> None:
    assert dotted(("match", "devices", 0)) == "match.devices[0]"
    assert dotted(()) == "document"
    assert short("x" * 500) == f"'{'x' * 55}...'"


def line_of(text: str) -> int:
    """The line of what is refused, of the last document, or 0."""
    try:
        return max((document.line for document in read_documents(text)), default=0)
    except Refused as refused:
        return refused.broken.line


@given(st.text(st.sampled_from("ab:-[]{}#&*!|>'\"%@`?,\\ \n\t01~.<=U"), max_size=60))
@example("%YAML a\n---\n")
@example("%TAG ! \n---\n")
@example('"\\UFFFFFFFF"')
@example("%YAML 1." + "9" * 5000 + "\n---\na")
def test_any_text_is_read_or_refused(text: str) -> None:
    assert line_of(text) >= 0
