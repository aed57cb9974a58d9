// The calls of a session from their start to their end, without a session.
#include <gtest/gtest.h>

#include <deque>

#include <steward/client/session/calls.hpp>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using client::Calls;
using client::Effect;
using End = client::Outcome::End;

constexpr core::Time kStart = core::Time{} + 1h;

struct Told final : client::Completion {
  void done(client::Outcome told) noexcept override {
    ++times;
    end = told.end;
  }
  int times = 0;
  End end = End::replied;
};

class CallsTest : public testing::Test {
 protected:
  CallsTest() { calls.resume(); }

  void start(client::Completion* told, Effect effect = Effect::change,
             core::Deadline deadline = {}, bool post = false, std::size_t bytes = 0) {
    const std::string args = bytes == 0 ? "\x90" : "\x91\xda" + std::string{
        static_cast<char>(bytes >> 8U), static_cast<char>(bytes & 255U)} + std::string(bytes, 'x');
    client::CallRequest request;
    request.object = core::ObjectId{3};
    request.method = "do";
    request.args = args;
    request.effect = effect;
    request.deadline = deadline;
    request.post = request.unattended = post;
    std::size_t size = 0;
    EXPECT_TRUE(calls.start(request, told, kStart, size));
  }
  std::string take() {
    const auto frame = calls.front();
    if (!frame) return {};
    std::string bytes = std::string(frame->head).append(frame->body);
    calls.sent();
    return bytes;
  }
  static std::vector<core::Seq> seqs(const std::string& frame) {
    std::vector<core::Seq> seqs;
    for (const core::Call& call : core::decode_calls(core::open_envelope(frame)).calls) {
      seqs.push_back(call.seq);
    }
    return seqs;
  }
  void reply(core::Seq seq) {
    client::PendingCall* call = calls.find(seq);
    ASSERT_NE(call, nullptr);
    calls.finish(*call, {});
    calls.remove(*call);
    calls.prove(seq);
    calls.advance();
  }
  using Seqs = std::vector<core::Seq>;

  Calls calls;
};

TEST_F(CallsTest, WaitForTheirTurnUntilOthersAreThroughHoweverThoseEnd) {
  calls.limit(0, 2);
  Told first, second, third, fourth;
  for (Told* each : {&first, &second, &third, &fourth}) start(each);
  EXPECT_EQ(seqs(take()), Seqs{1});
  EXPECT_EQ(seqs(take()), Seqs{2});
  EXPECT_EQ(take(), "");
  reply(1);
  EXPECT_EQ(seqs(take()), Seqs{3});
  calls.fail("gone", false);
  EXPECT_EQ(second.end, End::outcome_unknown);
  EXPECT_EQ(third.end, End::outcome_unknown);
  EXPECT_EQ(fourth.end, End::disconnected);
  Told fifth;
  start(&fifth);
  take();
  EXPECT_EQ(fifth.times, 0);
  EXPECT_NE(calls.find(4), nullptr) << "there was room for it at once";
}

TEST_F(CallsTest, ThatNeverHadTheirTurnSaySo) {
  calls.limit(0, 1);
  Told first, second;
  start(&first);
  start(&second, Effect::change, kStart + 1s);
  calls.tick(kStart + 1s);
  EXPECT_EQ(second.end, End::no_slot);
  EXPECT_EQ(first.times, 0);
}

TEST_F(CallsTest, ThatWereNotSentAreNotDone) {
  Told unsent, sent;
  start(&sent, Effect::change, kStart + 1s);
  take();
  start(&unsent, Effect::change, kStart + 1s);
  calls.tick(kStart + 1s);
  EXPECT_EQ(sent.end, End::given_up);
  EXPECT_EQ(unsent.end, End::not_done);
  const std::string cancel = take();
  EXPECT_EQ(core::decode_seqs(core::open_envelope(cancel)), Seqs{1});
  EXPECT_EQ(take(), "") << "the other one was never said";
}

TEST_F(CallsTest, OfPostsLeaveTogetherUpToACallThatIsAwaited) {
  Told told;
  for (int i = 0; i < 3; ++i) start(nullptr, Effect::change, {}, true);
  start(&told);
  start(nullptr, Effect::change, {}, true);
  EXPECT_EQ(seqs(take()), (Seqs{1, 2, 3, 4}));
  EXPECT_EQ(seqs(take()), Seqs{5});
}

TEST_F(CallsTest, LeaveTogetherOnlyIfTheyAreSmall) {
  for (int i = 0; i < 3; ++i) start(nullptr, Effect::change, {}, true, 10'000);
  EXPECT_EQ(seqs(take()), Seqs{1});
  EXPECT_EQ(seqs(take()), Seqs{2});
}

TEST_F(CallsTest, AreSentAgainInOrderBehindAcksAndCancels) {
  Told first, second, third;
  start(&first, Effect::take);
  start(&second);
  start(&third);
  for (int i = 0; i < 3; ++i) take();
  calls.ack(1);
  reply(1);
  calls.cancel(second);
  calls.resume();
  EXPECT_EQ(core::open_envelope(take()).kind, core::Envelope::ack);
  EXPECT_EQ(core::open_envelope(take()).kind, core::Envelope::cancel);
  EXPECT_EQ(seqs(take()), Seqs{3});
  EXPECT_EQ(take(), "");
}

TEST_F(CallsTest, ThatWereCancelledAreKnownUntilACancelThatIsSaidAgainMustHaveBeenAnswered) {
  Told first, second, third;
  start(&first);
  take();
  calls.cancel(first);
  take();
  start(&second);
  take();
  calls.resume();
  start(&third);
  reply(2);  // it had come before the connection broke, and its answer overtakes
  EXPECT_EQ(calls.first_incomplete(), 1U);
  EXPECT_TRUE(calls.take_abandoned(1)) << "what it was given must go back";
  reply(3);
  EXPECT_EQ(calls.first_incomplete(), 4U);
}

TEST_F(CallsTest, TellOfTheEarliestDeadline) {
  EXPECT_FALSE(calls.next_deadline());
  Told late, early;
  start(&late, Effect::read, kStart + 9s);
  start(&early, Effect::read, kStart + 3s);
  EXPECT_EQ(calls.next_deadline(), kStart + 3s);
  EXPECT_EQ(Calls::deadline_of(late), kStart + 9s);
  reply(2);
  EXPECT_EQ(calls.next_deadline(), kStart + 9s);
  calls.cancel(late);
  EXPECT_FALSE(calls.next_deadline());
}

TEST_F(CallsTest, BeginWithNumbersOfTheirOwnOnANewSession) {
  calls.limit(0, 2);
  Told first, second, third;
  for (Told* each : {&first, &second, &third}) start(each);
  auto all = calls.restart();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(calls.front(), std::nullopt);
  for (auto& call : all) calls.add(call);
  calls.resume();
  EXPECT_EQ(seqs(take()), Seqs{1});
  EXPECT_EQ(seqs(take()), Seqs{2});
  EXPECT_EQ(take(), "") << "the third one waits again";
}

}  // namespace
}  // namespace steward::detail::test
