#include <steward/tests/shm/step_scenarios.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using shm::Event;
using shm::Item;
using shm::SharedQueue;
using Outcome = SharedQueue::Outcome;
using Around = std::function<void(SharedQueue&, const std::function<void()>&)>;

constexpr core::Time kNow = SharedQueue::kNow;
constexpr shm::QueueShape kSmall{.maxsize = 8, .message_bytes = 96};
constexpr shm::QueueShape kMedium{.maxsize = 8, .message_bytes = 1000};
constexpr shm::QueueShape kUnbounded{.maxsize = 0, .message_bytes = 96};
constexpr int kCells = 128;            // of the small ones
constexpr int kCellsUnbounded = 1024;  // of its first segment

// Only a hang meets it.
core::Deadline soon() { return core::deadline_after(20s); }

void ignore(const Item&) {}

void cycle(SharedQueue& queue, int items) {
  for (int i = 0; i < items; ++i) {
    put(queue, "gone");
    next(queue);
  }
}

// As somebody who sleeps leaves it.
void flag(SharedQueue& queue) {
  for (const Event event : {Event::not_empty, Event::not_full, Event::block_freed}) {
    queue.event(event).fetch_or(1);
  }
}

Around holding(Texts items) {
  return [items](SharedQueue& queue, const std::function<void()>& rest) {
    for (const auto& item : items) put(queue, item);
    rest();
  };
}

// A process dies that has taken, reserved, leased and borrowed.
void let_one_die(const SharedQueue& queue) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto mine = again(queue);
    shm::Held held;
    SharedQueue::Loan loan;
    test::reserve(*mine, {}, ignore, kNow, held);
    test::reserve(*mine, core::deadline_after(1h), ignore, kNow, held);
    mine->loan(10, 1, loan);
    test::get(*mine, [](const Item&) { ::_exit(0); }, kNow);
    ::_exit(1);
  }
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid || status != 0) throw BadCall("the one did not die well");
}

void one_died(SharedQueue& queue, const std::function<void()>& rest) {
  for (const char* item : {"a", "b", "c", "d"}) put(queue, item);
  let_one_die(queue);
  rest();
}

void nothing(Hand&) {}

void expect(Hand& hand, bool it) {
  if (!it) hand.log.failed.add("refused");
}

void add(Hand& hand, const std::string& item) {
  if (put(*hand.queue, item, soon())) hand.log.added.add(item);
}

void take(Hand& hand) {
  std::string item;
  const auto read = [&](const Item& seen) { item = text(seen); };
  if (test::get(*hand.queue, read, soon()) == Outcome::done) hand.log.gone.add(item);
}

void reserve(Hand& hand) { test::reserve(*hand.queue, {}, ignore, kNow, hand.held); }

void lease(Hand& hand) {
  test::reserve(*hand.queue, core::deadline_after(1h), ignore, kNow, hand.held);
}

