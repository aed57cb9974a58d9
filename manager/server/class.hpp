// A class of managed objects as the core sees it: a name, a constructor, a table of methods.
// Templates at the rim (method<&List::append>), a plain table in the middle.
//
//   Class list_class() {
//     return {"list", create<ListObject>,
//             {method<&ListObject::append>("append"), method<&ListObject::at>("at"), ...}};
//   }
//
// A method that may make its object larger is written adding<&List::append>("append"): it is
// refused if its arguments have no room within Limits::memory, or if one of them is too long to be
// read again. By no more than those may it grow.
//
// A const member function is a read: it changes nothing, not even statistics. One that cannot be
// answered while the object's contents are outside (Object::is_outside) comes with a second that is
// asked then: reading<&Queue::size, &Queue::ask_size>("size"). A member function whose first
// parameter is Call& may park (return kParked), own, hand over. Parameters are whatever
// Arguments::take reads; results: void, bool, integers, double, std::string, Value, Outcome,
// std::optional<T> (which travels as a list of none or one), std::vector<Value>.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <steward/manager/server/answer_bytes.hpp>
#include <steward/manager/server/arguments.hpp>
#include <steward/manager/server/object.hpp>
#include <steward/manager/server/saved_state.hpp>

namespace steward::detail::server {

// The place of a method in all that a registry holds, the manager's own behind them: what
// statistics are counted by.
enum class MethodNumber : std::uint32_t {};

struct Method {
  std::string_view name;
  // One of the two is set; or both, and `write` serves while the contents are outside.
  Value (*read)(const Object&, Arguments&) = nullptr;
  Outcome (*write)(Object&, Call&, Arguments&) = nullptr;
  bool adds = false;
  MethodNumber number{};  // given by the registry
  bool is_read() const { return read != nullptr; }
  bool is_read(const Object& object) const {
    return read != nullptr && (write == nullptr || !object.is_outside());
  }
};

struct Class {
  std::string_view name;  // the typeid; of static storage
  std::unique_ptr<Object> (*create)(const Environment&, Arguments&);
  std::vector<Method> methods;
  // An object as Object::save wrote it; nullptr: this class is not loaded (those of tests).
  std::unique_ptr<Object> (*load)(const Environment&, Loader&) = nullptr;
};

// The classes of one server, looked up by name; methods by name or index.
class Registry {
 public:
  void add(Class description);
  const Class* find(std::string_view name) const;
  // nullptr: the class has no such method.
  static const Method* find(const Class& type, const core::MethodKey& key);
  // How many methods all classes have together. They are numbered in order of registration.
  std::size_t number_of_methods() const { return methods_; }
  // Numbers these behind them.
  void number(std::vector<Method>& methods) const;
  // In order of registration.
  const std::vector<std::unique_ptr<const Class>>& classes() const { return classes_; }

