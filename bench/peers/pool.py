"""CPython's multiprocessing.Pool as a peer of steward_bench; bench/peer.hpp tells the protocol.

    pool.py SOCKET
"""

import ctypes
from multiprocessing import Pool, Process
from signal import SIGKILL
from time import perf_counter

from answers import serve

WORKERS = 2
STARTED = 4
PR_SET_PDEATHSIG = 1  # so that nothing is left should this program be killed


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


def cube(x):
    return x * x * x


def nothing():
    pass


def timed(once):
    start = perf_counter()
    once()
    return perf_counter() - start


def numbers(count):
    return [i % 1000 for i in range(count)]


def start_pools(count):
    seconds = 0
    for _ in range(count):
        start = perf_counter()
        pool = Pool(STARTED, die_with_parent)
        seconds += perf_counter() - start
        pool.terminate()
        pool.join()
    return seconds


def start_processes(count):
    for _ in range(count):
        child = Process(target=nothing)
        child.start()
        child.join()


def apply_each(pool, count):
    for _ in range(count):
        pool.apply(cube, (7,))


def main():
    with Pool(WORKERS, die_with_parent) as pool:

        def mapped(count, *chunk):
            items = numbers(count)
            return timed(lambda: pool.map(cube, items, *chunk))

        serve({
            "map": mapped,
            "map_one": lambda count: mapped(count, 1),
            "apply": lambda count: timed(lambda: apply_each(pool, count)),
            "start_pool": start_pools,
            "process": lambda count: timed(lambda: start_processes(count)),
        })


if __name__ == "__main__":
    main()