std::vector<Scenario> puts() {
  const std::vector<Texts> before_after{{"a", "b", "(empty)"}, {"a", "b", "n", "(empty)"}};
  const auto put_n = [](Hand& hand) { add(hand, "n"); };
  std::vector<Scenario> out;
  out.push_back({"Put", kSmall, holding({"a", "b"}), nothing, put_n, before_after});
  out.push_back({"PutThatWakes", kSmall, holding({"a", "b"}),
                 [](Hand& hand) { flag(*hand.queue); }, put_n, before_after});
  out.push_back({"PutOverALapBefore", kSmall,
                 [](SharedQueue& queue, const std::function<void()>& rest) {
                   cycle(queue, kCells - 2);
                   put(queue, "a");
                   put(queue, "b");
                   rest();
                 },
                 nothing, put_n, before_after});
  // The cell at the end names a block whose taker is not done with it: the producer has to say in
  // the block who has it, and only then may publish over the cell.
  out.push_back({"PutOverACellStillRead", kSmall,
                 [](SharedQueue& queue, const std::function<void()>& rest) {
                   const auto reader = again(queue);
                   auto producer = again(queue);
                   put(*producer, "read");
                   const auto read = [&](const Item& item) {
                     cycle(queue, kCells - 3);
                     put(queue, "a");
                     put(queue, "b");
                     rest();
                     // Who put it may go: by the cell alone it would be thought unpublished.
                     producer.reset();
                     cycle(queue, 200);
                     EXPECT_EQ(text(item), "read");
                   };
                   EXPECT_EQ(test::get(*reader, read, kNow), Outcome::done);
                 },
                 nothing, put_n, before_after});
  out.push_back({"PutOfAMediumItem", kMedium, holding({"a", "b"}), nothing,
                 [](Hand& hand) { add(hand, std::string(300, 'n')); },
                 {{"a", "b", "(empty)"}, {"a", "b", std::string(300, 'n'), "(empty)"}}});
  out.push_back({"PutMany", kSmall, holding({"a"}), nothing,
                 [](Hand& hand) {
                   const Texts items{"1", "2", "3"};
                   std::vector<std::span<const std::byte>> spans;
                   for (const auto& item : items) spans.push_back(bytes(item));
                   std::size_t done = 0;
                   hand.queue->put_many(spans, 0, soon(), done);
                   for (std::size_t i = 0; i < done; ++i) hand.log.added.add(items[i]);
                 },
                 {{"a", "(empty)"},
                  {"a", "1", "(empty)"},
                  {"a", "1", "2", "(empty)"},
                  {"a", "1", "2", "3", "(empty)"}}});
  out.push_back({"Commit", kSmall, holding({"a", "b"}), nothing,
                 [](Hand& hand) {
                   hand.queue->loan(1, 1, hand.loan);
                   std::memcpy(hand.loan.bytes.data(), "n", 1);
                   if (hand.queue->commit(hand.loan, 0, soon()) == Outcome::done) {
                     hand.log.added.add("n");
                   }
                 },
                 before_after});
  out.push_back({"GiveBackALoan", kSmall, holding({"a", "b"}), nothing,
                 [](Hand& hand) {
                   hand.queue->loan(1, 1, hand.loan);
                   hand.queue->give_back(hand.loan);
                 },
                 {{"a", "b", "(empty)"}}});
  out.push_back({"Close", kSmall, holding({"a", "b"}), nothing,
                 [](Hand& hand) { hand.queue->close(); },
                 {{"a", "b", "(empty)"}, {"a", "b", "(closed)"}}});
  Texts many;
  for (int i = 0; i < kCellsUnbounded - 1; ++i) many.push_back(std::to_string(i));
  Texts before = many;
  before.push_back("(empty)");
  Texts after = many;
  after.insert(after.end(), {"n", "(empty)"});
  out.push_back({"PutThatGrows", kUnbounded, holding(many), nothing, put_n, {before, after}});
  return out;
}

