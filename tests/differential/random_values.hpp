// What the differential tests draw from: small domains, so that equal values meet often.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <steward/core/value.hpp>

namespace steward::detail::test {

// STEWARD_SEED from the environment repeats a run.
inline std::uint64_t seed_of_this_run() {
  if (const char* text = std::getenv("STEWARD_SEED")) return std::strtoull(text, nullptr, 10);
  return std::random_device()();
}

// STEWARD_FULL takes longer.
inline int steps_of_this_run() { return std::getenv("STEWARD_FULL") != nullptr ? 50'000 : 2'500; }

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
  }
  bool one_in(std::int64_t n) { return between(1, n) == 1; }
  template <class T>
  const T& any_of(const std::vector<T>& choices) {
    return choices[static_cast<std::size_t>(
        between(0, static_cast<std::int64_t>(choices.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

// Domains: the elements of one test. They are homogeneous, so that both sides order them alike
// (Python refuses to compare most mixtures, and takes True for 1).
struct Integers {
  using Type = std::int64_t;
  static constexpr bool kNumbers = true;
  static Type draw(Random& random) {
    if (random.one_in(20)) return random.between(-1'000'000'000'000, 1'000'000'000'000);
    return random.between(-4, 6);
  }
};
struct Strings {
  using Type = std::string;
  static constexpr bool kNumbers = false;
  static Type draw(Random& random) {
    static const std::vector<std::string> pieces{"",  "a", "b",  "B",  "ab",      "\"",
                                                 "\\", "\n", "é", "日本", "\U0001f600", "\t"};
    return random.any_of(pieces) + (random.one_in(3) ? random.any_of(pieces) : "");
  }
};
// Integers and reals, of which equal ones differ in print: 1 and 1.0.
struct Numbers {
  using Type = Value;
  static constexpr bool kNumbers = true;
  static Type draw(Random& random) {
    const std::int64_t n = random.between(-3, 5);
    return random.one_in(2) ? Value(n) : Value(static_cast<double>(n) / 2);
  }
};
struct Lists {
  using Type = Value;
  static constexpr bool kNumbers = false;
  static Type draw(Random& random) {
    Value::List items;
    while (!random.one_in(3)) items.emplace_back(Integers::draw(random));
    return items;
  }
};

template <class Domain>
std::vector<typename Domain::Type> draw_several(Random& random) {
  std::vector<typename Domain::Type> items;
  while (!random.one_in(3)) items.push_back(Domain::draw(random));
  return items;
}

}  // namespace steward::detail::test
