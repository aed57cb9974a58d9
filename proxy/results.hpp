// How the results of methods are read. A reading is a function object: it takes the reply of a call
// and gives the caller's value. Policies keep it until the reply is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <steward/client/session.hpp>
#include <steward/core/codec.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>

namespace steward::detail::proxy {

// What came of a call. Valid while it is read.
struct Reply {
  client::Session* session;  // null: there was none yet when the time was over
  core::ObjectId object;
  bool done;                // false: a timed form was not done in time
  std::string_view result;  // encoded; empty if it was not done
  client::SessionNumber granted_by;
};

namespace impl {

// The elements of an encoded array, one by one.
class Elements {
 public:
  explicit Elements(std::string_view encoded) : reader_(encoded), left_(reader_.array()) {}
  std::size_t left() const { return left_; }
  std::string_view next() {
    --left_;
    return reader_.skip(core::kFrameDepth);
  }

 private:
  core::Reader reader_;
  std::size_t left_;
};

}  // namespace impl

// One value, as values are packed.
template <class R>
struct As {
  using Result = R;
  static R read(std::string_view encoded) {
    if constexpr (!std::is_void_v<R>) return core::unpack<R>(encoded);
  }
  R operator()(const Reply& reply) const { return read(reply.result); }
};

template <class First, class Second>
struct PairOf {
  using Result = std::pair<typename First::Result, typename Second::Result>;
  static Result read(std::string_view encoded) {
    impl::Elements elements(encoded);
    if (elements.left() != 2) throw BadCall("expected a pair");
    auto first = First::read(elements.next());
    return {std::move(first), Second::read(elements.next())};
  }
  Result operator()(const Reply& reply) const { return read(reply.result); }
};

template <class Element>
struct ListOf {
  using Result = std::vector<typename Element::Result>;
  static Result read(std::string_view encoded) {
    impl::Elements elements(encoded);
    Result list;
    list.reserve(elements.left());
    while (elements.left() > 0) list.push_back(Element::read(elements.next()));
    return list;
  }
  Result operator()(const Reply& reply) const { return read(reply.result); }
};

// On the wire a list of none or one.
template <class Element>
struct Maybe {
  using Result = std::optional<typename Element::Result>;
  static Result read(std::string_view encoded) {
    impl::Elements elements(encoded);
    if (elements.left() == 0) return std::nullopt;
    return Element::read(elements.next());
  }
  Result operator()(const Reply& reply) const { return read(reply.result); }
};

// A Maybe with a value for the case that there is none.
template <class Element>
struct Or {
  using Result = typename Element::Result;
  Result otherwise;
  Result operator()(const Reply& reply) const {
    auto found = Maybe<Element>::read(reply.result);
    return found ? *std::move(found) : otherwise;
  }
};

// The result of a timed form; nullopt: not done in time.
template <class Element>
struct InTime {
  using Result = std::optional<typename Element::Result>;
  Result operator()(const Reply& reply) const {
    if (!reply.done) return std::nullopt;
    return Element::read(reply.result);
  }
};

// Whether a timed form without a result was done.
struct Done {
  using Result = bool;
  bool operator()(const Reply& reply) const { return reply.done; }
};

// As a function reads it.
template <class F>
struct ReadBy {
  using Result = std::invoke_result_t<const F&, const Reply&>;
  F read;
  Result operator()(const Reply& reply) const { return read(reply); }
};
template <class F>
ReadBy(F) -> ReadBy<F>;

// Pairs, sorted by their keys.
template <class K, class V>
struct MapOf {
  using Result = std::map<K, V>;
  Result operator()(const Reply& reply) const {
    impl::Elements elements(reply.result);
    Result map;
    while (elements.left() > 0) map.insert(PairOf<As<K>, As<V>>::read(elements.next()));
    return map;
  }
};

// Whether a size is 0.
struct IsZero {
  using Result = bool;
  bool operator()(const Reply& reply) const { return As<std::size_t>::read(reply.result) == 0; }
};

}  // namespace steward::detail::proxy
