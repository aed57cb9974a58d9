#include <steward/client/ring.hpp>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include <steward/client/address.hpp>
#include <steward/client/client_reference.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>

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

// Without the mutex: the question waits, and what is asked meanwhile (an interrupt check) is the
// program's code, which may use this queue.
ClientReference::Answer ClientReference::ask_for_ring(core::Deadline deadline) const {
  if (told_to_use_zmq()) return {Route::manager, {}};
  const auto address = control_of(*session_);
  if (!address) return {Route::manager, {}};
  const core::Deadline patience = core::deadline_after(session_->terms()->timeout);
  const bool callers = deadline && (!patience || *deadline < *patience);
  try {
    shm::UniqueFd memory = request_ring(*address, token_.object, callers ? deadline : patience);
    if (!memory) return {Route::manager, {}};
    return {Route::ring, std::move(memory)};
  } catch (const Interrupted&) {
    throw;
  } catch (const Error&) {
    // No descriptor is left, here or there, or the manager is slow: that may pass. Until then the
    // calls go to the manager, which will say so if the queue or the manager is gone.
    return {Route::unknown, {}, !callers || !has_passed(deadline)};
  }
}

// `asked_at`: what ask_again_at_ was when the question was asked. Of the answers that several
// threads got, the first one counts: also in how long it is to be before the next one.
void ClientReference::take_answer(Answer answer, core::Deadline asked_at) const {
  const std::lock_guard lock(ring_mutex_);
  if (route_.load(std::memory_order_relaxed) != Route::unknown) return;
  if (answer.route == Route::ring) {
    try {
      ring_ = shm::SharedQueue::open(std::move(answer.memory));
    } catch (const Error&) {  // there is no memory for it: that may pass
      answer = {Route::unknown, {}, true};
    }
  }
  if (answer.is_for_a_while && ask_again_at_ == asked_at) {
    ask_again_at_ = now() + ask_again_in_;
    ask_again_in_ = std::min(2 * ask_again_in_, core::Duration(kRingAgainMax));
  }
  route_.store(answer.route, std::memory_order_release);
}

core::Deadline ClientReference::time_to_ask() const {
  const std::lock_guard lock(ring_mutex_);
  return ask_again_at_;
}

shm::SharedQueue* ClientReference::ring(core::Deadline deadline) const {
  if (route_.load(std::memory_order_acquire) == Route::unknown) {
    const core::Deadline ask_at = time_to_ask();
    if (!ask_at || has_passed(ask_at)) take_answer(ask_for_ring(deadline), ask_at);
  }
  return route_.load(std::memory_order_acquire) == Route::ring ? ring_.get() : nullptr;
}

shm::SharedQueue* ring_of(const core::ReferencePtr& reference, core::Deadline deadline) {
  if (reference == nullptr) return nullptr;  // the call itself says what is wrong with that
  const ClientReference* own = ClientReference::from(*reference);
  if (own != nullptr && !own->session()->inherited()) return own->ring(deadline);
  session_of(reference, deadline);  // claims it for this process
  const Claimable* claimable = Claimable::from(*reference);
  return ring_of(ClientState::current().claimed(*claimable), deadline);
}

}  // namespace steward::detail::client
