// Grants: the references that a result brings. The manager has counted each handle in it as a
// reference of this session; one that nobody takes over must be given back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <steward/client/session/completion.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/travel.hpp>

namespace steward::detail::client {

class Session;

// Object and how often.
using Grants = std::map<core::ObjectId, std::uint64_t>;

// The handles of this manager in encoded bytes. Reads as far as they are well-formed.
Grants grants_in(std::string_view encoded, const core::Incarnation& manager);

// The arguments of the manager's `drop`.
std::string drop_arguments(const Grants& grants);

// Puts the session's rules for handles (see Session::outgoing) in charge while arguments of a call
// to it are packed, which has until the deadline: other managers may have to be asked. If that
// fails, what was claimed for them is let go.
class ArgumentScope final : public core::Travel {
 public:
  explicit ArgumentScope(Session& session, core::Deadline deadline = {});
  ~ArgumentScope() override;
  ArgumentScope(const ArgumentScope&) = delete;
  ArgumentScope& operator=(const ArgumentScope&) = delete;

  core::Token outgoing(const core::Reference& reference) override;
  core::ReferencePtr incoming(core::Token token) override;

 private:
  Session& session_;
  const core::Deadline deadline_;
  const int exceptions_;
  core::TravelScope scope_;
};

// While it lives, session.travel() is the current Travel: for decoding a result. If that fails
// half-way, the grants that no reference has taken over go back.
//
//   ResultScope scope(session, result, result.session);
//   T value = core::unpack<T>(result);
//   scope.done();
class ResultScope final : public core::Travel {
 public:
  // `granted_to`: the session that the result is of; by default the present one.
  ResultScope(Session& session, std::string_view result,
              std::optional<SessionNumber> granted_to = {});
  ~ResultScope() override;
  ResultScope(const ResultScope&) = delete;
  ResultScope& operator=(const ResultScope&) = delete;

  void done() { done_ = true; }

  core::Token outgoing(const core::Reference& reference) override;
  core::ReferencePtr incoming(core::Token token) override;

 private:
  Session& session_;
  const std::string_view result_;
  const std::optional<SessionNumber> granted_to_;
  core::Travel& inner_;
  Grants taken_;
  bool done_ = false;
  core::TravelScope scope_;
};

}  // namespace steward::detail::client
