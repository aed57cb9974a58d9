// What callers see of a session: calls, references, holds.
#include <poll.h>

#include <algorithm>
#include <new>
#include <typeinfo>
#include <utility>
#include <vector>

#include <steward/client/client_reference.hpp>
#include <steward/client/grants.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/session/driver.hpp>
#include <steward/client/state.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>
#include <steward/shm/pidfd.hpp>

namespace steward::detail::client {
namespace {

constexpr std::size_t kLargeBytes = 16U << 10U;

}  // namespace

// A call for which this thread waits; on its stack. A stop ends it from any thread.
class SessionDriver::BlockingCall final : public Completion, public Waiter {
 public:
  explicit BlockingCall(SessionDriver& driver) : driver_(driver) {}

  void done(Outcome told) noexcept override {
    outcome = std::move(told);
    driver_.finish(*this);
  }

  void stop() noexcept {
    const Use use(driver_);
    stopped = true;
    if (!finished()) driver_.end_call(*this);
    driver_.finish(*this);
  }
  struct Stop {
    void operator()() const noexcept { call.stop(); }
    BlockingCall& call;
  };

  // Its end was told, or it has none: also if waiting for it throws.
  struct Ends {
    ~Ends() {
      if (!call.finished()) call.driver_.end_call(call);
    }
    BlockingCall& call;
  };

  // What nobody takes from here goes back.
  ~BlockingCall() {
    if (outcome.unsettled) driver_.settle(*outcome.unsettled, false);
  }
  Receipt receipt() {
    if (!outcome.unsettled) return {};
    return {driver_.shared_from_this(), *std::exchange(outcome.unsettled, std::nullopt)};
  }

  Outcome outcome{Outcome::End::given_up, {}, {}};
  bool stopped = false;

