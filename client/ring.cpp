#include <steward/client/ring.hpp>

#include <cstdlib>
#include <optional>
#include <string_view>

#include <steward/client/address.hpp>
#include <steward/client/client_reference.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/core/errors.hpp>

namespace steward::client {
namespace {

bool told_to_use_zmq() {
  const char* transport = std::getenv("STEWARD_TRANSPORT");
  return transport != nullptr && std::string_view(transport) == "zmq";
}

// nullopt: the manager is on another host, or cannot be reached by its side door.
std::optional<IpcAddress> door_of(const Session& session) {
  if (session.server_pid() == 0) return std::nullopt;
  for (const std::string& text : session.addresses()) {
    auto address = parse_ipc(text);
    if (address && is_local(*address)) return address;
  }
  return std::nullopt;
}

}  // namespace

std::unique_ptr<shm::SharedQueue> ClientReference::find_ring() const {
  if (told_to_use_zmq()) return nullptr;
  const auto address = door_of(*session_);
  if (!address) return nullptr;
  try {
    const core::Deadline deadline = core::deadline_after(session_->options().timeout);
    return shm::SharedQueue::open(request_ring(*address, token_.object, deadline));
  } catch (const Error&) {
    // Whatever it is: the general road is there, and will say so if the queue or the manager is
    // gone.
    return nullptr;
  }
}

shm::SharedQueue* ClientReference::ring() const {
  Road road = road_.load(std::memory_order_acquire);
  if (road == Road::unknown) {
    const std::lock_guard lock(ring_mutex_);
    road = road_.load(std::memory_order_relaxed);
    if (road == Road::unknown) {
      ring_ = find_ring();
      road = ring_ ? Road::ring : Road::general;
      road_.store(road, std::memory_order_release);
    }
  }
  return road == Road::ring ? ring_.get() : nullptr;
}

void ClientReference::abandon_ring() const {
  // Its mapping is not here, and its locks are the parent's.
  if (shm::SharedQueue* ring = ring_.release()) ring->abandon();
}

shm::SharedQueue* ring_of(const core::ReferencePtr& reference) {
  if (reference == nullptr) return nullptr;  // the call itself says what is wrong with that
  const ClientReference* own = ClientReference::from(*reference);
  if (own != nullptr && !own->session()->inherited()) return own->ring();
  session_of(reference);  // claims it for this process
  const core::ReferencePtr claimed = State::current().bound(reference);
  own = claimed ? ClientReference::from(*claimed) : nullptr;
  return own != nullptr ? own->ring() : nullptr;
}

}  // namespace steward::client
