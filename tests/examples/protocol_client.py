"""A client of a manager in another language, written from docs/protocol.md alone: standard library
only, MessagePack and ZeroMQ's framing by hand. Usage: protocol_client.py DIRECTORY. Says "ok"."""
import base64
import hashlib
import hmac
import os
import socket
import struct
import sys


class Ext:
    def __init__(self, kind, payload):
        self.kind, self.payload = kind, payload


def encode(v):
    """The longest form of everything, which is as good as the shortest."""
    if v is None or v is True or v is False:
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[v]
    if isinstance(v, int):
        return b"\xcf" + struct.pack(">Q", v) if v >= 0 else b"\xd3" + struct.pack(">q", v)
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, str):
        return b"\xdb" + struct.pack(">I", len(v.encode())) + v.encode()
    if isinstance(v, bytes):
        return b"\xc6" + struct.pack(">I", len(v)) + v
    if isinstance(v, list):
        return b"\xdd" + struct.pack(">I", len(v)) + b"".join(map(encode, v))
    if isinstance(v, dict):
        flat = b"".join(encode(k) + encode(x) for k, x in v.items())
        return b"\xdf" + struct.pack(">I", len(v)) + flat
    return b"\xc9" + struct.pack(">Ib", len(v.payload), v.kind) + v.payload


class Decoder:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size, signed=False):
        return int.from_bytes(self.take(size), "big", signed=signed)

    def list(self, count):
        return [self.value() for _ in range(count)]

    def map(self, count):
        return {self.value(): self.value() for _ in range(count)}

    def ext(self, count):
        return Ext(self.number(1, True), self.take(count))

    def value(self):
        c = self.number(1)
        if c < 0x80 or c >= 0xe0:
            return c if c < 0x80 else c - 256
        if c < 0x90:
            return self.map(c & 15)
        if c < 0xa0:
            return self.list(c & 15)
        if c < 0xc0:
            return self.take(c & 31).decode()
        size = 1 << (c & 3)
        if c in (0xc0, 0xc2, 0xc3):
            return {0xc0: None, 0xc2: False, 0xc3: True}[c]
        if c in (0xc4, 0xc5, 0xc6):
            return self.take(self.number(size))
        if c in (0xc7, 0xc8, 0xc9):
            return self.ext(self.number(1 << (c - 0xc7)))
        if c in (0xca, 0xcb):
            return struct.unpack(">f" if c == 0xca else ">d", self.take(4 if c == 0xca else 8))[0]
        if 0xcc <= c <= 0xd3:
            return self.number(size, c >= 0xd0)
        if 0xd4 <= c <= 0xd8:
            return self.ext(1 << (c - 0xd4))
        if c in (0xd9, 0xda, 0xdb):
            return self.take(self.number(1 << (c - 0xd9))).decode()
        if c in (0xdc, 0xdd):
            return self.list(self.number(2 << (c - 0xdc)))
        return self.map(self.number(2 << (c - 0xde)))


def decode(data):
    decoder = Decoder(data)
    value = decoder.value()
    assert decoder.at == len(data)
    return value


