// What a Process can be told to run, and with which arguments.
#include <steward/process/process.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/core/value.hpp>

#include <steward/tests/process/methods.hpp>
#include <steward/tests/process/support.hpp>

namespace steward {
namespace {

using detail::test::Pipe;

struct Row {  // travels as bytes
  int number;
  double real;
};

struct Person {
  std::string name;
  std::vector<int> marks;
  MSGPACK_DEFINE(name, marks)
};

struct Adder {
  int by = 0;
  MSGPACK_DEFINE(by)
  void operator()(const std::string& writer, int number) const {
    detail::test::tell(writer, std::to_string(number + by));
  }
};

struct RawAdder {
  int by;
  void operator()(const std::string& writer, int number) {
    by += number;
    detail::test::tell(writer, std::to_string(by));
  }
};

// Runs the target with the pipe's name as first argument and gives what it tells.
template <class F, class... Args>
std::string told(F f, Args&&... args) {
  Pipe pipe;
  Process child(f, pipe.writer(), std::forward<Args>(args)...);
  child.start();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  return pipe.read_all();
}

class Callable : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Callable, detail::test::every_method(), detail::test::method_name);

class Arguments : public detail::test::ByMethod {};
INSTANTIATE_TEST_SUITE_P(Every, Arguments, detail::test::every_method(), detail::test::method_name);

void plain(const std::string& writer, int number) {
  detail::test::tell(writer, std::to_string(number));
}
void quiet(const std::string& writer) noexcept { detail::test::tell(writer, "noexcept"); }
int with_result(const std::string& writer) {
  detail::test::tell(writer, "result");
  return 7;
}

TEST_P(Callable, AFunctionIsATarget) {
  EXPECT_EQ(told(plain, 5), "5");
  EXPECT_EQ(told(&plain, 6), "6");
  EXPECT_EQ(told(quiet), "noexcept");
  EXPECT_EQ(told(with_result), "result");
}

TEST_P(Callable, ACapturelessLambdaIsATarget) {
  EXPECT_EQ(told([](const std::string& writer) { detail::test::tell(writer, "lambda"); }),
            "lambda");
  EXPECT_EQ(
      told([](const std::string& writer) mutable noexcept { detail::test::tell(writer, "m"); }),
      "m");
}

TEST_P(Callable, AGenericLambdaTakesTheArgumentsOwnTypes) {
  EXPECT_EQ(told([](const std::string& writer, auto number) {
              detail::test::tell(writer, std::to_string(number + number));
            }, std::int64_t{1} << 40),
            std::to_string(std::int64_t{1} << 41));
}

TEST_P(Callable, AFunctionObjectTravelsWithItsState) {
  Adder adder;
  adder.by = 10;
  EXPECT_EQ(told(adder, 5), "15");
  EXPECT_EQ(told(RawAdder{20}, 5), "25");
}

[[maybe_unused]] const auto kCapturing = [copy = std::string("x")] { return copy.size(); };
[[maybe_unused]] const auto kCapturingInt = [copy = 1] { return copy; };
struct NoCall {};

static_assert(detail::process::Target<void (*)(int)>);
static_assert(detail::process::Target<void (*)(int) noexcept>);
static_assert(detail::process::Target<Adder> && detail::process::Target<RawAdder>);
static_assert(!detail::process::Target<std::remove_const_t<decltype(kCapturing)>>);
static_assert(!detail::process::Target<std::remove_const_t<decltype(kCapturingInt)>>);
static_assert(!detail::process::Target<std::function<void()>>);
static_assert(!detail::process::Target<void (NoCall::*)()>);
static_assert(!detail::process::Target<int>);

TEST_P(Arguments, AreConvertedToTheParameters) {
  const auto target = [](const std::string& writer, std::uint64_t number, double real,
                         const std::string& text, std::optional<int> maybe) {
    detail::test::tell(writer, std::to_string(number) + " " + std::to_string(real) + " " + text +
                                   " " + std::to_string(maybe.value_or(-1)));
  };
  EXPECT_EQ(told(target, 5, 2, "text", 9), "5 2.000000 text 9");
  EXPECT_EQ(told(target, 'a', 1.5F, std::string_view("view").data(), std::nullopt),
            "97 1.500000 view -1");
}

TEST_P(Arguments, OfEveryPackableKindArrive) {
  const auto target = [](const std::string& writer, const Row& row, Person person,
                         const std::map<std::string, std::vector<int>>& map,
                         std::tuple<int, std::string> pair, bool flag, Value value) {
    detail::test::tell(writer, std::to_string(row.number) + person.name +
                           std::to_string(person.marks.size()) +
                           std::to_string(map.at("x").size()) + std::get<1>(pair) +
                           (flag ? "yes" : "no") + value.as<std::string>());
  };
  EXPECT_EQ(told(target, Row{1, 0.5}, Person{"Ada", {1, 2}},
                 std::map<std::string, std::vector<int>>{{"x", {1, 2, 3}}},
                 std::tuple(1, std::string("t")), true, "value"),
            "1Ada23tyesvalue");
}

TEST_P(Arguments, MayBeTakenByReference) {
  const auto target = [](const std::string& writer, std::vector<int>&& mine, std::string&& moved) {
    mine.push_back(static_cast<int>(moved.size()));
    detail::test::tell(writer, std::to_string(mine.back()));
  };
  std::vector<int> numbers{1};
  EXPECT_EQ(told(target, numbers, "four"), "4");
  EXPECT_EQ(numbers.size(), 1U);
}

TEST_P(Arguments, MayBeLarge) {
  const auto target = [](const std::string& writer, const std::vector<double>& reals,
                         const std::string& text) {
    detail::test::tell(writer, std::to_string(reals.size()) + " " + std::to_string(text.size()) +
                                   " " + text.back());
  };
  EXPECT_EQ(told(target, std::vector<double>(100'000, 1.5), std::string(5U << 20U, 'x') + "y"),
            "100000 5242881 y");
}

TEST_P(Arguments, AreCopiedWhenGivenNotWhenStarted) {
  Pipe pipe;
  std::string text = "before";
  Process child([](const std::string& writer, const std::string& given) {
    detail::test::tell(writer, given);
  }, pipe.writer(), text);
  text = "after";
  child.start();
  child.join();
  EXPECT_EQ(pipe.read_all(), "before");
}

TEST_P(Arguments, OneThatCannotBeUnpackedFailsTheStart) {
  Process child({.name = "w"}, [](int, detail::test::OneWay) {}, 1, detail::test::OneWay{});
  try {
    child.start();
    FAIL();
  } catch (const BadCall& error) {
    EXPECT_STREQ(error.what(), "w: argument 2: no way back");
  }
  EXPECT_FALSE(child.is_alive());
}

// Stands for a proxy: packs its reference, and counts how long that is kept.
class Handle {
 public:
  static constexpr std::string_view kType = "handle";
  Handle() = default;
  explicit Handle(detail::core::ReferencePtr reference) : reference_(std::move(reference)) {}
  detail::core::ReferencePtr reference() const { return reference_; }
  static Handle from_reference(detail::core::ReferencePtr reference) {
    return Handle(std::move(reference));
  }

 private:
  detail::core::ReferencePtr reference_;
};
static_assert(detail::core::ProxyType<Handle>);

class Counted final : public detail::core::Reference {
 public:
  explicit Counted(detail::core::Token token) : Reference(std::move(token)) {}
  detail::core::Token outgoing() const override {
    detail::core::Token token = token_;
    token.nonce = detail::core::Nonce{};
    return token;
  }
};

std::shared_ptr<const Counted> reference_to(std::uint64_t object) {
  detail::core::Token token;
  token.object = detail::core::ObjectId{object};
  token.type = Handle::kType;
  token.addresses = {"ipc:///nowhere"};
  return std::make_shared<const Counted>(token);
}

std::string description(const Handle& handle) {
  const detail::core::Token& token = handle.reference()->token();
  return detail::core::describe(token) + (token.nonce ? " nonce" : " held");
}

TEST_P(Arguments, AProxyTravelsWithoutANonceAndOneInsideAnotherValueWithOne) {
  EXPECT_EQ(told([](const std::string& writer, const Handle& handle, std::vector<Handle> more) {
              detail::test::tell(writer, description(handle) + ", " + description(more.front()));
            }, Handle(reference_to(3)), std::vector<Handle>{Handle(reference_to(4))}),
            "handle#3 held, handle#4 nonce");
}

TEST_P(Arguments, AReferenceIsKeptUntilTheProcessHasIt) {
  std::weak_ptr<const Counted> watched;
  std::optional<Process> child;
  {
    const auto reference = reference_to(3);
    watched = reference;
    child.emplace([](const Handle&) {}, Handle(reference));
  }
  EXPECT_FALSE(watched.expired());
  child->start();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace steward
