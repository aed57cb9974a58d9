#include <steward/client/grants.hpp>

#include <utility>

#include <steward/client/session.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/token.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::client {

Grants grants_in(std::string_view encoded, const core::Incarnation& manager) {
  Grants grants;
  try {
    core::Reader reader(encoded);
    while (!reader.done()) {
      // MessagePack is a prefix code: past the headers of containers their elements simply follow.
      switch (reader.peek()) {
        case core::Kind::array: reader.array(); break;
        case core::Kind::map: reader.map(); break;
        case core::Kind::extension: {
          const core::Reader::Extension extension = reader.extension();
          if (extension.type != core::kHandleExtension) break;
          const core::Token token = core::decode_token(extension.payload);
          if (token.incarnation == manager) ++grants[token.object];
          break;
        }
        default: reader.skip(0); break;
      }
    }
  } catch (const BadCall&) {
    // What stands behind the fault was never a handle to anybody.
  }
  return grants;
}

std::string drop_arguments(const Grants& grants) {
  std::string arguments;
  core::Writer writer(arguments);
  writer.array(1);
  writer.array(grants.size());
  for (const auto& [object, count] : grants) {
    writer.array(2);
    writer.natural(core::number(object));
    writer.natural(count);
  }
  return arguments;
}

core::Token ArgumentScope::outgoing(const core::Reference& reference) {
  return session_.outgoing(reference, deadline_, kept_);
}

core::ReferencePtr ArgumentScope::incoming(core::Token token) {
  return session_.codec().incoming(std::move(token));
}

ResultScope::ResultScope(Session& session, std::string_view result,
                         std::optional<SessionNumber> granted_to)
    : session_(session),
      result_(result),
      granted_to_(granted_to),
      inner_(session.codec()),
      scope_(*this) {}

ResultScope::~ResultScope() {
  if (!done_) session_.give_back(result_, taken_, granted_to_);
}

core::Token ResultScope::outgoing(const core::Reference& reference) {
  return inner_.outgoing(reference);
}

core::ReferencePtr ResultScope::incoming(core::Token token) {
  const core::ObjectId object = token.object;
  const bool ours = token.incarnation == session_.incarnation();
  if (!ours) return inner_.incoming(std::move(token));
  // First: what a reference has taken over and is not noted here would go back twice.
  ++taken_[object];
  try {
    return session_.adopt(std::move(token), granted_to_);
  } catch (...) {
    --taken_[object];
    throw;
  }
}

}  // namespace steward::detail::client
