from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redactor import Redactor
from redactor.columns import read_header

SID = "4f1x9q8z7k2m5n0b3v6c1a8s7d4f9g2h"
HEX = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture(scope="module")
def built_in() -> Redactor:
    return Redactor()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"user,session_id,ip\nalice,{SID},10.0.0.1\n", "user,session_id,ip\nalice,[REDACTED:session],10.0.0.1\n"),
        (f"session_id\tuser\r\n{HEX}\talice\r\n", "session_id\tuser\r\n[REDACTED:session]\talice\r\n"),
        (f'"id";"refresh_token"\n7;"{HEX}"\n', '"id";"refresh_token"\n7;"[REDACTED:token]"\n'),
        (f'\ufeffname,access_token\n"O""Hara, M",{HEX}', '\ufeffname,access_token\n"O""Hara, M",[REDACTED:token]'),
        (
            f"id|session_key|at\n1|{HEX}|x\n2|{HEX}|y\n",
            "id|session_key|at\n1|[REDACTED:session]|x\n2|[REDACTED:session]|y\n",
        ),
    ],
)
def test_secret_columns(built_in: Redactor, text: str, expected: str) -> None:
    """A value in a column that the first line names as a secret is replaced, and nothing else."""
    assert built_in.text(text) == expected
    assert built_in.bytes(text.encode()) == expected.encode()


@pytest.mark.parametrize(
    "text",
    [
        f"user,trace_id,ip\nalice,{HEX},10.0.0.1\n",
        f"user,session_timeout\nalice,{HEX}\n",
        f"user,session_id\nalice,{HEX},one field too many\n",
        f"user,session_id\nalice\n{HEX}\n",
        f"session_id\n{HEX}\n",
        f"user,session_id\n{HEX},none\n",
        f"first line\nuser,session_id\nalice,{HEX}\n",
        f"user,session_id,session_id\nalice,{HEX},{HEX}\n",
    ],
)
def test_harmless_tables(built_in: Redactor, text: str) -> None:
    """Other columns, lines that are no rows, and lines without a header above them stay as they are."""
    assert built_in.text(text) == text


def test_header_is_bounded(built_in: Redactor) -> None:
    """A first line of more than 4,096 bytes is no header."""
    names = ",".join(f"a_column_with_a_long_name_{number}" for number in range(200))
    assert read_header(built_in.scanner, f"session_id,{names}\n".encode()) is None


@given(size=st.integers(1, 60), line_buffered=st.booleans())
def test_chunks(built_in: Redactor, size: int, line_buffered: bool) -> None:
    """A table in a stream comes out the same however it is cut."""
    text = f'user,session_id\nalice,{SID}\nbob,"{HEX}"\nno row\ncarol,{HEX}'.encode()
    expected = b'user,session_id\nalice,[REDACTED:session]\nbob,"[REDACTED:session]"\nno row\ncarol,[REDACTED:session]'
    chunks = [text[start : start + size] for start in range(0, len(text), size)]
    assert b"".join(built_in.stream(chunks, line_buffered=line_buffered)) == expected


def test_row_after_a_line_longer_than_a_stream_keeps(built_in: Redactor) -> None:
    """The rows behind a line of several megabytes are judged by their columns."""
    text = b"user,session_id\n" + b"x y " * 800_000 + b"\nalice," + HEX.encode() + b"\n"
    assert built_in.bytes(text) == text.replace(HEX.encode(), b"[REDACTED:session]")
