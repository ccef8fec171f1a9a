"""The demo company's flow, loaded and trained once for all tests of the mind."""

from __future__ import annotations

import pytest

from tests.unit.conversation_support import Caller
from voicebot.flows.flow import Flow
from voicebot.nlu.intents import Understanding
from voicebot.paths import DIALOGS, models_dir


@pytest.fixture(scope="session")
def flow() -> Flow:
    return Flow.load(DIALOGS / "northwind.yaml")


@pytest.fixture(scope="session")
def understanding(flow: Flow) -> Understanding:
    return Understanding.train(flow.intents, models_dir())


@pytest.fixture
def caller(flow: Flow, understanding: Understanding) -> Caller:
    return Caller(flow, understanding, {"caller_number": "+15550123456"})
