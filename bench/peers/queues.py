"""CPython's queues as a peer of steward_bench; bench/peer.hpp tells the protocol.

    queues.py SOCKET

Producers and consumers are processes of their own here too, and do with each message what those of
the other queues do: write its number all over it, read it to the last byte, check the order.
"""

import ctypes
import os
from multiprocessing import Manager, Pipe, Process, Queue
from signal import SIGKILL
from time import perf_counter

from answers import serve

PRODUCER_SHIFT = 48  # as in bench/queue_message.hpp
MANY = 4
PR_SET_PDEATHSIG = 1  # so that nothing is left should this program be killed


def capacity(size):
    return min(1024, (16 << 20) // size)


def message(number, size):
    return number.to_bytes(8, "little") * (size // 8)


def stay_on_cpu(nth):
    allowed = sorted(os.sched_getaffinity(0))
    if nth is not None and nth < len(allowed):
        os.sched_setaffinity(0, [allowed[nth]])


def produce(orders, queue, size, cpu, producer):
    stay_on_cpu(cpu)
    first = producer << PRODUCER_SHIFT
    while True:
        count = orders.recv()
        for number in range(first, first + count):
            queue.put(message(number, size))
        first += count
        orders.send(None)


def consume(orders, queue, size, cpu):
    stay_on_cpu(cpu)
    first = 0
    while True:
        count = orders.recv()
        start = perf_counter()
        for number in range(first, first + count):
            if queue.get() != message(number, size):
                raise RuntimeError(f"message {number} did not come")
        first += count
        orders.send(perf_counter() - start)


def consume_among_others(orders, queue, size):
    expected = [producer << PRODUCER_SHIFT for producer in range(MANY)]
    while True:
        count = orders.recv()
        start = perf_counter()
        for _ in range(count):
            got = queue.get()
            number = int.from_bytes(got[:8], "little")
            producer = number >> PRODUCER_SHIFT
            if number < expected[producer] or got != message(number, size):
                raise RuntimeError(f"message {number} came out of order")
            expected[producer] = number + 1
        orders.send(perf_counter() - start)


def in_process(target, *arguments):
    """Runs target(pipe, ...) in a process, and gives the other end of the pipe."""
    ours, theirs = Pipe()

    def run():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        target(theirs, *arguments)

    Process(target=run, daemon=True).start()
    theirs.close()  # or its end would not be noticed
    return ours


def stream(queue, producers, consumers):
    """Told a number of messages, has them go that way and gives the time it took."""

    def run(count):
        for peers in (consumers, producers):
            for peer in peers:
                peer.send(count // len(peers))
        seconds = max(consumer.recv() for consumer in consumers)
        for producer in producers:
            producer.recv()
        return seconds

    run.queue = queue  # or a manager would forget it: forked users do not count
    return run


def one_to_one(queue, size):
    producer = in_process(produce, queue, size, 0, 0)
    consumer = in_process(consume, queue, size, 1)
    return stream(queue, [producer], [consumer])


def many_to_many(queue, size):
    producers = [in_process(produce, queue, size, None, number) for number in range(MANY)]
    consumers = [in_process(consume_among_others, queue, size) for _ in range(MANY)]
    return stream(queue, producers, consumers)


def operations(manager):
    known = {
        f"queue_{size}": one_to_one(Queue(capacity(size)), size) for size in (64, 1024, 65536)
    }
    known["managed_64"] = one_to_one(manager.Queue(capacity(64)), 64)
    known["queue_many"] = many_to_many(Queue(capacity(64)), 64)
    return known


def main():
    with Manager() as manager:
        serve(operations(manager))


if __name__ == "__main__":
    main()
