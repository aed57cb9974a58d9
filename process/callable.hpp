// What a process can be told to run: a callable and its arguments as bytes, and the entry that
// makes them a call again on the other side.
//
// A plain function travels as its address, a captureless lambda as nothing, any other function
// object as what it packs; one that cannot be packed can run only in a fork of this process.
// Parameters keep their declared types: arguments are converted to them (decayed) where they are
// given, so that a mistake shows there, and a `const Row&` works.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <steward/core/codec.hpp>
#include <steward/core/limits.hpp>
#include <steward/process/context.hpp>
#include <steward/process/entry.hpp>
#include <steward/process/module.hpp>

namespace steward::detail::process {

// A callable with its arguments, until the process that shall run it is up. A resource.
class Work {
 public:
  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  virtual ~Work() = default;

  // False: only a forked copy of this process can run it.
  virtual bool travels() const = 0;
  // For a process that has nothing but the bytes. Packs anew at every call: handles inside are good
  // for one trip. Open files inside go to current_passed_files().
  virtual Entry entry() const = 0;
  virtual std::string pack() const = 0;

  // For a forked copy of this process: what it is told, and what runs this very object there.
  virtual std::string pack_for_copy() const = 0;
  virtual void run_copy(ChildContext& context, std::string_view bytes) = 0;
  // Whether this object must live until the forked copy has ended.
  virtual bool stays() const = 0;

  // In this process.
  virtual void run_here() = 0;
};

template <class... P>
struct Parameters {};

// The declared parameters of a function or of a class with one call operator; void if they cannot
// be known (generic lambdas, overloads).
template <class F>
struct SignatureOf {
  using type = void;
};
template <class R, class... P, bool nothrow>
struct SignatureOf<R (*)(P...) noexcept(nothrow)> {
  using type = Parameters<P...>;
};

template <class M>
struct MemberSignature {
  using type = void;
};
template <class R, class C, class... P, bool nothrow>
struct MemberSignature<R (C::*)(P...) noexcept(nothrow)> {
  using type = Parameters<P...>;
};
template <class R, class C, class... P, bool nothrow>
struct MemberSignature<R (C::*)(P...) const noexcept(nothrow)> {
  using type = Parameters<P...>;
};
template <class F>
  requires requires { &F::operator(); }
struct SignatureOf<F> : MemberSignature<decltype(&F::operator())> {};

template <class F>
using Sig = typename SignatureOf<F>::type;

template <class F>
concept FunctionPointer = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;

// Needs nothing to be sent: the other process makes one of its own.
template <class F>
concept Captureless =
    std::is_class_v<F> && std::is_empty_v<F> && std::default_initializable<F>;

// A function object with state that can be sent.
template <class F>
concept PackedCallable = std::is_class_v<F> && !Captureless<F> && core::Packable<F> &&
                         std::default_initializable<F>;

// What can be told to run in another process, in its decayed form.
template <class F>
concept Target = FunctionPointer<F> || Captureless<F> || PackedCallable<F>;

// What a forked copy of this process can run as well: any function object.
template <class F>
concept ForkTarget = Target<F> || (std::is_class_v<F> && std::move_constructible<F>);

// While it lives, handles are written without a nonce: whoever packs holds their references until
// the other side has its own.
class HeldHandleCodec final : public core::HandleCodec {
 public:
  core::Token outgoing(const core::Reference& reference) override { return reference.token(); }
  core::ReferencePtr incoming(core::Token token) override {
    return std::make_shared<const core::Reference>(std::move(token));
  }
};

template <class T>
void pack_argument(std::string& out, const T& argument) {
  if constexpr (core::ProxyType<T>) {
    HeldHandleCodec held;
    const core::HandleCodecScope scope(held);
    core::pack(out, argument);
  } else {
    core::pack(out, argument);
  }
}

// Throws the BadCall again, with the argument's place in the call.
[[noreturn]] void refuse_argument(std::string_view process, std::size_t place, const char* why);

template <class T>
T unpack_argument(core::Reader& in, std::string_view process, std::size_t place) {
  try {
    return core::unpack<T>(in.skip(core::kFrameDepth));
  } catch (const BadCall& error) {
    refuse_argument(process, place, error.what());
  }
}

template <class F>
void pack_callable(std::string& out, const F& f) {
  if constexpr (FunctionPointer<F>) {
    core::Writer writer(out);
    encode_address(writer, locate_function(f));
  } else if constexpr (PackedCallable<F>) {
    core::pack(out, f);
  }
}

template <class F>
F unpack_callable(core::Reader& in, std::string_view process) {
  if constexpr (FunctionPointer<F>) {
    return reinterpret_cast<F>(resolve(decode_address(in)));
  } else if constexpr (Captureless<F>) {
    return F{};
  } else {
    return unpack_argument<F>(in, process, 0);
  }
}

// Reads callable and arguments from left to right.
template <class F, class... P>
struct CallRead {
  CallRead(core::Reader& in, ChildContext& context)
      : CallRead(in, context, PassedFilesScope(context.passed_files()),
                 std::index_sequence_for<P...>{}) {}

