// What the tests of the core share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/core/token.hpp>

namespace steward::detail::test {

// "92 01 02" as bytes; blanks count for nothing.
inline std::string unhex(std::string_view digits) {
  std::string compact;
  for (const char digit : digits) {
    if (digit != ' ') compact += digit;
  }
  std::string bytes;
  for (std::size_t i = 0; i + 1 < compact.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(compact.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

inline std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    if (!text.empty()) text += ' ';
    text += kDigits[static_cast<unsigned char>(byte) >> 4U];
    text += kDigits[static_cast<unsigned char>(byte) & 15U];
  }
  return text;
}

// A copy without room behind it, so that the address sanitizer sees a read past the end.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : size_(bytes.size()), data_(new char[bytes.size()]) {
    bytes.copy(data_.get(), size_);
  }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> data_;
};

// The text of the BadCall that `f` must throw.
template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const BadCall& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a BadCall: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

// Whether `f` throws a BadCall; any other exception ends the test.
template <class F>
bool refuses(F f) {
  try {
    f();
  } catch (const BadCall&) {
    return true;
  }
  return false;
}

inline std::uint64_t seed_of_run() {
  const char* given = std::getenv("STEWARD_SEED");
  const std::uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::cout << "STEWARD_SEED=" << seed << "\n";
  return seed;
}

// Changes valid bytes a little, as a broken or hostile peer would.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string mutate(std::string bytes) {
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(bytes);
    return bytes;
  }
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

 private:
  void change(std::string& bytes) {
    const std::size_t place = below(bytes.size() + 1);
    // Bytes that mean something: tags of all families, the ends of ranges.
    using std::string_view_literals::operator""sv;
    constexpr std::string_view kTelling =
        "\x00\x01\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc4\xc6\xc7\xc9\xca\xcb\xcf\xd3\xd4\xd8\xdb"
        "\xdc\xdd\xde\xdf\xe0\xff"sv;
    const bool telling = below(2) == 0;
    const char byte =
        telling ? kTelling[below(kTelling.size())] : static_cast<char>(below(256));
    if (place == bytes.size() || below(3) == 0) {
      bytes.insert(place, 1, byte);
    } else if (below(3) == 0) {
      bytes.erase(place, 1 + below(4));
    } else {
      bytes[place] = byte;
    }
  }

  std::mt19937_64 random_;
};

inline core::Incarnation incarnation(std::uint8_t fill) {
  core::Incarnation id;
  id.bytes.fill(fill);
  return id;
}

inline core::Token token(std::string type, std::uint64_t object, std::uint8_t manager = 0xaa) {
  core::Token token;
  token.incarnation = incarnation(manager);
  token.object = core::ObjectId{object};
  token.type = std::move(type);
  return token;
}

inline core::ReferencePtr reference(std::string type, std::uint64_t object,
                                    std::uint8_t manager = 0xaa) {
  return std::make_shared<const core::Reference>(token(std::move(type), object, manager));
}

// What a typed proxy is to the core: made of a reference, and made from one.
class FakeList {
 public:
  static constexpr std::string_view kType = "list";

  FakeList() = default;
  static FakeList from_reference(core::ReferencePtr reference) {
    FakeList list;
    list.reference_ = std::move(reference);
    return list;
  }
  const core::ReferencePtr& reference() const { return reference_; }

  // As a proxy has them: neither must be taken for a container.
  const int* begin() const { return nullptr; }
  const int* end() const { return nullptr; }

 private:
  core::ReferencePtr reference_;
};

}  // namespace steward::detail::test
