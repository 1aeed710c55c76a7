"""Loading rule files: each kind of mistake is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor, RuleError, load_ruleset
from redactor.rulefiles import builtin_paths, fixed_width, load_rules

HEAD = 'category = "token"\n\n[[rule]]\nid = "demo"\ntitle = "Demo"\n'
NAMED = HEAD + 'names = ["demo_token"]\n'
SHAPE = HEAD + "\n[[rule.shape]]\n"
GOOD_SHAPE = SHAPE + 'prefixes = ["demo_"]\nbody = "[a-z]"\n'

MISTAKES = {
    "unknown-top-field": ('colour = "red"\n' + NAMED, 1, "unknown field 'colour'"),
    "unknown-rule-field": (NAMED + "colour = 1\n", 7, "unknown field 'colour'"),
    "unknown-shape-field": (GOOD_SHAPE + "colour = 1\n", 10, "unknown field 'colour'"),
    "unknown-example-field": (NAMED + '[[rule.example]]\ntext = "a"\nsecrets = ["a"]\ncolour = 1\n', 10, "unknown field 'colour'"),
    "secrets-in-counter": (NAMED + '[[rule.counter]]\ntext = "a"\nsecrets = ["a"]\n', 9, "unknown field 'secrets'"),
    "wrong-type-string": (HEAD + "names = 7\n", 6, "'names' must be an array"),
    "wrong-type-number": (NAMED + 'min_length = "8"\n', 7, "'min_length' must be a whole number"),
    "wrong-type-bool-for-number": (NAMED + "min_length = true\n", 7, "'min_length' must be a whole number"),
    "wrong-type-bool": (NAMED + "low_entropy = 1\n", 7, "'low_entropy' must be true or false"),
    "wrong-type-title": ('category = "token"\n[[rule]]\nid = "demo"\ntitle = ["x"]\nnames = ["demo_token"]\n', 4, "'title' must be a string"),
    "wrong-type-member": (HEAD + 'names = ["demo_token", 7]\n', 6, "'names' must hold non-empty strings only"),
    "empty-member": (HEAD + 'names = [""]\n', 6, "'names' must hold non-empty strings only"),
    "no-id": ('category = "token"\n[[rule]]\ntitle = "x"\nnames = ["demo_token"]\n', 2, "needs 'id'"),
    "no-title": ('category = "token"\n[[rule]]\nid = "demo"\nnames = ["demo_token"]\n', 2, "needs 'title'"),
    "bad-id": ('category = "token"\n[[rule]]\nid = "Demo_1"\ntitle = "x"\nnames = ["demo_token"]\n', 3, "lower-case letters"),
    "long-id": (f'category = "token"\n[[rule]]\nid = "{"a" * 65}"\ntitle = "x"\nnames = ["demo_token"]\n', 3, "at most 64"),
    "bad-category": (NAMED.replace('"token"', '"tokens"', 1), 1, "'category' is 'tokens'"),
    "bad-category-of-rule": (NAMED + 'category = "tokens"\n', 7, "'category' is 'tokens'"),
    "no-category": (NAMED.replace('category = "token"\n', "", 1), 2, "'category'"),
    "finds-nothing": (HEAD, 3, "finds nothing"),
    "field-without-names": (GOOD_SHAPE.replace("\n[[rule.shape]]", 'value = "any"\n[[rule.shape]]'), 6, "'value' needs 'names'"),
    "bad-value": (NAMED + 'value = "opake"\n', 7, "'value' is 'opake'"),
    "bad-where": (NAMED + 'where = "header"\n', 7, "'where' is 'header'"),
    "length-too-small": (NAMED + "min_length = 2\n", 7, "'min_length' is 2"),
    "length-too-large": (NAMED + "min_length = 65\n", 7, "'min_length' is 65"),
    "bad-name": (HEAD + 'names = ["demo/token"]\n', 6, "name 'demo/token'"),
    "long-name": (HEAD + f'names = ["{"a" * 97}"]\n', 6, "must be 2 to 96"),
    "bad-regex": (HEAD + 'patterns = ["demo_[a-z"]\n', 6, "'patterns' is not a regular expression"),
    "empty-match": (HEAD + 'patterns = ["[a-z]{0,4}"]\n', 6, "can match nothing"),
    "star": (HEAD + 'patterns = ["demo_[a-z]*"]\n', 6, "without a bound"),
    "plus": (HEAD + 'patterns = ["demo_[a-z]+"]\n', 6, "without a bound"),
    "open-repetition": (HEAD + 'patterns = ["demo_[a-z]{4,}"]\n', 6, "without a bound"),
    "look-ahead": (HEAD + 'patterns = ["demo_(?=[a-z])[a-z]{4}"]\n', 6, "look-around"),
    "negative-look-ahead": (HEAD + 'patterns = ["demo_(?!x)[a-z]{4}"]\n', 6, "look-around"),
    "look-behind": (HEAD + 'patterns = ["demo_(?<=_)[a-z]{4}"]\n', 6, "look-around"),
    "back-reference": (HEAD + 'patterns = ["(de)mo_\\\\1"]\n', 6, "back-reference"),
    "word-boundary": (HEAD + 'patterns = ["\\\\bdemo_[a-z]{4}"]\n', 6, "anchor"),
    "not-ascii": (HEAD + 'patterns = ["d\u00e9mo_[a-z]{4}"]\n', 6, "must be ASCII"),
    "variable-prefix": (SHAPE + 'prefixes = ["de(mo|xx)?_"]\nbody = "[a-z]"\n', 8, "fixed width"),
    "repeated-prefix": (SHAPE + 'prefixes = ["demo_*"]\nbody = "[a-z]"\n', 8, "fixed width"),
    "bad-body": (SHAPE + 'prefixes = ["demo_"]\nbody = "[a-z]+"\n', 9, "one character class"),
    "no-body": (SHAPE + 'prefixes = ["demo_"]\n', 7, "one character class"),
    "bad-class": (SHAPE + 'prefixes = ["demo_"]\nbody = "[z-a]"\n', 9, "not a regular expression"),
    "no-prefix": (SHAPE + 'body = "[a-z]"\n', 7, "'prefixes' or 'after'"),
    "endless-after": (SHAPE + 'after = "demo +"\nbody = "[a-z]"\n', 8, "without a bound"),
    "bad-validator": (GOOD_SHAPE + 'validator = "jwt"\n', 10, "'validator' is 'jwt'"),
    "shape-lengths": (GOOD_SHAPE + "min_length = 20\nmax_length = 10\n", 11, "'max_length' is 10"),
    "second-shape": (GOOD_SHAPE + '[[rule.shape]]\nprefixes = ["x"]\nbody = "a"\n', 12, "one character class"),
    "no-secrets": (NAMED + '[[rule.example]]\ntext = "a"\n', 7, "needs text and secrets"),
    "no-text": (NAMED + '[[rule.example]]\nsecrets = ["a"]\n', 7, "needs text and secrets"),
    "secret-not-in-text": (NAMED + '[[rule.example]]\ntext = "abc"\nsecrets = ["x"]\n', 7, "not in its text"),
    "secrets-out-of-order": (NAMED + '[[rule.example]]\ntext = "ab cd"\nsecrets = ["cd", "ab"]\n', 7, "in this order"),
    "secrets-overlap": (NAMED + '[[rule.example]]\ntext = "abc"\nsecrets = ["ab", "bc"]\n', 7, "in this order"),
    "second-example": (
        NAMED + '[[rule.example]]\ntext = "ab"\nsecrets = ["ab"]\n[[rule.example]]\ntext = "ab"\nsecrets = ["x"]\n', 10, "not in its text"
    ),
    "bad-toml": (NAMED + "value = \n", 7, "not TOML"),
    "toml-key-twice": (NAMED + 'names = ["x_token"]\n', 7, "not TOML"),
    "toml-unclosed": (NAMED + 'value = "any\n', 7, "not TOML"),
    "rule-is-no-array": ('category = "token"\n[rule]\nid = "demo"\n', 2, "array of tables"),
    "no-rules": ('category = "token"\n', 1, "no rules"),
    "second-rule": (NAMED + '\n[[rule]]\nid = "other"\ntitle = "x"\nnames = ["other"]\ncolour = 1\n', 12, "unknown field 'colour'"),
}  # fmt: skip


def _error(paths: list[Path]) -> RuleError:
    with pytest.raises(RuleError) as raised:
        load_rules(paths)
    with pytest.raises(RuleError) as again:
        load_ruleset(paths)
    assert str(again.value) == str(raised.value)
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_file_and_line(tmp_path: Path, own_cache: Path, name: str) -> None:
    """Each mistake raises a RuleError of one line with the file, the line and what is wrong."""
    content, line, problem = MISTAKES[name]
    path = tmp_path / "demo.toml"
    path.write_text(content, encoding="utf-8")
    error = _error([path])
    assert str(error).startswith(f"{path}:{line}: ")
    assert problem in str(error)


def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path: Path, own_cache: Path) -> None:
    """A file that is not UTF-8 names the line of the first wrong byte."""
    path = tmp_path / "demo.toml"
    path.write_bytes(NAMED.encode() + b'description = "caf\xe9"\n')
    assert str(_error([path])).startswith(f"{path}:7: not UTF-8")


def test_a_missing_file_is_named(tmp_path: Path, own_cache: Path) -> None:
    """A file that is not there, and a folder in its place, are named without a line."""
    assert str(_error([tmp_path / "none.toml"])).startswith(f"{tmp_path / 'none.toml'}: cannot be read: ")
    assert str(_error([tmp_path])).startswith(f"{tmp_path}: cannot be read: ")


def test_an_id_is_unique_in_a_file(tmp_path: Path, own_cache: Path) -> None:
    """The second rule with an id in one file is refused, and the first one's place named."""
    path = tmp_path / "demo.toml"
    path.write_text(NAMED + '\n[[rule]]\nid = "demo"\ntitle = "x"\nnames = ["other"]\n', encoding="utf-8")
    assert str(_error([path])) == f"{path}:8: id 'demo' is taken by {path}:3"


