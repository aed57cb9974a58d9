// The larger examples: the demonstration counts right, says so, and refuses what it cannot do in
// one clear line; a lock outlives its holder.
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/examples/program.hpp>

namespace steward::detail::test {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class WordCount : public ExampleTest {
 protected:
  Ran count(std::vector<std::string> arguments, Output output = Output::file) {
    return run("word_count", std::move(arguments), output);
  }
  // Many lines, so that the files are cut into several chunks.
  std::string long_text() const {
    std::string text;
    for (int i = 0; i < 4000; ++i) {
      text += "The quick brown fox no " + std::to_string(i % 7) + " jumps; the DOG, the d\u00f6g\n";
    }
    return text;
  }
};

TEST_F(WordCount, AgreesWithASingleProcess) {
  const std::string a = write("a.txt", long_text());
  const std::string b = write("b.txt", "the end without a line end");
  const Ran ran = count({"--workers", "3", "--top", "4", a, b});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  const auto size = std::filesystem::file_size(a) + std::filesystem::file_size(b);
  EXPECT_THAT(ran.out, StartsWith("2 files, " + std::to_string(size) + " bytes, "));
  EXPECT_THAT(ran.out, ContainsRegex("bytes, ([5-9]|[0-9][0-9]+) chunks, 3 workers\n"));
  EXPECT_THAT(ran.out, HasSubstr("100 % counted\n"
                                 "  the: 12001\n"
                                 "  brown: 4000\n"
                                 "  dog: 4000\n"
                                 "  d\u00f6g: 4000\n"
                                 "44006 words, 19 distinct, in "));
  EXPECT_THAT(ran.out, EndsWith("The same as a single process counts.\n"));
}

TEST_F(WordCount, DrawsABarOnATerminal) {
  const Ran ran = count({write("a.txt", "one two two")}, Output::terminal);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\r[" + std::string(40, '#') + "] 100 %"));
  EXPECT_THAT(ran.out, HasSubstr("  two: 2"));
}

TEST_F(WordCount, CountsEmptyFilesAndEndlessLines) {
  const Ran ran = count({write("empty.txt", ""), write("line.txt", std::string(200'000, 'x'))});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("1 words, 1 distinct"));
  EXPECT_EQ(count({write("empty.txt", "")}).code, 0);
}

TEST_F(WordCount, RefusesWhatItCannotCount) {
  const std::string there = write("there.txt", "there");
  const Ran missing = count({there, directory() + "/missing.txt"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_EQ(missing.out, "");
  EXPECT_EQ(missing.err, "word_count: there is no file " + directory() +
                             "/missing.txt; --help shows how it is used\n");
  EXPECT_THAT(count({directory()}).err, HasSubstr("is not a file"));
  EXPECT_THAT(count({}).err, HasSubstr("there are no files to count"));
  EXPECT_THAT(count({"--workers", "0", there}).err, HasSubstr("--workers takes a number"));
  EXPECT_THAT(count({"--workers"}).err, HasSubstr("--workers needs a value"));
  EXPECT_THAT(count({"--frobnicate"}).err, HasSubstr("there is no option --frobnicate"));
  EXPECT_EQ(count({"--frobnicate"}).code, 2);
}

TEST_F(WordCount, ShowsHowItIsUsed) {
  const Ran ran = count({"--help"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("--workers N"));
  EXPECT_THAT(ran.out, HasSubstr("--watch TOKEN"));
}

class FirstSteps : public ExampleTest {};

TEST_F(FirstSteps, GreetsEveryoneOnce) {
  const Ran ran = run("first_steps");
  EXPECT_EQ(ran.code, 0) << ran.err;
  const auto out = lines(ran.out);
  ASSERT_EQ(out.size(), 4U) << ran.out;
  EXPECT_EQ(out[0], "{\"greeted\": 3}");
  for (const std::string name : {"Ada", "Bob", "Eve"}) {
    EXPECT_THAT(ran.out, ContainsRegex("Hello " + name + ", you are number [123]\n"));
  }
  for (std::size_t i = 1; i < 4; ++i) EXPECT_THAT(out[i], EndsWith(" " + std::to_string(i)));
}

class Everyday : public ExampleTest {};

TEST_F(Everyday, LosesNoJobAndNoChange) {
  const Ran ran = run("everyday");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "{\"odd\": [1, 3], \"even\": [2]}\n6 divisors of 12\n");
}

class BesidePython : public ExampleTest {};

TEST_F(BesidePython, DoesWhatPythonDoes) {
  const Ran ran = run("beside_python");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(lines(ran.out),
              ElementsAre("[\"text\", 1.5] 1.5", "7 [2, 7]",
                          StartsWith("1 2 7 [1, 2, 7] <ListProxy object, typeid 'list' at "),
                          "{\"a\": 8, \"x\": 1}", "1 2 3", "true", "false 0 [1, 2, 7, 5]", "[1]",
                          "[1, 8, 343, 125]", "[3, 7]", "5 true 5", "477", "4 0 1 3 5",
                          "[1, 2, 7, 5, 1]"));
}

class CrashSafeLock : public ExampleTest {};

TEST_F(CrashSafeLock, GoesToTheNextOneWhoPutsThingsRight) {
  const Ran ran = run("crash_safe_lock");
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(ran.out,
            "Half done: {\"ada\": 60, \"bob\": 0}; kill -9 Process-1\n"
            "The next one has the lock; the previous owner died: yes\n"
            "Put right: {\"ada\": 60, \"bob\": 40}\n");
}

}  // namespace
}  // namespace steward::detail::test
