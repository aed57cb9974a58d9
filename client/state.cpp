#include <steward/client/state.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

#include <steward/client/exit.hpp>
#include <steward/client/home_process.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/shm/home_fd.hpp>

namespace steward::detail::client {
namespace {

constexpr std::size_t kIdleSessions = 4;
// Others wait behind it, whose leases are a minute.
constexpr std::chrono::seconds kClaimPatience{10};

// nullopt: the program has as many as there can be.
std::optional<pthread_key_t> make_key(void (*at_thread_end)(void*)) {
  pthread_key_t key;
  if (::pthread_key_create(&key, at_thread_end) != 0) return std::nullopt;
  return key;
}

}  // namespace

ClientState::ClientState(ClientState* parent)
    : parent_(parent),
      thread_end_(parent == nullptr ? make_key(thread_ended) : parent->thread_end_) {
  if (parent == nullptr) return;
  last_thread_ = parent->last_thread_.load();
  inherited_terms_ = parent->inherited_terms_;
  for (const SessionDriver* session : parent->enrolled_) {
    if (TermsPtr terms = session->terms(); !terms->allow.empty()) {
      inherited_terms_.push_back(std::move(terms));
    }
  }
}

std::atomic<ClientState*>& ClientState::slot() {
  static std::atomic<ClientState*> current = first();
  return current;
}

ClientState* ClientState::first() {
  shm::HomeFd::watch_forks();  // a queue may be opened or closed under a lock of ours
  ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  return new ClientState(nullptr);
}

ClientState& ClientState::current() { return *slot().load(std::memory_order_acquire); }

core::ThreadNumber Session::thread_number() {
  thread_local const core::ThreadNumber number = [] {
    ClientState& state = ClientState::current();
    state.watch_this_thread();
    return state.next_thread_number();
  }();
  return number;
}

// --- threads that end

void ClientState::watch_this_thread() noexcept {
  if (!thread_end_ || ::pthread_getspecific(*thread_end_) == this) return;
  // Without memory for it the thread's locks go with the process.
  ::pthread_setspecific(*thread_end_, this);
}

void ClientState::thread_ended(void* watched_by) noexcept try {
  ClientState& state = current();
  if (watched_by != &state) return;  // its holds are the parent's
  std::vector<SessionPtr> sessions;
  {
    const std::lock_guard lock(state.mutex_);
    for (SessionDriver* session : state.enrolled_) {
      if (SessionPtr shared = session->weak_from_this().lock()) {
        sessions.push_back(std::move(shared));
      }
    }
  }
  const core::ThreadNumber thread = Session::thread_number();
  for (const SessionPtr& session : sessions) {
    static_cast<SessionDriver&>(*session).thread_ended(thread);
  }
} catch (const std::bad_alloc&) {
  // Likewise.
}

// --- fork: everything of ours is at rest meanwhile. No lock here is ever held for long.

void ClientState::before_fork() {
  ClientState& state = current();
  state.mutex_.lock();
  for (SessionDriver* session : state.enrolled_) session->mutex_.lock();
}

void ClientState::after_fork_in_parent() {
  ClientState& state = current();
  for (SessionDriver* session : state.enrolled_) session->mutex_.unlock();
  state.mutex_.unlock();
}

void ClientState::after_fork_in_child() {
  ++forks_so_far;
  ClientState& state = current();
  for (SessionDriver* session : state.enrolled_) {
    state.abandoned_.push_back(session->abandon());
    session->mutex_.unlock();
  }
  slot().store(new ClientState(&state), std::memory_order_release);
  state.mutex_.unlock();
}

void HomeProcess::refuse(std::string_view what) {
  throw BadCall(std::string(what) + ": it belongs to the process of which this one is a fork");
}

void ClientState::enroll(SessionDriver& session) {
  const std::lock_guard lock(mutex_);
  enrolled_.push_back(&session);
}

void ClientState::strike(SessionDriver& session) {
  const std::lock_guard lock(mutex_);
  std::erase(enrolled_, &session);
}

// --- who uses a session

// Its uses were counted under the lock, together with why it may be used.
ClientState::SessionDriverPtr ClientState::lent(SessionDriverPtr session) {
  if (session == nullptr) return nullptr;
  struct Return {
    void operator()(SessionDriver*) const noexcept { current().give_back(session); }
    SessionDriverPtr session;
  };
  SessionDriver* const raw = session.get();
  return SessionDriverPtr(raw, Return{std::move(session)});  // gives it back if it throws
}

void ClientState::give_back(const SessionDriverPtr& session) noexcept {
  {
    const std::lock_guard lock(mutex_);
    --session->uses_;
  }
  note_idle(session);
}

bool ClientState::forget_unused(const SessionDriver& session, std::size_t beside) {
  SessionDriverPtr forgotten;  // let go after the lock
  const std::lock_guard lock(mutex_);
  if (session.uses_ > beside || session.has_references()) return false;
  forgotten = take_out(session);
  return true;
}

void ClientState::note_idle(const SessionDriverPtr& session) noexcept try {
  if (session->inherited()) return;
  SessionDriverPtr oldest;
  {
    const std::lock_guard lock(mutex_);
    const SessionDriverPtr* entry = known(session->incarnation(), session->proof());
    if (at_exit() || entry == nullptr || *entry != session) return;
    if (session->uses_ > 0 || session->has_references()) return;
    std::erase(idle_, session);
    idle_.push_back(session);
    if (idle_.size() <= kIdleSessions) return;
    oldest = std::move(idle_.front());
    idle_.pop_front();
  }
  if (!forget_unused(*oldest, 0)) return;
  // In order, or it would count as a death: but nobody waits for that here.
  run_in_background("steward-leave", [oldest] { oldest->end(std::chrono::seconds(1)); });
} catch (const std::exception&) {
  // No memory or no thread: it stays, or ends without an answer.
}

// --- sessions

// Under the lock. Null: there is none.
ClientState::SessionDriverPtr* ClientState::known(const core::Incarnation& incarnation,
                                                  const Proof& proof) {
  const auto [first, last] = by_incarnation_.equal_range(incarnation);
  const auto found = std::find_if(
      first, last, [&](const auto& entry) { return entry.second->proof() == proof; });
  return found == last ? nullptr : &found->second;
}

// One session a manager and proof: if it was found under another address meanwhile, that one stays.
// Never is one taken for another that merely says to be with the same manager, nor one that is
// proved worse for one that is proved better, or the other way round: the caller has asked for this
// one.
ClientState::SessionDriverPtr ClientState::settle(const std::string& address,
                                                  SessionDriverPtr made) {
  std::vector<SessionDriverPtr> superseded;  // let go after the lock
  superseded.reserve(2);
  TermsPtr terms;  // likewise: with it may go what the program gave
  SessionDriverPtr kept = made;
  {
    const std::lock_guard lock(mutex_);
    SessionDriverPtr* same = known(made->incarnation(), made->proof());
    // One that was dialled elsewhere may be out of reach, where this one is not.
    const bool by_this_user = made->proof().kind == Proof::Kind::user;
    if (same != nullptr && (*same)->usable() && (by_this_user || (*same)->online())) {
      kept = *same;
    } else if (same != nullptr) {
      // Also where it was dialled elsewhere: there is one session a manager and proof.
      terms = (*same)->terms();
      made->also_on(*terms);
      for (auto& [other, session] : by_address_) {
        if (session == *same) session = made;
      }
      superseded.push_back(std::exchange(*same, made));
    } else {
      by_incarnation_.emplace(made->incarnation(), made);
    }
    superseded.push_back(std::exchange(by_address_[address], kept));
    register_exit_handler();
    ++kept->uses_;
  }
  if (kept != made) made->end(core::Duration::zero());
  if (at_exit()) kept->announce_end();
  return kept;
}

void ClientState::introduce(SessionDriverPtr session) {
  SessionDriverPtr superseded;  // let go after the lock
  const std::lock_guard lock(mutex_);
  if (SessionDriverPtr* same = known(session->incarnation(), session->proof())) {
    superseded = std::exchange(*same, std::move(session));
  } else {
    by_incarnation_.emplace(session->incarnation(), session);
  }
  register_exit_handler();
}

ClientState::SessionDriverPtr ClientState::find(const core::Incarnation& incarnation,
                                                const Proof& proof) {
  SessionDriverPtr found;
  {
    const std::lock_guard lock(mutex_);
    const SessionDriverPtr* entry = known(incarnation, proof);
    if (entry == nullptr || !(*entry)->usable()) return nullptr;
    found = *entry;
    ++found->uses_;
  }
  return lent(std::move(found));
}

ClientState::SessionDriverPtr ClientState::find_with_key(const core::Incarnation& incarnation) {
  SessionDriverPtr found;
  {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = by_incarnation_.equal_range(incarnation);
    for (auto entry = first; entry != last; ++entry) {
      const SessionDriverPtr& each = entry->second;
      if (each->proof().kind != Proof::Kind::key || !each->usable()) continue;
      if (found != nullptr) {
        throw AuthenticationError(
            "two managers that have different keys say to be the one of this handle: give the key");
      }
      found = each;
    }
    if (found == nullptr) return nullptr;
    ++found->uses_;
  }
  return lent(std::move(found));
}

bool ClientState::everybody_allows(const std::string& address) {
  std::vector<TermsPtr> all;
  {
    const std::lock_guard lock(mutex_);
    all = inherited_terms_;
    for (const SessionDriver* session : enrolled_) all.push_back(session->terms());
  }
  return std::ranges::all_of(all, [&](const TermsPtr& terms) { return terms->allows(address); });
}

void ClientState::forget(const SessionDriver& session) noexcept {
  SessionDriverPtr forgotten;  // let go after the lock
  const std::lock_guard lock(mutex_);
  forgotten = take_out(session);
}

// Under the lock. One pointer to it stays with the caller.
ClientState::SessionDriverPtr ClientState::take_out(const SessionDriver& session) noexcept {
  SessionDriverPtr taken;
  const auto take = [&](const SessionDriverPtr& entry) {
    if (entry.get() != &session) return false;
    taken = entry;
    return true;
  };
  const auto take_second = [&](const auto& entry) { return take(entry.second); };
  std::erase_if(by_address_, take_second);
  std::erase_if(by_incarnation_, take_second);
  std::erase_if(idle_, take);
  return taken;
}

// --- claims

void ClientState::claim_soon(core::ReferencePtr reference) noexcept try {
  const core::Incarnation manager = reference->token().incarnation;
  {
    const std::lock_guard lock(mutex_);
    const auto [queue, first] = to_claim_.try_emplace(manager);
    queue->second.push_back(std::move(reference));
    if (!first) return;
  }
  try {
    run_in_background("steward-claim", [this, manager] { claim_all(manager); });
  } catch (const std::exception&) {
    std::deque<core::ReferencePtr> left;  // let go after the lock
    const std::lock_guard lock(mutex_);
    left = std::move(to_claim_.extract(manager).mapped());
  }
} catch (const std::bad_alloc&) {
}

// What nobody refers to any more is claimed as well, and dropped: its lease is over then.
void ClientState::claim_all(const core::Incarnation& manager) {
  for (;;) {
    core::ReferencePtr next;
    {
      const std::lock_guard lock(mutex_);
      std::deque<core::ReferencePtr>& queue = to_claim_[manager];
      if (queue.empty() || at_exit()) return static_cast<void>(to_claim_.erase(manager));
      next = std::move(queue.front());
      queue.pop_front();
    }
    try {
      session_of(next, now() + kClaimPatience);
    } catch (const std::exception&) {
      // Whoever uses it tries again, and is told.
    }
  }
}

// --- the end

// Under the lock. Registered late, so that it runs before the destructors of statics that were
// made before the first session.
void ClientState::register_exit_handler() {
  notice_exit();
  if (std::exchange(exit_handler_, true)) return;
  std::atexit([] { current().announce_end(std::chrono::seconds(1)); });
}

void ClientState::announce_end(core::Duration wait) noexcept try {
  // Other threads go on, and whoever would be asked may be gone.
  core::set_interrupt_check(nullptr);
  std::vector<SessionDriverPtr> sessions;
  {
    const std::lock_guard lock(mutex_);
    // A forked child has its parent's handler beside its own.
    if (at_exit_.exchange(true)) return;
    // Also those in whose place another has come: they have their locks and leases.
    for (SessionDriver* session : enrolled_) {
      if (SessionPtr shared = session->weak_from_this().lock()) {
        sessions.push_back(std::static_pointer_cast<SessionDriver>(std::move(shared)));
      }
    }
  }
  const core::Deadline deadline = core::deadline_after(wait);
  for (const SessionDriverPtr& session : sessions) session->announce_end();
  for (const SessionDriverPtr& session : sessions) session->await_end_known(deadline);
} catch (const std::bad_alloc&) {
  // Then its end counts as a death.
}

void ClientState::end_all(core::Duration wait) {
  std::vector<SessionDriverPtr> sessions;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [incarnation, session] : by_incarnation_) sessions.push_back(session);
  }
  const core::Deadline deadline = core::deadline_after(wait);
  for (const SessionDriverPtr& session : sessions) session->say_goodbye();
  for (const SessionDriverPtr& session : sessions) session->await_goodbye(deadline);
}

}  // namespace steward::detail::client
