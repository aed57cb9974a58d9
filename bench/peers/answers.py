"""The peer's side of steward_bench, as bench/peer.hpp tells it: shared by the peers in Python."""

import socket
import sys


def serve(known):
    """Does what it is asked on the socket that the command line names, until that is closed.

    known: the operations by their names; each is told a count and gives the seconds that it took.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        lines = connection.makefile("rw")

        def say(line):
            lines.write(line + "\n")
            lines.flush()

        say("ready CPython " + sys.version.split()[0])
        for line in lines:
            name, count = line.split()
            try:
                say(f"{count} {known[name](int(count)):.9f}")
            except Exception as error:
                say(f"! {name}: {error!r}")