std::vector<Scenario> takes() {
  const std::vector<Texts> not_taken_gone{
      {"a", "b", "(empty)"}, {"again_a", "b", "(empty)"}, {"b", "(empty)"}};
  const std::vector<Texts> comes_back{{"again_a", "b", "(empty)"}};
  std::vector<Scenario> out;
  out.push_back({"Get", kSmall, holding({"a", "b"}), nothing, take, not_taken_gone});
  out.push_back({"GetThatWakes", kSmall, holding({"a", "b"}),
                 [](Hand& hand) { flag(*hand.queue); }, take, not_taken_gone});
  out.push_back({"GetOfWhatCameBack", kSmall,
                 [](SharedQueue& queue, const std::function<void()>& rest) {
                   put(queue, "a");
                   put(queue, "b");
                   shm::Held held;
                   test::reserve(queue, {}, ignore, kNow, held);
                   queue.nack(held);
                   rest();
                 },
                 nothing, take, {{"again_a", "b", "(empty)"}, {"b", "(empty)"}}});
  out.push_back({"GetMany", kSmall, holding({"a", "b", "c"}), nothing,
                 [](Hand& hand) {
                   Texts items;
                   const auto read = [&](const Item& item) { items.push_back(text(item)); };
                   if (test::get_many(*hand.queue, 2, read, soon()) != Outcome::done) return;
                   for (const auto& item : items) hand.log.gone.add(item);
                 },
                 {{"a", "b", "c", "(empty)"},
                  {"again_a", "b", "c", "(empty)"},
                  {"again_a", "again_b", "c", "(empty)"},
                  {"again_b", "c", "(empty)"},
                  {"c", "(empty)"}}});
  out.push_back({"GetAcrossSegments", kUnbounded,
                 [](SharedQueue& queue, const std::function<void()>& rest) {
                   for (int i = 0; i < kCellsUnbounded - 1; ++i) put(queue, "gone");
                   put(queue, "a");
                   put(queue, "b");
                   for (int i = 0; i < kCellsUnbounded - 1; ++i) next(queue);
                   rest();
                 },
                 nothing, take, not_taken_gone});
  out.push_back({"Reserve", kSmall, holding({"a", "b"}), nothing, reserve,
                 {{"a", "b", "(empty)"}, {"again_a", "b", "(empty)"}}});
  out.push_back({"ReserveForATime", kSmall, holding({"a", "b"}), nothing, lease,
                 {{"a", "b", "(empty)"}, {"again_a", "b", "(empty)"}}});
  out.push_back({"Ack", kSmall, holding({"a", "b"}), reserve,
                 [](Hand& hand) {
                   if (hand.queue->ack(hand.held)) hand.log.gone.add("a");
                 },
                 {{"again_a", "b", "(empty)"}, {"b", "(empty)"}}});
  out.push_back({"AckOfALease", kSmall, holding({"a", "b"}), lease,
                 [](Hand& hand) {
                   if (hand.queue->ack(hand.held)) hand.log.gone.add("a");
                 },
                 {{"again_a", "b", "(empty)"}, {"b", "(empty)"}}});
  out.push_back({"Nack", kSmall, holding({"a", "b"}), reserve,
                 [](Hand& hand) { expect(hand, hand.queue->nack(hand.held)); }, comes_back});
  out.push_back({"Touch", kSmall, holding({"a", "b"}), lease,
                 [](Hand& hand) {
                   expect(hand, hand.queue->touch(hand.held, *core::deadline_after(2h)));
                 },
                 comes_back});
  // Whoever takes gives back what others have had for too long.
  out.push_back({"GetOfALeaseThatIsOver", kSmall,
                 [](SharedQueue& queue, const std::function<void()>& rest) {
                   put(queue, "a");
                   put(queue, "b");
                   const auto slow = again(queue);
                   shm::Held held;
                   test::reserve(*slow, core::deadline_after(0s), ignore, kNow, held);
                   rest();
                   EXPECT_FALSE(slow->ack(held));
                 },
                 nothing, take, {{"again_a", "b", "(empty)"}, {"b", "(empty)"}}});
  return out;
}

std::vector<Scenario> comings_and_goings() {
  const std::vector<Texts> all_back{{"again_a", "again_b", "again_c", "d", "(empty)"}};
  std::vector<Scenario> out;
  out.push_back({"Recovery", kSmall, holding({"a", "b", "c", "d"}),
                 [](Hand& hand) { let_one_die(*hand.queue); },
                 [](Hand& hand) { hand.queue->recover_dead(); }, all_back});
  out.push_back({"Coming", kSmall, one_died, nothing,
                 [](Hand& hand) { hand.queue = again(*hand.queue); }, all_back});
  out.push_back({"Going", kSmall, holding({"a", "b"}), reserve,
                 [](Hand& hand) { hand.queue.reset(); },
                 {{"again_a", "b", "(empty)"}}});
  return out;
}

}  // namespace

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = [] {
    std::vector<Scenario> out = puts();
    for (auto& more : {takes(), comings_and_goings()}) {
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  }();
  return all;
}

Watched watch(const shm::QueueMemory& memory) {
  const auto& layout = memory.layout();
  Watched out;
  const auto part = [&](std::uint64_t offset, std::uint64_t size) {
    out.emplace_back(memory.segment().data() + offset, size);
  };
  part(shm::QueueLayout::kHotWords, sizeof(shm::HotWords));
  part(shm::QueueLayout::kOwners, 8 * sizeof(shm::Owner));
  part(layout.redelivery_offset, 64 * sizeof(shm::Word));
  part(layout.segment_offset[0], layout.segment_cells[0] * sizeof(shm::Word));
  if (layout.segments > 1) part(layout.segment_offset[1], 64 * sizeof(shm::Word));
  for (unsigned k = 0; k < layout.classes; ++k) {
    part(layout.size_classes[k].headers, 32 * layout.size_classes[k].header_stride);
  }
  return out;
}

}  // namespace steward::detail::test
