// The calls that a pool's worker makes, as bytes and back: packed on one side, made and answered on
// the other.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <steward/core/codec.hpp>
#include <steward/pool/worker_table.hpp>
#include <steward/process/callable.hpp>
#include <steward/pool/messages.hpp>

namespace steward::detail::pool {

// Unwanted: true once the job was cancelled and its remaining calls need not be made.
class Unwanted {
 public:
  Unwanted(const WorkerTable& table, JobNumber job) : table_(table), job_(job) {}
  explicit operator bool() const { return table_.is_cancelled(job_); }

 private:
  const WorkerTable& table_;
  JobNumber job_;
};

// Where the results of a task's calls are written, one after the other.
class Results {
 public:
  std::string& bytes() { return bytes_; }
  std::size_t written() const { return bytes_.size(); }
  // What was written from `begin` on is the result of one call. Throws Overloaded if it is too
  // large.
  virtual void check_call(std::size_t begin) const = 0;
  // The result that begins there is complete. What was written before it may be sent.
  virtual void end_call(std::size_t begin) = 0;

 protected:
  Results() = default;
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  ~Results() = default;

 private:
  std::string bytes_;
};

// Makes the calls: one for each of `count` items in `arguments`. Appends to `results`, for each,
// whether it returned, and then what, or with what it failed (pack_exception). Ends early if the
// rest is unwanted: then what was appended is to be forgotten. Throws BadCall if the callable
// cannot be read.
using RunCalls = void (*)(std::string_view callable, MessageReader arguments, std::size_t count,
                          const Unwanted& unwanted, Results& results);

enum class CallEnd : unsigned char { returned, threw };

// A failure has its size in front: texts in it may be cut anywhere.
void append_failure(std::string& results);
[[noreturn]] void throw_failed_call(MessageReader& results);

template <class F, class... P>
using CallResult = std::decay_t<std::invoke_result_t<F&, P&&...>>;

template <class F, class... P, std::size_t... place>
std::tuple<std::decay_t<P>...> unpack_call(MessageReader& in, std::index_sequence<place...>) {
  return {unpack_item<std::decay_t<P>>(in)...};  // in order, thanks to the braces
}

template <class F, class... P>
void run_one(F& f, std::tuple<std::decay_t<P>...>& arguments, Results& results) {
  using R = CallResult<F, P...>;
  std::string& bytes = results.bytes();
  const std::size_t begin = bytes.size();
  try {
    append_bytes(bytes, CallEnd::returned);
    const auto call = [&](auto&... argument) -> decltype(auto) {
      return std::invoke(f, static_cast<P&&>(argument)...);
    };
    if constexpr (std::is_void_v<R>) {
      std::apply(call, arguments);
    } else {
      pack_item<R>(bytes, std::apply(call, arguments));
      results.check_call(begin);
    }
  } catch (...) {
    bytes.resize(begin);
    append_failure(bytes);
  }
  results.end_call(begin);
}

template <class F, class... P>
void run_calls(std::string_view callable, MessageReader arguments, std::size_t count,
               const Unwanted& unwanted, Results& results) {
  process::HeldHandleCodec held;
  core::Reader in(callable);
  F f = [&] {
    const core::HandleCodecScope scope(held);
    return process::unpack_callable<F>(in, "a pool's worker");
  }();
  for (std::size_t i = 0; i < count && !unwanted; ++i) {
    auto call = [&] {
      const core::HandleCodecScope scope(held);
      return unpack_call<F, P...>(arguments, std::index_sequence_for<P...>{});
    }();
    run_one<F, P...>(f, call, results);
  }
}

// Whether a T certainly holds no proxies. Arguments that may hold some are kept here until the
// worker has references of its own.
template <class T>
inline constexpr bool kHoldsNone =
    core::Scalar<T> || std::same_as<T, std::string> || core::TravelsRaw<T>;
template <class T, class A>
inline constexpr bool kHoldsNone<std::vector<T, A>> = kHoldsNone<T>;
template <class... T>
inline constexpr bool kHoldsNone<std::tuple<T...>> = (kHoldsNone<T> && ...);
template <class A, class B>
inline constexpr bool kHoldsNone<std::pair<A, B>> = kHoldsNone<A> && kHoldsNone<B>;

// Calls on their way: bytes, and what has to be kept meanwhile. Move-only.
template <class... P>
class PackedCalls {
 public:
  using Arguments = std::tuple<std::decay_t<P>...>;

  template <class... Args>
  void add(Args&&... args) {
    const HeldScope scope;
    last_ = bytes_.size();
    if constexpr (kHoldsNone<Arguments>) {
      (pack_item<std::decay_t<P>>(bytes_, std::forward<Args>(args)), ...);
    } else {
      kept_.emplace_back(std::forward<Args>(args)...);
      std::apply([&](const auto&... arg) { (pack_item(bytes_, arg), ...); }, kept_.back());
    }
    ++count_;
  }

