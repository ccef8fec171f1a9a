"""What a machine that does other things at the same time must not change."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_refusal_for_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent in a test's own process refuses no call because the test machine is busy; `test_sip_door` tries that."""
    monkeypatch.setattr("telephony.call.inbound.admission.LAG_S", float("inf"))