 private:
  std::vector<std::unique_ptr<const Class>> classes_;
  std::unordered_map<std::string_view, const Class*> by_name_;
  std::size_t methods_ = 0;
};

// The built-in classes: list, dict, queue, lock, ...
Registry builtin_classes();

namespace impl {

template <class T>
Value to_value(T result) {
  if constexpr (std::constructible_from<Value, T> && !requires { result.has_value(); }) {
    return Value(std::move(result));
  } else {
    Value::List items;
    if (result) items.emplace_back(*std::move(result));
    return Value(std::move(items));
  }
}

template <class M>
struct MemberFunction;
template <class C, class R, class... A>
struct MemberFunction<R (C::*)(A...)> {
  using Self = C;
  using Result = R;
  using Parameters = std::tuple<std::decay_t<A>...>;
  static constexpr bool kConst = false;
  static constexpr bool kWithCall = false;
};
template <class C, class R, class... A>
struct MemberFunction<R (C::*)(Call&, A...)> {
  using Self = C;
  using Result = R;
  using Parameters = std::tuple<std::decay_t<A>...>;
  static constexpr bool kConst = false;
  static constexpr bool kWithCall = true;
};
template <class C, class R, class... A>
struct MemberFunction<R (C::*)(A...) const> {
  using Self = C;
  using Result = R;
  using Parameters = std::tuple<std::decay_t<A>...>;
  static constexpr bool kConst = true;
  static constexpr bool kWithCall = false;
};

// How many arguments there must be: only what is optional may be missing, at the end.
template <class... T>
constexpr std::size_t least_arguments() {
  std::size_t place = 0;
  std::size_t last = 0;
  ((++place, last = kOptional<T> ? last : place), ...);
  return last;
}

// Braces evaluate left to right.
template <class... T>
std::tuple<T...> take_all(Arguments& arguments, std::type_identity<std::tuple<T...>>) {
  arguments.require(least_arguments<T...>(), sizeof...(T));
  std::tuple<T...> taken{arguments.take<T>()...};
  arguments.finish();
  return taken;
}

template <class Result, class F>
Outcome run(F&& call) {
  if constexpr (std::is_void_v<Result>) {
    call();
    return Outcome(Value());
  } else if constexpr (std::same_as<Result, Outcome>) {
    return call();
  } else {
    return Outcome(to_value<Result>(call()));
  }
}

template <auto M>
Value read(const Object& object, Arguments& arguments) {
  using F = MemberFunction<decltype(M)>;
  auto taken = take_all(arguments, std::type_identity<typename F::Parameters>());
  const auto& self = static_cast<const typename F::Self&>(object);
  return std::move(run<typename F::Result>([&] {
                     return std::apply(
                         [&](auto&... args) { return (self.*M)(std::move(args)...); }, taken);
                   }).result());
}

// Of what an object may keep of an argument.
inline std::size_t footprint(const Value& value) { return value.footprint(); }
inline std::size_t footprint(const std::vector<Value>& values) {
  std::size_t bytes = 0;
  for (const Value& value : values) bytes += value.footprint();
  return bytes;
}
inline std::size_t footprint(const Value::Map& entries) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : entries) bytes += key.footprint() + value.footprint();
  return bytes;
}
template <class T>
std::size_t footprint(const T&) {
  return 0;
}

template <class T>
void require_answerable(const T& argument, std::size_t limit) {
  if constexpr (requires { server::require_answerable(argument, limit); }) {
    server::require_answerable(argument, limit);
  }
}

template <auto M, bool kAdds>
Outcome write(Object& object, Call& call, Arguments& arguments) {
  using F = MemberFunction<decltype(M)>;
  auto taken = take_all(arguments, std::type_identity<typename F::Parameters>());
  if constexpr (kAdds) {
    std::apply(
        [&](const auto&... args) {
          (impl::require_answerable(args, call.answer_bytes()), ...);
          call.require_room((std::size_t{0} + ... + footprint(args)));
        },
        taken);
  }
  auto& self = static_cast<typename F::Self&>(object);
  return changing([&] {
    return run<typename F::Result>([&] {
      return std::apply(
          [&](auto&... args) {
            if constexpr (F::kWithCall) {
              return (self.*M)(call, std::move(args)...);
            } else {
              return (self.*M)(std::move(args)...);
            }
          },
          taken);
    });
  });
}

}  // namespace impl

template <auto M>
Method method(std::string_view name) {
  if constexpr (impl::MemberFunction<decltype(M)>::kConst) {
    static_assert(!std::same_as<typename impl::MemberFunction<decltype(M)>::Result, Outcome>,
                  "a read cannot park");
    return {name, &impl::read<M>, nullptr};
  } else {
    return {name, nullptr, &impl::write<M, false>};
  }
}

template <auto Inside, auto Outside>
Method reading(std::string_view name) {
  static_assert(impl::MemberFunction<decltype(Inside)>::kConst, "no read");
  return {name, &impl::read<Inside>, &impl::write<Outside, false>};
}

template <auto M>
Method adding(std::string_view name) {
  static_assert(!impl::MemberFunction<decltype(M)>::kConst, "a read cannot add");
  return {name, nullptr, &impl::write<M, true>, true};
}

// For classes whose constructor takes (const Environment&, Arguments&) and finishes the arguments.
template <class C>
std::unique_ptr<Object> create(const Environment& environment, Arguments& arguments) {
  auto object = std::make_unique<C>(environment, arguments);
  arguments.finish();
  return object;
}

// For classes that have a constructor (const Environment&, Loader&) as well.
template <class C>
std::unique_ptr<Object> load(const Environment& environment, Loader& in) {
  return std::make_unique<C>(environment, in);
}

}  // namespace steward::detail::server
