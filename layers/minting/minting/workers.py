"""Runs work in a thread and waits for it until a deadline.

Socket timeouts do not limit DNS look-ups.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from minting.deadline import Deadline

THREADS = 128
"""A Lambda needs one. The local gateway needs more: it runs all requests in one process."""


class Workers:
    """Threads for one kind of work, so that a slow vendor delays only its own requests."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    def run[T](self, work: Callable[[], T], deadline: Deadline) -> T:
        """Returns or raises what the work does. Raises TimeoutError at the deadline.

        Work that has not begun by then never begins. Work that has begun continues, so it must
        check the deadline itself.
        """
        if deadline.seconds_left() <= 0:
            raise TimeoutError
        future = self._threads.submit(work)
        try:
            return future.result(deadline.seconds_left())
        except TimeoutError:
            future.cancel()
            raise