def test_an_id_is_unique_across_files(tmp_path: Path, own_cache: Path) -> None:
    """The same id in two files is refused, and the first one's place named."""
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(NAMED, encoding="utf-8")
    two.write_text("# two\n" + NAMED, encoding="utf-8")
    assert str(_error([one, two])) == f"{two}:4: id 'demo' is taken by {one}:3"


def test_loading_no_files_at_all_is_told(tmp_path: Path, own_cache: Path) -> None:
    """An empty list of files gives an empty ruleset, and a redactor that changes nothing."""
    assert load_rules([]) == ()
    redactor = Redactor(load_ruleset([]), engine="portable")
    text = "token=kL9xQ2mZ8vBk3J7wT1aN4c"
    assert redactor.text(text) is text


def test_the_built_in_files_load(own_cache: Path) -> None:
    """The built-in rules load strictly, in the order of the file names, with and without the cache."""
    paths = builtin_paths()
    assert list(paths) == sorted(paths)
    fresh, cached = load_ruleset(), load_ruleset()
    assert fresh == cached == load_ruleset(paths)
    assert [rule.id for rule in load_rules()] == [rule.id for rule in fresh.rules]
    assert fresh.rule("jwt").category == "token"
    with pytest.raises(KeyError):
        fresh.rule("no-such-rule")


