#include <gtest/gtest.h>

#include <steward/core/wire.hpp>

namespace steward::detail::core {
namespace {

std::string frame_of(std::size_t calls, Seq first_incomplete = 7) {
  std::vector<std::string> encoded(calls);
  for (std::size_t i = 0; i < calls; ++i) {
    append_call(encoded[i], {i + 1, 1, std::nullopt, ObjectId{3}, "size", kNoArguments, false});
  }
  return encode_calls(first_incomplete, {encoded.begin(), encoded.end()});
}

TEST(SplitCalls, EveryCallIsInOnePartInItsOrder) {
  for (const std::size_t count : {33U, 64U, 65U, 1'000U}) {
    Seq expected = 1;
    for (const std::string& part : split_calls(frame_of(count), 32)) {
      const Calls calls = decode_calls(open_envelope(part));
      EXPECT_EQ(calls.first_incomplete, 7U);
      EXPECT_LE(calls.calls.size(), 32U);
      EXPECT_FALSE(calls.calls.empty());
      for (const Call& call : calls.calls) EXPECT_EQ(call.seq, expected++);
    }
    EXPECT_EQ(expected, count + 1);
  }
}

TEST(SplitCalls, LeavesAloneWhatIsShortOrNoCallsAtAll) {
  EXPECT_TRUE(split_calls(frame_of(0), 32).empty());
  EXPECT_TRUE(split_calls(frame_of(32), 32).empty());
  EXPECT_TRUE(split_calls(encode_renew(), 32).empty());
  EXPECT_TRUE(split_calls(encode_seqs(Envelope::ack, std::vector<Seq>(100, 1)), 32).empty());
  EXPECT_TRUE(split_calls("", 32).empty());
}

TEST(SplitCalls, LeavesAMalformedFrameToItsReader) {
  const std::string frame = frame_of(100);
  for (std::size_t size = 0; size < frame.size(); ++size) {
    EXPECT_TRUE(split_calls(frame.substr(0, size), 32).empty()) << size;
  }
  EXPECT_TRUE(split_calls(frame + "x", 32).empty());
}

}  // namespace
}  // namespace steward::detail::core
