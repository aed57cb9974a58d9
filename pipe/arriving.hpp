// Arriving: handles in what a Connection receives.
#pragma once

#include <steward/core/travel.hpp>

namespace steward::detail::pipe {

// Over a pipe of the program they are claimed while they are read, until the deadline of who
// receives; from whoever has connected to a Listener, or listens, they are claimed at their first
// use, so that no stranger makes a program dial by what it says. Used by one thread.
class Arriving final : public core::Travel {
 public:
  // Of the connection with this socket, which stays open meanwhile.
  Arriving(int socket, core::Deadline deadline) : socket_(socket), deadline_(deadline) {}

  core::Token outgoing(const core::Reference& reference) override { return reference.outgoing(); }
  core::ReferencePtr incoming(core::Token token) override;
  core::Claiming claiming() const override {
    return {core::Claiming::When::at_once, deadline_};
  }

 private:
  const int socket_;
  const core::Deadline deadline_;
};

}  // namespace steward::detail::pipe
