// The arguments of one call, read one by one as what the method wants.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/handle_codec.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/value.hpp>

namespace steward::detail::server {

template <class T>
inline constexpr bool kOptional = false;
template <class T>
inline constexpr bool kOptional<std::optional<T>> = true;

// A cursor over a MessagePack array that a stranger wrote. All functions throw BadCall with the
// argument's number if it is of another kind.
class Arguments {
 public:
  // `encoded` is one array; `codec` turns tokens into references.
  Arguments(std::string_view encoded, core::HandleCodec& codec);

  std::size_t count() const { return count_; }
  bool more() const { return taken_ < count_; }

  // Throws BadCall if there are fewer than `least`; `most` is for its text.
  void require(std::size_t least, std::size_t most) const;

  // T: bool, an integer, double, std::string, std::string_view, Value, std::vector<Value>,
  // Value::Map (entries: a map, or a list of [key, value], where keys may come again), Arguments
  // (for somebody else), or std::optional of one of these (nil or a missing trailing argument is
  // nullopt).
  template <class T>
  T take();

  // As its bytes.
  std::string_view take_encoded();

  // Throws BadCall if arguments are left over.
  void finish() const;

 private:
  void next();  // counts, or throws "too few"
  [[noreturn]] void too_few(const std::string& expected) const;
  [[noreturn]] void explain(const BadCall& error) const;
  bool nil_or_missing();
  bool take_bool();
  std::int64_t take_integer();
  std::uint64_t take_natural();
  double take_real();
  std::string_view take_string();
  Value take_value();
  std::vector<Value> take_list();
  Value::Map take_entries();
  // Throws if it is nested deeper than a value may be.
  Value read_value();

  core::Reader reader_;
  core::HandleCodec* codec_;
  std::size_t count_;
  std::size_t taken_ = 0;
};

template <class T>
T Arguments::take() {
  if constexpr (kOptional<T>) {
    if (nil_or_missing()) return std::nullopt;
    return take<typename T::value_type>();
  } else if constexpr (std::same_as<T, bool>) {
    return take_bool();
  } else if constexpr (core::Integer<T> && std::signed_integral<T>) {
    static_assert(sizeof(T) == sizeof(std::int64_t), "take 64 bits, then judge the range");
    return take_integer();
  } else if constexpr (core::Integer<T>) {
    static_assert(sizeof(T) == sizeof(std::uint64_t), "take 64 bits, then judge the range");
    return take_natural();
  } else if constexpr (std::floating_point<T>) {
    return take_real();
  } else if constexpr (std::same_as<T, std::string> || std::same_as<T, std::string_view>) {
    return T(take_string());
  } else if constexpr (std::same_as<T, Value>) {
    return take_value();
  } else if constexpr (std::same_as<T, Value::Map>) {
    return take_entries();
  } else if constexpr (std::same_as<T, Arguments>) {
    return {take_encoded(), *codec_};
  } else {
    static_assert(std::same_as<T, std::vector<Value>>, "no argument is read as this type");
    return take_list();
  }
}

}  // namespace steward::detail::server
