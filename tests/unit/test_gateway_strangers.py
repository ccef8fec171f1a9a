"""What the configuration says of callers who belong to no trunk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telephony.call_policy import Terms
from telephony.media.engine import MediaEngine
from telephony.yaml_problems import SourceError
from voicebot.config import Config, SipSettings, load
from voicebot.gateway.sip_gateway import SipGateway


async def nobody(*_: Any) -> None:
    raise AssertionError("nobody calls")


async def test_callers_without_a_trunk_have_the_no_media_s_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text("peers: 192.0.2.1\nno_media_s: 8\nsymmetric: true\n")
    config = Config(sip=SipSettings(no_media_s=45, trunks=tmp_path, open=True))
    journal: Any = None
    gateway = SipGateway(config, MediaEngine(), nobody, journal)
    assert gateway.trunks.terms(None) == Terms(no_media_s=45)
    assert gateway.trunks.terms(gateway.trunks.get("acme")) == Terms("acme", no_media_s=8, symmetric=True)


@pytest.mark.parametrize(
    ("value", "words"), [("1", "greater than or equal to 2"), ("never", "number"), ("90000", "less than or equal")]
)
def test_a_no_media_s_that_cannot_be_is_refused_with_its_line(tmp_path: Path, value: str, words: str) -> None:
    file = tmp_path / "voicebot.yaml"
    file.write_text(f"sip:\n  port: 5060\n  no_media_s: {value}\n")
    with pytest.raises(SourceError) as refused:
        load(file)
    (problem,) = refused.value.problems
    assert (problem.line, words in str(problem)) == (3, True), problem
