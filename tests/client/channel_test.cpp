// One connection of a relay, step by step: windows, ends, and users who do not read.
#include <steward/client/channel.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <steward/client/held_ends.hpp>

namespace steward::client {
namespace {

// A channel, and its user's end.
struct Line {
  HeldEnds ends;
  HeldEnds::Pair pair = ends.stream_pair();
  shm::UniqueFd user = pair.user.release();
  Channel channel{std::move(pair.relay)};

  bool send(std::string_view bytes) {
    return ::send(user.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(bytes.size());
  }
  std::string receive(std::size_t most = 1U << 20U) {
    std::string bytes(most, '\0');
    const ssize_t count = ::recv(user.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }
  bool at_end() {
    char byte = 0;
    return ::recv(user.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }
};

constexpr std::uint64_t cost(std::size_t bytes) { return bytes + Channel::kFrameCost; }
const std::string kChunk(Channel::kChunk, 'x');

TEST(Channel, ReadsWhatTheUserHasSent) {
  Line line;
  EXPECT_EQ(line.channel.read(), "");
  EXPECT_FALSE(line.channel.spoken());
  line.send("one");
  line.send("two");
  EXPECT_EQ(line.channel.read(), "onetwo");
  EXPECT_EQ(line.channel.read(), "");
}

TEST(Channel, ReadsNoMoreAtOnceThanAChunk) {
  Line line;
  line.send(kChunk + "more");
  EXPECT_EQ(line.channel.read().size(), Channel::kChunk);
  EXPECT_EQ(line.channel.read(), "more");
}

TEST(Channel, StopsReadingWhenTheWindowIsFull) {
  Line line;
  std::uint64_t under_way = 0;
  while (line.channel.wants_to_read()) {
    ASSERT_TRUE(line.send(kChunk));
    const std::string bytes = line.channel.read();
    ASSERT_FALSE(bytes.empty());
    under_way += cost(bytes.size());
  }
  EXPECT_GE(under_way, Channel::kWindow);
  EXPECT_LE(under_way, Channel::kWindow + cost(Channel::kChunk));
  EXPECT_TRUE(line.channel.taken(cost(Channel::kChunk)));
  EXPECT_TRUE(line.channel.wants_to_read());
}

TEST(Channel, SmallFramesFillTheWindowToo) {
  Line line;
  std::size_t frames = 0;
  for (; line.channel.wants_to_read(); ++frames) {
    ASSERT_TRUE(line.send("x"));
    ASSERT_EQ(line.channel.read(), "x");
  }
  EXPECT_LE(frames, Channel::kWindow / Channel::kFrameCost);
}

TEST(Channel, MoreThanWasUnderWayCannotBeTaken) {
  Line line;
  EXPECT_TRUE(line.channel.taken(0));
  EXPECT_FALSE(line.channel.taken(1));
  line.send("abc");
  line.channel.read();
  EXPECT_FALSE(line.channel.taken(cost(3) + 1));
  EXPECT_TRUE(line.channel.taken(cost(3)));
  EXPECT_FALSE(line.channel.taken(1));
}

TEST(Channel, TheUsersEndComesAfterItsLastWord) {
  Line line;
  line.send("last");
  line.user.reset();
  EXPECT_EQ(line.channel.read(), "last");
  EXPECT_EQ(line.channel.read(), "");
  EXPECT_TRUE(line.channel.spoken());
  EXPECT_FALSE(line.channel.wants_to_read());
}

TEST(Channel, AUserThatLeavesWordsUnreadIsHeardToItsEnd) {
  Line line;
  ASSERT_TRUE(line.channel.deliver("never read"));
  EXPECT_EQ(line.channel.write(), cost(10));
  line.send("last");
  line.user.reset();
  EXPECT_EQ(line.channel.read(), "last");
  EXPECT_EQ(line.channel.read(), "");
  EXPECT_TRUE(line.channel.spoken());
}

TEST(Channel, DeliversAndSaysWhatWasTaken) {
  Line line;
  ASSERT_TRUE(line.channel.deliver("one"));
  ASSERT_TRUE(line.channel.deliver("four"));
  EXPECT_TRUE(line.channel.wants_to_write());
  EXPECT_EQ(line.channel.write(), cost(3) + cost(4));
  EXPECT_FALSE(line.channel.wants_to_write());
  EXPECT_EQ(line.receive(), "onefour");
}

TEST(Channel, WaitsForAUserThatDoesNotRead) {
  Line line;
  std::string all;
  std::uint64_t delivered = 0;
  for (int i = 0; i < 12; ++i) {
    const std::string bytes(Channel::kChunk, static_cast<char>('a' + i));
    ASSERT_TRUE(line.channel.deliver(bytes));
    all += bytes;
    delivered += cost(bytes.size());
  }
  std::uint64_t through = line.channel.write();
  EXPECT_LT(through, delivered);
  EXPECT_TRUE(line.channel.wants_to_write());
  std::string received;
  while (line.channel.wants_to_write()) {
    received += line.receive(10'000);
    through += line.channel.write();
  }
  while (received.size() < all.size()) received += line.receive();
  EXPECT_EQ(through, delivered);
  EXPECT_TRUE(received == all);
}

TEST(Channel, MoreThanTheWindowIsRefused) {
  Line line;
  // The window may be passed by one frame, and a user that reads nothing takes what fits into its
  // socket: so much is held here, at the least.
  std::uint64_t held = 0;
  bool accepted = true;
  for (int i = 0; i < 1000 && accepted; ++i) {
    accepted = line.channel.deliver(kChunk);
    if (accepted) held += cost(kChunk.size());
  }
  EXPECT_FALSE(accepted);
  EXPECT_LE(held, Channel::kWindow + cost(Channel::kChunk));
  Line other;
  EXPECT_FALSE(other.channel.deliver(kChunk + "x"));
}

TEST(Channel, WhatAUserThatHasLeftWouldGetIsTakenAllTheSame) {
  Line line;
  line.user.reset();
  ASSERT_TRUE(line.channel.deliver("nobody"));
  EXPECT_EQ(line.channel.write(), cost(6));
  EXPECT_FALSE(line.channel.finished()) << "the far side has not ended";
}

TEST(Channel, TheFarEndFollowsItsLastWord) {
  Line line;
  ASSERT_TRUE(line.channel.deliver("last"));
  line.channel.heard_the_end();
  EXPECT_FALSE(line.channel.finished());
  EXPECT_FALSE(line.channel.deliver("after the end"));
  EXPECT_EQ(line.channel.write(), cost(4));
  EXPECT_TRUE(line.channel.finished());
  EXPECT_EQ(line.receive(), "last");
}

TEST(Channel, AfterTheFarEndNobodyIsSpokenTo) {
  Line line;
  while (line.send("unheard")) {
  }
  line.channel.heard_the_end();
  EXPECT_TRUE(line.channel.spoken());
  EXPECT_FALSE(line.channel.wants_to_read());
  EXPECT_FALSE(line.send("x"));
  EXPECT_EQ(errno, EPIPE) << "and not that there is no room";
}

TEST(Channel, AUserThatIsLetFinishHasSaidAllThatItHadSent) {
  Line line;
  line.send("last");
  line.channel.let_finish();
  EXPECT_FALSE(line.send("after"));
  EXPECT_EQ(line.channel.read(), "last");
  EXPECT_EQ(line.channel.read(), "");
  EXPECT_TRUE(line.channel.spoken());
}

}  // namespace
}  // namespace steward::client
