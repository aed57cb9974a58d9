// Arriving: handles in what a Connection receives.
#pragma once

#include <steward/core/handle_codec.hpp>

namespace steward::detail::pipe {

// Over a pipe of the program they are claimed as its receiver says; from whoever has connected to a
// Listener, or listens, they are claimed at their first use, so that no stranger makes a program
// dial by what it says. Used by one thread.
class Arriving final : public core::HandleCodec {
 public:
  // Of the connection with this socket, which stays open meanwhile.
  Arriving(int socket, core::Claiming claiming) : socket_(socket), claiming_(claiming) {}

  core::Token outgoing(const core::Reference& reference) override { return reference.outgoing(); }
  core::ReferencePtr incoming(core::Token token) override;
  core::Claiming claiming() const override { return claiming_; }

 private:
  const int socket_;
  const core::Claiming claiming_;
};

}  // namespace steward::detail::pipe
