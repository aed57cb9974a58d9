// The frames between relays: their bytes, and what is none.
#include <steward/client/trunk.hpp>

#include <random>
#include <string>

#include <gtest/gtest.h>

#include <steward/tests/client/seed.hpp>

namespace steward::client {
namespace {

TEST(TrunkFrame, HasTheBytesOfTheProtocol) {
  EXPECT_EQ(encode_frame({FrameKind::hello, {}, 0}), "\x92\x01\x20");
  EXPECT_EQ(encode_frame({FrameKind::welcome, {}, 0}), "\x92\x01\x21");
  EXPECT_EQ(encode_frame({FrameKind::refused, "no", 0}), "\x93\x01\x22\xc4\x02no");
  EXPECT_EQ(encode_frame({FrameKind::data, "abc", 0}), "\x93\x01\x23\xc4\x03" "abc");
  EXPECT_EQ(encode_frame({FrameKind::taken, {}, 515}), "\x93\x01\x24\xcd\x02\x03");
  EXPECT_EQ(encode_frame({FrameKind::end, {}, 0}), "\x92\x01\x25");
}

TEST(TrunkFrame, IsReadAsItWasWritten) {
  for (const TrunkFrame& frame :
       {TrunkFrame{FrameKind::hello, {}, 0}, TrunkFrame{FrameKind::welcome, {}, 0},
        TrunkFrame{FrameKind::refused, "why", 0}, TrunkFrame{FrameKind::data, "bytes", 0},
        TrunkFrame{FrameKind::taken, {}, 1U << 30U}, TrunkFrame{FrameKind::end, {}, 0}}) {
    const std::string bytes = encode_frame(frame);
    const auto read = decode_frame(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kind, frame.kind);
    EXPECT_EQ(read->bytes, frame.bytes);
    EXPECT_EQ(read->count, frame.count);
  }
}

TEST(TrunkFrame, OfLaterVersionsMayGreetAtLength) {
  const auto hello = decode_frame("\x93\x01\x20\xa5later");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->kind, FrameKind::hello);
}

TEST(TrunkFrame, EverythingElseIsNone) {
  for (const std::string& bytes :
       {std::string(), std::string("\x92\x01"), std::string("\x91\x01"),
        std::string("\x92\x02\x20"), std::string("\x92\x01\x1f"), std::string("\x92\x01\x26"),
        std::string("\x92\x01\x23"), std::string("\x93\x01\x23\xa1x"),
        std::string("\x93\x01\x23\xc4\x05x"), std::string("\x93\x01\x24\xff"),
        std::string("\x93\x01\x24\x01\x01"), std::string("\x94\x01\x24\x01\x01"),
        std::string("x")}) {
    EXPECT_FALSE(decode_frame(bytes)) << testing::PrintToString(bytes);
  }
}

TEST(TrunkFrame, RandomBytesAreReadOrRefused) {
  std::mt19937_64 random(test::seed());
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 12, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (bytes.size() > 3) bytes.replace(0, 3, std::string("\x93\x01\x23", 3));
    if (const auto frame = decode_frame(bytes)) {
      EXPECT_LE(frame->bytes.size(), bytes.size());
    }
  }
}

}  // namespace
}  // namespace steward::client
