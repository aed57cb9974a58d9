// Link: the session's standing with its manager: whether there is a connection, what is said on it
// until calls may flow, how long a manager may be out of reach, and how a session is lost or ends.
//
// A value: no clock, no socket, no randomness; times and nonces come in. Thread safety: none.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <steward/client/session/handshake.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/wire.hpp>

namespace steward::detail::client {

class Link {
 public:
  enum class Phase : std::uint8_t {
    offline,   // there is no connection
    greeting,  // there is one; nobody has been welcomed on it yet
    online,    // calls flow
    lost,      // the manager does not know the session any more; a new one may begin
    closed,    // nothing will ever flow again, whatever comes
  };

  // A manager that is away for longer than `patience` counts as out of reach. The incarnation is
  // zero while it is not known.
  Link(std::string ticket, core::Incarnation incarnation, core::Duration patience, Nonces nonces);

  Phase phase() const { return phase_; }
  bool online() const { return phase_ == Phase::online; }
  bool closed() const { return phase_ == Phase::closed; }
  bool lost() const { return phase_ == Phase::lost; }
  const core::Incarnation& incarnation() const { return incarnation_; }

  // --- connections
  void connected(core::Time now);
  // True: the manager had ended already, and nothing more will come.
  bool connection_lost(core::Time now);
  // Something waits for a connection: from now on the manager must be back in time.
  void want_connection(core::Time now);

  // --- the handshake
  enum class Welcomed : std::uint8_t { no, yes, by_another };
  Welcomed welcome(const core::Welcome& welcome);
  // False: this challenge means nothing now.
  bool challenged(std::string_view challenge, core::Time now);
  // Whether the latest challenge is to be answered now.
  bool should_prove(core::Time now) const;
  void prove(std::vector<core::Seq> incomplete, core::Seq first_incomplete);
  // What is to be said next; empty: nothing.
  const std::string& greeting() const { return greeting_; }
  void greeted() { greeting_.clear(); }

  // --- the end
  // The manager has closed its control socket, or its process has ended. Nothing is decided yet:
  // replies may be under way, and a process that dies closes its sockets before its pidfd tells.
  // True: nothing more will come.
  bool hung_up(bool process_ended, core::Time now);
  bool ending() const { return ending_until_.has_value(); }
  bool process_ended() const { return process_ended_; }
  // What has come about by now.
  enum class Late : std::uint8_t { nothing, ended, out_of_reach };
  Late tick(core::Time now);
  core::Deadline next_deadline() const;
  core::Deadline out_of_reach_at() const { return offline_until_; }

  // The session is lost.
  void lose(core::Time now);
  // Begins again, as a new session.
  void begin_anew(std::string ticket);
  void close();

 private:
  void forget_greeting();

  const core::Duration patience_;
  Handshake handshake_;
  core::Incarnation incarnation_;
  Phase phase_ = Phase::offline;
  std::string greeting_;   // to be sent as soon as the connection takes it
  std::string challenge_;  // to be answered
  std::string answered_challenge_;
  unsigned challenges_answered_ = 0;  // on this connection
  core::Deadline calm_at_;            // then the challenge is answered, if no other one came
  core::Deadline offline_until_;      // then the manager counts as out of reach
  core::Deadline ending_until_;       // it hung up: what it said before may still arrive until then
  bool process_ended_ = false;
};

}  // namespace steward::detail::client
