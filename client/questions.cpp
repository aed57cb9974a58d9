#include <steward/client/questions.hpp>

#include <algorithm>
#include <chrono>

#include <steward/client/live_session.hpp>
#include <steward/core/errors.hpp>

namespace steward::client {
namespace {

// What was cancelled is in flight until the manager has said so, which takes no longer.
constexpr std::chrono::seconds kSlotPatience{1};

std::shared_ptr<LiveSession> live(const SessionPtr& session) {
  auto found = std::dynamic_pointer_cast<LiveSession>(session);
  if (found == nullptr) throw BadCall("this session answers one call at a time");
  return found;
}

}  // namespace

Questions::Questions(const SessionPtr& session, const std::vector<Question>& questions,
                     std::string_view method)
    : session_(live(session)) {
  LiveSession& to = *session_;
  LiveSession::Lock lock(to.mutex_);
  try {
    for (const Question& question : questions) {
      const LiveSession::Label label{question.type, question.object, method};
      const std::size_t limit = to.calls_in_flight_;
      const bool possible = limit == 0 || questions.size() <= limit;
      if (!possible || !to.wait_for_slot(lock, core::deadline_after(kSlotPatience))) {
        throw Overloaded(label.text() + std::to_string(limit) + " calls may be in flight at once");
      }
      to.throw_if_closed(label);
      Asked& asked = asked_.emplace_back();
      PendingCall& call = to.number_call(label, core::kNoArguments, false);
      call.effect = Effect::read;
      call.waiter = &asked;
      asked.call = &call;
      to.submit(call);
    }
  } catch (...) {
    give_up();
    throw;
  }
}

Questions::~Questions() {
  const LiveSession::Lock lock(session_->mutex_);
  give_up();
}

void Questions::give_up() {
  for (Asked& asked : asked_) {
    if (asked.done() || asked.call == nullptr) continue;
    if (asked.call->sent) {
      asked.call->waiter = nullptr;
      session_->cancel(*asked.call);
    } else {
      session_->remove(*asked.call);
    }
  }
}

// While it lives, whoever ends a question ends this wait.
class Questions::Awaiting : public Waiter {
 public:
  explicit Awaiting(Questions& questions) : questions_(questions) { tell(this); }
  ~Awaiting() { tell(nullptr); }

 private:
  void tell(Waiter* waiter) {
    questions_.awaiting_ = waiter;
    for (Asked& asked : questions_.asked_) asked.tell_also(waiter);
  }

  Questions& questions_;
};

void Questions::await(std::size_t count, core::Deadline deadline) {
  LiveSession::Lock lock(session_->mutex_);
  const auto ended = [&] {
    return static_cast<std::size_t>(std::ranges::count_if(asked_, &Asked::done));
  };
  while (!interrupted_ && ended() < count) {
    Awaiting awaiting(*this);
    if (!session_->crew_.wait(lock, awaiting, deadline)) return;
  }
}

void Questions::interrupt() {
  const LiveSession::Lock lock(session_->mutex_);
  interrupted_ = true;
  if (awaiting_ == nullptr) return;
  session_->crew_.finish(*awaiting_);
  session_->crew_.wake();
}

std::vector<Questions::State> Questions::states() const {
  const LiveSession::Lock lock(session_->mutex_);
  std::vector<State> states;
  for (const Asked& asked : asked_) {
    const bool well =
        asked.end == CallWaiter::End::replied && asked.code == core::ErrorCode::ok;
    states.push_back(!asked.done() ? State::open : well ? State::answered : State::failed);
  }
  return states;
}

}  // namespace steward::client
