// Random histories of a queue, and the ledger that each must balance: every item that entered is
// confirmed (or acknowledged) by one taker, or still there, in order; none is invented, doubled or
// overtaken.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include <steward/tests/server/classes/fake_call.hpp>
#include <steward/tests/server/classes/random.hpp>

namespace steward::detail::server {
namespace {

using testing::Answer;
using testing::Client;
using testing::Hosted;
using testing::Random;

// Items are numbered in the order of the calls that put them. As nobody overtakes, that is also the
// order in which they enter, and whatever is in the queue must rise.
class Ledger {
 public:
  Ledger(Random& random, std::uint64_t maxsize)
      : random_(random), maxsize_(maxsize), queue_("queue", {maxsize}) {}

  void step() {
    switch (random_.below(closed_ ? 12 : 15)) {
      case 0: return take("get", {});
      case 1: return take("get_many", {random_.below(4) + 1});
      case 2: return take("try_get", {});
      case 3: return confirm_one();
      case 4: return give_up_one(takers_);
      case 5: return give_up_one(putters_);
      case 6:
        if (random_.once_in(6)) end_session(random_.below(kSessions) + 1);
        return;
      case 7:
        if (random_.once_in(60)) close();
        return;
      case 8: return join();
      case 9: return take("reserve", {random_.below(40)});
      case 10: return settle_one();
      case 11: return pass(std::chrono::milliseconds(random_.below(30)));
      case 12: return put("try_put", {++last_});
      case 13: return put("put", {++last_});
      default: return put_many();
    }
  }

  void check() {
    for (auto& call : putters_) call.answer = queue_.now(call.answer);
    check_takers();
    queue_.check_waiting();
    const auto items = contents();
    ASSERT_TRUE(std::ranges::is_sorted(items));
    const auto waits = [](const Pending& call) { return call.answer.waits(); };
    ASSERT_TRUE(items.empty() || std::ranges::none_of(takers_, waits));
    ASSERT_TRUE(items.size() >= maxsize_ || std::ranges::none_of(putters_, waits));
    for (const std::int64_t item : items) {
      ASSERT_FALSE(confirmed_.contains(item)) << item << " was delivered, and is there again";
    }
  }

  // Everybody leaves, and what remains is taken out.
  void balance() {
    for (std::uint64_t session = 1; session <= kSessions; ++session) end_session(session);
    std::set<std::int64_t> there;
    for (;;) {
      const Answer got = queue_.call({kSessions + 1, 1}, "try_get");
      if (!got.value || got.value->list().empty()) break;
      const std::int64_t item = got.value->list().front().integer();
      ASSERT_TRUE(there.empty() || *there.rbegin() < item) << "out of order";
      ASSERT_FALSE(confirmed_.contains(item)) << item << " is delivered a second time";
      there.insert(item);
    }
    there.insert(confirmed_.begin(), confirmed_.end());
    // Nobody has reported any but those that were acknowledged.
    for (std::size_t open = there.size() - reported_; open > 0; --open) queue_.ask("task_done");
    ASSERT_FALSE(queue_.refusal("task_done").empty());
    for (const std::int64_t item : acknowledged_) ASSERT_TRUE(there.contains(item)) << "lost";
    for (const std::int64_t item : refused_) ASSERT_FALSE(there.contains(item)) << "invented";
    // Of a put_many that ended early, the first ones may be there, but not all.
    for (const auto& items : cut_short_) {
      const auto entered = [&](std::int64_t item) { return there.contains(item); };
      ASSERT_TRUE(std::ranges::is_partitioned(items, entered));
      ASSERT_FALSE(entered(items.back()));
    }
  }

 private:
  static constexpr std::uint64_t kSessions = 4;
  struct Pending {
    Answer answer;
    std::vector<std::int64_t> items;  // of a put
    // Of a reserve: how long, and until when once it is answered.
    std::optional<std::chrono::milliseconds> time = {};
    std::optional<std::chrono::milliseconds> end = {};

    bool is_over(std::chrono::milliseconds now) const { return end && *end <= now; }
  };

  Client anyone() { return {random_.below(kSessions) + 1, random_.below(2) + 1}; }

  void put(const char* method, const Value::List& arguments) {
    putters_.push_back({queue_.call(anyone(), method, arguments), {last_}});
    settle_puts();
  }
  void put_many() {
    std::vector<std::int64_t> items(random_.below(5));
    for (std::int64_t& item : items) item = ++last_;
    putters_.push_back({queue_.call(anyone(), "put_many", {Value(items)}), items});
    settle_puts();
  }
  // Books the puts that have ended.
  void settle_puts() {
    std::erase_if(putters_, [&](Pending& call) {
      call.answer = queue_.now(call.answer);
      if (call.answer.waits()) return false;
      if (call.answer.value == Value(false)) {
        refused_.insert(call.items.begin(), call.items.end());
      } else if (call.answer.value) {
        acknowledged_.insert(call.items.begin(), call.items.end());
      } else {
        cut_short_.push_back(call.items);
      }
      return true;
    });
  }

