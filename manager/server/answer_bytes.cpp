#include <steward/manager/server/answer_bytes.hpp>

#include <string>
#include <typeinfo>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::server {
namespace {

// Handles as an answer has them: only those of other managers have addresses.
class Answering final : public core::HandleCodec {
 public:
  core::Token outgoing(const core::Reference& reference) override {
    core::Token token = reference.token();
    if (typeid(reference) != typeid(core::Reference)) token.addresses.clear();
    return token;
  }
  core::ReferencePtr incoming(core::Token) override { return nullptr; }
};

std::size_t answer_bytes(const Value& value) {
  std::string bytes;
  core::Writer writer(bytes);
  Answering codec;
  core::encode_value(writer, value, codec, core::kFrameDepth);
  return bytes.size();
}

}  // namespace

std::size_t answer_bytes_most(const Value& value) {
  return value.has_proxies() ? answer_bytes(value) : value.footprint();
}

std::optional<std::size_t> longer_than(std::size_t limit, const Value& value) {
  if (answer_bytes_most(value) <= limit) return std::nullopt;
  const std::size_t bytes = answer_bytes(value);
  return bytes > limit ? std::optional(bytes) : std::nullopt;
}

void require_answerable(const Value& value, std::size_t limit) {
  const auto bytes = longer_than(limit, value);
  if (!bytes) return;
  throw Overloaded(
      fmt::format("a value of {} bytes is more than the {} that an answer carries", *bytes, limit));
}

}  // namespace steward::detail::server
