// Listening at a tcp port, and connecting there: a relay on each side, and ZeroMQ in between.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <system_error>
#include <utility>

#include <steward/client/entrance.hpp>
#include <steward/client/relay.hpp>
#include <steward/client/state.hpp>
#include <steward/client/transport_router.hpp>
#include <steward/client/transport/dialer.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/auth_entrance.hpp>
#include <steward/core/errors.hpp>
#include <steward/shm/fd_passing.hpp>
#include <steward/shm/poll.hpp>

namespace steward::client {
namespace {

// Until the port is free again, where no connection keeps it; it is, well before.
constexpr std::chrono::seconds kRelayPatience{2};
// Where somebody listens, but accepts too slowly.
constexpr std::chrono::milliseconds kAskAgain{20};

std::optional<core::KeyPairs> pairs_of(const std::string& key) {
  if (key.empty()) return std::nullopt;
  return core::derive_key_pairs(key);
}

class RemoteEntrance final : public Entrance {
 public:
  RemoteEntrance(shm::UniqueFd handoff, std::string address)
      : handoff_(std::move(handoff)), address_(std::move(address)) {}

  ~RemoteEntrance() override {
    if (creator_ != ::getpid()) return;
    try {
      say(Relay::kEnough);
      const core::Deadline deadline = core::deadline_after(kRelayPatience);
      while (shm::poll_until(handoff_.get(), POLLIN, deadline)) {
        // A socket, of one who is turned away here, or nothing: the relay has hung up.
        const shm::Received received = shm::receive_with_fds(handoff_.get(), 1, shm::Wait::none);
        if (!received.would_block && !received.message) break;
      }
    } catch (const std::system_error&) {
      // It can be waited for no longer.
    }
  }

  int fd() const override { return handoff_.get(); }

  std::optional<shm::UniqueFd> next() override {
    shm::Received received = shm::receive_with_fds(handoff_.get(), 1, shm::Wait::none);
    if (received.would_block) return std::nullopt;
    if (!received.message) throw Closed("the Listener at " + address_ + " has ended");
    // The system had no descriptor left to deliver it with.
    say(Relay::kAccepted);
    if (received.message->fds.empty()) throw Overloaded("Listener.accept: no descriptor is left");
    return std::move(received.message->fds.front());
  }

  std::string address() const override { return address_; }

 private:
  // Nobody hears it if the relay has ended.
  void say(std::string_view word) {
    ::send(handoff_.get(), word.data(), word.size(), MSG_NOSIGNAL);
  }

  const shm::UniqueFd handoff_;
  const std::string address_;
  const pid_t creator_ = ::getpid();
};

// What a connection that stands has for a trunk: it ends when the transport breaks.
class DialTrunk final : public Trunk {
 public:
  explicit DialTrunk(std::unique_ptr<Transport> transport)
      : transport_(std::move(transport)), all_ready_(transport_->poll_fds()) {
    for (pollfd& entry : all_ready_) entry.revents = POLLIN;
  }

  const std::vector<pollfd>& poll_fds() const override { return transport_->poll_fds(); }
  bool readable() override { return !transport_->prepare_to_sleep(); }

  bool receive(TrunkEvent& event) override {
    transport_->awake(all_ready_);
    for (;;) {
      std::string_view frame;
      const Arrival arrival = gone_ ? Arrival::nothing : transport_->receive(frame);
      switch (arrival) {
        case Arrival::frame:
          event.frame = frame;
          event.kind = TrunkEvent::Kind::frame;
          event.route.clear();
          return true;
        case Arrival::nothing:
          // After the last frame, which may have come just before the break was told.
          if (!std::exchange(broken_, false)) return false;
          gone_ = true;
          event.kind = TrunkEvent::Kind::gone;
          event.route.clear();
          return true;
        case Arrival::disconnected:
        case Arrival::refused: broken_ = true; break;
        case Arrival::connected: break;
      }
    }
  }

  bool send(const std::string&, std::string_view frame) override {
    return !broken_ && !gone_ && transport_->send(frame);
  }

 private:
  const std::unique_ptr<Transport> transport_;
  std::vector<pollfd> all_ready_;  // the relay does not say which of them are
  bool broken_ = false;
  bool gone_ = false;
};

// Says hello until somebody has welcomed us.
void greet(Transport& transport, const std::string& where, core::Deadline deadline) {
  const std::string hello = encode_frame({FrameKind::hello, {}, 0});
  std::string refusal;
  core::Deadline again;
  std::string_view bytes;
  std::vector<pollfd> fds = transport.poll_fds();
  for (;;) {
    switch (transport.receive(bytes)) {
      case Arrival::connected: transport.send(hello); break;
      case Arrival::disconnected: again = std::nullopt; break;
      case Arrival::refused:
        throw AuthenticationError("the Listener at " + where + " refused the connection: " +
                                  transport.refusal());
      case Arrival::frame: {
        const auto frame = decode_frame(bytes);
        if (frame && frame->kind == FrameKind::welcome) return;
        if (frame && frame->kind == FrameKind::refused) {
          refusal = ": " + std::string(frame->bytes);
          again = core::deadline_after(kAskAgain);
        }
        if (frame && frame->kind == FrameKind::end) {
          throw Disconnected("the Listener at " + where + " was closed");
        }
        break;
      }
      case Arrival::nothing:
        if (!transport.prepare_to_sleep()) break;
        if (has_passed(deadline)) {
          throw Disconnected("no Listener answers at " + where + " in time" + refusal);
        }
        shm::poll_until(fds, earliest(deadline, again));
        transport.awake(fds);
        if (has_passed(again)) {
          again = std::nullopt;
          transport.send(hello);
        }
        break;
    }
  }
}

}  // namespace

std::unique_ptr<Entrance> listen_remote(const core::TcpAddress& address,
                                        const ListenerOptions& options) {
  core::check_entrance("a Listener", address, options.key);
  const std::optional<core::KeyPairs> keys = pairs_of(options.key);
  State& state = State::current();
  RouterTrunk router =
      state.at_rest_in_forks([&] { return listen_zmq(address, keys); });
  HeldEnds::Pair handoff = state.held_ends().seqpacket_pair();
  state.start(Relay::of_listener(state.held_ends(), std::move(router.trunk),
                                 std::move(handoff.relay), options.backlog));
  return std::make_unique<RemoteEntrance>(handoff.user.release(), router.address.text());
}

shm::UniqueFd connect_remote(const core::TcpAddress& address, const ConnectOptions& options) {
  if (address.port == 0) throw BadCall(address.text() + " names no port to connect to");
  const core::Deadline deadline = core::deadline_after(options.timeout);
  const Goal goal{address.text(), pairs_of(options.key), true};
  State& state = State::current();
  std::unique_ptr<Transport> transport = state.dial(goal);
  greet(*transport, address.text(), deadline);
  HeldEnds::Pair pair = state.held_ends().stream_pair();
  state.start(Relay::of_connection(state.held_ends(),
                                   std::make_unique<DialTrunk>(std::move(transport)),
                                   std::move(pair.relay)));
  return pair.user.release();
}

}  // namespace steward::client
