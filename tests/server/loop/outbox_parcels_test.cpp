// How the outbox gathers a batch: replies to one route in one envelope, everything in order,
// whether there are few routes or many.
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/wire.hpp>
#include <steward/manager/server/listener.hpp>
#include <steward/manager/server/outbox.hpp>

namespace steward::detail::server {
namespace {

// Takes everything, and keeps it.
class Post final : public Listener {
 public:
  std::vector<int> fds() const override { return {}; }
  bool readable() override { return false; }
  bool receive(Arrival&) override { return false; }
  Sent send(const std::string& route, std::string& frame) override {
    if (route == broken) throw std::runtime_error("the network is broken");
    if (route == full) return Sent::would_block;
    sent.emplace_back(route, std::move(frame));
    return Sent::sent;
  }
  void forget(const std::string&) override {}
  const std::vector<std::string>& addresses() const override { return none_; }
  void close() override {}

  std::vector<std::pair<std::string, std::string>> sent;
  std::string broken;  // a send to this route fails
  std::string full;    // and to this one blocks

 private:
  std::vector<std::string> none_;
};

std::shared_ptr<const std::string> reply_of(core::Seq seq) {
  std::string bytes;
  core::append_reply(bytes, {seq, core::ErrorCode::ok, "\xc0"});
  return std::make_shared<const std::string>(std::move(bytes));
}

std::vector<core::Seq> seqs_in(const std::string& frame) {
  std::vector<core::Seq> seqs;
  for (const core::Reply& reply : core::decode_replies(core::open_envelope(frame))) {
    seqs.push_back(reply.seq);
  }
  return seqs;
}

std::string route_of(std::size_t number) { return "route " + std::to_string(number); }

class OutboxParcels : public testing::TestWithParam<std::size_t> {
 protected:
  Post post;
  Outbox outbox{post, core::Limits()};
};

TEST_P(OutboxParcels, AllRepliesOfABatchToARouteAreOneEnvelope) {
  const std::size_t routes = GetParam();
  for (const core::Seq batch : {1U, 2U, 3U}) {
    for (const core::Seq seq : {10 * batch, 10 * batch + 1}) {
      for (std::size_t i = 0; i < routes; ++i) outbox.reply(route_of(i), reply_of(seq));
    }
    outbox.release({});
    ASSERT_EQ(post.sent.size(), routes);
    for (std::size_t i = 0; i < routes; ++i) {
      EXPECT_EQ(post.sent[i].first, route_of(i));
      EXPECT_EQ(seqs_in(post.sent[i].second), (std::vector{10 * batch, 10 * batch + 1}));
    }
    post.sent.clear();
  }
}

TEST_P(OutboxParcels, AnEnvelopeStaysBetweenTheRepliesBeforeAndAfterIt) {
  const std::size_t routes = GetParam();
  for (std::size_t i = 0; i < routes; ++i) outbox.reply(route_of(i), reply_of(1));
  for (std::size_t i = 0; i < routes; ++i) outbox.envelope(route_of(i), core::encode_bye());
  for (std::size_t i = 0; i < routes; ++i) outbox.reply(route_of(i), reply_of(2));
  for (std::size_t i = 0; i < routes; ++i) outbox.reply(route_of(i), reply_of(3));
  outbox.release({});

  std::map<std::string, std::vector<std::string>> frames;
  for (const auto& [route, frame] : post.sent) frames[route].push_back(frame);
  ASSERT_EQ(frames.size(), routes);
  for (const auto& [route, sent] : frames) {
    ASSERT_EQ(sent.size(), 3U) << route;
    EXPECT_EQ(seqs_in(sent[0]), std::vector<core::Seq>{1});
    EXPECT_EQ(sent[1], core::encode_bye());
    EXPECT_EQ(seqs_in(sent[2]), (std::vector<core::Seq>{2, 3}));
  }
}

TEST_P(OutboxParcels, NothingOfABatchThatCouldNotBeSentGoesToSomebodyElse) {
  const std::size_t routes = GetParam();
  for (std::size_t i = 0; i < routes; ++i) outbox.reply(route_of(i), reply_of(1));
  post.broken = route_of(0);
  EXPECT_THROW(outbox.release({}), std::runtime_error);
  post.sent.clear();

  for (std::size_t i = routes; i < 2 * routes; ++i) {
    outbox.envelope(route_of(i), core::encode_bye());
  }
  outbox.release({});
  ASSERT_EQ(post.sent.size(), routes);
  for (const auto& [route, frame] : post.sent) EXPECT_EQ(frame, core::encode_bye()) << route;
}

TEST_P(OutboxParcels, NothingIsTriedAgainOnceNobodyIsLeftWhoDoesNotRead) {
  post.full = route_of(0);
  outbox.reply(post.full, reply_of(1));
  outbox.release({});
  ASSERT_TRUE(outbox.next_deadline());
  outbox.forget(post.full);
  EXPECT_FALSE(outbox.next_deadline()) << "the loop would never wait again";
}

// Around the number from which on a table is kept, and far from it.
INSTANTIATE_TEST_SUITE_P(Routes, OutboxParcels, testing::Values(1, 2, 15, 16, 17, 18, 100));

}  // namespace
}  // namespace steward::detail::server
