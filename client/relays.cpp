#include <steward/client/relays.hpp>

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/core/signals_blocked.hpp>

namespace steward::client {

// Not std::thread: what that gives its function would be in sight of the thread alone, and lost in
// a forked child.
void Relays::start(std::unique_ptr<Relay> relay) {
  const std::lock_guard lock(mutex_);
  Run& started = running_.emplace_back(*this, std::move(relay));
  const core::SignalsBlocked blocked;
  pthread_t thread{};
  if (::pthread_create(&thread, nullptr, run, &started) != 0) {
    running_.pop_back();
    throw Overloaded("no thread is left for a connection over tcp");
  }
  ::pthread_detach(thread);
  started.named.wait();  // which it outlives: to end, it needs the lock
}

void* Relays::run(void* it) noexcept {
  Run& run = *static_cast<Run*>(it);
  ::pthread_setname_np(::pthread_self(), "steward-relay");
  run.named.count_down();
  try {
    run.relay->run();
  } catch (const std::exception&) {
    // No memory, or no descriptor: its connections end.
  }
  run.all.end(run);
  return nullptr;
}

void Relays::end(const Run& run) noexcept {
  std::list<Run> ended;  // after the lock: what a trunk has sent may take it a while
  const std::lock_guard lock(mutex_);
  const auto place = std::find_if(running_.begin(), running_.end(),
                                  [&run](const Run& one) { return &one == &run; });
  ended.splice(ended.end(), running_, place);
  one_ended_.notify_all();
}

void Relays::finish(core::Deadline deadline) {
  std::unique_lock lock(mutex_);
  for (const Run& run : running_) run.relay->leave();
  const auto all_ended = [&] { return running_.empty(); };
  if (deadline) {
    one_ended_.wait_until(lock, *deadline, all_ended);
  } else {
    one_ended_.wait(lock, all_ended);
  }
}

}  // namespace steward::client