 private:
  SessionDriver& driver_;
};

CallRequest SessionDriver::request(core::ObjectId object, std::string_view method,
                                   std::string_view args, const CallOptions& options) const {
  CallRequest request;
  request.object = object;
  request.method = method;
  request.args = args;
  request.thread = thread_number();
  request.effect = options.effect;
  request.deadline = options.deadline;
  request.confirm = options.confirm;
  request.settled_later = options.receipt != nullptr;
  request.parks = options.parks;
  request.aside = options.aside;
  // Large ones are copied before the mutex is taken.
  if (args.size() > kLargeBytes) request.compose(now());
  return request;
}

std::optional<Result> SessionDriver::call(core::ObjectId object, std::string_view method,
                                          std::string_view args, const CallOptions& options) {
  if (inherited()) return successor(options.deadline)->call(object, method, args, options);
  const CallLabel label{options.object_type, object, method};
  BlockingCall waiting(*this);
  bool interrupted = false;
  try {
    guarded([&] { run(waiting, label, args, options); });
  } catch (const Interrupted&) {
    interrupted = true;
  } catch (const Error& error) {
    // What its end was, it was told before; else it cannot be waited for any more.
    const bool sent = waiting.outcome.end == Outcome::End::given_up;
    if (!waiting.finished() || waiting.outcome.end == Outcome::End::not_done) throw;
    if (sent && options.effect == Effect::read) throw;
    if (sent) {
      throw OutcomeUnknown(label.text() + error.what() + "; the call may have taken effect");
    }
  }
  const bool cut_off = waiting.outcome.end == Outcome::End::not_done ||
                       waiting.outcome.end == Outcome::End::given_up;
  if ((interrupted || waiting.stopped) && cut_off) throw Interrupted(label.text() + "interrupted");
  if (options.receipt != nullptr) *options.receipt = waiting.receipt();
  return guarded([&] { return result(std::move(waiting.outcome), options.effect, label); });
}

// Starts it, and waits until its end was told.
void SessionDriver::run(BlockingCall& waiting, const CallLabel& label, std::string_view args,
                        const CallOptions& options) {
  std::optional<std::stop_callback<BlockingCall::Stop>> stop;
  if (options.stop.stop_possible()) stop.emplace(options.stop, BlockingCall::Stop{waiting});
  CallRequest asked = request(label.object, label.method, args, options);
  Use use(*this);
  if (waiting.stopped) throw Interrupted("interrupted");
  core_.start(std::move(asked), label, waiting, now());
  const BlockingCall::Ends ends{waiting};
  await_end(use, waiting);
}

void SessionDriver::await_end(Use& use, BlockingCall& waiting) {
  submit(core_.link_deadline());
  while (!leadership_.wait(use.lock, waiting, Calls::deadline_of(waiting))) {
    tick();
    submit(core_.link_deadline());
  }
}

bool SessionDriver::online() const {
  const Lock lock(mutex_);
  return core_.link().online();
}

bool SessionDriver::has_references() const {
  const Lock lock(mutex_);
  return !core_.references().empty();
}

// Any answer will do, also that there is no such method.
bool SessionDriver::finds_manager(core::Deadline deadline) {
  BlockingCall waiting(*this);
  bool ended = false;
  guarded([&] {
    CallRequest asked;
    asked.object = core::kManagerObject;
    asked.method = "number_of_objects";
    asked.args = core::kNoArguments;
    asked.thread = kNobody;
    asked.aside = true;
    asked.effect = Effect::read;
    asked.deadline = deadline;
    Use use(*this);
    ended = process_ && shm::has_ended(process_.get());
    pollfd hang_up{control_.get(), POLLIN, 0};
    if (ended || (control_ && ::poll(&hang_up, 1, 0) == 0)) return;
    core_.start(std::move(asked), {{}, core::kManagerObject, "number_of_objects"}, waiting, now());
    const BlockingCall::Ends ends{waiting};
    await_end(use, waiting);
  });
  if (ended || !waiting.finished()) return !ended;
  switch (waiting.outcome.end) {
    case Outcome::End::replied: return true;
    case Outcome::End::disconnected:
      if (!usable()) return false;
      throw Disconnected(waiting.outcome.payload);
    default: throw Disconnected(core_.where() + " did not answer in time");
  }
}

std::optional<Result> Session::result(Outcome outcome, Effect effect, const CallLabel& label) {
  const bool hands_back = effect == Effect::take || effect == Effect::offer;
  switch (outcome.end) {
    case Outcome::End::replied: break;
    case Outcome::End::disconnected: throw Disconnected(label.text() + outcome.payload);
    case Outcome::End::outcome_unknown:
      throw OutcomeUnknown(label.text() + outcome.payload + "; the call may have taken effect");
    case Outcome::End::not_done:
      if (hands_back) return std::nullopt;
      throw TimeoutError(label.text() + "timed out");
    case Outcome::End::given_up:
      throw TimeoutError(label.text() + (effect == Effect::read
                                             ? "timed out"
                                             : "timed out; it may still have taken effect"));
    case Outcome::End::no_slot:
      if (hands_back) return std::nullopt;
      throw TimeoutError(label.text() +
                         "timed out before it was sent: too many calls are in flight");
    case Outcome::End::no_place:
      throw Overloaded(label.text() +
                       "it was not sent: too many calls of this process wait in the manager");
  }
  if (outcome.code == core::ErrorCode::ok) {
    return Result{std::move(outcome.payload), outcome.session};
  }
  if (outcome.code == core::ErrorCode::timed_out && hands_back) return std::nullopt;
  if (outcome.payload.empty()) {
    const std::string text = label.text() + "no memory is left for its result";
    // What a take was given has gone back.
    if (effect == Effect::read || effect == Effect::take) throw Overloaded(text);
    throw OutcomeUnknown(text + "; it has taken effect");
  }
  core::ErrorPayload error = core::decode_error(outcome.payload);
  // Where a reply is refused for its length, nobody knows its call any more.
  if (outcome.code == core::ErrorCode::overloaded && !error.text.starts_with(label.text())) {
    error.text = label.text() + error.text;
  }
  core::throw_error(outcome.code, error.text, error.type_name);
}

void SessionDriver::start(core::ObjectId object, std::string_view method, std::string_view args,
                          const CallOptions& options, Completion& completion) {
  if (inherited()) throw BadCall("this session is another process's: see in_this_process()");
  guarded([&] {
    CallRequest asked = request(object, method, args, options);
    Use use(*this);
    core_.start(std::move(asked),
                {options.object_type, object, method}, completion, now());
    submit(core_.next_deadline());
  });
}

void SessionDriver::end_call(Completion& completion) noexcept {
  try {
    core_.cancel(completion);
  } catch (const std::bad_alloc&) {
    core_.abandon(completion);
  }
  submit(std::nullopt);
}

void SessionDriver::cancel(Completion& completion) noexcept {
  const Use use(*this);
  end_call(completion);
}

void SessionDriver::settle(const Unsettled& take, bool kept) noexcept {
  if (inherited()) return;  // the parent's
  const Use use(*this);
  try {
    core_.settle(take, kept);
  } catch (const std::bad_alloc&) {
    // One that is kept is confirmed by the next call.
  }
  submit(core_.link_deadline());
}

bool SessionDriver::await(Waiter& waiter, core::Deadline deadline) {
  return guarded([&] {
    Use use(*this);
    return leadership_.wait(use.lock, waiter, deadline);
  });
}

void SessionDriver::interrupt(Waiter& waiter) noexcept {
  const Use use(*this);
  leadership_.finish(waiter);
}

std::size_t SessionDriver::parked_calls() const {
  const Lock lock(mutex_);
  return core_.calls().parking_limit();
}

void SessionDriver::post(core::ObjectId object, std::string_view method, std::string_view args) {
  if (inherited()) return successor()->post(object, method, args);
  guarded([&] {
    Use use(*this);
    core_.post(request(object, method, args, {}), now());
    submit(core_.link_deadline());
    // Many posts and nobody who waits: then their answers are looked at here, or they would pile
    // up. What goes wrong is for the next call.
    if (!core_.calls().posts_pile_up() || leadership_.has_leader()) return;
    try {
      leadership_.glance();
      take_in(nullptr);
    } catch (const std::exception&) {
    }
    submit(core_.link_deadline());
  });
}

// --- references

ClientReference::~ClientReference() {
  if (session_->inherited()) {
    static_cast<void>(ring_.release());  // its mapping is not here
  } else if (session_->release(*this)) {
    ClientState::current().note_idle(session_);
  }
}

const ClientReference* ClientReference::from(const core::Reference& reference) {
  if (typeid(reference) != typeid(ClientReference)) return nullptr;
  return static_cast<const ClientReference*>(&reference);
}

core::Token ClientReference::leased(core::Deadline deadline) const {
  const SessionPtr session = session_of(shared_from_this(), deadline);
  core::Token token = token_;
  token.nonce = core::random_id<core::Nonce>();
  CallOptions options;
  options.object_type = token.type;
  options.deadline = deadline;
  session->call(core::kManagerObject, "lease", claim_arguments(token.object, token.nonce), options);
  return token;
}

std::function<void()> ClientReference::recall(const core::Token& sent) const {
  if (!sent.nonce) return {};
  return [manager = sent.incarnation, proof = session_->proof(), nonce = *sent.nonce]() noexcept {
    try {
      const auto session = ClientState::current().find(manager, proof);
      if (session == nullptr) return;
      std::string arguments;
      core::Writer writer(arguments);
      writer.array(1);
      writer.bytes(nonce.view());
      session->post(core::kManagerObject, "revoke", arguments);
    } catch (...) {
      // No memory to say so: the lease ends by its time.
    }
  };
}

core::Token UnclaimedReference::leased(core::Deadline deadline) const {
  core::ReferencePtr claimed = ClientState::current().claimed(*this);
  if (claimed == nullptr) {
    if (is_trusted()) return token_;
    session_of(shared_from_this(), deadline);
    claimed = ClientState::current().claimed(*this);
  }
  return static_cast<const Claimable&>(*claimed).leased(deadline);
}

std::function<void()> UnclaimedReference::recall(const core::Token& sent) const {
  const core::ReferencePtr claimed = ClientState::current().claimed(*this);
  return claimed == nullptr ? std::function<void()>() : claimed->recall(sent);
}

core::ReferencePtr SessionDriver::adopt(core::Token token,
                                        std::optional<SessionNumber> granted_to) {
  if (inherited()) return successor()->adopt(std::move(token), granted_to);
  token.addresses = addresses_;
  token.nonce.reset();
  core::ReferencePtr reference;  // if these have to go, then after the mutex
  core::ReferencePtr given;
  std::vector<Terms::Allow> also;
  return guarded([&] {
    const Use use(*this);
    also = also_.alive();
    reference = core_.references().find(token.object);
    if (reference != nullptr && reference->token().type != token.type) {
      throw Disconnected(core_.where() + " says that " + core::describe(reference->token()) +
                         " is a " + token.type);
    }
    if (reference == nullptr) {
      auto self = std::static_pointer_cast<SessionDriver>(shared_from_this());
      reference = std::make_shared<const ClientReference>(std::move(token), std::move(self));
    }
    given = keeping(std::move(also), reference);
    core_.granted(reference, granted_to.value_or(core_.session()), now());
    submit(core_.link_deadline());
    return given;
  });
}

core::ReferencePtr SessionDriver::claim(const core::Token& token, core::Deadline deadline,
                                        ClaimBy by) {
  if (inherited()) return successor(deadline)->claim(token, deadline, by);
  const bool needs_lease = by == ClaimBy::lease;
  if (needs_lease && !token.nonce) {
    throw StaleHandle(core::describe(token) + " of " + core_.where() +
                      ": its handle came from somebody who has not proved that he may use it, and "
                      "carries no lease");
  }
  const auto late = [&] {
    return TimeoutError(core::describe(token) + " was not claimed in time");
  };
  if (has_passed(deadline)) throw late();  // or a take would be given a moment more
  // What ends a lease is confirmed: given up by then, it has not ended it.
  Receipt receipt;
  CallOptions options;
  options.deadline = deadline;
  options.object_type = token.type;
  if (token.nonce) options.effect = Effect::take;
  if (token.nonce) options.receipt = &receipt;
  const auto result =
      call(core::kManagerObject, "claim",
           claim_arguments(token.object, token.nonce, needs_lease), options);
  if (!result) throw late();
  ResultScope scope(*this, *result, result->session);
  const core::Reader::Extension extension = core::Reader(*result).extension();
  if (extension.type != core::kHandleExtension) {
    throw Disconnected(core_.where() + " was asked for " + core::describe(token) +
                       " and gave no handle");
  }
  core::Token claimed = core::decode_token(extension.payload);
  const bool is_it = claimed.incarnation == incarnation_ && claimed.object == token.object;
  if (!is_it) {
    throw Disconnected(core_.where() + " was asked for " + core::describe(token) + " and gave " +
                       core::describe(claimed));
  }
  // Whoever wrote the handle may have been wrong, or have lied to a program that trusts its type.
  if (claimed.type != token.type) {
    throw BadCall("a handle of " + core::describe(token) + " is of " + core::describe(claimed));
  }
  core::ReferencePtr reference = scope.incoming(std::move(claimed));
  scope.done();
  receipt.keep();
  return reference;
}

bool SessionDriver::release(const ClientReference& reference) noexcept try {
  const Use use(*this);
  core_.released(reference, now());
  submit(core_.link_deadline());
  return core_.references().empty();
} catch (...) {
  return false;  // no memory to say so: the manager keeps the object until the session ends
}

void SessionDriver::give_back(std::string_view result, const Grants& taken,
                              std::optional<SessionNumber> granted_to) noexcept try {
  if (inherited()) return;
  Grants grants = grants_in(result, incarnation_);
  for (const auto& [object, count] : taken) {
    const auto grant = grants.find(object);
    if (grant != grants.end()) grant->second -= std::min(grant->second, count);
  }
  std::erase_if(grants, [](const auto& grant) { return grant.second == 0; });
  const Use use(*this);
  if (granted_to.value_or(core_.session()) != core_.session()) return;  // gone with their session
  core_.give_back(grants, now());
  submit(core_.link_deadline());
} catch (...) {
}

core::HandleCodec& SessionDriver::codec() {
  if (inherited()) return successor()->codec();
  return codec_;
}

core::Token SessionDriver::SessionHandleCodec::outgoing(const core::Reference& reference) {
  Kept kept;
  return session_.outgoing(reference, {}, kept);
}

// To its own manager a handle goes bare, as long as this session keeps its object alive meanwhile.
core::Token SessionDriver::outgoing(const core::Reference& reference, core::Deadline deadline,
                                    Kept& kept) {
  if (inherited()) return successor(deadline)->outgoing(reference, deadline, kept);
  core::Token token = reference.token();
  const Claimable* claimable = Claimable::from(reference);
  if (token.incarnation != incarnation_) {
    return claimable != nullptr ? claimable->leased(deadline) : reference.outgoing();
  }
  const ClientReference* own = ClientReference::from(reference);
  if (own == nullptr || own->session().get() != this) {
    // A handle that was merely decoded, or copied by a fork: claims it, once. That may be through
    // another session with the same manager, which would not keep it for a call of this one; or
    // with one that merely says to be the same.
    const SessionPtr keeper =
        claimable == nullptr ? nullptr : session_of(claimable->shared_from_this(), deadline);
    if (keeper.get() != this) {
      const auto* known = static_cast<const SessionDriver*>(keeper.get());
      const bool trusted = known == nullptr || known->proof().vouches_for(proof_);
      kept.push_back(trusted ? claim(token, deadline, ClaimBy::number)
                             : claim(claimable->leased(deadline), deadline, ClaimBy::lease));
    }
  }
  token.addresses.clear();
  token.nonce.reset();
  return token;
}

core::ReferencePtr SessionDriver::SessionHandleCodec::incoming(core::Token token) {
  if (token.incarnation == session_.incarnation_) return session_.adopt(std::move(token));
  return unclaimed(std::move(token), &session_);
}

// --- holds

Session::Hold SessionDriver::hold(core::ObjectId lock) const {
  if (inherited()) return {};
  const Lock guard(mutex_);
  return core_.holds().find(lock, thread_number());
}

void SessionDriver::note_grant(core::ObjectId lock, std::uint64_t token, bool previous_owner_died,
                               std::optional<SessionNumber> granted_by) {
  if (inherited()) {
    return successor()->note_grant(lock, token, previous_owner_died, granted_by);
  }
  ClientState::current().watch_this_thread();
  guarded([&] {
    const Lock guard(mutex_);
    // One that cannot be noted goes back: its caller does not keep the receipt.
    core_.locked(lock, thread_number(), token, previous_owner_died,
                 granted_by.value_or(core_.session()));
  });
}

void SessionDriver::note_unlock(core::ObjectId lock) {
  if (inherited()) return successor()->note_unlock(lock);
  const Lock guard(mutex_);
  core_.holds().unlock(lock, thread_number());
}

bool SessionDriver::unlock(core::ObjectId lock) {
  if (inherited()) return successor()->unlock(lock);
  return guarded([&] {
    const Use use(*this);
    const bool held = core_.unlock(lock, thread_number(), now());
    submit(core_.link_deadline());
    return held;
  });
}

void SessionDriver::thread_ended(core::ThreadNumber thread) noexcept try {
  if (inherited()) return;
  const Use use(*this);
  core_.thread_ended(thread, now());
  submit(core_.link_deadline());
} catch (const std::exception&) {
  // No memory to say so: the locks stay locked until the process ends.
}

// No other thread has holds here, or looks for any. Without the mutex, which need not be at rest
// when this process forks in turn.
bool SessionDriver::end_copied_hold(core::ObjectId lock) {
  return thread_number() == forked_by_ &&
         core_.holds().unlock(lock, forked_by_) == Holds::Ended::lost;
}

}  // namespace steward::detail::client