  F f;
  std::tuple<std::decay_t<P>...> arguments;

 private:
  template <std::size_t... place>
  CallRead(core::Reader& in, ChildContext& context, const PassedFilesScope&,
           std::index_sequence<place...>)
      : f(unpack_callable<F>(in, context.name())),
        arguments{unpack_argument<std::decay_t<P>>(in, context.name(), place + 1)...} {}
};

template <class... P, class F>
void invoke_with(F& f, std::tuple<std::decay_t<P>...>& arguments) {
  std::apply([&f](auto&... argument) { std::invoke(f, static_cast<P&&>(argument)...); }, arguments);
}

// The entry of a process that runs F with parameters P.
template <class F, class... P>
void run_call(ChildContext& context, std::string_view bytes) {
  core::Reader in(bytes);
  CallRead<F, P...> call(in, context);
  context.confirm();
  invoke_with<P...>(call.f, call.arguments);
}

// Takes the place of the callable in CallRead where it is not read: a forked copy has it already.
struct NoCallable {};

template <class F, class... P>
class Call final : public Work {
 public:
  template <class... Args>
  explicit Call(F f, Args&&... args)
      : f_(std::move(f)), arguments_(std::in_place, std::forward<Args>(args)...) {}

  bool travels() const override { return Target<F>; }

  Entry entry() const override {
    if constexpr (Target<F>) {
      return run_call<F, P...>;
    } else {
      return nullptr;
    }
  }

  std::string pack() const override {
    std::string out;
    if constexpr (Target<F>) pack_callable(out, f_);
    pack_arguments(out);
    return out;
  }

  // A packed callable may hold open files, which a copy of this process does not have.
  std::string pack_for_copy() const override {
    if constexpr (PackedCallable<F>) return pack();
    std::string out;
    pack_arguments(out);
    return out;
  }

  void run_copy(ChildContext& context, std::string_view bytes) override {
    if constexpr (PackedCallable<F>) {
      run_call<F, P...>(context, bytes);
    } else {
      core::Reader in(bytes);
      CallRead<NoCallable, P...> call(in, context);
      arguments_.reset();  // an open file has one owner: now the unpacked arguments have it
      context.confirm();
      invoke_with<P...>(f_, call.arguments);
    }
  }

  // The copy has no references of its own for proxies among the captures, until it uses them. But
  // what can only be moved, such as an end of a pipe, has one owner.
  bool stays() const override { return !Target<F> && std::copy_constructible<F>; }

  void run_here() override { invoke_with<P...>(f_, *arguments_); }

 private:
  void pack_arguments(std::string& out) const {
    std::apply([&](const auto&... argument) { (pack_argument(out, argument), ...); }, *arguments_);
  }

