"""A journal that was cut anywhere, and one that is very long."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from orchestrator.errors import Busy, JournalDamaged
from orchestrator.journal.raw_events import BlockDiscarded
from orchestrator.journal.read import EVENTS_FILE, Records
from orchestrator.journal.write import create, new_run_id, reopen
from orchestrator.jsonl import dumps
from tests.support.paths import ROOT
from tests.support.place import SPEC, Place


def event(number: int) -> BlockDiscarded:
    return BlockDiscarded(point="f() x 1", point_id="p", tasks=1, block=number, reason="because")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with create(tmp_path, "x", new_run_id(), "name: x\n") as book:
        for number in range(6):
            book.write(event(number))
        return book.directory


def test_a_journal_cut_at_any_byte_of_its_last_records_goes_on(run: Path) -> None:
    file = run / EVENTS_FILE
    content = file.read_bytes()
    lines = content.splitlines(keepends=True)
    for end in range(sum(map(len, lines[:3])), len(content) + 1):
        file.write_bytes(content[:end])
        whole = content[:end].count(b"\n")
        with reopen(run) as reopened:
            assert len(list(reopened.records)) == whole
            book, cut_bytes = reopened.repaired()
            assert cut_bytes == end - sum(map(len, lines[:whole]))
            book.write(event(99))
        assert [record["block"] for record in Records(file)] == [*range(whole), 99]


def test_a_flipped_byte_is_refused_and_nothing_is_appended(run: Path) -> None:
    file = run / EVENTS_FILE
    content = file.read_bytes()
    for place in range(0, len(content) - len(content.splitlines()[-1]) - 1):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        with pytest.raises(JournalDamaged, match=r"byte \d+"), reopen(run) as reopened:
            list(reopened.records)
        assert file.read_bytes() == flipped


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_million_records_are_recovered_and_read_in_little_time_and_memory(tmp_path: Path) -> None:
    place = Place(tmp_path, SPEC.replace("blocks: 3, rounds: 3", "blocks: 9, rounds: 40"))
    place.run("run", "x.yaml")
    _lengthen(place.runs[0] / EVENTS_FILE, 1_000_000)
    code = (
        "import sys, time, resource; from pathlib import Path\n"
        "from orchestrator.journal import write as journal; from orchestrator.analysis import results\n"
        "run = Path(sys.argv[1]); begun = time.perf_counter()\n"
        "with journal.reopen(run) as reopened:\n"
        "    replayed = results.replay(reopened.records)\n"
        "    cut = reopened.repaired()[1]\n"
        "print(cut, time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(place.runs[0])], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print("bytes cut, s, kB:", done.stdout)
    assert int(done.stdout.split()[2]) < 300_000


def _lengthen(file: Path, count: int) -> None:
    """Make a journal of so many records: blocks like its longest but the first, and a torn tail.

    A variant that a stall made look slow has few trials in its block, which then has few records for its memory.
    """
    records = list(Records(file))
    begun = [number for number, record in enumerate(records) if record["event"] == "block.started"]
    ended = [number for number, record in enumerate(records) if record["event"] == "block.finished"]
    first, last = max(zip(begun[1:], ended[1:], strict=True), key=lambda block: block[1] - block[0])
    number, block = begun[1], 2
    with file.open("wb") as out:
        for record in records[: begun[1]]:
            out.write(_line(record))
        while number < count:
            for record in records[first : last + 1]:
                out.write(
                    _line({**record, "seq": number, "block": block} if "block" in record else {**record, "seq": number})
                )
                number += 1
            block += 1
        out.write(b'{"event":"trial')


def _line(record: dict[str, object]) -> bytes:
    body = dumps({key: value for key, value in record.items() if key != "crc32"})
    return body[:-1] + b',"crc32":"%08x"}\n' % zlib.crc32(body)


def test_a_journal_that_is_being_written_is_not_opened_again(tmp_path: Path) -> None:
    with create(tmp_path, "x", new_run_id(), "name: x\n") as book, pytest.raises(Busy, match="another process writes"):
        with reopen(book.directory):
            pass
