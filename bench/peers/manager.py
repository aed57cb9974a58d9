"""CPython's multiprocessing.Manager as a peer of steward_bench; bench/peer.hpp tells the protocol.

    manager.py SOCKET
"""

from multiprocessing import Manager
from time import perf_counter

from answers import serve


def timed(count, once):
    start = perf_counter()
    for _ in range(count):
        once()
    return perf_counter() - start


def operations(manager):
    ages = manager.dict(ada=36)
    numbers = manager.list()
    jobs = manager.Queue()
    lock = manager.Lock()

    def get():
        ages["ada"]

    def put():
        ages["ada"] = 36

    def append():
        numbers.append(1)

    def queue_pair():
        jobs.put(1)
        jobs.get()

    def lock_pair():
        with lock:
            pass

    def list_append(count):
        numbers[:] = []
        return timed(count, append)

    return {
        "dict_get": lambda count: timed(count, get),
        "dict_set": lambda count: timed(count, put),
        "list_append": list_append,
        "queue_pair": lambda count: timed(count, queue_pair),
        "lock_pair": lambda count: timed(count, lock_pair),
    }


def main():
    with Manager() as manager:
        serve(operations(manager))


if __name__ == "__main__":
    main()