def test_own_rules_are_used(tmp_path: Path, own_cache: Path, engine: str) -> None:
    """A redactor made from files finds what they describe and nothing else."""
    path = tmp_path / "demo.toml"
    path.write_text(GOOD_SHAPE + "min_length = 4\nmax_length = 8\n", encoding="utf-8")
    redactor = Redactor.from_files([path], engine=engine)
    assert redactor.text("a demo_abcdef b") == "a [REDACTED:demo] b"
    assert redactor.text("a demo_abc xdemo_abcdef demo_abcdefghi") == "a demo_abc xdemo_abcdef demo_abcdefghi"
    assert redactor.text("token=kL9xQ2mZ8vBk3J7wT1aN4c") == "token=kL9xQ2mZ8vBk3J7wT1aN4c"


def test_the_digest_follows_the_bytes(tmp_path: Path, own_cache: Path) -> None:
    """Two rulesets have one digest if and only if their files' bytes are equal."""
    one, two, three = (tmp_path / f"{name}.toml" for name in ("one", "two", "three"))
    one.write_text(NAMED, encoding="utf-8")
    two.write_text(NAMED, encoding="utf-8")
    three.write_text(NAMED + "# more\n", encoding="utf-8")
    assert load_ruleset([one]).digest == load_ruleset([two]).digest != load_ruleset([three]).digest


def test_a_cached_rule_names_the_file_it_is_in(tmp_path: Path, own_cache: Path) -> None:
    """Equal bytes under another path name that path, cached or not."""
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(NAMED, encoding="utf-8")
    two.write_text(NAMED, encoding="utf-8")
    assert load_ruleset([one]).rules[0].path == str(one)
    assert load_ruleset([two]).rules[0].path == str(two)


def test_the_cache_does_not_excuse_a_broken_file(tmp_path: Path, own_cache: Path) -> None:
    """Files that are wrong each by itself are refused even if their bytes in a row were once loaded."""
    whole, head, tail = (tmp_path / f"{name}.toml" for name in ("whole", "head", "tail"))
    whole.write_text(NAMED, encoding="utf-8")
    head.write_text(NAMED[:20], encoding="utf-8")
    tail.write_text(NAMED[20:], encoding="utf-8")
    load_ruleset([whole])
    with pytest.raises(RuleError):
        load_ruleset([head, tail])


@pytest.mark.parametrize(
    ("pattern", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("xox[bp]-", 5),
        (r"a\.b", 3),
        ("[0-9]{3}-", 4),
        (r"\x41", None),
        ("a|b", None),
        ("a?", None),
        ("(a)", None),
    ],
)
def test_fixed_width_counts_bytes(pattern: str, width: int | None) -> None:
    """The width of literals, classes and counts is exact, and what varies has none."""
    assert width is None or fixed_width(pattern) == width
    if width is None and pattern != r"\x41":
        assert fixed_width(pattern) is None


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_file_loads_or_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a file holds, loading it gives rules or a RuleError of one line."""
    path = tmp_path_factory.mktemp("rules") / "any.toml"
    path.write_bytes(NAMED.encode() + content)
    try:
        load_rules([path])
    except RuleError as error:
        assert str(error).startswith(f"{path}:")
        assert "\n" not in str(error)
