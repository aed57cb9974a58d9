"""The other end of a Listener, by Python's own multiprocessing.connection.

Says hello, hears a number, says it twice, and says much at once. The messages are MessagePack by
hand: fixstr, uint8, bin32.
"""

import sys
from multiprocessing.connection import Client

with Client(sys.argv[1], "AF_UNIX") as connection:
    connection.send_bytes(b"\xa5hello")
    number = connection.recv_bytes()
    assert number == b"\x07", number
    connection.send_bytes(number + number)  # not one value: the other side refuses it
    large = b"x" * 1_000_000
    connection.send_bytes(b"\xc6" + len(large).to_bytes(4, "big") + large)
    assert len(connection.recv_bytes()) == 300_005
    try:
        connection.recv_bytes()
    except EOFError:
        print("ok")