  // The last call; the others stay here. REQUIRES: count() > 1, and add() was called since the last
  // take_last().
  PackedCalls take_last() {
    PackedCalls last;
    last.bytes_ = bytes_.substr(last_);
    last.count_ = 1;
    bytes_.resize(last_);
    --count_;
    if constexpr (!kHoldsNone<Arguments>) {
      last.kept_.push_back(std::move(kept_.back()));
      kept_.pop_back();
    }
    return last;
  }

  std::size_t count() const { return count_; }
  std::size_t bytes() const { return bytes_.size(); }
  std::string take_bytes() { return std::move(bytes_); }
  std::shared_ptr<const void> take_kept() {
    if constexpr (kHoldsNone<Arguments>) return nullptr;
    else return std::make_shared<const std::vector<Arguments>>(std::move(kept_));
  }

 private:
  struct HeldScope {
    process::HeldHandleCodec held;
    core::HandleCodecScope scope{held};
  };

  std::string bytes_;
  std::size_t last_ = 0;  // where the last call begins
  std::size_t count_ = 0;
  std::vector<Arguments> kept_;
};

// The parameters of the calls of map(), which take one element each.
template <class F, class Element>
using MapParameters =
    std::conditional_t<std::is_void_v<process::Sig<F>>, process::Parameters<std::decay_t<Element>>,
                       process::Sig<F>>;

// The parameters of the calls of starmap(), whose arguments are the parts of one element, a tuple.
template <class Tuple>
struct ParametersIn;
template <class... T>
struct ParametersIn<std::tuple<T...>> {
  using type = process::Parameters<std::decay_t<T>...>;
};
template <class A, class B>
struct ParametersIn<std::pair<A, B>> {
  using type = process::Parameters<std::decay_t<A>, std::decay_t<B>>;
};
template <class F, class Element>
struct StarParameters {
  using type = process::Sig<F>;
};
template <class F, class Element>
  requires std::is_void_v<process::Sig<F>>
struct StarParameters<F, Element> : ParametersIn<std::decay_t<Element>> {};

// As check_call(), for calls whose results must travel back.
template <class F, class... P, class... Args>
constexpr bool check_calls(process::Parameters<P...> declared, process::Parameters<Args...> given) {
  if constexpr (!process::check_target<F>()) {
    return false;
  } else if constexpr (!process::check_call<F>(declared, given)) {
    return false;
  } else {
    using R = CallResult<F, P...>;
    constexpr bool travels = std::is_void_v<R> || core::Packable<R>;
    static_assert(travels,
                  "what the target returns cannot travel to this process: pointers and views never "
                  "do (return a std::string or std::vector), nor do members that are such; a class "
                  "needs MSGPACK_DEFINE(members...) or to be trivially copyable");
    return travels;
  }
}

// Checks the calls of map().
template <class F, class... P, class Element>
constexpr bool check_each(process::Parameters<P...> declared,
                          process::Parameters<Element> element) {
  if constexpr (process::check_target<F>() && sizeof...(P) != 1) {
    static_assert(process::kNever<F>, "map calls with one argument: use starmap");
    return false;
  } else {
    return check_calls<F>(declared, element);
  }
}

// Checks the calls of starmap().
template <class F, class... P>
constexpr bool check_spread(process::Parameters<P...> declared) {
  return check_calls<F>(declared, process::Parameters<std::decay_t<P>...>{});
}

// Checks the calls of imap(), which must return something.
template <class F, class... P>
constexpr bool check_walk(process::Parameters<P...>) {
  constexpr bool returns = !std::is_void_v<CallResult<F, P...>>;
  static_assert(returns, "there are no results to walk over: use map");
  return returns;
}

// The types of a braced list of elements; where the parameters are not known there can be none.
struct NoList;
template <class Parameters>
struct BracedList {
  using only = NoList;
  using all = NoList;
};
template <class... P>
struct BracedList<process::Parameters<P...>> {
  using only = NoList;
  using all = std::tuple<std::decay_t<P>...>;
};
template <class P>
struct BracedList<process::Parameters<P>> {
  using only = std::decay_t<P>;
  using all = std::tuple<std::decay_t<P>>;
};
template <class F>
using OnlyParameter = typename BracedList<process::Sig<std::decay_t<F>>>::only;
template <class F>
using AllParameters = typename BracedList<process::Sig<std::decay_t<F>>>::all;

// How an element becomes a call.
struct AsOne {
  template <class Calls, class Element>
  void operator()(Calls& calls, Element&& element) const {
    calls.add(std::forward<Element>(element));
  }
};
struct AsTuple {
  template <class Calls, class Element>
  void operator()(Calls& calls, Element&& element) const {
    std::apply([&](auto&&... part) { calls.add(std::forward<decltype(part)>(part)...); },
               std::forward<Element>(element));
  }
};

}  // namespace steward::detail::pool
