// What the leader does for all: arrivals, descriptors, dialling, the end.
#include <steward/client/session/driver.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <steward/client/client_reference.hpp>
#include <steward/client/state.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/core/limits.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::client {
namespace {

// Two renewals may be lost before the lease is.
constexpr int kRenewalsPerLease = 3;
// What the renewal may take in when nobody else of the program waits at the connection, and while
// the connection is being repaired.
constexpr std::chrono::milliseconds kGlance{1};
constexpr std::chrono::milliseconds kRepair{100};
// So much is taken in at once: a manager that speaks without end stops no deadline. (A frame that
// is larger is taken in all the same.)
constexpr std::size_t kRoundArrivals = 256;
constexpr std::size_t kRoundBytes = 1U << 20U;

std::string describe_manager(const Welcome& welcome) {
  std::string text = "the manager";
  if (!welcome.addresses.empty()) {
    const std::string& address = welcome.addresses.front();
    text += " at " + address.substr(0, address.rfind("?boot="));
  }
  if (welcome.pid != 0) text += " (pid " + std::to_string(welcome.pid) + ")";
  return text;
}

SessionCore::Setup setup_of(const Welcome& welcome, bool begins_anew, const Terms& terms) {
  // More than a century is for ever.
  const bool for_ever = !core::deadline_after(terms.timeout);
  return {describe_manager(welcome),
          welcome.ticket,
          welcome.incarnation,
          for_ever ? core::Duration::max() : core::Duration(terms.timeout),
          begins_anew,
          [] { return core::random_bytes(core::kChallengeBytes); }};
}

// Whether the manager has closed this socket. So does one that says anything there, since nobody of
// this session has asked: there may be no end to it.
bool hung_up(int socket) {
  char letter = 0;
  return ::recv(socket, &letter, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
         (errno != EAGAIN && errno != EINTR);
}

}  // namespace

SessionDriver::SessionDriver(Connection connection, Dial dial, TermsPtr terms)
    : dial_(std::move(dial)),
      terms_(std::move(terms)),
      proof_(std::move(connection.proof)),
      addresses_(connection.welcome.addresses),
      incarnation_(connection.welcome.incarnation),
      pid_(connection.welcome.pid),
      core_(setup_of(connection.welcome, dial_ != nullptr, *terms_)),
      transport_(std::move(connection.transport)),
      control_(std::move(connection.welcome.control)),
      process_(std::move(connection.welcome.server)) {
  watch();
}

std::shared_ptr<SessionDriver> SessionDriver::make(Connection connection, Dial dial,
                                                   TermsPtr terms) {
  auto made =
      std::make_shared<SessionDriver>(std::move(connection), std::move(dial), std::move(terms));
  ClientState::current().enroll(*made);
  return made;
}

TermsPtr SessionDriver::terms() const {
  const std::vector<Terms::Allow> also = also_allow();
  return also.empty() ? terms_ : terms_->with(also);
}

std::vector<Terms::Allow> SessionDriver::also_allow() const {
  if (inherited()) return also_.alive();  // nobody changes it, or could let go of the mutex
  const Lock lock(mutex_);
  return also_.alive();
}

void SessionDriver::also_on(const Terms& terms) {
  const Lock lock(mutex_);
  for (const Terms::Allow& allow : terms.allow) {
    if (std::ranges::find(terms_->allow, allow) == terms_->allow.end()) also_.add(allow);
  }
}

SessionDriver::~SessionDriver() {
  ClientState::current().strike(*this);
  if (inherited()) return;  // what it had is the parent's
  if (renewal_) renewal_->stop();
  if (ClientState::current().at_exit()) {
    // Other statics, and ZeroMQ's own, may be gone.
    static_cast<void>(transport_.release());
    return;
  }
  try {
    core_.leave();
    pump();
  } catch (const std::exception&) {
    // Then it ends without a word.
  }
}

SessionDriver::Use::~Use() {
  if (driver_.forgotten_ || !driver_.core_.link().closed()) return;
  driver_.drop_connection();
  if (driver_.leadership_.asleep()) return;  // the leader comes here, too
  driver_.forgotten_ = true;
  lock.unlock();
  ClientState::current().forget(driver_);
}

void SessionDriver::establish(core::Deadline deadline) {
  guarded([&] { await_welcome(deadline); });
}

void SessionDriver::await_welcome(core::Deadline deadline) {
  Use use(*this);
  Waiter waiter;
  const struct Establishing {
    Establishing(Waiter*& slot, Waiter& waiter) : slot(slot) { slot = &waiter; }
    ~Establishing() { slot = nullptr; }
    Waiter*& slot;
  } establishing(establishing_, waiter);
  const bool welcomed = leadership_.wait(use.lock, waiter, deadline);
  if (core_.was_refused()) throw AuthenticationError(core_.closed_because());
  if (core_.link().closed()) throw Disconnected(core_.closed_because());
  if (!welcomed) throw Disconnected(core_.where() + " did not answer in time");
  if (incarnation_ == core::Incarnation{}) learn_addresses();
  incarnation_ = core_.link().incarnation();
  keep_alive();
}

// What handles of this manager carry: its own socket, for those on its host, the address that has
// led us to it, and what else it knows. One that has proved nothing is where it was dialled, and no
// more: else it would choose what is dialled by those who get its handles, this user's own manager
// perhaps. So a handle that names no socket is known to be no better than that.
void SessionDriver::learn_addresses() {
  if (proof_.kind == Proof::Kind::address) return;
  const std::vector<std::string>& told = core_.told_addresses();
  const std::vector<std::string> ours = std::exchange(addresses_, {});
  const auto take = [&](const std::string& address) {
    const bool known = std::ranges::find(addresses_, address) != addresses_.end();
    if (!known && addresses_.size() < core::kAddressesInToken) addresses_.push_back(address);
  };
  for (const std::string& address : told) {
    if (address.starts_with("ipc:")) take(address);
  }
  for (const std::string& address : ours) take(address);
  for (const std::string& address : told) take(address);
}

// --- the leader

bool SessionDriver::handle(const Waiter& waiter) {
  install();
  if (!watched_) watch();
  const bool all = take_in(&waiter);
  tick();
  act();
  return all;
}

bool SessionDriver::take_in(const Waiter* waiter) {
  std::string_view frame;
  std::size_t bytes = 0;
  for (std::size_t count = 0;; ++count) {
    if (!transport_ || core_.link().lost() || core_.link().closed()) return true;
    if (unfinished_) repeat_unfinished();
    if (waiter != nullptr && waiter->finished()) return true;
    if (count == kRoundArrivals || bytes > kRoundBytes) return false;
    frame = {};
    const Arrival arrival = transport_->receive(frame);
    if (arrival == Arrival::nothing) return true;
    arrived(arrival, frame);
    bytes += frame.size();
  }
}

void SessionDriver::arrived(Arrival arrival, std::string_view frame) {
  unfinished_ = arrival;
  switch (arrival) {
    case Arrival::nothing: break;
    case Arrival::frame: core_.frame(frame, now()); break;
    case Arrival::connected: core_.connected(now()); break;
    case Arrival::disconnected: core_.connection_lost(now()); break;
    case Arrival::refused: core_.refused(transport_->refusal()); break;
  }
  unfinished_.reset();
}

// Nobody will say it again. A frame is not there any more: as if the connection had broken behind
// it, so that the manager says again what counts.
void SessionDriver::repeat_unfinished() {
  if (unfinished_ == Arrival::frame) {
    core_.connection_lost(now());
    unfinished_ = Arrival::connected;
  }
  arrived(*unfinished_, {});
}

void SessionDriver::tick() {
  if (!has_passed(core_.next_deadline())) return;
  // A process that dies closes its sockets before its pidfd tells: see which it was.
  if (core_.link().ending() && process_ && shm::has_ended(process_.get())) {
    core_.process_ended(now());
  }
  core_.tick(now());
}

// What the core wants done.
void SessionDriver::act() {
  pump();
  if (core_.wants_session()) dial();
  if (core_.link().lost() || core_.link().closed()) drop_connection();
  const bool closed = core_.link().closed();
  if (closed) usable_.store(false, std::memory_order_relaxed);
  if (establishing_ != nullptr && (closed || core_.link().online())) {
    leadership_.finish(*establishing_);
  }
  if (goodbye_ != nullptr && (closed || is_answered())) leadership_.finish(*goodbye_);
}

// After an input by a thread that does not lead. What goes wrong is left to the leader, who tries
// the same again: nothing was lost. `due` is a deadline that the leader must not sleep past.
void SessionDriver::submit(core::Deadline due) noexcept {
  try {
    act();
  } catch (...) {
    leadership_.wake();
  }
  const core::Deadline until = leadership_.sleeps_until();
  if (leadership_.asleep() && due && (!until || *due < *until)) leadership_.wake();
}

void SessionDriver::pump() {
  if (!transport_) return;
  bool tried = false;
  while (const auto frame = core_.front()) {
    tried = true;
    if (!transport_->send(frame->head, frame->body)) break;
    core_.sent();
  }
  // A send, also one that was refused, may have swallowed what would have woken the leader.
  if (tried && leadership_.asleep() && !transport_->prepare_to_sleep()) leadership_.wake();
}

bool SessionDriver::prepare_to_sleep() {
  return !dialled_ && (!transport_ || transport_->prepare_to_sleep());
}

void SessionDriver::watch() {
  watched_ = false;
  std::vector<pollfd> entries;
  if (transport_) entries = transport_->poll_fds();
  if (control_) entries.push_back({control_.get(), POLLIN, 0});
  if (process_ && !core_.link().process_ended()) entries.push_back({process_.get(), POLLIN, 0});
  leadership_.watch(entries);
  watched_ = true;
}

void SessionDriver::awake(std::span<const pollfd> entries) {
  if (transport_) transport_->awake(entries);
  bool changed = false;
  for (const pollfd& entry : entries) {
    if (entry.revents == 0) continue;
    if (entry.fd == process_.get()) {
      changed = true;
      core_.process_ended(now());
    } else if (entry.fd == control_.get() && hung_up(entry.fd)) {
      changed = true;
      control_.reset();
      core_.hung_up(now());
    }
  }
  if (changed) watch();
}

bool SessionDriver::may_be_interrupted() const {
  return core::may_be_interrupted();
}

void SessionDriver::check_interrupt() {
  core::heed_interrupt_check("the wait for " + core_.where());
}

// --- connections

// Gives back what leads to the manager, unless somebody sleeps at it: then the leader does that.
void SessionDriver::drop_connection() noexcept {
  if (leadership_.asleep()) return leadership_.wake();
  transport_.reset();
  unfinished_.reset();
  control_.reset();
  if (core_.link().closed()) {
    if (renewal_) renewal_->stop();
    // Whether the process has ended may still be asked.
    process_ended_ = process_ended_ || (process_ && shm::has_ended(process_.get()));
    if (process_ended_) process_.reset();
  }
  try {
    watch();
  } catch (const std::bad_alloc&) {
    leadership_.watch({});
  }
}

// On a thread of its own: callers have deadlines of theirs.
void SessionDriver::dial() {
  if (dialling_ || dialled_) return;
  // If it ends for want of memory, whoever leads next dials again.
  struct Dialling {
    ~Dialling() {
      const SessionPtr session = dials_for.lock();
      if (session) static_cast<SessionDriver&>(*session).dialled_in_vain();
    }
    std::weak_ptr<Session> dials_for;
  };
  try {
    run_in_background("steward-dial", [weak = weak_from_this(), dial = dial_,
                                       deadline = core_.out_of_reach_at()] {
      Dialling dialling{weak};
      Dialled result;
      try {
        result.connection = dial(deadline);
      } catch (const NobodyThere& error) {
        result.failure = error.what();
        result.is_gone = true;
      } catch (const AuthenticationError& error) {  // somebody else is there now
        result.failure = error.what();
        result.is_gone = true;
      } catch (const std::exception& error) {
        result.failure = error.what();
      }
      const SessionPtr session = weak.lock();
      if (session) static_cast<SessionDriver&>(*session).dialled(std::move(result));
      dialling.dials_for.reset();
    });
    dialling_ = true;  // that thread has yet to wait for the mutex
  } catch (const Error& error) {
    core_.cannot_begin_anew(error.what(), false, now());
  }
}

void SessionDriver::dialled(Dialled result) {
  auto arrived = std::make_unique<Dialled>(std::move(result));
  Use use(*this);
  dialling_ = false;
  dialled_ = std::move(arrived);
  if (leadership_.asleep()) return leadership_.wake();
  try {
    install();
  } catch (const std::exception&) {
    return;  // no memory; whoever waits next meets the same
  }
  submit(core_.link_deadline());
}

void SessionDriver::dialled_in_vain() noexcept {
  const Use use(*this);
  dialling_ = false;
  leadership_.wake();
}

// While nobody sleeps at the old descriptors.
void SessionDriver::install() {
  const std::unique_ptr<Dialled> result = std::move(dialled_);
  if (result == nullptr || !core_.link().lost()) return;
  Connection& made = result->connection;
  if (made.transport == nullptr) {
    if (process_ && shm::has_ended(process_.get())) core_.process_ended(now());
    return core_.cannot_begin_anew(result->failure, result->is_gone, now());
  }
  core_.begin_anew(std::move(made.welcome.ticket), made.welcome.incarnation, now());
  if (core_.link().closed()) return;
  transport_ = std::move(made.transport);
  control_ = std::move(made.welcome.control);
  process_ = std::move(made.welcome.server);
  watch();
}

// --- a lease

// Of a remote session: that it is heard while the program is busy elsewhere.
void SessionDriver::keep_alive() {
  if (renewal_ || core_.lease() == core::Duration::zero()) return;
  renewal_ = std::make_shared<BackgroundStop>();
  run_in_background("steward-renewal", [weak = weak_from_this(), stop = renewal_] {
    core::Deadline next = now();
    while (next && stop->sleep_until(next)) {
      const SessionPtr session = weak.lock();
      if (session == nullptr) return;
      next = static_cast<SessionDriver&>(*session).renew();
    }
  });
}

// When nobody waits at the connection, nobody sees that it broke: so this thread leads for a
// moment, and longer while there is something to repair. Calls keep their own pace: it takes the
// lead from nobody, and is asleep nearly always.
core::Deadline SessionDriver::renew() {
  Use use(*this);
  const Link& link = core_.link();
  if (link.closed()) return std::nullopt;
  const bool leads = !leadership_.has_leader();
  try {
    core_.renew(now());
    submit(std::nullopt);
    Waiter nobody;
    if (leads) leadership_.wait(use.lock, nobody, now() + (link.online() ? kGlance : kRepair));
  } catch (const std::exception&) {
    // Whoever calls next meets the same, and is told.
  }
  if (link.closed()) return std::nullopt;
  if (link.online()) return now() + core_.lease() / kRenewalsPerLease;
  return now() + (leads ? core::Duration::zero() : kRepair);
}

// --- the end

void SessionDriver::say_goodbye() {
  Use use(*this);
  try {
    core_.leave();
  } catch (const std::bad_alloc&) {
    // Then it ends without a word.
  }
  submit(core_.link_deadline());
}

bool SessionDriver::is_answered() const {
  return core_.leaving() ? core_.goodbye_answered() : core_.end_is_known();
}

// Of a manager that was told of an end. It may be a destructor that waits, or exit().
void SessionDriver::await_answer(Use& use, core::Deadline deadline) noexcept {
  if (core_.link().closed() || goodbye_ != nullptr || is_answered()) return;
  Waiter waiter;
  goodbye_ = &waiter;
  try {
    const core::Uninterrupted uninterrupted;
    leadership_.wait(use.lock, waiter, deadline);
  } catch (const std::exception&) {
    // It ends without an answer.
  }
  goodbye_ = nullptr;
}

void SessionDriver::announce_end() noexcept {
  Use use(*this);
  try {
    core_.announce_end();
    if (renewal_) renewal_->wake();  // the lease is shorter from now on
  } catch (const std::exception&) {
    // Then its end counts as a death.
  }
  submit(core_.link_deadline());
}

void SessionDriver::await_end_known(core::Deadline deadline) {
  Use use(*this);
  await_answer(use, deadline);
}

void SessionDriver::await_goodbye(core::Deadline deadline) {
  Use use(*this);
  await_answer(use, deadline);
  core_.close("this program has ended its session with " + core_.where(), false);
  submit(std::nullopt);
}

void SessionDriver::end(core::Duration wait) {
  if (inherited()) return;
  say_goodbye();
  await_goodbye(core::deadline_after(wait));
  ClientState::current().forget(*this);
}

bool SessionDriver::manager_has_ended() const {
  const Lock lock(mutex_);
  return process_ended_ || (process_ && shm::has_ended(process_.get()));
}

// In a forked child, under the mutex: the parent goes on with all this. Descriptors of our own may
// be closed; a socket of ZeroMQ must not even be looked at.
SessionDriver::Abandoned SessionDriver::abandon() {
  inherited_.store(true, std::memory_order_relaxed);
  usable_.store(false, std::memory_order_relaxed);
  control_.reset();
  process_.reset();
  leadership_.abandon();
  forked_by_ = thread_number();
  core_.holds().lose([](core::ObjectId) { return true; });
  return {std::move(transport_), std::move(dialled_)};
}

// The session that stands for this one in a forked child.
SessionPtr SessionDriver::successor(core::Deadline deadline) const {
  return ClientState::current().successor_of(*this, deadline);
}

SessionPtr SessionDriver::in_this_process() {
  return inherited() ? successor() : shared_from_this();
}

}  // namespace steward::detail::client
