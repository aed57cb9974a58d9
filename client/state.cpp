#include <steward/client/state.hpp>

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <steward/client/home_process.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>

namespace steward::client {

State::State(State* parent) : parent_(parent) {
  if (parent != nullptr) last_thread_ = parent->last_thread_.load();
}

std::atomic<State*>& State::slot() {
  static std::atomic<State*> current = first();
  return current;
}

State* State::first() {
  ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  return new State(nullptr);
}

State& State::current() { return *slot().load(std::memory_order_acquire); }

core::ThreadNumber Session::thread_number() {
  thread_local const core::ThreadNumber number = State::current().next_thread_number();
  return number;
}

// --- fork: everything of ours is at rest meanwhile. No lock here is ever held for long.

void State::before_fork() {
  State& state = current();
  state.mutex_.lock();
  for (LiveSession* session : state.enrolled_) session->mutex_.lock();
}

void State::after_fork_in_parent() {
  State& state = current();
  for (LiveSession* session : state.enrolled_) session->mutex_.unlock();
  state.mutex_.unlock();
}

void State::after_fork_in_child() {
  ++forks_so_far;
  State& state = current();
  for (LiveSession* session : state.enrolled_) {
    state.abandoned_.push_back(session->abandon());
    session->mutex_.unlock();
  }
  slot().store(new State(&state), std::memory_order_release);
  state.mutex_.unlock();
}

void HomeProcess::refuse(std::string_view what) {
  throw BadCall(std::string(what) + ": it belongs to the process of which this one is a fork");
}

void State::enroll(LiveSession& session) {
  const std::lock_guard lock(mutex_);
  enrolled_.push_back(&session);
}

void State::strike(LiveSession& session) {
  const std::lock_guard lock(mutex_);
  std::erase(enrolled_, &session);
}

// --- sessions

State::LiveSessionPtr State::connect(const std::string& address,
                                     const std::function<LiveSessionPtr()>& dial) {
  std::shared_ptr<Attempt> attempt;
  {
    std::unique_lock lock(mutex_);
    if (const auto known = by_address_.find(address); known != by_address_.end()) {
      if (known->second->usable()) return known->second;
    }
    if (const auto other = attempts_.find(address); other != attempts_.end()) {
      attempt = other->second;
      attempt_over_.wait(lock, [&] { return attempt->over; });
      if (attempt->failure) std::rethrow_exception(attempt->failure);
      return attempt->session;
    }
    attempt = attempts_.emplace(address, std::make_shared<Attempt>()).first->second;
  }
  LiveSessionPtr session;
  std::exception_ptr failure;
  try {
    session = settle(address, dial());
  } catch (...) {
    failure = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    attempt->session = session;
    attempt->failure = failure;
    attempt->over = true;
    attempts_.erase(address);
    attempt_over_.notify_all();
  }
  if (failure) std::rethrow_exception(failure);
  return session;
}

// One session a manager: if it was found under another address meanwhile, that one stays.
State::LiveSessionPtr State::settle(const std::string& address, LiveSessionPtr made) {
  std::vector<LiveSessionPtr> superseded;  // let go after the lock
  LiveSessionPtr kept = made;
  {
    const std::lock_guard lock(mutex_);
    LiveSessionPtr& known = by_incarnation_[made->incarnation()];
    if (known != nullptr && known->usable()) {
      kept = known;
    } else {
      superseded.push_back(std::exchange(known, made));
    }
    superseded.push_back(std::exchange(by_address_[address], kept));
    register_exit_handler();
  }
  if (kept != made) made->end(core::Duration::zero());
  return kept;
}

void State::introduce(LiveSessionPtr session) {
  const core::Incarnation incarnation = session->incarnation();
  LiveSessionPtr superseded;  // let go after the lock
  const std::lock_guard lock(mutex_);
  superseded = std::exchange(by_incarnation_[incarnation], std::move(session));
  register_exit_handler();
}

State::LiveSessionPtr State::find(const core::Incarnation& incarnation) {
  const std::lock_guard lock(mutex_);
  const auto known = by_incarnation_.find(incarnation);
  return known != by_incarnation_.end() && known->second->usable() ? known->second : nullptr;
}

void State::forget(const LiveSession& session) {
  std::vector<LiveSessionPtr> forgotten;  // let go after the lock
  const std::lock_guard lock(mutex_);
  const auto take = [&](auto& entry) {
    if (entry.second.get() != &session) return false;
    forgotten.push_back(std::move(entry.second));
    return true;
  };
  std::erase_if(by_address_, take);
  std::erase_if(by_incarnation_, take);
}

bool State::forget_unused(const SessionPtr& session) {
  std::vector<LiveSessionPtr> forgotten;  // let go after the lock
  const std::lock_guard lock(mutex_);
  long known = 1;  // the caller's
  const auto is_it = [&](const auto& entry) { return entry.second == session; };
  known += std::count_if(by_address_.begin(), by_address_.end(), is_it);
  known += std::count_if(by_incarnation_.begin(), by_incarnation_.end(), is_it);
  // New users come through the lock, or from one who would be counted here.
  if (session.use_count() > known) return false;
  const auto take = [&](auto& entry) {
    if (!is_it(entry)) return false;
    forgotten.push_back(std::move(entry.second));
    return true;
  };
  std::erase_if(by_address_, take);
  std::erase_if(by_incarnation_, take);
  return true;
}

// --- bindings

core::ReferencePtr State::bound(const core::ReferencePtr& copied) {
  const std::lock_guard lock(mutex_);
  const auto known = bindings_.find(copied.get());
  if (known == bindings_.end()) return nullptr;
  // The address alone may be that of an earlier reference.
  const auto& owner = known->second.copied;
  const bool same = !owner.owner_before(copied) && !copied.owner_before(owner);
  return same ? known->second.claimed : nullptr;
}

void State::bind(const core::ReferencePtr& copied, core::ReferencePtr claimed) {
  std::vector<core::ReferencePtr> gone;  // let go after the lock
  const std::lock_guard lock(mutex_);
  std::erase_if(bindings_, [&](auto& entry) {
    if (!entry.second.copied.expired()) return false;
    gone.push_back(std::move(entry.second.claimed));
    return true;
  });
  Binding& binding = bindings_[copied.get()];
  gone.push_back(std::move(binding.claimed));
  binding = {copied, std::move(claimed)};
}

void State::unbind(const core::Reference& copied) noexcept {
  core::ReferencePtr gone;  // let go after the lock
  const std::lock_guard lock(mutex_);
  const auto known = bindings_.find(&copied);
  if (known == bindings_.end()) return;
  gone = std::move(known->second.claimed);
  bindings_.erase(known);
}

// --- the end

// Under the lock. Registered late, so that it runs before the destructors of statics that were
// made before the first session.
void State::register_exit_handler() {
  if (std::exchange(exit_handler_, true)) return;
  std::atexit([] {
    State& state = current();
    state.end_all(std::chrono::seconds(1));
    state.at_exit_ = true;
  });
}

void State::end_all(core::Duration wait) {
  std::vector<LiveSessionPtr> sessions;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [incarnation, session] : by_incarnation_) sessions.push_back(session);
  }
  const core::Deadline deadline = core::deadline_after(wait);
  for (const LiveSessionPtr& session : sessions) session->say_goodbye();
  for (const LiveSessionPtr& session : sessions) session->await_goodbye(deadline);
}

}  // namespace steward::client
