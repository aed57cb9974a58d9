// The subcommands that speak to a manager, beside a typed proxy of the same objects.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/cli/shell.hpp>

namespace steward::detail::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

class Commands : public ManagerShellTest {
 protected:
  const List<> list = manager.list(named("scores"), {1, "two"});
};

TEST_F(Commands, LsPrintsFieldsForPrograms) {
  const Dict<> dict = manager.dict();
  dict.set("a\tb", 1);
  manager.lock(named("a\tname\n\x1b[1m"));
  const Ran ran = steward({"ls", address()});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "list#1\tscores\t[1, \"two\"]\n"
            "dict#2\t\t{\"a\\tb\": 1}\n"
            "lock#3\ta\\tname\\n\\x1b[1m\t"
            "{\"state\": \"unlocked\", \"token\": 0, \"waiting\": 0}\n");
}

TEST_F(Commands, LsAlignsForPeople) {
  manager.dict(named("a longer name"));
  list.extend(std::vector<int>(100, 7));
  const std::vector<std::string> colours{"TERM=xterm", "NO_COLOR"};
  const Ran plain = steward({"ls", address()}, {"TERM=xterm", "NO_COLOR=1"}, Output::terminal);
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_THAT(plain.out, StartsWith("OBJECT  NAME           CONTENTS\r\n"
                                    "list#1  scores         [1, \"two\", 7, 7, "));
  EXPECT_THAT(plain.out, HasSubstr("...\r\ndict#2  a longer name  {}\r\n"));
  EXPECT_EQ(plain.out.find('\x1b'), std::string::npos);
  EXPECT_LE(plain.out.find("\r\n", 40) - plain.out.find("list#1"), 80U) << "the terminal's width";
  EXPECT_THAT(steward({"ls", address()}, colours, Output::terminal).out,
              HasSubstr("\x1b[36mlist#1\x1b[0m  scores"));
  const Ran dumb = steward({"ls", address()}, {"TERM=dumb", "NO_COLOR"}, Output::terminal);
  EXPECT_EQ(dumb.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(steward({"ls", address()}, colours).out.find('\x1b'), std::string::npos) << "a pipe";
}

TEST_F(Commands, LsCutsWhatIsLong) {
  list.set(1, std::string(1'000'000, 'x'));
  const Ran ran = steward({"ls", address()});
  EXPECT_EQ(ran.code, 0);
  EXPECT_LT(ran.out.size(), 100U);
  EXPECT_THAT(ran.out, testing::EndsWith("xxx...\n"));
}

TEST_F(Commands, ShowTellsAllOfOneObject) {
  for (const std::string name : {"scores", "list#1", "#1", "1"}) {
    const Ran ran = steward({"show", address(), name});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.out, MatchesRegex("object\tlist#1\nname\tscores\nhandle\tsteward:1:[^\n]+\n"
                                      "contents\t\\[1, \"two\"\\]\n"));
  }
  // By the handle that it printed.
  const std::string shown = steward({"show", address(), "1"}).out;
  const auto begin = shown.find("steward:1:");
  const std::string handle = shown.substr(begin, shown.find('\n', begin) - begin);
  EXPECT_THAT(steward({"show", address(), handle}).out, StartsWith("object\tlist#1\n"));
  EXPECT_EQ(open<List<>>(handle), list);
}

