// Values: what decodes can be written and decodes equal; the order of values is total; equal values
// hash equal; printing has an end. Typed reading and handles as text are met here too.
#include <compare>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <steward/core/codec.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/value.hpp>
#include <steward/manager/server/classes/value_index.hpp>
#include <steward/tests/fuzz/require.hpp>

namespace steward::fuzz {
namespace {

// So many of the values inside one are compared with each other.
constexpr std::size_t kCompared = 12;

std::string written(const Value& value) {
  PlainHandleCodec codec;
  std::string bytes;
  detail::core::Writer writer(bytes);
  detail::core::encode_value(writer, value, codec, detail::core::kFrameDepth);
  return bytes;
}

void travels(const Value& value) {
  PlainHandleCodec codec;
  const std::string once = written(value);
  const Value again = detail::core::decode_value(once, codec);
  require(again == value, "a value is read as it was written");
  require(written(again) == once, "equal values read from the same bytes write the same bytes");
  require(again.depth() == value.depth() && value.depth() <= detail::core::kFrameDepth &&
              again.has_proxies() == value.has_proxies(),
          "a value knows its depth and its proxies");
  detail::core::check_one_item(once, detail::core::kFrameDepth);
}

void prints(const Value& value) {
  const std::string all = value.json();
  require(!all.empty(), "a value prints");
  for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{80}}) {
    const std::string some = detail::core::json_prefix(value, limit);
    require(some == all ? all.size() <= limit + 3 : some.size() <= limit + 3,
            "a prefix is as long as it may be");
    require(all.starts_with(some) ||
                (some.ends_with("...") && all.starts_with(some.substr(0, some.size() - 3))),
            "a prefix is the beginning of the whole");
  }
}

// The value and what is in it, breadth first, as far as they are compared.
std::vector<Value> sample_of(const Value& value) {
  std::vector<Value> sample{value};
  for (std::size_t i = 0; i < sample.size() && sample.size() < kCompared; ++i) {
    const Value from = sample[i];
    if (from.kind() == ValueKind::list) {
      for (const Value& item : from.list()) {
        if (sample.size() < kCompared) sample.push_back(item);
      }
    } else if (from.kind() == ValueKind::map) {
      for (const auto& [key, item] : from.map()) {
        if (sample.size() < kCompared) sample.push_back(key);
        if (sample.size() < kCompared) sample.push_back(item);
      }
    }
  }
  return sample;
}

void is_ordered(const std::vector<Value>& values) {
  const detail::core::HashSeed seed{};
  for (const Value& a : values) {
    require((a <=> a) == 0, "a value equals itself");
    for (const Value& b : values) {
      const auto ab = a <=> b;
      require(ab == (0 <=> (b <=> a)), "the order is the same from both sides");
      require((ab == 0) == (a == b), "equality is part of the order");
      require(ab != 0 || detail::server::hash_value(seed, a) == detail::server::hash_value(seed, b),
              "equal values hash equal");
      for (const Value& c : values) {
        if (ab <= 0 && (b <=> c) <= 0) require((a <=> c) <= 0, "the order is transitive");
      }
    }
  }
}

// Whatever comes, a type is read or BadCall is thrown; what was read is written and read equal.
template <class T>
void reads_as(std::string_view bytes) {
  std::optional<T> first;
  try {
    first = detail::core::unpack<T>(bytes);
  } catch (const BadCall&) {
    return;
  }
  require(detail::core::unpack<T>(detail::core::packed(*first)) == *first, "a typed value travels");
}

void is_handle_text(std::string_view text) {
  std::optional<detail::core::Token> token;
  try {
    token = detail::core::parse_token(text);
  } catch (const BadCall&) {
    return;
  }
  require(detail::core::parse_token(detail::core::token_text(*token)) == *token,
          "a handle's text is read again");
}

void meet(std::string_view bytes) {
  is_handle_text(bytes);
  reads_as<std::int8_t>(bytes);
  reads_as<std::string>(bytes);
  reads_as<std::vector<std::byte>>(bytes);
  reads_as<std::vector<std::optional<std::uint32_t>>>(bytes);
  reads_as<std::map<std::string, std::vector<bool>>>(bytes);
  reads_as<std::tuple<std::int64_t, std::string, std::vector<std::string>>>(bytes);
  PlainHandleCodec codec;
  const Value value = detail::core::decode_value(bytes, codec);
  travels(value);
  prints(value);
  is_ordered(sample_of(value));
}

}  // namespace
}  // namespace steward::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    steward::fuzz::meet(steward::fuzz::view_of(data, size));
  } catch (const steward::BadCall&) {
  }
  return 0;
}
