// A client without the client library: the control socket, a connection, envelopes. It can
// therefore also say what no decent client says.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <zmq.hpp>

#include <steward/core/auth.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/value.hpp>
#include <steward/core/wire.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/manager/server/listener_local.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::test {

inline constexpr std::chrono::seconds kPatience{30};

// Calls `pump` (one small step of the other side) until `done`; false when patience is over.
template <class Pump, class Done>
bool eventually(Pump&& pump, Done&& done) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    pump();
  }
  return true;
}

inline void poll_briefly() { ::poll(nullptr, 0, 2); }

// What the control socket answered.
struct Entrance {
  shm::UniqueFd control;
  shm::UniqueFd server;
  std::string ticket;   // empty: refused
  std::string refusal;
  core::Incarnation incarnation;
  std::vector<std::string> addresses;
};

inline shm::UniqueFd connect_control_socket(const std::string& directory) {
  shm::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory + "/door";
  std::memcpy(address.sun_path, path.data(), path.size());
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  return socket;
}

inline std::string connect_request() {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(2);
  writer.natural(1);
  writer.string("door");
  return bytes;
}

inline void send_connect_request(const shm::UniqueFd& control) {
  shm::send_with_fds(control.get(), connect_request(), {shm::pidfd_of(::getpid()).get()});
}

inline Entrance read_entrance(shm::UniqueFd control, shm::FdMessage message) {
  Entrance entrance;
  core::Reader reader(message.bytes);
  const std::size_t fields = reader.array();
  reader.natural();
  if (fields == 3 && reader.nil_if_next()) {
    entrance.refusal = reader.string();
    return entrance;
  }
  entrance.ticket = reader.bytes();
  entrance.incarnation = *core::Incarnation::from(reader.bytes());
  for (std::size_t count = reader.array(); count > 0; --count) {
    entrance.addresses.emplace_back(reader.string());
  }
  entrance.server = std::move(message.fds.at(0));
  entrance.control = std::move(control);
  return entrance;
}

// Frames to and from a server.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void send(std::string_view frame) = 0;
  virtual std::optional<std::string> receive() = 0;  // does not wait
};

class ZmqWire final : public Wire {
 public:
  // A name is what ZeroMQ's routes are made of; else it gives one.
  explicit ZmqWire(const std::string& address, const std::string& name = {}) {
    if (!name.empty()) socket_.set(zmq::sockopt::routing_id, name);
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvhwm, 4);
    socket_.connect(address.substr(0, address.find('?')));
  }
  void send(std::string_view frame) override {
    socket_.send(zmq::buffer(frame), zmq::send_flags::none);
  }
  void send_parts(const std::vector<std::string>& parts) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      socket_.send(zmq::buffer(parts[i]), i + 1 < parts.size() ? zmq::send_flags::sndmore
                                                               : zmq::send_flags::none);
    }
  }
  std::optional<std::string> receive() override {
    zmq::message_t message;
    if (!socket_.recv(message, zmq::recv_flags::dontwait)) return std::nullopt;
    return message.to_string();
  }
  // Waits until what was sent has been handed to the kernel, and closes.
  void flush() {
    socket_.set(zmq::sockopt::linger, -1);
    socket_.close();
    context_.close();
  }

 private:
  zmq::context_t context_{1};
  zmq::socket_t socket_{context_, zmq::socket_type::dealer};
};

class LocalWire final : public Wire {
 public:
  explicit LocalWire(server::LocalNetwork& network) : connection_(network.connect()) {}
  void send(std::string_view frame) override { connection_->send(frame); }
  std::optional<std::string> receive() override {
    std::string frame;
    if (connection_->receive(frame) != server::LocalNetwork::Connection::Got::frame) {
      return std::nullopt;
    }
    return frame;
  }

 private:
  std::unique_ptr<server::LocalNetwork::Connection> connection_;
};

struct Answer {
  core::ErrorCode code = core::ErrorCode::ok;
  Value result;
  std::string text;
};

// Reads handles as plain tokens.
class TokenHandleCodec final : public core::HandleCodec {
 public:
  core::Token outgoing(const core::Reference& reference) override { return reference.token(); }
  core::ReferencePtr incoming(core::Token token) override {
    return std::make_shared<const core::Reference>(std::move(token));
  }
};

template <class... T>
std::string arguments(const T&... values) {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(sizeof...(T));
  TokenHandleCodec codec;
  (core::encode_value(writer, Value(values), codec), ...);
  return bytes;
}

// `pump` drives the server while the client waits for it.
class BareClient {
 public:
  using Pump = std::function<void()>;

  BareClient(std::unique_ptr<Wire> wire, Pump pump)
      : wire_(std::move(wire)), pump_(std::move(pump)) {}

  // Through the control socket and a ZeroMQ socket.
  static BareClient come_in(const std::string& address, Pump pump) {
    shm::UniqueFd control = connect_control_socket(server::directory_of(address));
    send_connect_request(control);
    shm::Received received;
    if (!eventually(pump, [&] {
          received = shm::receive_with_fds(control.get(), 4096, shm::Wait::none);
          return !received.would_block;
        }) ||
        !received.message) {
      throw std::runtime_error("the control socket does not answer");
    }
    BareClient client(std::make_unique<ZmqWire>(address), std::move(pump));
    client.entrance = read_entrance(std::move(control), *std::move(received.message));
    return client;
  }

