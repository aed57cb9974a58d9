// Values and calls from standard input.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/cli/input.hpp>
#include <steward/cli/json.hpp>
#include <steward/core/codec.hpp>
#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Lines : public ManagerShellTest {
 protected:
  // The program with this text on its standard input.
  Ran fed(const std::string& text, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"/bin/sh", "-c", "in=$1; shift; exec \"$@\" < \"$in\"", "sh",
                      write("in", text), STEWARD_PROGRAM});
    return run(std::move(arguments));
  }

  const List<> list = manager.list(named("numbers"));
};

TEST_F(Lines, AValueIsReadFromStandardInput) {
  const Ran ran = fed("[1,\n 2, {\"a\": 3}]\n", {"call", address(), "numbers", "extend", "-"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "null\n");
  EXPECT_EQ(call({address(), "numbers", "copy"}), "[1, 2, {\"a\": 3}]");
  EXPECT_EQ(fed("\"x\"", {"call", address(), "numbers", "insert", "0", "-"}).code, 0);
  EXPECT_EQ(list.at(0), Value("x"));
  EXPECT_EQ(fed("[7]", {"create", address(), "list", "--name", "made", "-"}).out, "made\n");
  EXPECT_EQ(call({address(), "made", "copy"}), "[7]");
}

TEST_F(Lines, AMillionNumbersAreOneValue) {
  std::string text = "[0";
  for (int i = 1; i < 1'000'000; ++i) text += ",1";
  EXPECT_EQ(fed(text + "]", {"call", address(), "numbers", "extend", "-"}).code, 0);
  EXPECT_EQ(list.size(), 1'000'000U);
}

TEST_F(Lines, WrongJsonOnStandardInputIsNamed) {
  for (const std::string text : {"", "1 2", "ada", "[1"}) {
    const Ran ran = fed(text, {"call", address(), "numbers", "append", "-"});
    EXPECT_EQ(ran.code, 2) << text;
    EXPECT_THAT(ran.err, StartsWith("steward: standard input is no JSON: ")) << text;
  }
  const Ran twice = fed("1", {"call", address(), "numbers", "insert", "-", "-"});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("can be read once"));
  EXPECT_EQ(list.size(), 0U);
}

