#include <steward/core/handle_codec.hpp>

#include <string>
#include <utility>

#include <steward/core/errors.hpp>
#include <steward/core/value.hpp>

namespace steward::detail::core {
namespace {

class Plain final : public HandleCodec {
 public:
  Token outgoing(const Reference& reference) override { return reference.outgoing(); }
  ReferencePtr incoming(Token token) override {
    return std::make_shared<const Reference>(std::move(token));
  }
};

thread_local HandleCodec* innermost = nullptr;

}  // namespace

HandleCodecScope::HandleCodecScope(HandleCodec& codec) : outer_(std::exchange(innermost, &codec)) {}

HandleCodecScope::~HandleCodecScope() { innermost = outer_; }

HandleCodec& current_handle_codec() {
  static Plain& plain = *new Plain;  // stateless; leaked, so that it serves at exit too
  return innermost != nullptr ? *innermost : plain;
}

ReferencePtr incoming_reference(const Reader::Extension& extension, std::string_view type) {
  if (extension.type != kHandleExtension) {
    throw BadCall("extension type " + std::to_string(extension.type) + " is unknown");
  }
  Token token = decode_token(extension.payload);
  if (!fits(token, type)) {
    throw BadCall("expected a " + std::string(type) + " proxy, got " + describe(token));
  }
  return current_handle_codec().incoming(std::move(token));
}

SameReferences::SameReferences(const Value& value) { note(value); }

void SameReferences::note(const Value& value) {
  if (!value.has_proxies()) return;
  switch (value.kind()) {
    case ValueKind::list:
      for (const Value& item : value.list()) note(item);
      return;
    case ValueKind::map:
      for (const auto& [key, item] : value.map()) {
        note(key);
        note(item);
      }
      return;
    default: break;
  }
  if (const ReferencePtr& reference = value.reference()) {
    const Token& token = reference->token();
    references_.emplace(std::pair(token.incarnation, token.object), reference);
  }
}

Token SameReferences::outgoing(const Reference& reference) {
  Token token = reference.token();
  token.addresses.clear();
  return token;
}

ReferencePtr SameReferences::incoming(Token token) {
  const auto found = references_.find({token.incarnation, token.object});
  return found != references_.end() ? found->second : nullptr;
}

}  // namespace steward::detail::core
