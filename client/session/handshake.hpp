// Handshake: what is said on a connection until calls may flow. A new session shows the ticket from
// the control socket; a known one proves that it holds the secret of its welcome, and has the
// manager prove the same.
//
// Thread safety: none.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/wire.hpp>

namespace steward::detail::client {

// Gives another random nonce each time.
using Nonces = std::function<std::string()>;

class Handshake {
 public:
  Handshake(std::string ticket, Nonces nonces)
      : nonces_(std::move(nonces)), ticket_(std::move(ticket)) {}

  // Whether the manager has ever welcomed this session.
  bool known() const { return session_.has_value(); }

  // The first words on a connection.
  std::string hello();
  // The answer to unknown_connection.
  std::string prove(std::string_view challenge, std::vector<core::Seq> incomplete,
                    core::Seq first_incomplete);
  // False: whoever sent it is not the manager that we know.
  bool accept(const core::Welcome& welcome);
  // Begins again, as a new session.
  void restart(std::string ticket);

 private:
  Nonces nonces_;
  std::string ticket_;
  std::optional<core::SessionId> session_;
  core::Incarnation incarnation_;
  std::string secret_;
  std::string nonce_;
};

}  // namespace steward::detail::client
