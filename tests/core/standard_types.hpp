// How standard types travel, as the source that includes this sees it. Not as the linker does: so
// everything here is in its own namespace in each of them.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstddef>
#include <ctime>
#include <deque>
#include <exception>
#include <filesystem>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <ratio>
#include <set>
#include <span>
#include <stack>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <valarray>
#include <variant>
#include <vector>

#include <steward/core/codec.hpp>

namespace steward::detail::test {

struct Way {
  bool packable;
  bool raw;
  bool by_user_adaptor;
  bool operator==(const Way&) const = default;
};

namespace {

template <class... T>
std::vector<Way> ways_of() {
  return {{core::Packable<T>, core::TravelsRaw<T>, core::kUserAdaptor<T>}...};
}

[[maybe_unused]] std::vector<Way> ways_here() {
  return ways_of<
      bool, char, wchar_t, char8_t, char16_t, long long, float, double, long double, std::byte,
      std::nullptr_t, std::string, std::wstring, std::u8string, std::u16string, std::string_view,
      std::array<int, 2>, std::array<char, 2>, std::array<unsigned char, 2>,
      std::array<std::byte, 2>, int[2], char[2], std::byte[2], std::vector<int>,
      std::vector<bool>, std::vector<char>, std::vector<unsigned char>, std::vector<std::byte>,
      std::deque<int>, std::list<int>, std::forward_list<int>, std::set<int>, std::multiset<int>,
      std::map<int, int>, std::multimap<int, int>, std::unordered_set<int>,
      std::unordered_multiset<int>, std::unordered_map<int, int>,
      std::unordered_multimap<int, int>, std::stack<int>, std::queue<int>,
      std::priority_queue<int>, std::valarray<int>, std::bitset<8>, std::pair<int, int>,
      std::tuple<>, std::tuple<int, char>, std::optional<int>, std::variant<int, char>,
      std::monostate, std::span<int>, std::span<const char>, std::span<const std::byte>,
      std::reference_wrapper<int>, std::unique_ptr<int>, std::shared_ptr<int>, std::weak_ptr<int>,
      std::complex<float>, std::complex<double>, std::complex<long double>, std::complex<int>,
      std::chrono::milliseconds, std::chrono::duration<double>,
      std::chrono::system_clock::time_point, std::chrono::steady_clock::time_point,
      std::chrono::year_month_day, std::timespec, std::tm, std::div_t, std::error_code,
      std::error_condition, std::exception_ptr, std::thread::id, std::type_index,
      std::filesystem::path, std::mt19937, std::ratio<1, 2>, std::plus<int>>();
}

}  // namespace
}  // namespace steward::detail::test
