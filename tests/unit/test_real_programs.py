"""A program that dies at its start fails a test with its own words, and does not hold it up."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.programs import PORTS, free_ports, until_it_says

ROOT = Path(__file__).parents[2]


async def started(script: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec("sh", "-c", script, stderr=asyncio.subprocess.PIPE)


async def test_the_words_are_waited_for() -> None:
    process = await started("echo one >&2; echo Capturing on lo >&2; sleep 5")
    await until_it_says(process.stderr, b"Capturing on")
    process.kill()
    await process.wait()


async def test_a_program_that_dies_fails_with_what_it_said() -> None:
    process = await started("echo You do not have permission >&2")
    with pytest.raises(AssertionError, match="has ended; it said:\nYou do not have permission"):
        await until_it_says(process.stderr, b"Capturing on")
    await process.wait()


async def test_a_program_that_goes_on_without_the_words_fails_with_what_it_said() -> None:
    process = await started("echo waiting >&2; exec sleep 5")
    with pytest.raises(AssertionError, match=r"has not said b'Capturing on' within 0\.5 s; it said:\nwaiting"):
        await until_it_says(process.stderr, b"Capturing on", 0.5)
    process.kill()
    await process.wait()


def test_free_ports_can_be_bound() -> None:
    ports = free_ports(10)
    assert len(ports) == 10 and ports[0] % 2 == 0
    for port in ports:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as one:
                one.bind(("127.0.0.1", port))


def test_a_port_is_given_once_and_to_one_test_run_only() -> None:
    ours = {port for _ in range(50) for port in free_ports(8)}
    code = "from tests.real.programs import free_ports; print(*(port for _ in range(700) for port in free_ports(1)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    theirs = {int(port) for port in done.stdout.split()}
    assert len(ours) == 400 and len(theirs) == 700
    assert not ours & theirs


def test_no_port_is_one_that_the_system_gives_to_whoever_asks_for_any() -> None:
    first, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert PORTS.stop <= int(first)
