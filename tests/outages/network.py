"""Hosts in networks of their own, with a router between them that can lose every packet of one of them.

Each is a network namespace of Linux, held by a process that does nothing; they go with these processes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest


class Namespace:
    """A network of its own, with nothing in it but a loopback interface."""

    def __init__(self) -> None:
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "sh", "-c", "echo ready; exec cat"]
        self._popen = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._popen.stdout is not None
        assert self._popen.stdout.readline() == "ready\n", "no namespace"
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> str:
        """The process that holds it."""
        return str(self._popen.pid)

    @property
    def within(self) -> list[str]:
        """The command that runs another one in it."""
        return ["nsenter", "-t", self.pid, "-n"]

    def run(self, *words: str) -> None:
        """Run a command in it. Raises when it fails."""
        subprocess.run([*self.within, *words], check=True, capture_output=True)

    def close(self) -> None:
        """It is gone when all processes in it are."""
        self._popen.kill()
        with self._popen:
            pass


class Host(Namespace):
    """One that has an address, and a router to all others."""

    def __init__(self, router: Namespace, number: int) -> None:
        super().__init__()
        self.address = f"10.77.{number}.2"
        self._router = router
        gate, end = f"10.77.{number}.1", f"host{number}"
        peer = ["type", "veth", "peer", "name", end, "netns", router.pid]
        subprocess.run(
            ["ip", "link", "add", "eth0", "netns", self.pid, *peer], check=True, capture_output=True
        )
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        router.run("ip", "address", "add", f"{gate}/24", "dev", end)
        router.run("ip", "link", "set", end, "up")
        self.run("ip", "route", "add", "default", "via", gate)

    def cut_off(self) -> None:
        """From now on the router drops each packet from here and to here, and says nothing about it."""
        self._switch("add")

    def heal(self) -> None:
        """It passes them on again."""
        self._switch("del")

    def _switch(self, do: str) -> None:
        self._router.run("ip", "rule", do, "from", self.address, "blackhole")
        self._router.run("ip", "route", do, "blackhole", f"{self.address}/32")


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many of them; the test is skipped where the kernel does not let us make any."""
    with ExitStack() as stack:
        try:
            router = Namespace()
            stack.callback(router.close)
            router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            made = []
            for number in range(count):
                made.append(Host(router, number))
                stack.callback(made[-1].close)
        except (OSError, AssertionError, subprocess.CalledProcessError) as error:
            tools = [each for each in ("ip", "unshare", "nsenter", "setpriv") if shutil.which(each) is None]
            pytest.skip(
                f"no network namespaces here, so no host was cut off: user {os.geteuid()}, missing {tools}:"
                f" {getattr(error, 'stderr', None) or error!r} (apt-get install iproute2; run as root)"
            )
        yield made
