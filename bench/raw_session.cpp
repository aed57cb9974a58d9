#include <steward/bench/raw_session.hpp>

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <tuple>
#include <utility>

#include <msgpack.hpp>

namespace steward::bench {
namespace {

// docs/protocol.md, section 4.
enum Kind : unsigned { kHello = 1, kWelcome = 2, kCalls = 3, kReplies = 4, kRenew = 7, kBye = 8 };
constexpr unsigned kVersion = 1;

using Packer = msgpack::packer<msgpack::sbuffer>;

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void pack_bytes(Packer& out, std::string_view bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  out.pack_bin(size).pack_bin_body(bytes.data(), size);
}

std::string_view bytes_of(const msgpack::object& object) {
  if (object.type != msgpack::type::BIN) throw std::runtime_error("a field is not of bytes");
  return {object.via.bin.ptr, object.via.bin.size};
}

// An array of at least so many elements.
const msgpack::object* fields_of(const msgpack::object& object, std::size_t least) {
  if (object.type != msgpack::type::ARRAY || object.via.array.size < least) {
    throw std::runtime_error("an envelope is not as in the protocol");
  }
  return object.via.array.ptr;
}

// Connects with this process's pidfd; gives the open socket and the ticket.
std::pair<int, std::string> connect_control(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int control = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (control < 0) fail("cannot open a socket");
  if (::connect(control, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("cannot connect to " + path);
  }
  const int own = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  if (own < 0) fail("cannot open a pidfd");
  msgpack::sbuffer word;
  Packer(word).pack_array(2).pack(kVersion).pack("door");

  iovec data{word.data(), word.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> ancillary{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = ancillary.data();
  header.msg_controllen = ancillary.size();
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof own);
  std::memcpy(CMSG_DATA(part), &own, sizeof own);
  const ssize_t sent = ::sendmsg(control, &header, MSG_NOSIGNAL);
  ::close(own);
  if (sent < 0) fail("cannot connect to " + path);

  // The manager's pidfd comes along; without room for it, the kernel closes it again.
  std::array<char, 4096> answer;
  const ssize_t size = ::recv(control, answer.data(), answer.size(), 0);
  if (size <= 0) throw std::runtime_error("the control socket does not answer");
  const auto unpacked = msgpack::unpack(answer.data(), static_cast<std::size_t>(size));
  return {control, std::string(bytes_of(fields_of(unpacked.get(), 3)[1]))};
}

msgpack::sbuffer hello(std::string_view ticket) {
  std::array<char, 16> nonce;
  if (::getrandom(nonce.data(), nonce.size(), 0) < 0) fail("no randomness");
  msgpack::sbuffer frame;
  Packer out(frame);
  out.pack_array(8).pack(kVersion).pack(static_cast<unsigned>(kHello));
  pack_bytes(out, ticket);
  out.pack_nil();
  pack_bytes(out, {nonce.data(), nonce.size()});
  pack_bytes(out, {});
  out.pack_array(0).pack(1);
  return frame;
}

msgpack::sbuffer bare(Kind kind) {
  msgpack::sbuffer frame;
  Packer(frame).pack_array(2).pack(kVersion).pack(static_cast<unsigned>(kind));
  return frame;
}

// Natural numbers in their form of five bytes, which is as good as the shortest one and can be
// written over.
void append_number(std::string& out, std::uint32_t number) {
  out += '\xce';
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

void append_text(std::string& out, std::string_view text) {
  out += static_cast<char>(0xa0U | text.size());
  out += text;
}

// Reads the few forms that a reply to a small read has.
class Cursor {
 public:
  explicit Cursor(const zmq::message_t& message)
      : at_(message.data<unsigned char>()), end_(at_ + message.size()) {}

  std::uint32_t natural() {
    const unsigned tag = byte();
    if (tag < 0x80) return tag;
    return big_endian(tag == 0xcc ? 1 : tag == 0xcd ? 2 : tag == 0xce ? 4 : 0);
  }
  std::uint32_t array() {
    const unsigned tag = byte();
    if ((tag & 0xf0U) == 0x90) return tag & 0x0fU;
    return big_endian(tag == 0xdc ? 2 : tag == 0xdd ? 4 : 0);
  }

 private:
  unsigned byte() {
    if (at_ == end_) throw std::runtime_error("a reply is too short");
    return *at_++;
  }
  std::uint32_t big_endian(int size) {
    if (size == 0) throw std::runtime_error("a reply is not as expected");
    std::uint32_t number = 0;
    for (; size > 0; --size) number = number << 8U | byte();
    return number;
  }

  const unsigned char* at_;
  const unsigned char* end_;
};

}  // namespace

RawSession::RawSession(zmq::context_t& context, const std::string& address)
    : dealer_(context, zmq::socket_type::dealer) {
  dealer_.set(zmq::sockopt::linger, 1000);
  // A connection that breaks is not resumed here: better an error than a wait for ever.
  dealer_.set(zmq::sockopt::rcvtimeo, 30'000);
  dealer_.set(zmq::sockopt::sndhwm, 65'536);
  dealer_.set(zmq::sockopt::rcvhwm, 65'536);
  const std::string endpoint = address.substr(0, address.find('?'));
  constexpr std::string_view kIpc = "ipc://";
  std::string ticket;
  if (endpoint.starts_with(kIpc)) {
    const std::string socket = endpoint.substr(kIpc.size());
    std::tie(control_, ticket) = connect_control(socket.substr(0, socket.rfind('/')) + "/door");
  }
  dealer_.connect(endpoint);
  const msgpack::sbuffer frame = hello(ticket);
  dealer_.send(zmq::buffer(frame.data(), frame.size()));
}

RawSession::RawSession(RawSession&& other) noexcept
    : dealer_(std::move(other.dealer_)), control_(std::exchange(other.control_, -1)),
      lease_(other.lease_), next_seq_(other.next_seq_), answered_(other.answered_) {}

RawSession::~RawSession() {
  if (dealer_) {
    const msgpack::sbuffer frame = bare(kBye);
    static_cast<void>(zmq_send(dealer_.handle(), frame.data(), frame.size(), ZMQ_DONTWAIT));
  }
  if (control_ >= 0) ::close(control_);
}

void RawSession::receive() {
  if (!dealer_.recv(message_)) throw std::runtime_error("the manager does not answer");
}

void RawSession::await_welcome() {
  receive();
  const auto unpacked = msgpack::unpack(message_.data<char>(), message_.size());
  const msgpack::object* fields = fields_of(unpacked.get(), 3);
  if (fields[1].as<unsigned>() != kWelcome) {
    throw std::runtime_error("the manager refused: " + std::string(bytes_of(fields[2])));
  }
  // A manager without leases does not speak of them.
  constexpr std::size_t kLeaseField = 8;
  if (unpacked->via.array.size > kLeaseField) {
    lease_ = std::chrono::milliseconds(fields[kLeaseField].as<std::uint32_t>());
  }
}

void RawSession::renew() {
  const msgpack::sbuffer frame = bare(kRenew);
  dealer_.send(zmq::buffer(frame.data(), frame.size()));
}

std::uint32_t RawSession::open(std::string_view type, std::string_view name) {
  msgpack::sbuffer frame;
  Packer out(frame);
  out.pack_array(4).pack(kVersion).pack(static_cast<unsigned>(kCalls)).pack(next_seq_);
  out.pack_array(1).pack_array(7).pack(next_seq_).pack(1).pack_nil().pack(0).pack("create");
  out.pack_array(3).pack(type).pack(name).pack_array(0);
  out.pack_map(0);
  dealer_.send(zmq::buffer(frame.data(), frame.size()));
  answered_ = next_seq_++;

  receive();
  const auto unpacked = msgpack::unpack(message_.data<char>(), message_.size());
  const msgpack::object& reply = fields_of(fields_of(unpacked.get(), 3)[2], 1)[0];
  const msgpack::object& handle = fields_of(reply, 3)[2];
  if (handle.type != msgpack::type::EXT) throw std::runtime_error("the manager gave no handle");
  const auto token = msgpack::unpack(handle.via.ext.data(), handle.via.ext.size);
  return fields_of(token.get(), 2)[1].as<std::uint32_t>();
}

void RawSession::get(std::uint32_t dict, std::string_view key, unsigned expected,
                     std::size_t count, std::size_t window, std::size_t group) {
  std::string frame;
  std::size_t sent = 0;
  for (std::size_t received = 0; received < count;) {
    while (sent < count && sent - received + group <= window) {
      const std::size_t calls = std::min(group, count - sent);
      frame.assign({'\x94', char(kVersion), char(kCalls)});
      append_number(frame, answered_ + 1);
      frame += '\xdc';  // an array of 16 bits
      frame += static_cast<char>(calls >> 8U);
      frame += static_cast<char>(calls & 0xffU);
      for (std::size_t i = 0; i < calls; ++i) {
        frame += '\x97';
        append_number(frame, next_seq_++);
        frame += '\x01';
        frame += '\xc0';
        append_number(frame, dict);
        append_text(frame, "at");
        frame += '\x91';
        append_text(frame, key);
        frame += '\x80';
      }
      dealer_.send(zmq::buffer(frame));
      sent += calls;
    }
    received += take_replies(expected);
  }
}

std::size_t RawSession::take_replies(unsigned expected) {
  receive();
  Cursor in(message_);
  if (in.array() != 3 || in.natural() != kVersion || in.natural() != kReplies) {
    throw std::runtime_error("the manager sent no replies");
  }
  const std::uint32_t count = in.array();
  for (std::uint32_t i = 0; i < count; ++i) {
    // Reads of one session are answered in order.
    if (in.array() != 3 || in.natural() != ++answered_ || in.natural() != 0 ||
        in.natural() != expected) {
      throw std::runtime_error("a reply is wrong");
    }
  }
  return count;
}

}  // namespace steward::bench
