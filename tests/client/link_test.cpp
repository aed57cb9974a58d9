// A session's standing with its manager, by what is said and when.
#include <gtest/gtest.h>

#include <steward/client/session/link.hpp>
#include <steward/core/auth.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using client::Link;

constexpr core::Time kStart = core::Time{} + 1h;

class LinkTest : public testing::Test {
 protected:
  LinkTest() {
    welcome.session = core::random_id<core::SessionId>();
    welcome.secret = std::string(core::kSecretBytes, 's');
    welcome.incarnation = incarnation;
  }

  core::Hello greeting() {
    const core::Hello hello = core::decode_hello(core::open_envelope(link.greeting()));
    link.greeted();
    return hello;
  }
  void begin() {
    link.connected(kStart);
    greeting();
    ASSERT_EQ(link.welcome(welcome), Link::Welcomed::yes);
  }
  // The welcome of a manager that has the session's secret.
  core::Welcome again(const core::Hello& hello) {
    core::Welcome proven = welcome;
    proven.secret.clear();
    proven.proof = core::session_proof(core::Role::server, welcome.secret, welcome.session,
                                       hello.nonce);
    return proven;
  }

  const core::Incarnation incarnation = core::random_id<core::Incarnation>();
  unsigned nonces = 0;
  core::Welcome welcome;
  Link link{"ticket", incarnation, 10s,
            [this] { return std::string(16, static_cast<char>(++nonces)); }};
};

TEST_F(LinkTest, BeginsWithItsTicket) {
  EXPECT_TRUE(link.greeting().empty());
  link.connected(kStart);
  const core::Hello hello = greeting();
  EXPECT_EQ(hello.ticket, "ticket");
  EXPECT_FALSE(hello.session);
  EXPECT_EQ(link.next_deadline(), kStart + 10s);
  EXPECT_EQ(link.welcome(welcome), Link::Welcomed::yes);
  EXPECT_TRUE(link.online());
  EXPECT_FALSE(link.next_deadline());
}

TEST_F(LinkTest, IsNotWelcomedByAnotherManager) {
  link.connected(kStart);
  welcome.incarnation = core::random_id<core::Incarnation>();
  EXPECT_EQ(link.welcome(welcome), Link::Welcomed::by_another);
}

TEST_F(LinkTest, ProvesItselfOnANewConnectionAndHasTheManagerDoSo) {
  begin();
  EXPECT_FALSE(link.connection_lost(kStart));
  link.connected(kStart);
  EXPECT_EQ(greeting().session, welcome.session);
  EXPECT_EQ(link.welcome(welcome), Link::Welcomed::no) << "it has proven nothing";
  ASSERT_TRUE(link.challenged("challenge", kStart));
  ASSERT_TRUE(link.should_prove(kStart));
  link.prove({4, 5}, 4);
  const core::Hello hello = greeting();
  EXPECT_EQ(hello.proof, core::session_proof(core::Role::client, welcome.secret, welcome.session,
                                             "challenge"));
  EXPECT_EQ(hello.incomplete, (std::vector<core::Seq>{4, 5}));
  EXPECT_EQ(link.welcome(again(hello)), Link::Welcomed::yes);
}

TEST_F(LinkTest, AnswersTheLastOfManyChallengesEverLater) {
  begin();
  link.connection_lost(kStart);
  link.connected(kStart);
  ASSERT_TRUE(link.challenged("first", kStart));
  ASSERT_TRUE(link.challenged("second", kStart));
  ASSERT_TRUE(link.should_prove(kStart));
  link.prove({}, 1);
  EXPECT_FALSE(link.challenged("second", kStart)) << "it is answered";
  ASSERT_TRUE(link.challenged("third", kStart));
  EXPECT_FALSE(link.should_prove(kStart));
  EXPECT_TRUE(link.should_prove(kStart + 20ms));
  link.prove({}, 1);
  ASSERT_TRUE(link.challenged("fourth", kStart));
  EXPECT_FALSE(link.should_prove(kStart + 20ms));
  EXPECT_TRUE(link.should_prove(kStart + 80ms));
}

TEST_F(LinkTest, AsksForAnotherChallengeWhereItsAnswerIsNotBelieved) {
  begin();
  link.connection_lost(kStart);
  link.connected(kStart);
  ASSERT_TRUE(link.challenged("first", kStart));
  link.prove({}, 1);
  link.greeted();
  EXPECT_FALSE(link.challenged("first", kStart));
  EXPECT_FALSE(link.should_prove(kStart + 1s)) << "the welcome may be under way";
  ASSERT_TRUE(link.should_prove(kStart + 2s));
  link.prove({}, 1);
  EXPECT_TRUE(greeting().proof.empty());
  EXPECT_FALSE(link.challenged("first", kStart + 2s)) << "the same answer would not do";
  EXPECT_TRUE(link.challenged("second", kStart + 2s));
}

TEST_F(LinkTest, CountsAsOutOfReachAfterItsPatienceAndOnce) {
  begin();
  link.connection_lost(kStart);
  EXPECT_EQ(link.tick(kStart + 9s), Link::Late::nothing);
  EXPECT_EQ(link.tick(kStart + 10s), Link::Late::out_of_reach);
  EXPECT_EQ(link.tick(kStart + 20s), Link::Late::nothing);
  link.want_connection(kStart + 30s);
  EXPECT_EQ(link.next_deadline(), kStart + 40s);
}

TEST_F(LinkTest, GivesLastRepliesTheirTime) {
  begin();
  EXPECT_FALSE(link.hung_up(true, kStart));
  EXPECT_EQ(link.tick(kStart + 99ms), Link::Late::nothing);
  EXPECT_EQ(link.tick(kStart + 100ms), Link::Late::ended);
  EXPECT_TRUE(link.process_ended());
}

TEST_F(LinkTest, WaitsForNothingFromADeadProcessWithoutAConnection) {
  begin();
  EXPECT_FALSE(link.hung_up(true, kStart));
  EXPECT_TRUE(link.connection_lost(kStart));
  Link other("t", incarnation, 10s, [] { return std::string(16, 'n'); });
  EXPECT_TRUE(other.hung_up(true, kStart));
}

TEST_F(LinkTest, BeginsAnewWithAnotherTicket) {
  begin();
  link.lose(kStart);
  EXPECT_TRUE(link.lost());
  EXPECT_EQ(link.out_of_reach_at(), kStart + 10s);
  link.begin_anew("another");
  link.connected(kStart);
  EXPECT_EQ(greeting().ticket, "another");
}

TEST_F(LinkTest, OnceClosedStaysClosed) {
  begin();
  link.hung_up(true, kStart);
  link.close();
  link.connected(kStart);
  EXPECT_TRUE(link.closed());
  EXPECT_TRUE(link.greeting().empty());
  EXPECT_FALSE(link.connection_lost(kStart));
  EXPECT_TRUE(link.closed());
  link.lose(kStart);
  link.begin_anew("another");
  EXPECT_TRUE(link.closed());
  EXPECT_FALSE(link.next_deadline());
}

TEST_F(LinkTest, WaitsForEverWithoutALimit) {
  Link patient("t", incarnation, core::Duration::max(), [] { return std::string(16, 'n'); });
  patient.want_connection(kStart);
  EXPECT_FALSE(patient.next_deadline());
}

}  // namespace
}  // namespace steward::detail::test
