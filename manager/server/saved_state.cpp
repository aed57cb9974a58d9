#include <steward/manager/server/saved_state.hpp>

#include <typeinfo>
#include <utility>

#include <steward/core/errors.hpp>

namespace steward::detail::server {

void Saver::optional(const std::optional<std::uint64_t>& value) {
  boolean(value.has_value());
  if (value) number(*value);
}

void Saver::key(const CallKey& key) {
  number(static_cast<std::uint64_t>(key.session));
  number(key.seq);
}

void Saver::deadline(core::Deadline deadline) {
  boolean(deadline.has_value());
  if (deadline) time(*deadline);
}

core::Token Saver::outgoing(const core::Reference& reference) {
  core::Token token = reference.token();
  // Ours go without saying; others are found by them.
  if (typeid(reference) != typeid(core::Reference)) token.addresses.clear();
  return token;
}

core::ReferencePtr Saver::incoming(core::Token token) {
  return std::make_shared<const core::Reference>(std::move(token));
}

Loader::Loader(core::Reader& reader, core::Incarnation incarnation, Find find)
    : reader_(reader), incarnation_(incarnation), find_(std::move(find)) {}

void Loader::damaged() { throw BadCall("the saved state is damaged"); }

// A value is one message's at most: its bytes have a bound of their own for the memory they take.
Value Loader::value() { return core::decode_value(reader_.skip(core::kFrameDepth), *this); }

std::optional<std::uint64_t> Loader::optional() {
  if (!boolean()) return std::nullopt;
  return number();
}

CallKey Loader::key() {
  const SessionNumber session{number()};
  return {session, number()};
}

core::Deadline Loader::deadline() {
  if (!boolean()) return std::nullopt;
  return time();
}

void Loader::version(std::uint64_t version) {
  if (number() != version) throw BadCall("the saved state is of another version");
}

core::ReferencePtr Loader::reference(core::ObjectId object) const {
  if (core::ReferencePtr found = find_(object)) return found;
  damaged();
}

void Loader::waits(ParkId parked, WaiterList& list) {
  if (!lists_.emplace(parked, &list).second) damaged();
}

WaiterList& Loader::list_of(ParkId parked) const {
  const auto found = lists_.find(parked);
  if (found == lists_.end()) damaged();
  return *found->second;
}

core::Token Loader::outgoing(const core::Reference& reference) { return reference.token(); }

core::ReferencePtr Loader::incoming(core::Token token) {
  if (token.incarnation == incarnation_) return reference(token.object);
  return std::make_shared<const core::Reference>(std::move(token));
}

}  // namespace steward::detail::server
