#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include <steward/tests/server/classes/fake_call.hpp>
#include <steward/tests/server/classes/random.hpp>

namespace steward::detail::server {
namespace {

using testing::Hosted;
using testing::list_of;
using testing::Random;
using testing::seed_of;

constexpr std::nullptr_t kNil = nullptr;

TEST(Dict, BeginsEmptyOrWithWhatItIsGiven) {
  EXPECT_EQ(Hosted("dict").ask("items"), list_of());
  Hosted dict("dict", {list_of(list_of("a", 1), list_of("b", 2), list_of("a", 3))});
  EXPECT_EQ(dict.ask("items"), list_of(list_of("a", 3), list_of("b", 2)))
      << "a later duplicate overwrites in place";
  EXPECT_EQ(dict.ask("copy"), dict.ask("items"));
}

TEST(Dict, GetsSetsAndErases) {
  Hosted dict("dict");
  EXPECT_EQ(dict.ask("set", "k", list_of(1)), Value());
  EXPECT_EQ(dict.ask("at", "k"), list_of(1));
  EXPECT_EQ(dict.ask("get", "k"), list_of(list_of(1)));
  EXPECT_EQ(dict.ask("get", "x"), list_of());
  EXPECT_EQ(dict.ask("contains", "k"), Value(true));
  EXPECT_EQ(dict.ask("contains", "x"), Value(false));
  EXPECT_EQ(dict.ask("erase", "k"), Value(true));
  EXPECT_EQ(dict.ask("erase", "k"), Value(false));
  EXPECT_EQ(dict.ask("size"), Value(0));
}

TEST(Dict, TellsAMissingValueFromANilOne) {
  Hosted dict("dict", {list_of(list_of("nil", nullptr))});
  EXPECT_EQ(dict.ask("get", "nil"), list_of(nullptr));
  EXPECT_EQ(dict.ask("try_pop", "nil"), list_of(nullptr));
  EXPECT_EQ(dict.ask("try_pop", "nil"), list_of());
}

TEST(Dict, NamesTheKeyThatIsMissing) {
  Hosted dict("dict");
  EXPECT_EQ(dict.refusal("at", "k"), "out_of_range: key \"k\" is not there");
  EXPECT_EQ(dict.refusal("pop", list_of(1, 2)), "out_of_range: key [1, 2] is not there");
  EXPECT_EQ(dict.refusal("popitem"), "out_of_range: the dict is empty");
}

TEST(Dict, TakesNoKeyThatIsNotANumberAndChangesNothing) {
  const double nan = std::nan("");
  Hosted dict("dict", {list_of(list_of("n", nan))});
  const std::string refused = "bad_call: NaN cannot be a key: NaN equals nothing";
  EXPECT_EQ(dict.refusal("set", nan, 1), refused);
  EXPECT_EQ(dict.refusal("setdefault", nan, 1), refused);
  EXPECT_EQ(dict.refusal("add", nan, 1, kNil, kNil), refused);
  EXPECT_EQ(dict.refusal("swap_if", nan, list_of(), 1), refused);
  EXPECT_EQ(dict.refusal("update", list_of(list_of("a", 1), list_of(-nan, 2))), refused);
  EXPECT_NE(dict.refusal("set", list_of(1, list_of(nan)), 1), "");
  EXPECT_NE(dict.refusal("set", Value::of_map({{"a", nan}}), 1), "");
  EXPECT_NE(dict.refusal("set", Value::of_map({{nan, "a"}}), 1), "");
  EXPECT_EQ(dict.ask("keys"), list_of("n"));
  // Nobody can have put one in, so nobody finds one.
  EXPECT_EQ(dict.ask("get", nan), list_of());
  EXPECT_EQ(dict.ask("erase", nan), Value(false));
}

TEST(Dict, TakesZeroAndMinusZeroForOneKey) {
  Hosted dict("dict");
  dict.ask("set", -0.0, "first");
  dict.ask("set", 0.0, "second");
  dict.ask("set", 0, "third");
  EXPECT_EQ(dict.ask("size"), Value(1));
  EXPECT_EQ(dict.ask("at", -0.0), Value("third"));
  EXPECT_TRUE(std::signbit(dict.ask("keys").list().front().real())) << "the first spelling stays";
}

TEST(Dict, TakesAnyValueAsAKeyAndEqualOnesAsOne) {
  Hosted dict("dict");
  dict.ask("set", 1, "number");
  dict.ask("set", true, "bool");
  dict.ask("set", Value::of_map({{"a", 1}, {"b", 2}}), "map");
  dict.ask("set", nullptr, "nil");
  EXPECT_EQ(dict.ask("at", 1.0), Value("number"));
  EXPECT_EQ(dict.ask("at", true), Value("bool"));
  EXPECT_EQ(dict.ask("at", Value::of_map({{"b", 2.0}, {"a", 1}})), Value("map"));
  EXPECT_EQ(dict.ask("pop", nullptr), Value("nil"));
  EXPECT_EQ(dict.ask("size"), Value(3));
}

TEST(Dict, KeepsTheOrderOfInsertion) {
  Hosted dict("dict");
  for (const char* key : {"c", "a", "b"}) dict.ask("set", key, 0);
  dict.ask("set", "c", 1);
  dict.ask("pop", "a");
  dict.ask("set", "a", 2);
  EXPECT_EQ(dict.ask("keys"), list_of("c", "b", "a"));
  EXPECT_EQ(dict.ask("values"), list_of(1, 0, 2));
  EXPECT_EQ(dict.ask("str"), Value(R"({"c": 1, "b": 0, "a": 2})"));
  EXPECT_EQ(dict.ask("popitem"), list_of("a", 2));
  EXPECT_EQ(dict.ask("popitem"), list_of("b", 0));
  dict.ask("clear");
  EXPECT_EQ(dict.ask("str"), Value("{}"));
}

TEST(Dict, SetdefaultGivesWhatIsThere) {
  Hosted dict("dict");
  EXPECT_EQ(dict.ask("setdefault", "k", 1), Value(1));
  EXPECT_EQ(dict.ask("setdefault", "k", 2), Value(1));
}

TEST(Dict, UpdateIsAllOrNothing) {
  Hosted dict("dict", {list_of(list_of("a", 1))});
  EXPECT_EQ(dict.refusal("update", list_of(list_of("a", 2), list_of("b"))),
            "bad_call: argument 1: expected [key, value], got [\"b\"]");
  EXPECT_EQ(dict.refusal("update", list_of(list_of("a", 2), list_of("b", 1, 2))),
            "bad_call: argument 1: expected [key, value], got [\"b\", 1, 2]");
  EXPECT_EQ(dict.ask("str"), Value(R"({"a": 1})"));
  dict.ask("update", list_of(list_of("b", 2), list_of("a", 3)));
  EXPECT_EQ(dict.ask("str"), Value(R"({"a": 3, "b": 2})"));
}

TEST(Dict, AddCountsAMissingKeyAsZero) {
  Hosted dict("dict");
  EXPECT_EQ(dict.ask("add", "n", 2, kNil, kNil), Value(2));
  EXPECT_EQ(dict.ask("add", "n", -5, kNil, kNil), Value(-3));
  EXPECT_EQ(dict.ask("add", "x", 0.5), Value(0.5)) << "bounds may be missing";
  EXPECT_EQ(dict.refusal("add", "u", -1, 0, 255),
            "bad_call: 0 + -1 is -1, which is not in [0, 255]");
  EXPECT_EQ(dict.ask("contains", "u"), Value(false)) << "a refused add changes nothing";
  dict.ask("set", "s", "text");
  EXPECT_EQ(dict.refusal("add", "s", 1, kNil, kNil), "bad_call: \"text\" is not a number");
}

TEST(Dict, CompareExchangeNeedsTheKeyAndTheValue) {
  Hosted dict("dict", {list_of(list_of("k", 1))});
  EXPECT_EQ(dict.ask("compare_exchange", "k", 2, 3), Value(false));
  EXPECT_EQ(dict.ask("compare_exchange", "x", nullptr, 3), Value(false));
  EXPECT_EQ(dict.ask("compare_exchange", "k", 1.0, 3), Value(true));
  EXPECT_EQ(dict.ask("str"), Value(R"({"k": 3})"));
}

TEST(Dict, SwapIfAlsoExpectsNothing) {
  Hosted dict("dict");
  EXPECT_EQ(dict.ask("swap_if", "k", list_of(1), 2), Value(false));
  EXPECT_EQ(dict.ask("swap_if", "k", list_of(), 2), Value(true));
  EXPECT_EQ(dict.ask("swap_if", "k", list_of(), 3), Value(false));
  EXPECT_EQ(dict.ask("swap_if", "k", list_of(2), 3), Value(true));
  EXPECT_EQ(dict.ask("at", "k"), Value(3));
  EXPECT_EQ(dict.refusal("swap_if", "k", list_of(1, 2), 3),
            "bad_call: argument 2: expected a list of none or one");
}

// The same calls, whatever the seed of the tables: the same answers and the same state.
TEST(Dict, ShowsNothingOfItsSeed) {
  Random random;
  Hosted one("dict", {}, {seed_of(1)});
  Hosted two("dict", {}, {seed_of(2)});
  for (int i = 0; i < 3000; ++i) {
    const std::int64_t key = random.between(0, 99);
    const bool erase = random.once_in(2);
    const char* method = erase ? "erase" : "setdefault";
    const Value::List arguments = erase ? Value::List{key} : Value::List{key, i};
    ASSERT_EQ(one.call({}, method, arguments).value, two.call({}, method, arguments).value);
  }
  EXPECT_EQ(one.ask("str"), two.ask("str"));
  EXPECT_EQ(one.save(), two.save());
}

TEST(Dict, SavesItsEntriesInOrderAndNothingElse) {
  Hosted dict("dict", {list_of(list_of("a", 1), list_of("b", 2))});
  Hosted longer("dict", {list_of(list_of("x", 1), list_of("a", 1), list_of("b", 2))});
  EXPECT_NE(dict.save(), longer.save());
  longer.ask("erase", "x");
  EXPECT_EQ(dict.save(), longer.save());
  Hosted turned("dict", {list_of(list_of("b", 2), list_of("a", 1))});
  EXPECT_NE(dict.save(), turned.save());
}

}  // namespace
}  // namespace steward::detail::server