  void take(const char* method, const Value::List& arguments) {
    const auto before = contents();
    takers_.push_back({queue_.call(anyone(), method, arguments), {}});
    if (method == std::string_view("reserve")) {
      takers_.back().time = std::chrono::milliseconds(arguments.front().integer());
    }
    const auto items = items_of(takers_.back());
    ASSERT_TRUE(items.empty() || (!before.empty() && items.front() == before.front()));
    ASSERT_TRUE(before.empty() || !items.empty());
  }
  static std::vector<std::int64_t> items_of(const Pending& call) {
    const Answer& answer = call.answer;
    if (!answer.value) return {};
    if (call.time) return {answer.value->list().at(2).integer()};
    if (answer.value->kind() != ValueKind::list) return {answer.value->integer()};
    std::vector<std::int64_t> items;
    for (const Value& item : answer.value->list()) items.push_back(item.integer());
    return items;
  }
  // Who waits longest is served first, and no item is in two hands.
  void check_takers() {
    bool waits = false;
    std::set<std::int64_t> in_hands;
    for (Pending& call : takers_) {
      const bool waited = call.answer.waits();
      call.answer = queue_.now(call.answer);
      ASSERT_FALSE(waits && waited && call.answer.value) << "served before one that waits longer";
      waits = waits || call.answer.waits();
      if (call.time && call.answer.value && !call.end) call.end = now_ + *call.time;
      if (call.is_over(now_)) continue;
      for (const std::int64_t item : items_of(call)) {
        ASSERT_TRUE(in_hands.insert(item).second) << item << " is in two hands";
        ASSERT_FALSE(confirmed_.contains(item)) << item << " is delivered a second time";
      }
    }
    std::erase_if(takers_, [](const Pending& call) {
      return !call.answer.waits() && items_of(call).empty();
    });
  }

  void confirm_one() {
    for (auto call = takers_.begin(); call != takers_.end(); ++call) {
      if (call->answer.waits() || !random_.once_in(2)) continue;
      queue_.confirm(call->answer);
      if (call->time) return;  // it stays reserved
      for (const std::int64_t item : items_of(*call)) confirmed_.insert(item);
      takers_.erase(call);
      return;
    }
  }
  // Says something of what is reserved, in time or not.
  void settle_one() {
    for (auto call = takers_.begin(); call != takers_.end(); ++call) {
      if (!call->end || !random_.once_in(2)) continue;
      const Client who{static_cast<std::uint64_t>(call->answer.key.session), 1};
      const Value number = call->answer.value->list().front();
      const bool in_time = !call->is_over(now_);
      const Client stranger{who.session % kSessions + 1, 1};
      ASSERT_EQ(queue_.call(stranger, "ack", {number}).value, Value(false));
      switch (random_.below(3)) {
        case 0:
          ASSERT_EQ(queue_.call(who, "ack", {number}).value, Value(in_time));
          if (in_time) confirmed_.insert(call->answer.value->list().at(2).integer());
          if (in_time) ++reported_;
          break;
        case 1: ASSERT_EQ(queue_.call(who, "nack", {number}).value, Value(in_time)); break;
        default:
          ASSERT_EQ(queue_.call(who, "touch", {number, 20}).value, Value(in_time));
          if (in_time) call->end = now_ + std::chrono::milliseconds(20);
          return;
      }
      ASSERT_EQ(queue_.call(who, "ack", {number}).value, Value(false)) << "it is settled";
      takers_.erase(call);
      return;
    }
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    queue_.pass(time);
  }
  void give_up_one(std::vector<Pending>& calls) {
    if (calls.empty()) return;
    const auto call = calls.begin() + random_.between(0, std::ssize(calls) - 1);
    // What was confirmed stays reserved.
    const bool stays = call->end && !queue_.is_unconfirmed(call->answer);
    queue_.cancel(call->answer);
    if (&calls == &putters_) return settle_puts();
    if (!stays) takers_.erase(call);
  }
  void end_session(std::uint64_t session) {
    const auto own = [&](const Pending& call) {
      return call.answer.key.session == SessionNumber{session};
    };
    settle_puts();
    for (const Pending& call : putters_) {
      if (own(call)) cut_short_.push_back(call.items);
    }
    std::erase_if(putters_, own);
    std::erase_if(takers_, own);
    queue_.end_session(session, random_.once_in(2) ? Ending::died : Ending::orderly);
    settle_puts();
  }
  void close() {
    queue_.ask("close");
    closed_ = true;
    settle_puts();
  }
  void join() {
    const Answer answer = queue_.call(anyone(), "join");
    if (answer.waits()) queue_.cancel(answer);
  }
  std::vector<std::int64_t> contents() {
    std::vector<std::int64_t> items;
    std::int64_t item = -1;
    const Value text = queue_.ask("str");
    for (const char letter : text.string()) {
      if (letter >= '0' && letter <= '9') {
        item = (item < 0 ? 0 : item * 10) + (letter - '0');
      } else if (item >= 0) {
        items.push_back(std::exchange(item, -1));
      }
    }
    return items;
  }

  Random& random_;
  const std::uint64_t maxsize_;
  Hosted queue_;
  bool closed_ = false;
  std::int64_t last_ = 0;
  std::chrono::milliseconds now_{};
  std::size_t reported_ = 0;
  std::vector<Pending> putters_;  // that wait
  std::vector<Pending> takers_;   // that wait, or have something unconfirmed
  std::set<std::int64_t> acknowledged_;
  std::set<std::int64_t> refused_;
  std::vector<std::vector<std::int64_t>> cut_short_;
  std::set<std::int64_t> confirmed_;
};

void play(Random& random, std::uint64_t maxsize) {
  Ledger ledger(random, maxsize);
  for (int i = 0; i < 400; ++i) {
    ASSERT_NO_FATAL_FAILURE(ledger.step());
    ASSERT_NO_FATAL_FAILURE(ledger.check());
  }
  ASSERT_NO_FATAL_FAILURE(ledger.balance());
}

TEST(QueueLedger, BalancesWhateverHappens) {
  Random random;
  for (int round = 0; round < 60; ++round) {
    ASSERT_NO_FATAL_FAILURE(play(random, random.below(5))) << "round " << round;
  }
}

}  // namespace
}  // namespace steward::detail::server
