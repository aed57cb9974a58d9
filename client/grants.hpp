// Grants: the references that a result brings. The manager has counted each handle in it as a
// reference of this session; one that nobody takes over must be given back.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/client/session/completion.hpp>
#include <steward/core/clock.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/ids.hpp>

namespace steward::detail::client {

class Session;
using Kept = std::vector<core::ReferencePtr>;

// Object and how often.
using Grants = std::map<core::ObjectId, std::uint64_t>;

// The handles of this manager in encoded bytes. Reads as far as they are well-formed.
Grants grants_in(std::string_view encoded, const core::Incarnation& manager);

// The arguments of the manager's `drop`.
std::string drop_arguments(const Grants& grants);

// Puts the session's rules for handles (see Session::outgoing) in charge while arguments of a call
// to it are packed, which has until the deadline: other managers may have to be asked. What is
// claimed for them is put into `kept`, which must outlive the call.
class ArgumentScope final : public core::HandleCodec {
 public:
  ArgumentScope(Session& session, Kept& kept, core::Deadline deadline = {})
      : session_(session), kept_(kept), deadline_(deadline), scope_(*this) {}
  ArgumentScope(const ArgumentScope&) = delete;
  ArgumentScope& operator=(const ArgumentScope&) = delete;

  core::Token outgoing(const core::Reference& reference) override;
  core::ReferencePtr incoming(core::Token token) override;

 private:
  Session& session_;
  Kept& kept_;
  const core::Deadline deadline_;
  core::HandleCodecScope scope_;
};

// While it lives, session.codec() is the current HandleCodec: for decoding a result. If that fails
// half-way, the grants that no reference has taken over go back.
//
//   ResultScope scope(session, result, result.session);
//   T value = core::unpack<T>(result);
//   scope.done();
class ResultScope final : public core::HandleCodec {
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
  core::HandleCodec& inner_;
  Grants taken_;
  bool done_ = false;
  core::HandleCodecScope scope_;
};

}  // namespace steward::detail::client