  void reconnect(std::unique_ptr<Wire> wire) { wire_ = std::move(wire); }
  Wire& wire() { return *wire_; }

  void send(std::string_view frame) { wire_->send(frame); }
  std::string receive() {
    std::optional<std::string> frame;
    if (!eventually(pump_, [&] { return (frame = wire_->receive()).has_value(); })) {
      throw std::runtime_error("no answer came");
    }
    return *frame;
  }
  core::Envelope receive_kind(core::Envelope kind) {
    last_frame = receive();
    const core::Envelope got = core::open_envelope(last_frame).kind;
    if (got != kind) {
      throw std::runtime_error("got envelope " + std::to_string(static_cast<int>(got)));
    }
    return got;
  }

  core::Welcome hello() {
    core::Hello hello;
    hello.ticket = entrance.ticket;
    hello.nonce = nonce;
    send(core::encode(hello));
    receive_kind(core::Envelope::welcome);
    core::Welcome got = core::decode_welcome(core::open_envelope(last_frame));
    session = got.session;
    secret = got.secret;
    return got;
  }

  // Proves the session on a new connection; the server's answer is in last_frame.
  core::Envelope resume(std::string_view with_secret, std::vector<core::Seq> incomplete = {}) {
    core::Hello hello;
    hello.session = session;
    hello.nonce = nonce;
    send(core::encode(hello));
    last_frame = receive();
    core::OpenEnvelope asked = core::open_envelope(last_frame);
    if (asked.kind != core::Envelope::unknown_connection) return asked.kind;
    return prove(core::decode_text(asked), with_secret, std::move(incomplete));
  }
  core::Envelope prove(std::string_view challenge, std::string_view with_secret,
                       std::vector<core::Seq> incomplete) {
    core::Hello hello;
    hello.session = session;
    hello.nonce = nonce;
    hello.proof = core::session_proof(core::Role::client, with_secret, session, challenge);
    hello.incomplete = std::move(incomplete);
    hello.first_incomplete = first_incomplete;
    send(core::encode(hello));
    last_frame = receive();
    return core::open_envelope(last_frame).kind;
  }

  core::Seq post(core::ObjectId object, std::string_view method, std::string_view args,
                 std::optional<std::uint64_t> wait_ms = std::nullopt) {
    const core::Seq seq = next_seq++;
    send_call(seq, object, method, args, wait_ms);
    return seq;
  }
  void send_call(core::Seq seq, core::ObjectId object, std::string_view method,
                 std::string_view args, std::optional<std::uint64_t> wait_ms = std::nullopt) {
    core::Call call;
    call.seq = seq;
    call.thread = 1;
    call.wait_ms = wait_ms;
    call.object = object;
    call.method = method;
    call.args = args;
    std::string bytes;
    core::append_call(bytes, call);
    send(core::encode_calls(first_incomplete, {bytes}));
  }
  // The reply of this call; those of others are kept.
  Answer answer(core::Seq seq) {
    for (;;) {
      for (auto at = answers.begin(); at != answers.end(); ++at) {
        if (at->first != seq) continue;
        Answer found = std::move(at->second);
        answers.erase(at);
        return found;
      }
      receive_kind(core::Envelope::replies);
      for (const core::Reply& reply : core::decode_replies(core::open_envelope(last_frame))) {
        Answer answer;
        answer.code = reply.code;
        if (reply.code == core::ErrorCode::ok) {
          TokenHandleCodec codec;
          answer.result = core::decode_value(reply.payload, codec);
        } else {
          answer.text = core::decode_error(reply.payload).text;
        }
        answers.emplace_back(reply.seq, std::move(answer));
      }
    }
  }

  template <class... T>
  Answer call(core::ObjectId object, std::string_view method, const T&... values) {
    return answer(post(object, method, arguments(values...)));
  }
  // Throws if the call did.
  template <class... T>
  Value get(core::ObjectId object, std::string_view method, const T&... values) {
    Answer got = call(object, method, values...);
    if (got.code != core::ErrorCode::ok) throw std::runtime_error(got.text);
    return got.result;
  }
  core::ObjectId create(std::string_view type, std::optional<std::string> name = std::nullopt) {
    const Value handle = get(core::kManagerObject, "create", Value(type),
                             name ? Value(*name) : Value(), Value(Value::List{}));
    return handle.reference()->token().object;
  }

  Entrance entrance;
  core::SessionId session;
  std::string secret;
  std::string nonce = std::string(core::kChallengeBytes, 'n');
  core::Seq next_seq = 1;
  core::Seq first_incomplete = 1;
  std::string last_frame;
  std::deque<std::pair<core::Seq, Answer>> answers;

 private:
  std::unique_ptr<Wire> wire_;
  Pump pump_;
};

}  // namespace steward::detail::test