TEST_F(Lines, EachLineIsACallAndEachResultALine) {
  manager.dict(named("a b"));
  const Ran ran = fed(
      "numbers append 1\n"
      "numbers append \"two words\"\r\n"
      "\n"
      "  numbers\textend [3, {\"x\": \"] }\"}]\n"
      "\"a b\" set \"k\\\" \" null\n"
      "numbers copy\n"
      "#1 size",
      {"call", address(), "-"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "null\nnull\nnull\nnull\n[1, \"two words\", 3, {\"x\": \"] }\"}]\n4\n");
  EXPECT_EQ(call({address(), "a b", "copy"}), "[[\"k\\\" \", null]]");
}

TEST_F(Lines, AFailedLineIsNamedAndTheOthersFollow) {
  const Ran ran = fed(
      "numbers append 1\n"
      "numbers pop 9\n"
      "nobody size\n"
      "numbers append ada\n"
      "numbers\n"
      "numbers size\n",
      {"call", address(), "-"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.out, "null\n1\n");
  EXPECT_THAT(ran.err, HasSubstr("steward: line 2: list#1.pop: pop index out of range\n"));
  EXPECT_THAT(ran.err, HasSubstr("steward: line 3: there is no object named 'nobody'\n"));
  EXPECT_THAT(ran.err, HasSubstr("steward: line 4: argument 1 is no JSON: "));
  EXPECT_THAT(ran.err, HasSubstr("steward: line 5: a call is OBJECT METHOD [JSON...]\n"));
  EXPECT_THAT(ran.err, HasSubstr("steward: 4 of 6 lines failed\n"));
}

TEST_F(Lines, WhatCannotBeReadIsAFailure) {
  for (const std::string what : {"-", "numbers append -"}) {
    const Ran ran = run({"/bin/sh", "-c", STEWARD_PROGRAM " call '" + address() + "' " + what +
                                              " < /"});
    EXPECT_EQ(ran.code, 1);
    EXPECT_EQ(ran.err, "steward: cannot read standard input: Is a directory\n");
  }
}

TEST_F(Lines, AnEndlessLineOrValueIsRefused) {
  const std::string call = STEWARD_PROGRAM " call '" + address() + "' ";
  const Ran value = run({"/bin/sh", "-c", call + "numbers append - < /dev/zero"});
  EXPECT_EQ(value.code, 1);
  EXPECT_THAT(value.err, HasSubstr("standard input has more than 536870912 bytes"));
  const Ran line = run({"/bin/sh", "-c", "{ head -c 600000000 /dev/zero; echo; echo numbers append "
                                         "1; } | " + call + "-"});
  EXPECT_EQ(line.code, 1);
  EXPECT_THAT(line.err, HasSubstr("line 1: it has more than 536870912 bytes"));
  EXPECT_EQ(list.size(), 1U);
}

// As JSON it is longer than it was in its message.
TEST_F(Lines, WhatAMessageHoldsIsNotRefused) {
  constexpr std::size_t kMany = 10'000;
  for (const Value& value : {Value(std::string(kMany, '\0')), Value(std::string(kMany, '"')),
                             Value(Value::List(kMany, Value(false))),
                             Value(Value::List(kMany, Value())), Value(Value::List(kMany, -1))}) {
    const std::size_t messages = core::Limits().message_bytes / core::packed(value).size();
    EXPECT_LE(messages * cli::to_json(value).size(), cli::kInputBytes)
        << cli::to_json(value).substr(0, 20);
  }
}

TEST_F(Lines, ALineThatNobodyAnswersEndsWithTheTimeout) {
  const Ran ran = run({"/bin/bash", "-c",
                       "coproc S { " STEWARD_PROGRAM " call '" + address() +
                           "' - --timeout 1.5 2>&1; }\n"
                           "exec 5<&\"${S[0]}\" 6>&\"${S[1]}\"; eval \"exec ${S[1]}>&-\"\n"
                           "echo numbers size >&6; read -r -u 5 first; echo \"$first\"\n"
                           "kill -STOP $PID; echo numbers size >&6; exec 6>&-; cat <&5\n"
                           "kill -CONT $PID"},
                      {"PID=" + std::to_string(manager.pid())});
  EXPECT_THAT(ran.out, StartsWith("0\nsteward: line 2: manager.find: timed out\n")) << ran.err;
}

TEST_F(Lines, WhatAManagerSaysMovesNoCursor) {
  const Ran ran = fed("numbers \x1b[2J\x9b\xc2\x9b\x7f\n", {"call", address(), "-"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("\\x1b[2J\\x9b\\x9b\\x7f"));
  EXPECT_EQ(ran.err.find('\x1b'), ran.err.npos);
  const Ran one = steward({"call", address(), "numbers", "\x1b[2J"});
  EXPECT_EQ(one.err.find('\x1b'), one.err.npos) << one.err;
}

TEST_F(Lines, WhatAManagerSaysTurnsNoDirection) {
  const Ran ran =
      fed("numbers \u202ea\u2066b\u200fc\u061cd\u00e9\u2013\n", {"call", address(), "-"});
  EXPECT_THAT(ran.err,
              HasSubstr("\\xe2\\x80\\xaea\\xe2\\x81\\xa6b\\xe2\\x80\\x8fc\\xd8\\x9cd\u00e9\u2013"));
}

TEST_F(Lines, AllGoOverOneConnection) {
  const Lock lock = manager.lock(named("guard"));  // a hold ends with its session
  std::string text = "guard lock\n";
  for (int i = 0; i < 500; ++i) text += "numbers append " + std::to_string(i) + "\n";
  const Ran ran = fed(text + "guard locked\nguard unlock\n", {"call", address(), "-"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::EndsWith("null\ntrue\nnull\n"));
  EXPECT_EQ(list.size(), 500U);
  EXPECT_EQ(list.at(-1), Value(499));
}

TEST_F(Lines, WithoutTheManagerNoFurtherLineIsTried) {
  const Ran ran = run({"/bin/bash", "-c",
                       "{ echo numbers append 1; " STEWARD_PROGRAM " stop '" + address() +
                           "'; echo numbers append 2; echo numbers append 3; } | " STEWARD_PROGRAM
                           " call '" + address() + "' -"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, testing::Not(HasSubstr("line 3")));
}

TEST_F(Lines, AnObjectNamedSoIsCalledAsAnyOther) {
  manager.list(named("-"), {5});
  EXPECT_EQ(call({address(), "-", "copy"}), "[5]");
}

}  // namespace
}  // namespace steward::detail::test
