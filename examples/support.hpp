// What the larger examples share: arguments, a stopwatch, and what they say about both.
#pragma once

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <steward/steward.hpp>

namespace examples {

// The words of a command line, "--name VALUE" each. --help shows the usage; what is wrong ends the
// program with one line and the exit code 2.
class Arguments {
 public:
  Arguments(int argc, char** argv, std::string_view usage) : words_(argv + 1, argv + argc) {
    for (const std::string& word : words_) {
      if (word != "--help") continue;
      std::cout << usage;
      std::exit(0);
    }
  }

  std::string text(const std::string& name, std::string otherwise) {
    return take(name).value_or(std::move(otherwise));
  }

  template <class Number>
  Number number(const std::string& name, Number otherwise, Number least, Number most) {
    const std::optional<std::string> value = take(name);
    if (!value) return otherwise;
    Number number{};
    const char* const end = value->data() + value->size();
    const auto [stop, error] = std::from_chars(value->data(), end, number);
    if (error != std::errc() || stop != end || number < least || most < number) {
      std::ostringstream why;
      why << name << " takes a number from " << least << " to " << most;
      refuse(why.str());
    }
    return number;
  }
  std::size_t processes() {
    return number<std::size_t>("--processes", steward::cpu_count(), 1, 256);
  }

  // Whatever has not been asked for is not known.
  void end() const {
    if (!words_.empty()) refuse("there is no option " + words_.front());
  }

  [[noreturn]] static void refuse(const std::string& why) {
    std::cerr << why << "; --help shows how it is used\n";
    std::exit(2);
  }

 private:
  std::optional<std::string> take(const std::string& name) {
    for (auto word = words_.begin(); word != words_.end(); ++word) {
      if (*word != name) continue;
      if (word + 1 == words_.end()) refuse(name + " needs a value");
      std::string value = *(word + 1);
      words_.erase(word, word + 2);
      return value;
    }
    return std::nullopt;
  }

  std::vector<std::string> words_;
};

// A result and how long it took.
template <class T>
struct Timed {
  T result;
  double seconds;
};

template <class F>
auto timed(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  auto result = std::forward<F>(work)();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return Timed<decltype(result)>{std::move(result), took.count()};
}

// The text of a number with so many digits behind the point.
inline std::string fixed(double number, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << number;
  return text.str();
}

inline std::string speed(double alone, double together, std::size_t processes) {
  return "1 process " + fixed(alone, 3) + " s, pool of " + std::to_string(processes) + " " +
         fixed(together, 3) + " s: speed-up " + fixed(alone / together, 2);
}

// The last line, and the exit code.
inline int verdict(bool right, const std::string& what) {
  std::cout << (right ? "Checked: " : "WRONG, this does not hold: ") << what << '\n';
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace examples