  F f_;
  std::optional<std::tuple<std::decay_t<P>...>> arguments_;
};

template <class...>
inline constexpr bool kNever = false;

// The parameters that a call with these arguments has.
template <class F, class... Args>
struct ParametersOf {
  using type =
      std::conditional_t<std::is_void_v<Sig<F>>, Parameters<std::decay_t<Args>...>, Sig<F>>;
};

// The argument would convert if it were moved, but it is an lvalue.
template <class Arg, class P>
inline constexpr bool kOnlyMoved =
    !std::convertible_to<Arg, P> && std::same_as<std::remove_cvref_t<Arg>, P> &&
    std::convertible_to<std::remove_cvref_t<Arg>&&, P>;

template <class P>
inline constexpr bool kWritesBack =
    std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;

// The result of a call that is refused at compile time. It converts to anything, so that the
// static_assert with the reason is the only error.
struct Refused {
  template <class T>
  operator T() const;
  Refused get() const;
  const Refused* begin() const;
  const Refused* end() const;
};

// These fail to compile with a sentence that says what is wrong. True: nothing is.

template <class F>
constexpr bool check_target() {
  if constexpr (Target<F>) {
    return true;
  } else if constexpr (std::is_bind_expression_v<F>) {
    static_assert(kNever<F>, "a std::bind object cannot travel to another process: pass the "
                             "function itself, and its arguments beside it");
  } else {
    static_assert(kNever<F>,
                  "another process runs a function, a captureless lambda or a packable function "
                  "object (MSGPACK_DEFINE(members...)); a lambda with captures cannot travel: give "
                  "what it captures as arguments (a Process may also have StartMethod::fork)");
  }
  return false;
}

// Checks the call of an F with parameters P... and arguments Args...
template <class F, class... P, class... Args>
constexpr bool check_call(Parameters<P...>, Parameters<Args...>) {
  if constexpr (sizeof...(Args) != sizeof...(P)) {
    static_assert(kNever<F, Args...>, "the target takes another number of arguments");
  } else if constexpr ((kWritesBack<P> || ...)) {
    static_assert(kNever<F, P...>,
                  "a parameter of the target is a reference to what it may change, but another "
                  "process has a copy: take it by value, and share with a List, Dict or "
                  "Queue");
  } else if constexpr (!(core::Packable<std::decay_t<P>> && ...)) {
    static_assert(kNever<F, P...>,
                  "a parameter of the target cannot travel to another process: pointers and views "
                  "never do (take a std::string or std::vector), nor do members that are such; a "
                  "class needs MSGPACK_DEFINE(members...) or to be trivially copyable");
  } else if constexpr ((kOnlyMoved<Args, std::decay_t<P>> || ...)) {
    static_assert(kNever<Parameters<Args...>, Parameters<P...>>,
                  "an argument can only be moved: pass std::move(it)");
  } else if constexpr (!(std::convertible_to<Args, std::decay_t<P>> && ...)) {
    static_assert(kNever<Parameters<Args...>, Parameters<P...>>,
                  "an argument does not convert to the target's parameter");
  } else if constexpr (!std::invocable<F&, P&&...>) {
    static_assert(kNever<F, P...>, "the target cannot be called with these arguments");
  } else {
    return true;
  }
  return false;
}

template <class F, class... Args, class... P>
std::unique_ptr<Work> make_call(Parameters<P...> declared, F f, Args&&... args) {
  if constexpr (check_call<F>(declared, Parameters<Args&&...>{})) {
    return std::make_unique<Call<F, P...>>(std::move(f), std::forward<Args>(args)...);
  } else {
    return nullptr;
  }
}

template <class Callable, class F, class... Args>
std::unique_ptr<Work> make_work_of(F&& f, Args&&... args) {
  return make_call(typename ParametersOf<Callable, Args...>::type{}, Callable(std::forward<F>(f)),
                   std::forward<Args>(args)...);
}

template <class F, class... Args>
std::unique_ptr<Work> make_work(F&& f, Args&&... args) {
  using Callable = std::decay_t<F>;
  if constexpr (check_target<Callable>()) {
    return make_work_of<Callable>(std::forward<F>(f), std::forward<Args>(args)...);
  } else {
    return nullptr;
  }
}

// For a process that may turn out to be forked from this one.
template <class F, class... Args>
std::unique_ptr<Work> make_fork_work(F&& f, Args&&... args) {
  using Callable = std::decay_t<F>;
  if constexpr (!ForkTarget<Callable>) {
    static_assert(kNever<Callable>, "a process runs a function or a function object");
  } else {
    return make_work_of<Callable>(std::forward<F>(f), std::forward<Args>(args)...);
  }
}

}  // namespace steward::detail::process