class Dealer:
    """ZeroMQ's protocol 3.0 without security: one connection, frames in and out."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        mechanism = b"NULL".ljust(20, b"\0")
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism + bytes(32))
        self.exactly(64)
        ready = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
        self.socket.sendall(bytes([4, len(ready)]) + ready)
        self.exactly(self.exactly(2)[1])

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            assert piece, "the manager hung up"
            data += piece
        return data

    def send(self, envelope):
        frame = envelope if isinstance(envelope, bytes) else encode(envelope)
        self.socket.sendall(b"\x02" + struct.pack(">Q", len(frame)) + frame)

    def receive(self, kind):
        flags = self.exactly(1)[0]
        size = struct.unpack(">Q", self.exactly(8))[0] if flags & 2 else self.exactly(1)[0]
        envelope = decode(self.exactly(size))
        assert envelope[:2] == [1, kind], envelope
        return envelope[2:]


HELLO, WELCOME, CALLS, REPLIES, ACK, CANCEL, RENEW, BYE = range(1, 9)
UNKNOWN_CONNECTION, UNKNOWN_SESSION = 9, 10
BAD_CALL, OUT_OF_RANGE, STALE_HANDLE, TIMED_OUT, CLOSED, NOT_OWNER = range(1, 7)


class Session:
    def __init__(self, directory):
        self.directory = directory
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.door.connect(directory + "/door")
        socket.send_fds(self.door, [encode([1, "door"])], [os.pidfd_open(os.getpid())])
        packet, self.pidfds, _, _ = socket.recv_fds(self.door, 4096, 4)
        version, ticket, self.incarnation, self.addresses = decode(packet)
        assert version == 1 and len(ticket) == 16 and len(self.pidfds) == 1
        self.seq, self.incomplete, self.replies = 0, [], {}
        self.dealer = Dealer(directory + "/manager.sock")
        self.dealer.send([1, HELLO, ticket, None, os.urandom(16), b"", [], 1])
        self.id, self.secret, incarnation, proof = self.dealer.receive(WELCOME)[:4]
        assert incarnation == self.incarnation and len(self.secret) == 32 and proof == b""

    def proof(self, role, challenge):
        text = b"steward session 1 " + role + self.id + challenge
        return hmac.new(self.secret, text, hashlib.sha256).digest()

    def resume(self):
        self.dealer.socket.close()
        self.dealer = Dealer(self.directory + "/manager.sock")
        self.dealer.send([1, HELLO, b"", self.id, os.urandom(16), b"", [], 1])
        challenge = self.dealer.receive(UNKNOWN_CONNECTION)[0]
        nonce = os.urandom(16)
        proof = self.proof(b"client", challenge)
        self.dealer.send([1, HELLO, b"", self.id, nonce, proof, self.incomplete, self.first()])
        session, secret, incarnation, proof = self.dealer.receive(WELCOME)[:4]
        assert (session, secret, incarnation) == (self.id, b"", self.incarnation)
        assert proof == self.proof(b"server", nonce)

    def first(self):
        return self.incomplete[0] if self.incomplete else self.seq + 1

    def start(self, target, method, *arguments, wait_ms=None, thread=1, post=False):
        first = self.first()
        self.seq += 1
        if not post:
            self.incomplete.append(self.seq)
        extras = {"post": True, "of later versions": [1]} if post else {}
        call = [self.seq, thread, wait_ms, target, method, list(arguments), extras]
        self.last = encode([1, CALLS, first, [call]])
        self.dealer.send(self.last)
        return self.seq

    def reply(self, seq):
        while seq not in self.replies:
            for number, code, payload in self.dealer.receive(REPLIES)[0]:
                self.replies[number] = (code, payload)
        self.incomplete.remove(seq)
        return self.replies.pop(seq)

    def call(self, target, method, *arguments, **options):
        code, payload = self.reply(self.start(target, method, *arguments, **options))
        assert code == 0, payload
        return payload

    def error(self, target, method, *arguments, **options):
        code, (text, type_name) = self.reply(self.start(target, method, *arguments, **options))
        assert code != 0 and type_name == ""
        return code, text

    def create(self, kind, *arguments, name=None):
        handle = self.call(0, "create", kind, name, list(arguments))
        incarnation, number, type_name, flags, addresses, nonce = decode(handle.payload)
        assert handle.kind == 1 and incarnation == self.incarnation and type_name == kind
        assert (flags, addresses, nonce) == (0, [], None)
        return number


def check_list(s):
    xs = s.create("list", [1, 2])
    assert s.call(xs, "append", 3) is None
    assert s.call(xs, "copy") == [1, 2, 3] and s.call(xs, "str") == "[1, 2, 3]"
    assert s.call(xs, "pop") == 3 and s.call(xs, "pop", 0) == 1
    assert s.call(xs, "index", 2) == [0] and s.call(xs, "index", 9) == []
    s.call(xs, "extend", ["b", 1.5, None, [True]])
    assert s.call(xs, "slice", None, None, -2) == [[True], 1.5, 2]
    text = f"list#{xs}.at: index 7 is out of range (size 5)"
    assert s.error(xs, "at", 7) == (OUT_OF_RANGE, text)
    assert s.error(xs, "no_such")[0] == BAD_CALL and s.error(xs, "append")[0] == BAD_CALL


def check_retry(s):
    xs = s.create("list")
    seq, frame = s.start(xs, "append", "once"), s.last
    s.resume()  # whether or not the reply was under way
    s.dealer.send(frame)
    s.dealer.send(frame)
    assert s.reply(seq) == (0, None) and s.call(xs, "copy") == ["once"]


def check_dict(s):
    d = s.create("dict", [["a", 1]])
    assert s.call(d, "add", "a", 4, None, None) == 5 and s.call(d, "add", "b", 1) == 1
    assert s.error(d, "add", "a", 9, 0, 10)[0] == BAD_CALL
    assert s.call(d, "get", "none") == [] and s.call(d, "get", "a") == [5]
    assert s.call(d, "swap_if", "c", [], 7) and not s.call(d, "swap_if", "c", [], 8)
    assert s.call(d, "copy") == [["a", 5], ["b", 1], ["c", 7]]


def check_queue(s):
    q = s.create("queue", 2)
    s.call(q, "put_many", [1, 2])
    assert s.call(q, "try_put", 3) is False and s.call(q, "full")
    seq = s.start(q, "get")
    assert s.reply(seq) == (0, 1)
    s.dealer.send([1, ACK, [seq]])
    seq = s.start(q, "get")
    assert s.reply(seq) == (0, 2)
    s.dealer.send([1, CANCEL, [seq]])  # it goes back
    assert s.call(q, "size") == 1 and s.call(q, "try_get") == [2]
    assert s.error(q, "get", wait_ms=20) == (TIMED_OUT, f"queue#{q}.get: timed out")
    seq = s.start(q, "get")
    s.dealer.send([1, CANCEL, [seq]])
    assert s.reply(seq)[0] == TIMED_OUT
    waiting = s.start(q, "get")
    s.resume()  # a parked call keeps its place
    s.call(q, "put", "late")
    assert s.reply(waiting) == (0, "late")
    s.call(q, "close")
    assert s.error(q, "put", 1)[0] == CLOSED and s.error(q, "get")[0] == CLOSED


def check_lock(s):
    lock = s.create("lock")
    token, died = s.call(lock, "lock")
    assert token > 0 and died is False and s.call(lock, "token") == token
    assert s.call(lock, "try_lock", thread=2) == []
    assert s.error(lock, "lock")[0] == BAD_CALL
    assert s.error(lock, "unlock", thread=2)[0] == NOT_OWNER
    s.start(lock, "unlock", post=True)
    assert s.call(lock, "locked") is False
    assert s.call(lock, "lock", thread=2)[0] > token


def check_references(s):
    xs, nonce = s.create("list", name="known"), os.urandom(16)
    assert s.create("list", name="known") == xs
    before = s.call(0, "number_of_objects")
    s.call(0, "lease", xs, nonce)
    assert decode(s.call(0, "claim", xs, nonce).payload)[1] == xs
    assert s.call(0, "revoke", nonce) is False
    s.start(0, "drop", [[xs, 3]], post=True)
    assert s.call(0, "number_of_objects") == before
    assert s.call(0, "remove", "known") and not s.call(0, "remove", "known")
    assert s.call(0, "number_of_objects") == before - 1
    assert s.error(xs, "size")[0] == STALE_HANDLE


def check_text(s, text):
    """A handle from C++, as text; its list holds a handle of itself."""
    prefix, version, payload = text.split(":")
    assert (prefix, version) == ("steward", "1")
    raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    incarnation, number, kind, _, addresses, nonce = decode(raw)
    assert incarnation == s.incarnation and kind == "list" and addresses == s.addresses
    s.call(0, "claim", number, nonce)
    s.call(number, "append", Ext(1, encode([incarnation, s.create("dict"), "dict", 0, [], None])))
    s.call(number, "append", "from Python")


def check_ends(s):
    stranger = Dealer(s.directory + "/manager.sock")
    stranger.send([1, CALLS, 1, []])
    assert len(stranger.receive(UNKNOWN_CONNECTION)[0]) == 16
    stranger.send(b"\xc1")
    assert b"malformed" in stranger.receive(UNKNOWN_SESSION)[0]
    s.dealer.send([1, BYE])
    assert s.dealer.receive(BYE) == []


def main():
    s = Session(sys.argv[1])
    for check in (check_list, check_retry, check_dict, check_queue, check_lock, check_references):
        check(s)
    check_text(s, sys.argv[2])
    check_ends(s)
    print("ok")


main()
