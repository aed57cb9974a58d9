#include <steward/client/ring.hpp>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <steward/client/address.hpp>
#include <steward/client/client_reference.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>

namespace steward::detail::client {
namespace {

// How long the pauses between questions for a ring that is not to be had for now grow.
constexpr std::chrono::seconds kRingAgainMax{64};

bool told_to_use_zmq() {
  const char* transport = std::getenv("STEWARD_TRANSPORT");
  return transport != nullptr && std::string_view(transport) == "zmq";
}

// nullopt: the manager is on another host, or cannot be reached by its control socket.
std::optional<IpcAddress> control_of(const Session& session) {
  if (session.server_pid() == 0) return std::nullopt;
  for (const std::string& text : session.addresses()) {
    if (auto address = parse_ipc(text)) return address;
  }
  return std::nullopt;
}

}  // namespace

ClientReference::Road ClientReference::find_ring(core::Deadline deadline) const {
  if (told_to_use_zmq()) return Road::general;
  const auto address = control_of(*session_);
  if (!address) return Road::general;
  const core::Deadline patience = core::deadline_after(session_->terms()->timeout);
  const bool callers = deadline && (!patience || *deadline < *patience);
  try {
    shm::UniqueFd memory = request_ring(*address, token_.object, callers ? deadline : patience);
    if (!memory) return Road::general;
    ring_ = shm::SharedQueue::open(std::move(memory));
    return Road::ring;
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {
    // No descriptor or memory is left, here or there, or the manager is slow: that may pass. Until
    // then the general road is there, and will say so if the queue or the manager is gone.
    if (!callers || !has_passed(deadline)) {
      ask_again_at_ = now() + ask_again_in_;
      ask_again_in_ = std::min(2 * ask_again_in_, core::Duration(kRingAgainMax));
    }
    return Road::unknown;
  }
}

shm::SharedQueue* ClientReference::ring(core::Deadline deadline) const {
  Road road = road_.load(std::memory_order_acquire);
  if (road == Road::unknown) {
    std::unique_lock lock(ring_mutex_, std::defer_lock);
    while (!lock) {
      const core::Deadline until = core::next_look(deadline);
      if (!until) {
        lock.lock();
      } else if (!lock.try_lock_until(*until)) {
        core::heed_interrupt_check("the question for a queue's memory");
        if (has_passed(deadline)) return nullptr;
      }
    }
    road = road_.load(std::memory_order_relaxed);
    if (road == Road::unknown && (!ask_again_at_ || has_passed(ask_again_at_))) {
      road = find_ring(deadline);
      road_.store(road, std::memory_order_release);
    }
  }
  return road == Road::ring ? ring_.get() : nullptr;
}

shm::SharedQueue* ring_of(const core::ReferencePtr& reference, core::Deadline deadline) {
  if (reference == nullptr) return nullptr;  // the call itself says what is wrong with that
  const ClientReference* own = ClientReference::from(*reference);
  if (own != nullptr && !own->session()->inherited()) return own->ring(deadline);
  session_of(reference, deadline);  // claims it for this process
  const Claimable* claimable = Claimable::from(*reference);
  return ring_of(State::current().claimed(*claimable), deadline);
}

}  // namespace steward::detail::client
