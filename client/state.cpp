#include <steward/client/state.hpp>

#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <steward/client/home_process.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::client {
namespace {

constexpr std::size_t kIdleSessions = 4;

}  // namespace

State::State(State* parent) : parent_(parent) {
  if (parent == nullptr) return;
  last_thread_ = parent->last_thread_.load();
  interrupt_check_ = parent->interrupt_check_.load();
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
  for (SessionDriver* session : state.enrolled_) session->mutex_.lock();
}

void State::after_fork_in_parent() {
  State& state = current();
  for (SessionDriver* session : state.enrolled_) session->mutex_.unlock();
  state.mutex_.unlock();
}

void State::after_fork_in_child() {
  ++forks_so_far;
  State& state = current();
  for (SessionDriver* session : state.enrolled_) {
    state.abandoned_.push_back(session->abandon());
    session->mutex_.unlock();
  }
  slot().store(new State(&state), std::memory_order_release);
  state.mutex_.unlock();
}

void HomeProcess::refuse(std::string_view what) {
  throw BadCall(std::string(what) + ": it belongs to the process of which this one is a fork");
}

void State::enroll(SessionDriver& session) {
  const std::lock_guard lock(mutex_);
  enrolled_.push_back(&session);
}

void State::strike(SessionDriver& session) {
  const std::lock_guard lock(mutex_);
  std::erase(enrolled_, &session);
}

// --- sessions

// Until it is over or the deadline has passed.
void State::await(std::unique_lock<std::mutex>& lock, const Attempt& attempt,
                  core::Deadline deadline) {
  while (!attempt.over && !has_passed(deadline)) {
    const bool asks = may_be_interrupted();
    const core::Deadline until = asks ? earliest(deadline, now() + kInterruptSlice) : deadline;
    if (until) {
      attempt_over_.wait_until(lock, *until);
    } else {
      attempt_over_.wait(lock);
    }
    if (!asks || attempt.over) continue;
    lock.unlock();
    heed_interrupt();
    lock.lock();
  }
}

// Null: `known` is the session. Else an attempt that the caller makes.
std::shared_ptr<State::Attempt> State::attempt(const std::string& address, core::Deadline deadline,
                                               SessionDriverPtr& known) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto found = by_address_.find(address);
    if (found != by_address_.end() && found->second->usable()) {
      known = found->second;
      return nullptr;
    }
    const auto under_way = attempts_.find(address);
    if (under_way == attempts_.end()) break;
    const std::shared_ptr<Attempt> other = under_way->second;
    await(lock, *other, deadline);
    if (!other->over) {
      throw Disconnected("no manager answers at " + address.substr(0, address.find('\n')) +
                         " in time");
    }
    const bool had_less_time = other->deadline && (!deadline || *other->deadline < *deadline);
    if (other->failure && !had_less_time && !other->interrupted) {
      std::rethrow_exception(other->failure);
    }
    if (!other->failure) {
      known = other->session;
      return nullptr;
    }
  }
  const auto made = std::make_shared<Attempt>();
  made->deadline = deadline;
  attempts_.emplace(address, made);
  return made;
}

State::SessionDriverPtr State::connect(const std::string& address, core::Deadline deadline,
                                       const std::function<SessionDriverPtr()>& dial) {
  SessionDriverPtr session;
  const std::shared_ptr<Attempt> mine = attempt(address, deadline, session);
  if (mine == nullptr) return session;
  std::exception_ptr failure;
  bool interrupted = false;
  try {
    session = settle(address, dial());
  } catch (const Interrupted&) {
    failure = std::current_exception();
    interrupted = true;
  } catch (...) {
    failure = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    mine->session = session;
    mine->failure = failure;
    mine->interrupted = interrupted;
    mine->over = true;
    attempts_.erase(address);
    attempt_over_.notify_all();
  }
  if (failure) std::rethrow_exception(failure);
  return session;
}

