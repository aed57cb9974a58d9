// Values as MessagePack.
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include <steward/core/handle_codec.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/value.hpp>
#include <steward/core/writer.hpp>

#include <steward/tests/core/support.hpp>

namespace steward::detail::core {
namespace {

using test::Exact;
using test::hex;
using test::refusal;
using test::refuses;
using test::unhex;

std::string bytes_of(const Value& value, std::size_t depth = kValueDepth) {
  std::string out;
  Writer writer(out);
  encode_value(writer, value, current_handle_codec(), depth);
  return out;
}

Value value_of(std::string_view bytes) { return decode_value(bytes, current_handle_codec()); }

Value everything() {
  return Value(Value::List{
      {}, true, false, 0, -33, 70'000, UINT64_MAX, 0.5, -0.0, NAN, "", "text",
      Value::of_bytes(std::string("\0\xff", 2)), Value(Value::List{}), Value::of_map({}),
      Value::of_map({{"k", Value::List{1, 2}}, {1, "one"}, {Value(Value::List{1, 2}), {}}}),
      Value::of_reference(test::reference("list", 3))});
}

TEST(ValueCodec, WritesEachKindInItsShortestForm) {
  EXPECT_EQ(hex(bytes_of(Value())), "c0");
  EXPECT_EQ(hex(bytes_of(Value(true))), "c3");
  EXPECT_EQ(hex(bytes_of(Value(-1))), "ff");
  EXPECT_EQ(hex(bytes_of(Value(UINT64_MAX))), "cf ff ff ff ff ff ff ff ff");
  EXPECT_EQ(hex(bytes_of(Value(1.0))), "ca 3f 80 00 00");
  EXPECT_EQ(hex(bytes_of(Value(-0.0))), "ca 80 00 00 00");
  EXPECT_EQ(hex(bytes_of(Value(0.1))), "cb 3f b9 99 99 99 99 99 9a");
  EXPECT_EQ(hex(bytes_of(Value(1e300))).substr(0, 2), "cb");
  EXPECT_EQ(hex(bytes_of(Value(INFINITY))), "cb 7f f0 00 00 00 00 00 00");
  EXPECT_EQ(hex(bytes_of(Value("ab"))), "a2 61 62");
  EXPECT_EQ(hex(bytes_of(Value::of_bytes("ab"))), "c4 02 61 62");
  EXPECT_EQ(hex(bytes_of(Value(Value::List{1, Value::List{2, 3}}))), "92 01 92 02 03");
  EXPECT_EQ(hex(bytes_of(Value::of_map({{"b", 1}, {"a", 2}}))), "82 a1 62 01 a1 61 02");
}

TEST(ValueCodec, FloatsAreAsShortAsTheyCame) {
  std::string bytes;
  Writer out(bytes);
  out.array(3);
  for (const float number : {0.1F, -3e-42F, 3.4e38F}) out.real32(number);
  EXPECT_EQ(bytes_of(value_of(bytes)), bytes);
}

TEST(ValueCodec, EveryKindComesBack) {
  const Value value = everything();
  const std::string bytes = bytes_of(value);
  const Value back = value_of(bytes);
  EXPECT_EQ(back, value);
  EXPECT_EQ(bytes_of(back), bytes);
  EXPECT_TRUE(std::signbit(back.list().at(8).real()));
  EXPECT_EQ(back.list().at(8).kind(), ValueKind::real);
  EXPECT_EQ(back.depth(), value.depth());
  EXPECT_TRUE(back.has_proxies());
}

TEST(ValueCodec, ReadsFormsThatItDoesNotWrite) {
  EXPECT_EQ(value_of(unhex("d3 00 00 00 00 00 00 00 05")), Value(5));
  EXPECT_EQ(value_of(unhex("cf 00 00 00 00 00 00 00 05")), Value(5));
  EXPECT_EQ(value_of(unhex("ca 3f c0 00 00")).json(), "1.5");
  EXPECT_EQ(value_of(unhex("db 00 00 00 01 61")), Value("a"));
  EXPECT_EQ(value_of(unhex("dd 00 00 00 01 05")), Value(Value::List{5}));
  EXPECT_EQ(value_of(unhex("df 00 00 00 01 05 06")), Value::of_map({{5, 6}}));
}

TEST(ValueCodec, LeavesWhatFollowsInAReader) {
  const std::string bytes = unhex("91 05 c3");
  Reader reader(bytes);
  EXPECT_EQ(decode_value(reader, current_handle_codec()), Value(Value::List{5}));
  EXPECT_TRUE(reader.boolean());
  EXPECT_EQ(refusal([&] { value_of(bytes); }), "malformed message: bytes follow its end");
}

TEST(ValueCodec, RefusesWhatNoValueCanBe) {
  EXPECT_EQ(refusal([] { value_of(""); }),
            "malformed message: it ends where a value should begin");
  EXPECT_EQ(refusal([] { value_of("\xc1"); }), "malformed message: byte 0xc1 begins no value");
  EXPECT_EQ(refusal([] { value_of(unhex("d4 02 00")); }), "extension type 2 is unknown");
  EXPECT_EQ(refusal([] { value_of(unhex("d6 ff 00 00 00 00")); }), "extension type -1 is unknown");
  EXPECT_EQ(refusal([] { value_of(unhex("82 a1 61 01 a1 61 02")); }),
            "a map has the key \"a\" twice");
  EXPECT_EQ(
      refusal([] { value_of(unhex("82 01 c0 cb 3f f0 00 00 00 00 00 00 c0")); }).substr(0, 15),
      "a map has the k");
  EXPECT_EQ(refusal([] { value_of(unhex("91 d4 01 c0")); }), "expected a list, got nil");
}

TEST(ValueCodec, EveryTruncationIsRefused) {
  const std::string bytes = bytes_of(everything());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Exact part(bytes.substr(0, size));
    EXPECT_TRUE(refuses([&] { value_of(part.view()); })) << size;
  }
}

// ---- Nesting ----

Value nested(std::size_t depth) {
  Value value(1);
  for (std::size_t i = 0; i < depth; ++i) value = Value(std::vector<Value>{value});
  return value;
}

TEST(ValueCodec, WritesValuesUpToTheLimitOfNesting) {
  EXPECT_EQ(value_of(bytes_of(nested(kValueDepth))), nested(kValueDepth));
  EXPECT_EQ(refusal([] { bytes_of(nested(kValueDepth + 1)); }),
            "a value is nested more than 64 deep");
}

TEST(ValueCodec, ReadsSnapshotsOfContainersThatHoldSuchValues) {
  const Value snapshot(std::vector<Value>{nested(kValueDepth), nested(kValueDepth)});
  EXPECT_EQ(value_of(bytes_of(snapshot, kFrameDepth)), snapshot);
  const std::string deepest = bytes_of(nested(kFrameDepth), kFrameDepth);
  EXPECT_EQ(value_of(deepest).depth(), kFrameDepth);
  EXPECT_EQ(refusal([&] { value_of('\x91' + deepest); }), "a value is nested more than 72 deep");
}

TEST(ValueCodec, ABombOfNestingIsRefusedWithoutRecursion) {
  EXPECT_TRUE(refuses([] { value_of(std::string(1'000'000, '\x91')); }));
  std::string maps;
  for (int i = 0; i < 1'000'000; ++i) maps += "\x81\x01";
  EXPECT_TRUE(refuses([&] { value_of(maps + '\x01'); }));
  std::string keys(1'000'000, '\x81');
  EXPECT_TRUE(refuses([&] { value_of(keys + std::string(1'000'001, '\x01')); }));
}

TEST(ValueCodec, AnnouncedLengthsTakeNoMemory) {
  // 72 lists, each of which claims nearly all the bytes that remain.
  std::string bytes;
  for (int i = 0; i < 72; ++i) bytes += unhex("dd 00 0f 00 00");
  bytes += std::string(1'000'000, '\xc0');
  EXPECT_TRUE(refuses([&] { value_of(bytes); }));
  EXPECT_TRUE(refuses([] { value_of(unhex("dd ff ff ff ff")); }));
  EXPECT_TRUE(refuses([] { value_of(unhex("df ff ff ff ff")); }));
}

TEST(ValueCodec, ListsInListsTakeNoMoreThanAMultipleOfTheirBytes) {
  constexpr std::size_t kChains = 45'000;
  std::string bytes = unhex("dd 00 00 af c8");
  for (std::size_t i = 0; i < kChains; ++i) bytes += std::string(70, '\x91') + '\x01';
  try {
    value_of(bytes);
    FAIL() << "a Value of 430 MB was made of 3 MB";
  } catch (const Overloaded& error) {
    EXPECT_STREQ(error.what(),
                 "a message of 3195005 bytes would take more than 405 MiB of memory as a Value");
  }
  // As many numbers are no matter.
  bytes = unhex("dd 00 20 00 00") + std::string(0x20'0000, '\x01');
  EXPECT_EQ(value_of(bytes).list().size(), 0x20'0000U);
}

// However long it is: the elements of a list that is as long as can be.
TEST(ValueCodec, WhatProgramsHaveDoesNotMeetTheBoundOfMemory) {
  constexpr std::size_t kElements = 1000;
  for (const std::string_view element :
       {"01", "a0", "a1 61", "90", "80", "c4 00", "c4 01 61", "91 01", "92 01 02", "81 01 02",
        "91 90", "91 a0", "82 01 02 02 03", "81 01 91 01", "81 01 81 01 02", "91 91 01",
        "92 91 01 91 01", "91 81 01 02", "92 91 91 01 91 91 01", "91 91 91 01"}) {
    std::string bytes = unhex("dd 00 00 03 e8");
    for (std::size_t i = 0; i < kElements; ++i) bytes += unhex(element);
    Reader reader(bytes);
    const std::size_t before = reader.memory_left();
    decode_value(reader, current_handle_codec());
    const std::size_t taken = before - reader.memory_left();
    EXPECT_LE(taken, bytes.size() * Reader::kMemoryBytesPerByte) << element;
    EXPECT_GE(taken, kElements * sizeof(Value)) << element;
  }
}

TEST(ValueCodec, EmptyListsMapsAndBytesTakeNoMemoryOfTheirOwn) {
  const Value value = value_of(unhex("96 90 90 80 80 c4 00 c4 00"));
  const Value::List& items = value.list();
  EXPECT_EQ(&items[0].list(), &items[1].list());
  EXPECT_EQ(&items[2].map(), &items[3].map());
  EXPECT_EQ(items[4].bytes().data(), items[5].bytes().data());
  EXPECT_EQ(items[0].depth(), 1U);
}

TEST(ValueCodec, LargeListsAndMapsComeBack) {
  std::vector<int> numbers(10'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  Value::Map entries;
  for (const int number : numbers) entries.emplace_back(number, Value(Value::List{number}));
  const Value value(Value::List{Value(numbers), Value::of_map(entries)});
  EXPECT_EQ(value_of(bytes_of(value)), value);
}

TEST(ValueCodec, AnEmptyProxyDoesNotTravel) {
  EXPECT_THROW(bytes_of(Value::of_reference(nullptr)), StaleHandle);
  EXPECT_THROW(bytes_of(Value(std::vector<Value>{Value::of_reference(nullptr)})), StaleHandle);
}

// What is read at all is read again the same.
void expect_stable(std::string_view bytes) {
  const Value value = value_of(bytes);
  const std::string again = bytes_of(value, kFrameDepth);
  EXPECT_EQ(value_of(again), value);
  EXPECT_EQ(bytes_of(value_of(again), kFrameDepth), again);
}

TEST(ValueCodecFuzz, ChangedBytesAreRefusedOrReadForGood) {
  const std::string bytes = bytes_of(everything());
  test::Mutator mutator(test::seed_of_run());
  for (int round = 0; round < 10'000; ++round) {
    const Exact changed(mutator.mutate(bytes));
    refuses([&] { expect_stable(changed.view()); });
  }
}

TEST(ValueCodecFuzz, RandomBytesAreRefusedOrReadForGood) {
  test::Mutator mutator(test::seed_of_run());
  for (int round = 0; round < 10'000; ++round) {
    std::string bytes;
    for (std::size_t size = mutator.below(30); size > 0; --size) bytes = mutator.mutate(bytes);
    const Exact random(bytes);
    refuses([&] { expect_stable(random.view()); });
  }
}

}  // namespace
}  // namespace steward::detail::core
