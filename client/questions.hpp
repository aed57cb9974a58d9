// Questions: calls of one session that are under way at once, each of which may be answered late
// or never, and somebody who waits for the first of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <steward/client/call_table.hpp>
#include <steward/client/session.hpp>
#include <steward/core/clock.hpp>

namespace steward::client {

class LiveSession;

// What is asked of one object; the method takes no arguments and changes nothing.
struct Question {
  core::ObjectId object{};
  std::string_view type;  // of the object, for error texts
};

// Thread safety: interrupt() may be called by any thread, the rest needs the object for itself.
// Ownership: keeps the session. What is not answered when it is destroyed is cancelled.
class Questions {
 public:
  // Sends them. Throws Disconnected as a call would, Overloaded if so many calls cannot be in
  // flight, or not soon.
  Questions(const SessionPtr& session, const std::vector<Question>& questions,
            std::string_view method);
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;
  ~Questions();

  // Waits until `count` of them have ended, or the deadline has passed, or somebody interrupts.
  void await(std::size_t count, core::Deadline deadline);
  // await() returns, and will return at once.
  void interrupt();

  enum class State : std::uint8_t {
    open,      // no answer yet
    answered,  // result() has it
    failed,    // with whatever error
  };
  std::vector<State> states() const;
  // Encoded. REQUIRES: the i-th is answered.
  const std::string& result(std::size_t i) const { return asked_[i].payload; }

 private:
  struct Asked : CallWaiter {
    PendingCall* call = nullptr;  // in the table while this waits
  };
  class Awaiting;

  void give_up();

  const std::shared_ptr<LiveSession> session_;

  // Guarded by the session's mutex.
  std::deque<Asked> asked_;  // their addresses stay
  Waiter* awaiting_ = nullptr;
  bool interrupted_ = false;
};

}  // namespace steward::client
