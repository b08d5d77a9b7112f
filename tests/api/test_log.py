"""Messages of the program where it is used as a library."""

from __future__ import annotations

import logging

import pytest

from orchestrator.log import as_library, logger


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"file": "a", "count": 2}, "spec.saved: file=a, count=2"),
        ({"call": "f", "note": "no time"}, "spec.saved: no time, call=f"),
    ],
)
def test_messages_go_to_the_logger_of_the_package(
    fields: dict[str, object], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "orchestrator"), as_library():
        logger().info("spec.saved", **fields)
        logger().warning("spec.saved", **fields)
        logger().error("spec.saved", **fields)
    assert [record.getMessage() for record in caplog.records] == [text] * 3
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "ERROR"]


def test_stderr_is_left_alone_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    with as_library():
        logger().info("spec.saved")
    assert capsys.readouterr().err == ""
