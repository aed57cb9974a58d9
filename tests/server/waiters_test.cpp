// How calls wait at an object, and what a class may do with one that is given up.
#include <gtest/gtest.h>

#include <steward/core/errors.hpp>
#include <steward/manager/server/waiters.hpp>
#include <steward/tests/server/core_driver.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using server::GaveUp;
using server::ParkId;

// What to do with a call that is given up.
enum class Way : std::uint64_t { leave, keep, answer, fail };

class Patient final : public server::Object {
 public:
  Patient(const server::Environment&, server::Arguments&) {}

  server::Outcome wait(server::Call& call, std::uint64_t way) {
    first_.park(call, Way{way});
    return server::kParked;
  }
  // Whoever waits first waits in another list.
  void move(server::Call& call) { second_.adopt(first_.first().first, call); }
  void wake(server::Call& call) {
    server::answer_all(second_, Value("moved"), call);
    while (!first_.empty()) call.answer(first_.first().first, Value("woken"));
  }
  void wake_twice(server::Call& call) {
    const ParkId id = first_.first().first;
    call.answer(id, Value("once"));
    call.answer(id, Value("twice"));
  }
  std::int64_t number_waiting() const { return static_cast<std::int64_t>(waiting().size()); }

  void gave_up(ParkId id, GaveUp, server::Context& context) override {
    const Way* way = first_.find(id);
    if (way == nullptr || *way == Way::leave) return;
    if (*way == Way::keep) return context.keep(id);
    if (*way == Way::answer) return context.answer(id, Value("late"));
    context.fail(id, core::ErrorCode::broken_barrier, "too few came");
  }
  void save(server::Saver& out) const override {
    first_.save(out, [&](Way way) { out.number(static_cast<std::uint64_t>(way)); });
    second_.save(out);
  }

 private:
  server::Waiters<Way> first_{*this};
  server::Waiters<> second_{*this};
};

server::Registry registry_of_patients() {
  using server::method;
  server::Registry registry;
  registry.add({"patient",
                server::create<Patient>,
                {method<&Patient::wait>("wait"), method<&Patient::move>("move"),
                 method<&Patient::wake>("wake"), method<&Patient::wake_twice>("wake_twice"),
                 method<&Patient::number_waiting>("number_waiting")}});
  return registry;
}

class WaitersTest : public testing::Test {
 protected:
  WaitersTest() { patient_ = driver_.create(client_, "patient", arguments()); }

  core::Seq wait(Way way, std::optional<std::uint64_t> wait_ms = {}) {
    const auto args = arguments(static_cast<std::uint64_t>(way));
    return driver_.send(client_, patient_, "wait", args, wait_ms);
  }
  Answer call(std::string_view method) {
    return driver_.call(client_, patient_, method, arguments());
  }
  Answer answer(core::Seq seq) { return driver_.answer(client_, seq); }
  bool answered(core::Seq seq) const { return driver_.answered(client_, seq); }
  void expect_nobody_waits() {
    EXPECT_EQ(call("number_waiting").result, Value(0));
    EXPECT_EQ(driver_.core.number_parked(), 0U);
  }

  const server::Registry registry_ = registry_of_patients();
  CoreDriver driver_{registry_};
  CoreDriver::Client client_ = driver_.open();
  core::ObjectId patient_{};
};

TEST_F(WaitersTest, ACallWhoseTimeIsUpIsTimedOut) {
  const core::Seq seq = wait(Way::leave, 10);
  driver_.pass(9ms);
  EXPECT_FALSE(answered(seq));
  driver_.pass(1ms);
  EXPECT_EQ(answer(seq).code, core::ErrorCode::timed_out);
  expect_nobody_waits();
}

TEST_F(WaitersTest, AnObjectMayKeepACallWhoseTimeIsUp) {
  const core::Seq seq = wait(Way::keep, 10);
  driver_.pass(1h);
  EXPECT_FALSE(answered(seq));
  EXPECT_EQ(driver_.core.next_deadline(), std::nullopt);
  call("wake");
  EXPECT_EQ(answer(seq).result, Value("woken"));
  expect_nobody_waits();
}

TEST_F(WaitersTest, AnObjectMayAnswerACallWhoseTimeIsUp) {
  const core::Seq seq = wait(Way::answer, 10);
  driver_.pass(10ms);
  EXPECT_EQ(answer(seq).result, Value("late"));
  expect_nobody_waits();
}

TEST_F(WaitersTest, AnObjectMayFailACallWhoseTimeIsUpInWordsOfItsOwn) {
  const core::Seq seq = wait(Way::fail, 10);
  driver_.pass(10ms);
  const Answer failed = answer(seq);
  EXPECT_EQ(failed.code, core::ErrorCode::broken_barrier);
  EXPECT_NE(failed.text.find("too few came"), std::string::npos) << failed.text;
  expect_nobody_waits();
}

TEST_F(WaitersTest, ACallThatIsCancelledCannotBeKept) {
  const core::Seq kept = wait(Way::keep);
  const core::Seq late = wait(Way::answer);
  driver_.cancel(client_, kept);
  driver_.cancel(client_, late);
  EXPECT_EQ(answer(kept).code, core::ErrorCode::timed_out);
  EXPECT_EQ(answer(late).result, Value("late"));
  expect_nobody_waits();
}

TEST_F(WaitersTest, NobodyWaitsWhoseSessionHasEnded) {
  CoreDriver::Client other = driver_.open();
  for (const Way way : {Way::leave, Way::keep, Way::answer, Way::fail}) {
    driver_.send(other, patient_, "wait", arguments(static_cast<std::uint64_t>(way)), 10);
  }
  EXPECT_EQ(call("number_waiting").result, Value(4));
  driver_.end(other);
  driver_.pass(10ms);
  expect_nobody_waits();
}

TEST_F(WaitersTest, ACallThatWasMovedWaitsInOneListOnly) {
  const core::Seq first = wait(Way::keep, 10);
  const core::Seq second = wait(Way::leave);
  call("move");
  EXPECT_EQ(call("number_waiting").result, Value(2));
  call("wake");
  EXPECT_EQ(answer(first).result, Value("moved"));
  EXPECT_EQ(answer(second).result, Value("woken"));
  expect_nobody_waits();
  const core::Seq moved = wait(Way::keep, 10);
  call("move");
  driver_.pass(10ms);
  EXPECT_EQ(answer(moved).code, core::ErrorCode::timed_out);
  expect_nobody_waits();
}

TEST_F(WaitersTest, AClassThatAnswersACallTwiceIsToldSoAndTheCallHasItsFirstAnswer) {
  const core::Seq seq = wait(Way::leave);
  EXPECT_EQ(call("wake_twice").code, core::ErrorCode::bad_call);
  EXPECT_EQ(answer(seq).result, Value("once"));
  expect_nobody_waits();
}

TEST_F(WaitersTest, WhoWaitsAtAnObjectThatIsDestroyedIsToldSo) {
  CoreDriver::Client other = driver_.open();
  const core::ObjectId theirs = driver_.create(other, "patient", arguments());
  const core::Seq one = driver_.send(client_, theirs, "wait", arguments(std::uint64_t{1}), 10);
  const core::Seq two = driver_.send(client_, theirs, "wait", arguments(std::uint64_t{2}));
  driver_.end(other);
  EXPECT_EQ(answer(one).code, core::ErrorCode::stale_handle);
  EXPECT_EQ(answer(two).code, core::ErrorCode::stale_handle);
  driver_.pass(10ms);
  expect_nobody_waits();
}

}  // namespace
}  // namespace steward::detail::test
