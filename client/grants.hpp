// What a result grants: a handle in it is a reference that the manager counts for our session. If
// nobody takes it over, it must go back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <steward/client/session/completion.hpp>
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

// Puts the session's travel() in charge while arguments of a call to it are packed. If that fails,
// what was claimed for them is let go.
class ArgumentScope {
 public:
  explicit ArgumentScope(Session& session);
  ~ArgumentScope();
  ArgumentScope(const ArgumentScope&) = delete;
  ArgumentScope& operator=(const ArgumentScope&) = delete;

 private:
  Session& session_;
  const int exceptions_;
  core::TravelScope scope_;
};

// Puts the session's travel() in charge while one of its results is decoded. If that fails
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