// One session a manager: if it was found under another address meanwhile, that one stays.
State::SessionDriverPtr State::settle(const std::string& address, SessionDriverPtr made) {
  std::vector<SessionDriverPtr> superseded;  // let go after the lock
  SessionDriverPtr kept = made;
  {
    const std::lock_guard lock(mutex_);
    SessionDriverPtr& known = by_incarnation_[made->incarnation()];
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

void State::introduce(SessionDriverPtr session) {
  const core::Incarnation incarnation = session->incarnation();
  SessionDriverPtr superseded;  // let go after the lock
  const std::lock_guard lock(mutex_);
  superseded = std::exchange(by_incarnation_[incarnation], std::move(session));
  register_exit_handler();
}

State::SessionDriverPtr State::find(const core::Incarnation& incarnation) {
  const std::lock_guard lock(mutex_);
  const auto known = by_incarnation_.find(incarnation);
  return known != by_incarnation_.end() && known->second->usable() ? known->second : nullptr;
}

void State::forget(const SessionDriver& session) noexcept {
  SessionDriverPtr forgotten;  // let go after the lock
  const std::lock_guard lock(mutex_);
  const auto take = [&](const SessionDriverPtr& entry) {
    if (entry.get() != &session) return false;
    forgotten = entry;
    return true;
  };
  const auto take_second = [&](const auto& entry) { return take(entry.second); };
  std::erase_if(by_address_, take_second);
  std::erase_if(by_incarnation_, take_second);
  std::erase_if(idle_, take);
}

bool State::forget_unused(const SessionPtr& session) {
  const std::lock_guard lock(mutex_);
  long known = 1;  // the caller's
  const auto is_it = [&](const SessionDriverPtr& entry) { return entry == session; };
  const auto has_it = [&](const auto& entry) { return is_it(entry.second); };
  known += std::count_if(by_address_.begin(), by_address_.end(), has_it);
  known += std::count_if(by_incarnation_.begin(), by_incarnation_.end(), has_it);
  known += std::count_if(idle_.begin(), idle_.end(), is_it);
  // New users come through the lock, or from one who would be counted here.
  if (session.use_count() > known) return false;
  std::erase_if(by_address_, has_it);
  std::erase_if(by_incarnation_, has_it);
  std::erase_if(idle_, is_it);
  return true;
}

void State::note_idle(const SessionDriverPtr& session) noexcept try {
  SessionPtr oldest;
  {
    const std::lock_guard lock(mutex_);
    const auto known = by_incarnation_.find(session->incarnation());
    if (at_exit() || known == by_incarnation_.end() || known->second != session) return;
    std::erase(idle_, session);
    idle_.push_back(session);
    if (idle_.size() <= kIdleSessions) return;
    oldest = std::move(idle_.front());
    idle_.pop_front();
  }
  if (!forget_unused(oldest)) return;
  // In order, or it would count as a death: but nobody waits for that here.
  run_in_background("steward-leave", [oldest] { oldest->end(std::chrono::seconds(1)); });
} catch (const std::exception&) {
  // No memory or no thread: it stays, or ends without an answer.
}

// --- claims

core::ReferencePtr State::claimed(const Claimable& reference) {
  const std::lock_guard lock(mutex_);
  return reference.claimed_;
}

core::ReferencePtr State::note_claim(const Claimable& reference, core::ReferencePtr claimed) {
  const std::lock_guard lock(mutex_);
  if (reference.claimed_ == nullptr) reference.claimed_ = std::move(claimed);
  return reference.claimed_;
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
  std::vector<SessionDriverPtr> sessions;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [incarnation, session] : by_incarnation_) sessions.push_back(session);
  }
  const core::Deadline deadline = core::deadline_after(wait);
  for (const SessionDriverPtr& session : sessions) session->say_goodbye_at_exit();
  for (const SessionDriverPtr& session : sessions) session->await_goodbye(deadline);
}

}  // namespace steward::detail::client
