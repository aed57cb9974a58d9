// What a fuzz target says of a broken promise. It aborts, so that the fuzzer keeps the input.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <steward/core/handle_codec.hpp>
#include <steward/core/token.hpp>

namespace steward::fuzz {

inline void require(bool promise, const char* said) {
  if (promise) return;
  std::fprintf(stderr, "broken: %s\n", said);
  std::abort();
}

inline std::string_view view_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Handles as plain tokens, both ways.
class PlainHandleCodec final : public detail::core::HandleCodec {
 public:
  detail::core::Token outgoing(const detail::core::Reference& reference) override {
    return reference.token();
  }
  detail::core::ReferencePtr incoming(detail::core::Token token) override {
    return std::make_shared<const detail::core::Reference>(std::move(token));
  }
};

}  // namespace steward::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
