"""A program that dies at its start fails a test with its own words, and does not hold it up."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.real.programs import free_ports, until_it_says


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
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", port))
