// Takes that their callers settle, in the session's state machine: kept once they were decoded, or
// handed back.
#include <steward/tests/client/session_core_test.hpp>

#include <array>
#include <set>

#include <steward/core/wire.hpp>
#include <steward/tests/shm/failing_new.hpp>

namespace steward::detail::test {
namespace {

using client::Effect;

class Settling : public SessionCoreTest {
 protected:
  Settling() { settled_later = true; }
  void SetUp() override {
    connect();
    start(told, "add", {encoded(1)}, Effect::take);
    flow();
    ASSERT_TRUE(told.outcome.unsettled);
    settled_later = false;
    frames.clear();
  }
  // What the next call says of the first one whose reply is not there.
  core::Seq first_incomplete() {
    Told read;
    start(read, "echo", {encoded(1)}, Effect::read);
    frames.clear();
    flow();
    return core::decode_calls(core::open_envelope(frames.back())).first_incomplete;
  }

  Told told;
};

TEST_F(Settling, KeepsATakeIncompleteUntilItsCallerHasSpoken) {
  EXPECT_EQ(first_incomplete(), 1U);
  EXPECT_TRUE(manager.acks().empty());
  session.settle(*told.outcome.unsettled, true);
  flow();
  EXPECT_EQ(manager.acks(), std::vector<core::Seq>{1});
  EXPECT_GT(first_incomplete(), 1U);
  EXPECT_TRUE(manager.cancels().empty());
}

TEST_F(Settling, HandsBackByACancelThatIsRepeatedUntilItHasArrived) {
  silent = true;
  session.settle(*told.outcome.unsettled, false);
  flow();
  EXPECT_TRUE(manager.cancels().empty());
  silent = false;
  reconnect();
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
  EXPECT_EQ(first_incomplete(), 1U) << "the cancel may not have arrived";
  EXPECT_GT(first_incomplete(), 1U);
  EXPECT_TRUE(manager.acks().empty());
}

TEST_F(Settling, IsDoneOnce) {
  session.settle(*told.outcome.unsettled, false);
  session.settle(*told.outcome.unsettled, true);
  session.settle(*told.outcome.unsettled, false);
  flow();
  EXPECT_TRUE(manager.acks().empty());
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
}

// Its numbers are those of other calls.
TEST_F(Settling, MeansNothingToALaterSession) {
  manager.forget_sessions();
  reconnect();
  session.begin_anew(manager.new_ticket(), manager.incarnation(), now);
  connect();
  session.settle(*told.outcome.unsettled, false);
  flow();
  EXPECT_TRUE(manager.cancels().empty());
}

// While one call waits for long, the manager keeps all replies since until it is told otherwise.
class KeptReplies : public SessionCoreTest {
 protected:
  void SetUp() override {
    connect();
    start(parked, "park");
    flow();
  }
  void take(Told& told, std::string_view method, std::string_view arg) {
    settled_later = true;
    start(told, method, {std::string(arg)}, Effect::take);
    settled_later = false;
    flow();
  }

