// Object: a proxy of an object of any class, for those who do not know which.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <steward/core/value.hpp>
#include <steward/proxy/proxy.hpp>

namespace steward {
namespace detail::proxy {

// The reading of a call whose method is known by name only.
struct Untyped {
  using Result = Value;
  bool unlocks;  // a lock's hold by this thread is over then
  Value operator()(const Reply& reply) const;
};

// The methods of an Object under a call policy.
template <class Calls>
class ObjectMethods : public Calls {
 public:
  template <class R>
  using Result = typename Calls::template Result<R>;

  // Calls a method by its name on the wire (docs/protocol.md, section 11): call("append", 3). The
  // result is as the wire has it: an optional is a list of none or one, no result is nil. Throws
  // what the method throws; BadCall if there is no such method.
  //
  // Nobody here knows what the method does, so each call is taken for all that it could be:
  // - It may change something: it is never repeated on its own. If the session is lost under it,
  //   it ends in OutcomeUnknown, even if it only read.
  // - It may hand something over (get, lock): that is confirmed before the caller has it, so that
  //   it goes back if this process dies earlier.
  // - Past a timeout it is cancelled: what it was handed goes back, what it waited for is not done;
  //   but if it was one that puts something in, it may have done so just before.
  // A lock that is locked so is this thread's, and is unlocked either way.
  template <std::convertible_to<Value>... A>
  Result<Value> call(std::string_view method, const A&... arguments) const {
    return apply(method, Value::List{Value(arguments)...});
  }
  // The same with arguments that are a list already.
  Result<Value> apply(std::string_view method, const Value::List& arguments) const {
    return this->read_as(Untyped{method == "unlock"}, unknown(method), ArgumentList{arguments});
  }

  // The contents as spaced JSON, as << prints them; the first `limit` bytes and "..." if there are
  // more: what is beyond does not travel.
  Result<std::string> contents(std::size_t limit) const {
    return this->read_as(As<std::string>(), reading("str"), limit);
  }

 protected:
  using Calls::Calls;

 private:
  // Whoever unlocks must not wait for those who wait for the lock.
  static Method unknown(std::string_view name) {
    return {name, client::Effect::change, true, name != "unlock"};
  }
};

}  // namespace detail::proxy

// Any object in a manager: `for (Object o : manager.objects()) std::cout << o.describe() << '\n';`
//
// A proxy: a value that stands for the object and keeps it alive (see detail::proxy::ProxyOf for
// what all proxies can do, detail::proxy::ObjectMethods for the methods). Where the type is checked
// an Object stands for all: open<Object>(text), value.as<Object>(), List<Object>. Thread safety:
// calls from any thread.
class Object : public detail::proxy::ProxyOf<Object, detail::proxy::ObjectMethods> {
 public:
  static constexpr std::string_view kType = detail::core::kAnyType;

  // "list", "dict", ...; empty for an empty Object. No call.
  std::string typeid_name() const { return reference() ? reference()->token().type : ""; }
  // Its number, never used again in its manager's life; 0 for an empty Object. No call.
  std::uint64_t id() const { return reference() ? detail::core::number(object()) : 0; }
  // One line for people, the contents cut: list#3: [0, 1, 4]
  std::string describe() const;
};

}  // namespace steward
