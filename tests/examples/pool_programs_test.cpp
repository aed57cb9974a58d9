// The programs that compute with a pool: each checks its own result and says so, whatever the
// number of processes, and refuses in one clear line what it cannot do.
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/examples/program.hpp>
#include <steward/tests/examples/spawn.hpp>

namespace steward::detail::test {
namespace {

using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class PoolPrograms : public ExampleTest {
 protected:
  // Runs it and expects that it finds its own result right. What it says but for that line.
  std::string right(const std::string& program, const std::vector<std::string>& arguments) {
    const Ran ran = run(program, arguments);
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    EXPECT_EQ(ran.err, "") << "no bar where there is no terminal";
    EXPECT_THAT(ran.out, HasSubstr("\nChecked: "));
    EXPECT_THAT(ran.out, EndsWith(".\n"));
    EXPECT_THAT(ran.out, HasSubstr("speed-up"));
    return ran.out.substr(0, ran.out.find("Checked: "));
  }

  void refuses(const std::string& program, const std::vector<std::string>& arguments,
               const std::string& why) {
    const Ran ran = run(program, arguments);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, why + "; --help shows how it is used\n");
  }
};

TEST_F(PoolPrograms, PiIsEstimatedInTwoWays) {
  for (const std::string processes : {"1", "3"}) {
    const std::string out =
        right("pi", {"--points", "200000", "--terms", "100000", "--processes", processes});
    EXPECT_THAT(out, ContainsRegex("Monte Carlo +series\n"));
    EXPECT_THAT(out, ContainsRegex("pi +3\\.1[0-9]+ +3\\.14158265[0-9]+\n")) << out;
    EXPECT_THAT(out, ContainsRegex("at most +0\\.0[0-9]+ +0\\.000019999[0-9]+\n"));
    EXPECT_THAT(out, HasSubstr("pool of " + processes));
  }
}

TEST_F(PoolPrograms, PiTakesFewerPointsThanBlocks) {
  right("pi", {"--points", "1", "--terms", "1", "--processes", "2"});
}

TEST_F(PoolPrograms, IntegralsAreWithinTheirBounds) {
  const std::string out = right("integrate", {"--steps", "20000", "--processes", "2"});
  EXPECT_THAT(out, ContainsRegex("sin\\(x\\), 0 to pi +(2\\.0|1\\.9)[0-9]+ "));
  EXPECT_THAT(out, ContainsRegex("exp\\(-x\\^2\\), -6 to 6 +1\\.77245385[0-9]+ "));
  // Few steps are far off, and not further than they may be.
  EXPECT_THAT(right("integrate", {"--steps", "64"}), ContainsRegex("e-0[78]"));
}

TEST_F(PoolPrograms, MandelbrotIsDrawn) {
  const std::string ppm = directory() + "/picture.ppm";
  const std::string size = "24";
  right("mandelbrot",
        {"--width", "36", "--height", size, "--depth", "100", "--processes", "2", "--file", ppm});
  const std::string pixels = read_file(ppm);
  ASSERT_THAT(pixels, StartsWith("P6\n36 24\n255\n"));
  ASSERT_EQ(pixels.size(), 13U + 36 * 24 * 3);
  const auto pixel = [&](std::size_t x, std::size_t y) {
    return pixels.substr(13 + 3 * (36 * y + x), 3);
  };
  EXPECT_EQ(pixel(26, 12), std::string(3, '\0')) << "-0.04 + 0.04i is inside";
  EXPECT_NE(pixel(0, 0), std::string(3, '\0')) << "-2.2 + i is outside";
}

TEST_F(PoolPrograms, MandelbrotIsDrawnAsPng) {
  const std::string png = directory() + "/picture.png";
  const Ran ran =
      run("mandelbrot", {"--width", "300", "--height", "80", "--depth", "20", "--file", png});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith(png + ": 300 x 80 pixels\n"));
  // Python knows zlib and its checksums; the picture has more than one block.
  const std::string script = write("look.py", R"(import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
at, chunks = 8, {}
while at < len(data):
    size, = struct.unpack(">I", data[at:at + 4])
    chunk = data[at + 4:at + 8 + size]
    assert struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0] == zlib.crc32(chunk)
    chunks[chunk[:4]] = chunk[4:]
    at += size + 12
assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (300, 80, 8, 2, 0, 0, 0)
pixels = zlib.decompress(chunks[b"IDAT"])
assert len(pixels) == 80 * 901 and not any(pixels[::901])
)");
  const Ran looked = run_python(script, {png});
  EXPECT_EQ(looked.code, 0) << looked.err;
}

TEST_F(PoolPrograms, PreimageIsFoundAndTheRestIsCancelled) {
  const std::string out = right("preimage", {"--word", "cat", "--processes", "2"});
  EXPECT_THAT(out, StartsWith("Which word of 3 letters has the hash "));
  EXPECT_THAT(out, ContainsRegex("\ncat, after [0-9]+ of 676 beginnings\n"));
}

TEST_F(PoolPrograms, PreimageMayNotExist) {
  const std::string out = right("preimage", {"--hash", "1", "--length", "3"});
  EXPECT_THAT(out, HasSubstr("has the hash 0000000000000001?\nNone, after 676 of 676"));
}

TEST_F(PoolPrograms, GeneticTourComesCloseToTheBest) {
  const std::string out = right(
      "genetic", {"--side", "6", "--population", "12", "--generations", "12", "--processes", "2"});
  EXPECT_THAT(out, ContainsRegex("shortest tour through 36 cities: at first [0-9.]+, after "
                                 "[0-9]+ generations 3[6-9]\\.[0-9]+; the best there is: 36.000"));
}

TEST_F(PoolPrograms, RefuseWhatTheyCannotDo) {
  refuses("pi", {"--points", "0"}, "--points takes a number from 1 to 1000000000000");
  refuses("pi", {"--points"}, "--points needs a value");
  refuses("pi", {"--pionts", "3"}, "there is no option --pionts");
  refuses("pi", {"--processes", "many"}, "--processes takes a number from 1 to 256");
  refuses("integrate", {"--steps", "101"}, "--steps takes an even number");
  refuses("mandelbrot", {"--file", "picture.gif"},
          "--file takes a name that ends with .png or .ppm");
  refuses("preimage", {"--hash", "1g"}, "--hash takes a number of up to 16 hexadecimal digits");
  refuses("preimage", {"--word", "Cat"}, "--word takes 3 to 10 small letters");
  refuses("genetic", {"--side", "5"}, "--side takes an even number");
}

TEST_F(PoolPrograms, SayWhatTheyCannotWrite) {
  const Ran ran = run("mandelbrot", {"--width", "4", "--height", "4", "--depth", "10", "--file",
                                     directory() + "/nowhere/picture.png"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "cannot write " + directory() + "/nowhere/picture.png\n");
}

TEST_F(PoolPrograms, ShowHowTheyAreUsed) {
  for (const std::string program :
       {"pi", "integrate", "mandelbrot", "preimage", "genetic", "work_queue", "dashboard"}) {
    const Ran ran = run(program, {"--help"});
    EXPECT_EQ(ran.code, 0);
    EXPECT_THAT(ran.out, StartsWith(program + " ["));
    EXPECT_THAT(ran.out, Not(HasSubstr("\t")));
  }
}

}  // namespace
}  // namespace steward::detail::test