TEST_F(Commands, ShowDoesNotCut) {
  list.set(1, std::string(1'000, 'x'));
  EXPECT_THAT(steward({"show", address(), "scores"}).out, HasSubstr(std::string(1'000, 'x')));
  const Ran ran = steward({"show", address(), "scores"}, {"NO_COLOR=1"}, Output::terminal);
  EXPECT_THAT(ran.out, StartsWith("object    list#1\r\nname      scores\r\n"));
  EXPECT_THAT(ran.out, HasSubstr(std::string(1'000, 'x')));
}

TEST_F(Commands, NamesGoBeforeNumbers) {
  manager.dict(named("1"));
  EXPECT_THAT(steward({"show", address(), "1"}).out, StartsWith("object\tdict#2\n"));
  EXPECT_THAT(steward({"show", address(), "#1"}).out, StartsWith("object\tlist#1\n"));
}

TEST_F(Commands, AnObjectThatIsNotThereIsAFailure) {
  const auto complaint = [&](const std::string& object) {
    const Ran ran = steward({"show", address(), object});
    EXPECT_EQ(ran.code, 1);
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  EXPECT_EQ(complaint("nobody"), "steward: there is no object named 'nobody'\n");
  EXPECT_EQ(complaint("dict#1"), "steward: there is no dict#1: that is list#1\n");
  EXPECT_EQ(complaint("7"), "steward: there is no object 7\n");
  const std::string handle = manager.list().handle().str();
  open<List<>>(handle);  // claimed, and gone with this
  EXPECT_THAT(complaint(handle), HasSubstr("no longer exists"));
}

TEST_F(Commands, CallCallsAndPrintsJson) {
  EXPECT_EQ(call({address(), "scores", "append", "7"}), "null");
  EXPECT_EQ(call({address(), "scores", "size"}), "3");
  EXPECT_EQ(call({address(), "scores", "append", "[1, {\"a\": null}]"}), "null");
  EXPECT_EQ(call({address(), "scores", "append", "{}"}), "null");
  EXPECT_EQ(call({address(), "scores", "append", "-5"}), "null");
  EXPECT_EQ(call({address(), "scores", "append", "\" blank\""}), "null");
  EXPECT_EQ(call({address(), "scores", "copy"}),
            R"([1, "two", 7, [1, {"a": null}], {}, -5, " blank"])");
  EXPECT_EQ(call({address(), "scores", "slice", "0", "null", "3"}), R"([1, [1, {"a": null}], )"
                                                                     R"(" blank"])");
  EXPECT_EQ(call({address(), "1", "index", "99"}), "[]");
  EXPECT_EQ(list.size(), 7U);
}

TEST_F(Commands, CallCarriesEveryValue) {
  Value::List values{nullptr, true, 1, 1.0, 0.1, "a", Value::of_bytes("\xff\x01"),
                     Value(Value::List{1, Value(Value::List{})}),
                     Value::of_map({{1, "one"}, {"$x", 2.5}}), "steward:1:no"};
  const List<> from = manager.list(values);
  const List<> to = manager.list(named("to"));
  const std::string text = call({address(), "list#2", "copy"});
  EXPECT_EQ(call({address(), "to", "extend", text}), "null");
  EXPECT_EQ(core::packed(to.copy()), core::packed(from.copy())) << text;
}

TEST_F(Commands, CallCarriesHandles) {
  list.append(manager.dict({{"x", 1}}));
  EXPECT_EQ(manager.number_of_objects(), 2U);
  const std::string handle = call({address(), "scores", "pop"});
  ASSERT_THAT(handle, StartsWith("\"steward:1:"));
  EXPECT_EQ(manager.number_of_objects(), 2U) << "its text keeps it for a minute";
  EXPECT_EQ(call({address(), "scores", "append", handle}), "null");
  EXPECT_EQ((list.at(-1).as<Dict<>>().at("x")), Value(1));
  EXPECT_EQ(manager.number_of_objects(), 2U);
  list.pop();
  EXPECT_EQ(manager.number_of_objects(), 1U) << "nothing else held it";
}

TEST_F(Commands, AFailedCallSaysWhy) {
  const auto complaint = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"call", address()});
    const Ran ran = steward(std::move(arguments));
    EXPECT_EQ(ran.code, 1);
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  EXPECT_EQ(complaint({"scores", "pop", "9"}),
            "steward: list#1.pop: pop index out of range\n");
  EXPECT_EQ(complaint({"scores", "fly"}), "steward: list#1.fly: a list has no such method\n");
  EXPECT_EQ(complaint({"scores", "append"}),
            "steward: list#1.append: too few arguments: 0, expected 1\n");
}

TEST_F(Commands, AGetTakesOneItemAndWaitsNoLongerThanItIsTold) {
  const Queue<> queue = manager.queue(named("jobs"));
  queue.put("first");
  EXPECT_EQ(call({address(), "jobs", "get"}), "\"first\"");
  EXPECT_TRUE(queue.empty());
  const Ran late = steward({"call", address(), "jobs", "get", "--timeout", "1.5"});
  EXPECT_EQ(late.code, 1);
  EXPECT_THAT(late.err, StartsWith("steward: queue#2.get: timed out"));
  queue.put("second");
  EXPECT_EQ(queue.size(), 1U) << "nobody waits for it any more";
}

// The lock of a program that ends is given back.
TEST_F(Commands, ALockIsHeldNoLongerThanTheProgramLives) {
  const Lock lock = manager.lock(named("l"));
  EXPECT_THAT(call({address(), "l", "lock"}), ContainsRegex("^\\[[0-9]+, false\\]$"));
  EXPECT_FALSE(lock.locked());
  EXPECT_THAT(call({address(), "l", "unlock"}), StartsWith("steward: lock#2.unlock: "));
}

TEST_F(Commands, CreateMakesWhatOutlivesIt) {
  Ran ran = steward({"create", address(), "list", "--name", "numbers", "[1, 2]"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "numbers\n");
  EXPECT_EQ(manager.list<int>(named("numbers")).copy(), (std::vector{1, 2}));
  EXPECT_EQ(steward({"create", address(), "list", "--name", "numbers"}).out, "numbers\n");
  EXPECT_EQ(manager.list<int>(named("numbers")).size(), 2U) << "it was there already";

  EXPECT_EQ(steward({"create", address(), "dict", "{\"a\": 1}", "--name", "[odd]"}).out, "[odd]\n");
  EXPECT_EQ((manager.dict<std::string, int>(named("[odd]")).at("a")), 1);
  EXPECT_EQ(steward({"remove", address(), "[odd]"}).code, 0);

  ran = steward({"create", address(), "queue", "8"});
  EXPECT_THAT(ran.out, MatchesRegex("queue-[0-9a-f]{8}\n"));
  EXPECT_EQ(call({address(), ran.out.substr(0, ran.out.size() - 1), "maxsize"}), "8");
  EXPECT_NE(steward({"create", address(), "queue"}).out, ran.out);

  ran = steward({"create", address(), "dict", "--name", "numbers"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "steward: manager.create: 'numbers' is a list, not a dict\n");
  ran = steward({"create", address(), "carrier-pigeon"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err,
            "steward: manager.create: there is no class 'carrier-pigeon': "
            "there are list, dict, queue, lock, rlock\n");
}

TEST_F(Commands, ANameThatWasMadeMovesNoCursor) {
  EXPECT_EQ(steward({"create", address(), "list", "--name", "a\x1b[2J\n"}).out, "a\\x1b[2J\\n\n");
}

TEST_F(Commands, RemoveTakesAName) {
  EXPECT_EQ(steward({"remove", address(), "scores"}).code, 0);
  EXPECT_FALSE(manager.find("scores"));
  const Ran again = steward({"remove", address(), "scores"});
  EXPECT_EQ(again.code, 1);
  EXPECT_EQ(again.err, "steward: there is no object named 'scores'\n");
}

// However many programs came and went.
TEST_F(Commands, LeaveNothingBehind) {
  steward({"ls", address()});
  steward({"show", address(), "scores"});
  call({address(), "scores", "size"});
  steward({"stat", address()});
  EXPECT_THAT(manager.debug_info(), StartsWith("1 objects of "));
  EXPECT_THAT(manager.debug_info(), HasSubstr(", 1 sessions, 0 parked calls\n"));
}

}  // namespace
}  // namespace steward::detail::test
