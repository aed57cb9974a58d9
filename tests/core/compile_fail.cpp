// What must not compile, and with which words: each CASE is one program. CASE 0 compiles.
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/codec.hpp>
#include <steward/core/future.hpp>

#ifndef CASE
#define CASE 0
#endif

namespace steward::detail::core {

struct Homemade {
  std::string text;
};
struct Borrowing {
  int size = 0;
  const char* text = nullptr;
};

inline void compiles(int* pointer, std::string_view view, char letter) {
  static_cast<void>(packed(std::vector<std::string>{std::string(view)}));
  static_cast<void>(unpack<std::string>(packed(*pointer)));
  static_cast<void>(Value(std::string(1, letter)).as<std::string>());
#if CASE == 1
  packed(pointer);
#elif CASE == 2
  packed(std::vector<std::string_view>{view});
#elif CASE == 3
  packed(std::vector<Homemade>());
#elif CASE == 4
  unpack<std::string_view>("");
#elif CASE == 5
  static_cast<void>(Value(letter));
#elif CASE == 6
  Value("text").as<std::string_view>();
#elif CASE == 7
  Value(Value::List{}).is<Homemade>();
#elif CASE == 8
  packed(std::vector<Borrowing>());
#elif CASE == 9
  Future<int>().get(std::chrono::seconds(2));
#endif
}

}  // namespace steward::detail::core
