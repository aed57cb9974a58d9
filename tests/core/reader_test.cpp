#include <steward/core/reader.hpp>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/writer.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::Exact;
using test::refusal;
using test::refuses;
using test::unhex;

// Hands a reader of these bytes to `f`; whatever it reads beyond them, the sanitizer reports.
template <class F>
auto reading(std::string_view digits, F f) {
  const Exact bytes(unhex(digits));
  Reader reader(bytes.view());
  return f(reader);
}

std::int64_t integer(std::string_view digits) {
  return reading(digits, [](Reader& in) { return in.integer(); });
}
std::uint64_t natural(std::string_view digits) {
  return reading(digits, [](Reader& in) { return in.natural(); });
}

TEST(Reader, ReadsIntegersOfEveryFormEvenWhenAShorterOneWouldDo) {
  EXPECT_EQ(integer("00"), 0);
  EXPECT_EQ(integer("7f"), 127);
  EXPECT_EQ(integer("ff"), -1);
  EXPECT_EQ(integer("e0"), -32);
  EXPECT_EQ(integer("cc ff"), 255);
  EXPECT_EQ(integer("cd ff ff"), 65'535);
  EXPECT_EQ(integer("ce ff ff ff ff"), 4'294'967'295);
  EXPECT_EQ(integer("cf 00 00 00 00 00 00 00 05"), 5);
  EXPECT_EQ(integer("cf 7f ff ff ff ff ff ff ff"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(integer("d0 80"), -128);
  EXPECT_EQ(integer("d0 7f"), 127);
  EXPECT_EQ(integer("d1 80 00"), -32'768);
  EXPECT_EQ(integer("d2 80 00 00 00"), -2'147'483'648);
  EXPECT_EQ(integer("d3 80 00 00 00 00 00 00 00"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(integer("d3 00 00 00 00 00 00 00 05"), 5);
}

TEST(Reader, RefusesIntegersThatDoNotFit) {
  EXPECT_EQ(refusal([] { integer("cf 80 00 00 00 00 00 00 00"); }),
            "the integer 9223372036854775808 is too large");
  EXPECT_EQ(natural("cf ff ff ff ff ff ff ff ff"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(natural("d0 05"), 5U);
  EXPECT_EQ(refusal([] { natural("ff"); }), "expected a non-negative integer, got -1");
}

TEST(Reader, ReadsRealsOfBothSizes) {
  const auto real = [](std::string_view digits) {
    return reading(digits, [](Reader& in) { return in.real(); });
  };
  EXPECT_EQ(real("ca 3f c0 00 00"), 1.5);
  EXPECT_EQ(real("cb 3f f8 00 00 00 00 00 00"), 1.5);
  EXPECT_TRUE(std::signbit(real("cb 80 00 00 00 00 00 00 00")));
  EXPECT_TRUE(std::isnan(real("cb 7f f8 00 00 00 00 00 00")));
  EXPECT_TRUE(std::isinf(real("ca 7f 80 00 00")));
  EXPECT_EQ(refusal([&] { real("01"); }), "expected a real, got an integer");
}

TEST(Reader, ReadsNilAndBooleans) {
  EXPECT_TRUE(reading("c0", [](Reader& in) { return in.nil_if_next(); }));
  EXPECT_FALSE(reading("c2", [](Reader& in) { return in.nil_if_next(); }));
  EXPECT_FALSE(reading("c2", [](Reader& in) { return in.boolean(); }));
  EXPECT_TRUE(reading("c3", [](Reader& in) { return in.boolean(); }));
  EXPECT_EQ(refusal([] { reading("c3", [](Reader& in) { in.nil(); }); }),
            "expected nil, got a boolean");
  EXPECT_EQ(refusal([] { reading("01", [](Reader& in) { in.boolean(); }); }),
            "expected a boolean, got an integer");
}

TEST(Reader, NamesWhatItExpectedAndWhatItGot) {
  const auto got = [](std::string_view digits) {
    return refusal([&] { reading(digits, [](Reader& in) { in.string(); }); });
  };
  EXPECT_EQ(got("c0"), "expected a string, got nil");
  EXPECT_EQ(got("cf ff ff ff ff ff ff ff ff"), "expected a string, got an integer");
  EXPECT_EQ(got("ca 00 00 00 00"), "expected a string, got a real");
  EXPECT_EQ(got("c4 00"), "expected a string, got bytes");
  EXPECT_EQ(got("90"), "expected a string, got a list");
  EXPECT_EQ(got("80"), "expected a string, got a map");
  EXPECT_EQ(got("d4 01 00"), "expected a string, got a handle");
  EXPECT_EQ(refusal([] { reading("a0", [](Reader& in) { in.bytes(); }); }),
            "expected bytes, got a string");
  EXPECT_EQ(refusal([] { reading("a0", [](Reader& in) { in.extension(); }); }),
            "expected a handle, got a string");
  EXPECT_EQ(refusal([] { reading("80", [](Reader& in) { in.array(); }); }),
            "expected a list, got a map");
  EXPECT_EQ(refusal([] { reading("90", [](Reader& in) { in.map(); }); }),
            "expected a map, got a list");
  EXPECT_EQ(refusal([] { reading("93 01 02 03", [](Reader& in) { in.array_of(2); }); }),
            "expected 2 elements, got 3");
}

TEST(Reader, DescribesAnItem) {
  EXPECT_EQ(describe_item(unhex("93 01 02 03")), "a list of 3 items");
  EXPECT_EQ(describe_item(unhex("c4 02 00 00")), "2 bytes");
  EXPECT_EQ(describe_item(unhex("a1 61")), "a string");
}

TEST(Reader, SeesTheNextKindWithoutTakingIt) {
  const auto kind = [](std::string_view digits) {
    return reading(digits, [](Reader& in) { return in.peek(); });
  };
  EXPECT_EQ(kind("c0"), Kind::nil);
  EXPECT_EQ(kind("c3"), Kind::boolean);
  EXPECT_EQ(kind("e0"), Kind::integer);
  EXPECT_EQ(kind("cf 7f ff ff ff ff ff ff ff"), Kind::integer);
  EXPECT_EQ(kind("cf 80 00 00 00 00 00 00 00"), Kind::natural);
  EXPECT_EQ(kind("cf 80"), Kind::integer);  // truncated: the reading will say so
  EXPECT_EQ(kind("ca"), Kind::real);
  EXPECT_EQ(kind("db"), Kind::string);
  EXPECT_EQ(kind("c6"), Kind::bytes);
  EXPECT_EQ(kind("9f"), Kind::array);
  EXPECT_EQ(kind("8f"), Kind::map);
  EXPECT_EQ(kind("c9"), Kind::extension);
}

TEST(Reader, KnowsEveryFirstByteButOne) {
  for (unsigned tag = 0; tag < 256; ++tag) {
    const Exact bytes(std::string(1, static_cast<char>(tag)) + std::string(64, '\0'));
    Reader reader(bytes.view());
    const bool refused = refuses([&] { reader.skip(0x100); });
    const bool lacks_bytes = tag == 0xc1;
    EXPECT_EQ(refused, lacks_bytes) << tag;
  }
  EXPECT_EQ(refusal([] { check_one_item("\xc1", 1); }),
            "malformed message: byte 0xc1 begins no value");
  EXPECT_EQ(refusal([] { check_one_item("", 1); }),
            "malformed message: it ends where a value should begin");
}

TEST(Reader, KeepsItsPlace) {
  const Exact bytes(unhex("01 a2 61 62 c0"));
  Reader reader(bytes.view());
  EXPECT_EQ(reader.remaining(), 5U);
  reader.integer();
  EXPECT_EQ(reader.position(), 1U);
  EXPECT_EQ(reader.skip(1), unhex("a2 61 62"));
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(refusal([&] { reader.finish(); }), "malformed message: bytes follow its end");
  reader.nil();
  EXPECT_TRUE(reader.done());
  reader.finish();
}

// ---- Hostile bytes ----

// One valid item of each form.
std::vector<std::string> items() {
  std::vector<std::string> all;
  for (const std::string_view digits :
       {"00", "ff", "c0", "c2", "c3", "cc ff", "cd 01 00", "ce 00 01 00 00",
        "cf 00 00 00 01 00 00 00 00", "d0 80", "d1 80 00", "d2 80 00 00 00",
        "d3 80 00 00 00 00 00 00 00", "ca 3f c0 00 00", "cb 3f f8 00 00 00 00 00 00", "a3 61 62 63",
        "d9 03 61 62 63", "da 00 03 61 62 63", "db 00 00 00 03 61 62 63", "c4 02 00 01",
        "c5 00 02 00 01", "c6 00 00 00 02 00 01", "d4 01 00", "d5 01 00 01", "d6 01 00 01 02 03",
        "d7 01 00 01 02 03 04 05 06 07", "c7 03 01 00 01 02", "c8 00 01 01 00",
        "c9 00 00 00 01 01 00", "92 01 02", "dc 00 02 01 02", "dd 00 00 00 02 01 02", "81 01 02",
        "de 00 01 01 02", "df 00 00 00 01 01 02", "93 91 91 90 82 a1 61 c0 a1 62 91 05 c4 01 00"}) {
    all.push_back(unhex(digits));
  }
  all.push_back(unhex("d8 01") + std::string(16, 'x'));
  return all;
}

TEST(HostileBytes, EveryTruncationIsRefused) {
  for (const std::string& item : items()) {
    EXPECT_FALSE(refuses([&] { check_one_item(item, 8); })) << test::hex(item);
    for (std::size_t size = 0; size < item.size(); ++size) {
      const Exact part(std::string_view(item).substr(0, size));
      EXPECT_TRUE(refuses([&] { check_one_item(part.view(), 8); })) << test::hex(part.view());
    }
  }
}

TEST(HostileBytes, WhateverFollowsAnItemIsRefused) {
  for (const std::string& item : items()) {
    EXPECT_EQ(refusal([&] { check_one_item(item + '\xc0', 8); }),
              "malformed message: bytes follow its end");
  }
}

TEST(HostileBytes, LengthsAreBelievedOnlyIfTheBytesAreThere) {
  for (const std::string_view digits :
       {"d9 ff", "da ff ff", "db ff ff ff ff", "c4 ff", "c5 ff ff", "c6 ff ff ff ff", "c7 ff 01",
        "c8 ff ff 01", "c9 ff ff ff ff 01", "bf", "d8 01"}) {
    EXPECT_EQ(refusal([&] { check_one_item(Exact(unhex(digits)).view(), 8); }),
              "malformed message: it ends inside a value") << digits;
  }
  for (const std::string_view digits :
       {"9f", "dc ff ff", "dd ff ff ff ff", "8f", "de ff ff", "df ff ff ff ff", "df 80 00 00 00",
        "81 00", "92 00"}) {
    EXPECT_EQ(refusal([&] { check_one_item(Exact(unhex(digits)).view(), 8); }),
              "malformed message: it announces more elements than it has bytes") << digits;
  }
}

TEST(HostileBytes, NestingIsCountedWithoutRecursion) {
  const auto nested = [](std::size_t depth, char opening) {
    std::string bytes;
    for (std::size_t i = 0; i < depth; ++i) bytes += opening == '\x81' ? "\x81\xc0" : "\x91";
    return bytes + '\xc0';
  };
  for (const char opening : {'\x91', '\x81'}) {
    EXPECT_FALSE(refuses([&] { check_one_item(nested(8, opening), 8); }));
    EXPECT_EQ(refusal([&] { check_one_item(nested(9, opening), 8); }),
              "values are nested more than 8 deep");
    EXPECT_EQ(refusal([&] { check_one_item(nested(1'000'000, opening), 72); }),
              "values are nested more than 72 deep");
  }
  EXPECT_FALSE(refuses([] { check_one_item("\x01", 0); }));
  EXPECT_TRUE(refuses([] { check_one_item("\x90", 0); }));
  // A wish for more depth than there is room for is cut, not obeyed.
  EXPECT_TRUE(refuses([&] { check_one_item(nested(1'000, '\x91'), 1'000'000); }));
}

TEST(HostileBytes, ALongRowOfItemsIsPassedOver) {
  std::string bytes;
  Writer writer(bytes);
  writer.array(100'000);
  for (int i = 0; i < 100'000; ++i) writer.array(0);
  EXPECT_FALSE(refuses([&] { check_one_item(bytes, 2); }));
}

TEST(HostileBytes, RandomChangesAreRefusedOrPassedOverWhole) {
  test::Mutator mutator(test::seed_of_run());
  const std::vector<std::string> valid = items();
  for (int round = 0; round < 20'000; ++round) {
    const Exact bytes(mutator.mutate(valid[mutator.below(valid.size())]));
    Reader reader(bytes.view());
    try {
      const std::string_view item = reader.skip(8);
      EXPECT_EQ(item.size(), reader.position());
    } catch (const BadCall&) {
    }
  }
}

}  // namespace
}  // namespace steward::detail::core
