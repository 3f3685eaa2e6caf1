"""Work in a thread, waited for until a deadline, because no timeout of a socket bounds a name look-up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from minting.deadline import Deadline

THREADS = 128
"""A Lambda needs one. The local gateway needs more: it runs all requests in one process."""


class Workers:
    """Threads for one kind of work, so that a slow vendor holds up nothing but itself."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    def run[T](self, work: Callable[[], T], deadline: Deadline) -> T:
        """What the work returns or raises. Raises TimeoutError at the deadline.

        Work that has not begun by then never begins. Work that has begun goes on, so it must look
        at the deadline itself.
        """
        if deadline.seconds_left() <= 0:
            raise TimeoutError
        future = self._threads.submit(work)
        try:
            return future.result(deadline.seconds_left())
        except TimeoutError:
            future.cancel()
            raise