  Told parked;
};

TEST_F(KeptReplies, OfTakesThatGaveNothingAreTold) {
  for (int i = 0; i < 500; ++i) {
    Told told;
    take(told, "fail", encoded(std::string("nothing is there")));
  }
  EXPECT_LT(manager.kept(), 200U);
}

TEST_F(KeptReplies, OfTakesThatWereHandedBackAreTold) {
  for (int i = 0; i < 500; ++i) {
    Told told;
    take(told, "add", encoded(1));
    session.settle(*told.outcome.unsettled, false);
    flow();
  }
  EXPECT_EQ(manager.cancels().size(), 500U);
  EXPECT_LT(manager.kept(), 200U);
}

TEST_F(KeptReplies, OfTakesThatWereCancelledAreTold) {
  for (int i = 0; i < 500; ++i) {
    Told told;
    settled_later = true;
    start(told, "park", {}, Effect::take, now + 1s);
    settled_later = false;
    flow();
    wait(1s);
    EXPECT_EQ(told.end(), End::not_done);
  }
  Told read;
  start(read, "echo", {encoded(1)}, Effect::read);
  flow();
  EXPECT_LT(manager.kept(), 200U);
}

TEST_F(KeptReplies, ThatAreLargeAreToldSooner) {
  for (int i = 0; i < 30; ++i) {
    Told told;
    start(told, "echo", {encoded(std::string(500'000, 'x'))});
    flow();
  }
  EXPECT_GT(manager.acks().size(), 25U);
}

// The reply and the cancel have crossed, and the cancel was lost with the connection: until it is
// repeated, nothing may say that the take is confirmed.
TEST_F(SessionCoreTest, ACancelledTakeIsNotConfirmedByTheHandshake) {
  connect();
  settled_later = true;
  Told told;
  start(told, "park", {}, Effect::take, now + 1s);
  flow();
  silent = true;
  wait(1s);
  EXPECT_EQ(told.end(), End::not_done);
  release(encoded(1));
  silent = false;
  reconnect();
  EXPECT_EQ(manager.hellos().back().first_incomplete, 1U);
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
}

// One deadline, several takes, and memory that ends in between. (The driver ticks once more.)
TEST(SettlingWithoutMemory, CancelsEveryTakeThatWasGivenUp) {
  class Takes final : public SessionCoreTest {
   public:
    bool run(std::size_t n) {
      connect();
      settled_later = parks = true;
      std::array<Told, 5> takes;
      for (Told& told : takes) start(told, "park", {}, Effect::take, now + 1s);
      flow();
      now += 1s;
      bool failed = false;
      try {
        const FailingNew failing(n);
        session.tick(now);
        failed = failing.has_failed();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      session.tick(now);
      flow();
      for (const Told& told : takes) EXPECT_EQ(told.end(), End::not_done) << n;
      const std::vector<core::Seq> cancels = manager.cancels();
      EXPECT_EQ(std::set<core::Seq>(cancels.begin(), cancels.end()).size(), 5U) << n;
      return failed;
    }

   private:
    void TestBody() override {}
  };
  at_each_allocation([](std::size_t n) { return Takes().run(n); });
}

// Whoever hands back, or has no memory for what it was given, loses nothing for want of memory.
TEST(SettlingWithoutMemory, HandsBackLater) {
  class HandsBack final : public SessionCoreTest {
   public:
    bool run(std::size_t n, bool in_reply) {
      connect();
      settled_later = true;
      Told told;
      start(told, "park", {}, Effect::take);
      flow();
      const std::string reply = manager.release_parked(encoded(std::string(100, 'x')));
      bool failed = false;
      try {
        const FailingNew failing(in_reply ? n : 1'000'000);
        session.frame(reply, now);
        failed = failing.has_failed();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      if (told.outcome.unsettled) {
        const FailingNew failing(in_reply ? 1'000'000 : n);
        session.settle(*told.outcome.unsettled, false);
        failed = failed || failing.has_failed();
      }
      EXPECT_EQ(told.times, 1);
      settled_later = false;
      for (int i = 0; i < 2; ++i) {
        session.tick(now);
        flow();
        Told read;
        start(read, "echo", {encoded(1)}, Effect::read);
        frames.clear();
        flow();
        if (!manager.cancels().empty()) continue;
        EXPECT_EQ(core::decode_calls(core::open_envelope(frames.back())).first_incomplete, 1U);
      }
      EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1}) << n;
      return failed;
    }

   private:
    void TestBody() override {}
  };
  at_each_allocation([](std::size_t n) { return HandsBack().run(n, true); });
  at_each_allocation([](std::size_t n) { return HandsBack().run(n, false); });
}

// What the driver does where even a cancel has no memory.
TEST_F(SessionCoreTest, ATakeThatWasAbandonedGoesBack) {
  connect();
  settled_later = true;
  Told told;
  start(told, "park", {}, Effect::take);
  flow();
  session.abandon(told);
  const std::string reply = manager.release_parked(encoded(1));
  session.frame(reply, now);
  flow();
  EXPECT_EQ(told.end(), End::not_done);
  EXPECT_EQ(told.times, 1);
  EXPECT_EQ(manager.cancels(), std::vector<core::Seq>{1});
  EXPECT_TRUE(session.calls().awaited().empty()) << "its reply came again";
}

TEST(SettlingWithoutMemory, OwesWhatItCouldNotDrop) {
  class Drops final : public SessionCoreTest {
   public:
    bool run(std::size_t n) {
      connect();
      Told told;
      start(told, "handle", {encoded(7)});
      flow();
      // Noted with memory, sent without.
      session.references().owe({{core::ObjectId{7}, 1}});
      bool failed = false;
      try {
        const FailingNew failing(n);
        session.give_back({}, now);
        failed = failing.has_failed();
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      session.give_back({}, now);
      flow();
      EXPECT_TRUE(manager.grants().empty()) << n;
      return failed;
    }

   private:
    void TestBody() override {}
  };
  at_each_allocation([](std::size_t n) { return Drops().run(n); });
}

}  // namespace
}  // namespace steward::detail::test
