#include <steward/tests/simulation/network.hpp>

#include <algorithm>
#include <utility>

#include <steward/core/wire.hpp>

namespace steward::detail::simulation {

using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

// One that arrives behind the hello of the next connection would take the session back to the old
// one: the protocol does not tell which is the newer. Such late ones are left out here.
bool is_hello(const std::string& frame) {
  return core::open_envelope(frame).kind == core::Envelope::hello;
}

}  // namespace

core::Duration Network::delay() {
  if (!calm_ && random_.one_in(12)) return milliseconds(1 + random_.below(60));
  return microseconds(50 + random_.below(calm_ ? 500 : 3000));
}

core::Time Network::arrival(core::Time& last) {
  last = std::max(last, schedule_.now() + delay());
  return last;
}

void Network::connect(Endpoint& client, server::Peer peer) {
  const std::string route = "r" + std::to_string(wires_.size() + 1);
  Wire& wire = *wires_.emplace(route, std::make_unique<Wire>()).first->second;
  wire.route = route;
  wire.client = &client;
  wire.peer = peer;
  schedule_.after(delay(), [&wire] {
    if (wire.client != nullptr) wire.client->connected(wire.route);
  });
}

bool Network::to_server(const std::string& route, std::string frame) {
  Wire& wire = *wires_.at(route);
  if (!calm_ && random_.one_in(40)) return false;
  if (!wire.takes || !wire.to_server) return true;  // into the void
  ++under_way_;
  schedule_.at(arrival(wire.last_to_server), [this, &wire, frame = std::move(frame)] {
    --under_way_;
    if (!wire.to_server || (!wire.takes && is_hello(frame))) return;
    inbox_.push_back({wire.route, frame, wire.peer});
    arrived_();
  });
  return true;
}

void Network::leave(const std::string& route, bool passes) {
  if (route.empty()) return;
  Wire& wire = *wires_.at(route);
  wire.client = nullptr;
  wire.takes = wire.to_client = false;
  wire.to_server = wire.to_server && passes;
  schedule_.after(delay(), [&wire] { wire.gone = true; });
}

void Network::cut(const std::string& route, core::Duration unnoticed) {
  Wire& wire = *wires_.at(route);
  if (!wire.takes) return;
  // What is under way is lost, or late; what is said from now on is lost.
  wire.to_client = false;
  wire.takes = false;
  wire.to_server = wire.to_server && random_.one_in(2);
  const auto most = static_cast<unsigned>(unnoticed / microseconds(1)) + 1;
  schedule_.after(microseconds(random_.below(most)), [&wire] { wire.gone = true; });
  schedule_.after(microseconds(random_.below(most)), [&wire] {
    if (wire.client != nullptr) std::exchange(wire.client, nullptr)->connection_lost(wire.route);
  });
}

bool Network::receive(server::Arrival& arrival) {
  if (inbox_.empty()) return false;
  arrival = std::move(inbox_.front());
  inbox_.pop_front();
  return true;
}

bool Network::receive_of(const std::string& route, server::Arrival& arrival) {
  const auto found = std::ranges::find(inbox_, route, &server::Arrival::route);
  if (found == inbox_.end()) return false;
  arrival = std::move(*found);
  inbox_.erase(found);
  return true;
}

server::Sent Network::send(const std::string& route, std::string& frame) {
  Wire& wire = *wires_.at(route);
  if (wire.gone) return server::Sent::gone;
  if (!calm_ && wire.unread > 0 && random_.one_in(12)) return server::Sent::would_block;
  if (!wire.to_client) return server::Sent::sent;  // into the void
  ++under_way_;
  ++wire.unread;
  schedule_.at(arrival(wire.last_to_client), [this, &wire, frame = std::move(frame)] {
    --under_way_;
    --wire.unread;
    if (wire.to_client && wire.client != nullptr) wire.client->frame(wire.route, frame);
  });
  return server::Sent::sent;
}

}  // namespace steward::detail::simulation
