// Values as JSON and back: nothing is lost, whatever the value; and what is no value is refused in
// one clear line.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <steward/cli/base64.hpp>
#include <steward/cli/json.hpp>
#include <steward/cli/usage.hpp>
#include <steward/tests/core/support.hpp>

namespace steward::detail::test {
namespace {

using cli::from_json;
using cli::to_json;

std::string refusal_of(const std::string& text) {
  try {
    from_json(text, "argument 1");
  } catch (const cli::UsageError& error) {
    return error.what();
  }
  ADD_FAILURE() << text << " was not refused";
  return {};
}

// As bytes: 1 and 1.0 are equal, but not the same.
std::string bytes_of(const Value& value) { return core::packed(value); }

TEST(Json, HasAWordForEveryValue) {
  const auto word = [](const Value& value) {
    const std::string text = to_json(value);
    EXPECT_EQ(bytes_of(from_json(text, "it")), bytes_of(value)) << text;
    return text;
  };
  EXPECT_EQ(word({}), "null");
  EXPECT_EQ(word(true), "true");
  EXPECT_EQ(word(-7), "-7");
  EXPECT_EQ(word(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(word(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(word(3.0), "3.0");
  EXPECT_EQ(word(-0.0), "-0.0");
  EXPECT_EQ(word(0.1), "0.1");
  EXPECT_EQ(word(5e-324), "5e-324");
  EXPECT_EQ(word(std::nan("")), R"({"$real": "NaN"})");
  EXPECT_EQ(word(HUGE_VAL), R"({"$real": "Infinity"})");
  EXPECT_EQ(word(-HUGE_VAL), R"({"$real": "-Infinity"})");
  EXPECT_EQ(word("a\"\n\u00e9"), "\"a\\\"\\n\u00e9\"");
  EXPECT_EQ(word("\x1b[1m\x7f\xc2\x9b"), R"("\u001b[1m\u007f\u009b")") << "no terminal sees them";
  EXPECT_EQ(word("\xff"), R"({"$text": "/w=="})");
  EXPECT_EQ(word("steward:1:x"), R"({"$text": "c3Rld2FyZDoxOng="})") << "a text, no handle";
  EXPECT_EQ(word(Value::of_bytes("hello")), R"({"$bytes": "aGVsbG8="})");
  EXPECT_EQ(word(Value::List{1, Value::List{}}), "[1, []]");
  EXPECT_EQ(word(Value::of_map({{"b", 1}, {"a", nullptr}})), R"({"b": 1, "a": null})");
  EXPECT_EQ(word(Value::of_map({})), "{}");
  EXPECT_EQ(word(Value::of_map({{1, "one"}, {"a", 2}})), R"({"$map": [[1, "one"], ["a", 2]]})");
  EXPECT_EQ(word(Value::of_map({{"$bytes", 1}})), R"({"$map": [["$bytes", 1]]})");
  EXPECT_EQ(word(Value::of_map({{"a", 1}, {"$x", 1}})), R"({"$map": [["a", 1], ["$x", 1]]})");
  EXPECT_EQ(word(Value::of_map({{"\xff", 1}})), R"({"$map": [[{"$text": "/w=="}, 1]]})");
  EXPECT_EQ(word(Value::of_map({{"steward:1:x", 1}})), R"({"steward:1:x": 1})");
}

TEST(Json, RefusesInOneLine) {
  EXPECT_EQ(refusal_of("[1, 2"),
            "argument 1 is no JSON: parse error at line 1, column 6: syntax error while parsing "
            "array - unexpected end of input; expected ']' (a text needs its own quotes: "
            "'\"text\"')");
  EXPECT_TRUE(refusal_of("ada").starts_with("argument 1 is no JSON: "));
  EXPECT_TRUE(refusal_of("").starts_with("argument 1 is no JSON: "));
  EXPECT_TRUE(refusal_of("1 2").starts_with("argument 1 is no JSON: "));
  EXPECT_TRUE(refusal_of("1e999").starts_with("argument 1 is no JSON: "));
  EXPECT_EQ(refusal_of("18446744073709551616"),
            "argument 1: the integer 18446744073709551616 does not fit 64 bits");
  EXPECT_NE(refusal_of(R"({"a": 1, "a": 2})").find("twice"), std::string::npos);
  EXPECT_EQ(refusal_of(R"({"$bytes": "a"})"), "argument 1: {\"$bytes\": ...} holds base64");
  EXPECT_EQ(refusal_of(R"({"$bytes": 1})"), "argument 1: {\"$bytes\": ...} holds a text");
  EXPECT_EQ(refusal_of(R"({"$real": "1"})"),
            "argument 1: {\"$real\": ...} holds \"NaN\", \"Infinity\" or \"-Infinity\"");
  EXPECT_EQ(refusal_of(R"({"$map": [[1]]})"),
            "argument 1: {\"$map\": ...} holds pairs [key, value]");
  EXPECT_EQ(refusal_of(R"({"$new": 1})"),
            "argument 1: {\"$new\": ...} is no form that is known; a map with this one key is "
            "{\"$map\": [[\"$new\", ...]]}");
  EXPECT_EQ(refusal_of(R"({"$bytes": "", "a": 1})"),
            "argument 1: {\"$bytes\": ...} must be the only key of its object");
  EXPECT_TRUE(refusal_of("\"steward:1:nonsense\"").starts_with("argument 1: "));
}

TEST(Json, NestsAsDeepAsValues) {
  Value list;
  Value map;
  for (std::size_t i = 0; i < core::kValueDepth; ++i) {
    list = Value::List{list};
    map = Value::of_map({{1, map}});
  }
  EXPECT_EQ(from_json(to_json(list), "it"), list);
  EXPECT_EQ(from_json(to_json(map), "it"), map);
  EXPECT_NE(refusal_of("[" + to_json(list) + "]").find("64 deep"), std::string::npos);
  EXPECT_NE(refusal_of(std::string(100'000, '[')).find("64 deep"), std::string::npos);
}

class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random_(seed) {}

  Value draw(int depth = 0) {
    switch (below(depth < 5 ? 11 : 8)) {
      case 0: return {};
      case 1: return below(2) == 0;
      case 2: return static_cast<std::int64_t>(random_());
      case 3: return random_();
      case 4: return real();
      case 5: return text();
      case 6: return Value::of_bytes(bytes());
      case 7: return static_cast<std::int64_t>(below(10)) - 5;
      case 8: return list(depth);
      default: return map(depth);
    }
  }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }
  double real() {
    if (below(4) == 0) return std::numeric_limits<double>::infinity() * (below(2) == 0 ? 1 : -1);
    return std::bit_cast<double>(random_());  // NaN at times
  }
  std::string bytes() {
    std::string all;
    for (std::size_t left = below(9); left > 0; --left) all += static_cast<char>(below(256));
    return all;
  }
  std::string text() {
    static const std::vector<std::string> pieces{
        "",   "a",    "\"", "\\",      "\n",       "\u00e9", "\u65e5\u672c", "\U0001f600", "\x7f",
        "$",  "$map", "[",  "{\"a\":", "steward:1:", "\xc2\x80", std::string(1, '\0')};
    std::string all;
    for (std::size_t left = below(4); left > 0; --left) all += pieces[below(pieces.size())];
    return below(8) == 0 ? bytes() : all;
  }
  Value list(int depth) {
    Value::List items;
    for (std::size_t left = below(5); left > 0; --left) items.push_back(draw(depth + 1));
    return items;
  }
  Value map(int depth) {
    Value::Map entries;
    for (std::size_t left = below(5); left > 0; --left) {
      Value key = below(3) == 0 ? draw(depth + 1) : text();
      const bool there =
          std::ranges::any_of(entries, [&](const auto& entry) { return entry.first == key; });
      if (!there) entries.emplace_back(std::move(key), draw(depth + 1));
    }
    return Value::of_map(std::move(entries));
  }

  std::mt19937_64 random_;
};

TEST(Json, LosesNothing) {
  RandomValues values(seed_of_run());
  const int count = std::getenv("STEWARD_FULL") != nullptr ? 100'000 : 3'000;
  for (int i = 0; i < count; ++i) {
    const Value value = values.draw();
    const std::string text = to_json(value);
    ASSERT_EQ(text.find('\n'), std::string::npos) << text;
    // All NaNs are one: their bits do not travel.
    if (text.find("NaN") != std::string::npos) {
      ASSERT_EQ(from_json(text, "it"), value) << text;
    } else {
      ASSERT_EQ(bytes_of(from_json(text, "it")), bytes_of(value)) << text;
    }
  }
}

// Changed texts are refused or read, and nothing else.
TEST(Json, SurvivesNonsense) {
  const std::uint64_t seed = seed_of_run();
  RandomValues values(seed);
  Mutator mutator(seed);
  int read = 0;
  for (int i = 0; i < 3'000; ++i) {
    const std::string text = mutator.mutate(to_json(values.draw()));
    try {
      const Value value = from_json(text, "it");
      ASSERT_EQ(from_json(to_json(value), "it"), value) << text;
      ++read;
    } catch (const cli::UsageError&) {
    }
  }
  EXPECT_GT(read, 10);
}

TEST(Base64, IsThatOfTheStandard) {
  const std::vector<std::pair<std::string, std::string>> known{
      {"", ""},           {"f", "Zg=="},       {"fo", "Zm8="},
      {"foo", "Zm9v"},    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, text] : known) {
    EXPECT_EQ(cli::to_base64(bytes), text);
    EXPECT_EQ(cli::from_base64(text), bytes);
  }
  for (const std::string wrong : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "====", "Z===",
                                  "Zm 8", "Zm8-", "Zm8=\n"}) {
    EXPECT_EQ(cli::from_base64(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace steward::detail::test
