#include <steward/tests/shm/storm.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <tuple>

#include <fmt/format.h>

namespace steward::detail::test {
namespace {

using namespace std::chrono_literals;
using shm::Item;
using shm::SharedQueue;
using Outcome = SharedQueue::Outcome;
using Random = std::mt19937_64;

// How far producers may be ahead: over the first segment of an unbounded queue.
constexpr std::uint64_t kAheadMax = 3000;

core::Deadline shortly() { return core::deadline_after(50ms); }

char letter(const StormItem& item) {
  return static_cast<char>('a' + (item.producer * 31 + item.number) % 26);
}

std::size_t size_of(const StormItem& item) { return sizeof(StormItem) + item.number * 7 % 200; }

// What a consumer has been shown since it last finished something.
class Shown {
 public:
  Shown(StormLog& log, std::uint32_t me) : log_(log), me_(me) {}

  void begin() {
    began_ = log_.deliveries.load();
    indexes_.clear();
  }
  void show(const Item& item) {
    const StormItem unpacked = StormItem::unpacked(item);
    const std::uint64_t index = log_.deliveries.fetch_add(1);
    auto& entry = log_.delivery.at(index);
    entry.began = began_;
    entry.item = unpacked;
    entry.consumer = me_;
    entry.redelivered = item.redelivered ? 1 : 0;
    entry.written.store(true, std::memory_order_release);
    indexes_.push_back(index);
    if (index == log_.notifier_at) {
      constexpr std::uint64_t kRing = 1;
      static_cast<void>(::write(log_.bell, &kRing, sizeof kRing));
    }
  }
  void complete() {
    for (const auto index : indexes_) log_.delivery[index].completed = true;
  }

 private:
  StormLog& log_;
  std::uint32_t me_;
  std::uint64_t began_ = 0;
  std::vector<std::uint64_t> indexes_;
};

}  // namespace

std::string StormItem::packed() const {
  std::string out(size_of(*this), letter(*this));
  std::memcpy(out.data(), this, sizeof *this);
  return out;
}

StormItem StormItem::unpacked(const Item& item) {
  StormItem out;
  if (item.bytes.size() < sizeof out) throw BadCall("an item is too short");
  std::memcpy(&out, item.bytes.data(), sizeof out);
  const auto tail = item.bytes.subspan(sizeof out);
  const auto wanted = static_cast<std::byte>(letter(out));
  if (item.bytes.size() != size_of(out) ||
      !std::ranges::all_of(tail, [&](std::byte b) { return b == wanted; })) {
    throw BadCall("an item is not what was put");
  }
  return out;
}

void StormLog::clear() {
  const auto used = std::min<std::uint64_t>(deliveries, kDeliveriesMax);
  std::memset(static_cast<void*>(delivery.data()), 0, used * sizeof(Delivery));
  std::memset(static_cast<void*>(producers.data()), 0, sizeof producers);
  std::memset(static_cast<void*>(killed.data()), 0, sizeof killed);
  deliveries = 0;
  puts = 0;
  no_more_puts = false;
  no_more_gets = false;
}

void produce(StormLog& log, SharedQueue& queue, std::uint32_t me, std::uint64_t seed) {
  Random random(seed);
  auto& mine = log.producers[me];
  std::uint32_t last = 0;
  while (!log.no_more_puts) {
    if (log.nearly_full() || log.puts > log.deliveries + kAheadMax) {
      ::poll(nullptr, 0, 1);
      continue;
    }
    std::vector<std::string> items;
    for (std::uint64_t i = random() % 3; i < 3; ++i) {
      items.push_back(StormItem{me, last + static_cast<std::uint32_t>(items.size()) + 1}.packed());
    }
    mine.intended = last + static_cast<std::uint32_t>(items.size());
    std::size_t done = 0;
    if (items.size() > 1) {
      std::vector<std::span<const std::byte>> spans;
      for (const auto& item : items) spans.push_back(bytes(item));
      queue.put_many(spans, 0, shortly(), done);
    } else if (random() % 4 == 0) {
      SharedQueue::Loan loan;
      if (queue.loan(items[0].size(), 1, loan) == Outcome::done) {
        std::memcpy(loan.bytes.data(), items[0].data(), items[0].size());
        done = queue.commit(loan, 0, shortly()) == Outcome::done ? 1 : 0;
        if (done == 0) queue.give_back(loan);
      }
    } else {
      done = queue.put(bytes(items[0]), 0, shortly()) == Outcome::done ? 1 : 0;
    }
    last += static_cast<std::uint32_t>(done);
    mine.acknowledged = last;
    mine.intended = last;
    log.puts += done;
  }
}

void consume(StormLog& log, SharedQueue& queue, std::uint32_t me, std::uint64_t seed) {
  Random random(seed);
  Shown shown(log, me);
  const auto read = [&](const Item& item) { shown.show(item); };
  while (!log.no_more_gets) {
    shown.begin();
    const std::uint64_t how = random() % 8;
    if (how < 3) {
      if (test::get(queue, read, shortly()) == Outcome::done) shown.complete();
    } else if (how < 5) {
      if (test::get_many(queue, 4, read, shortly()) == Outcome::done) shown.complete();
    } else {
      // Some for so short a time that a stopped one loses them.
      const core::Deadline until = how == 7 ? core::deadline_after(5ms) : std::nullopt;
      shm::Held held;
      if (test::reserve(queue, until, read, shortly(), held) != Outcome::done) continue;
      if (until && random() % 4 == 0) queue.touch(held, *core::deadline_after(5ms));
      if (random() % 8 == 0) queue.nack(held);
      else if (queue.ack(held)) shown.complete();
    }
  }
}

void consume_rest(StormLog& log, SharedQueue& queue, std::uint32_t me) {
  Shown shown(log, me);
  const auto read = [&](const Item& item) { shown.show(item); };
  do {
    shown.complete();
    shown.begin();
  } while (test::get(queue, read, SharedQueue::kNow) == Outcome::done);
}

namespace {

std::string name(const StormItem& item) {
  return fmt::format("item {} of {}", item.number, item.producer);
}

// Of one producer, what was taken before another taking began was put before.
void check_order(const StormLog& log, std::span<const std::uint64_t> ended,
                 std::vector<std::string>& out) {
  std::vector<std::uint64_t> began(ended.begin(), ended.end());
  std::ranges::sort(began, {}, [&](std::uint64_t i) { return log.delivery[i].began; });
  std::uint32_t last = 0;
  auto before = ended.begin();
  for (const std::uint64_t i : began) {
    const auto& entry = log.delivery[i];
    for (; *before < entry.began; ++before) {
      last = std::max(last, log.delivery[*before].item.number);
    }
    if (entry.item.number > last) continue;
    out.push_back(name(entry.item) + " came after " + std::to_string(last));
  }
}

// The deliveries of one item, in their order.
void check_item(const StormLog& log, std::span<const std::uint64_t> shown,
                const std::vector<std::uint64_t>& last_completed, std::vector<std::string>& out) {
  const auto& final = log.delivery[shown.back()];
  const std::string item = name(final.item);
  const auto completed =
      std::ranges::count_if(shown, [&](auto i) { return log.delivery[i].completed.load(); });
  for (const std::uint64_t i : shown.subspan(1)) {
    if (log.delivery[i].redelivered == 0) out.push_back(item + " came again and was not flagged");
  }
  if (final.item.number > log.producers[final.item.producer].intended) {
    out.push_back(item + " was never put");
  }
  if (completed > 1) out.push_back(item + " was finished twice");
  if (completed == 1 && !final.completed) out.push_back(item + " came after its end");
  // Killed between the end of an item and the note of it; nobody else may leave it so.
  if (completed == 0 && (!log.killed[final.consumer] ||
                         last_completed[final.consumer] > shown.back())) {
    out.push_back(item + " was never finished");
  }
}

}  // namespace

std::vector<std::string> flaws(const StormLog& log) {
  std::vector<std::string> out;
  std::vector<std::uint64_t> all;
  std::vector<std::uint64_t> last_completed(StormLog::kProcessesMax);  // by consumer
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> last_seen;
  for (std::uint64_t i = 0; i < log.deliveries; ++i) {
    const auto& entry = log.delivery[i];
    if (!entry.written) continue;
    all.push_back(i);
    if (entry.completed) last_completed[entry.consumer] = i;
    if (entry.redelivered != 0) continue;
    auto& last = last_seen[{entry.consumer, entry.item.producer}];
    if (entry.item.number <= last) {
      out.push_back(name(entry.item) + " came to a consumer out of order");
    }
    last = entry.item.number;
  }

  std::vector<std::uint32_t> next(StormLog::kProcessesMax, 1);  // to be found, by producer
  const auto same_item = [&](std::uint64_t a, std::uint64_t b) {
    return log.delivery[a].item == log.delivery[b].item;
  };
  std::ranges::sort(all, {}, [&](std::uint64_t i) {
    return std::tuple(log.delivery[i].item.producer, log.delivery[i].item.number, i);
  });
  for (auto begin = all.begin(); begin != all.end();) {
    const auto end = std::find_if(begin, all.end(), [&](auto i) { return !same_item(*begin, i); });
    const StormItem item = log.delivery[*begin].item;
    if (item.producer >= StormLog::kProcessesMax) return {name(item) + " was never put"};
    check_item(log, {begin, end}, last_completed, out);
    for (auto& n = next[item.producer]; n < item.number; ++n) {
      out.push_back(name({item.producer, n}) + " is lost");
    }
    next[item.producer] = item.number + 1;
    begin = end;
  }
  for (std::uint32_t p = 0; p < StormLog::kProcessesMax; ++p) {
    if (next[p] > log.producers[p].acknowledged) continue;
    out.push_back(name({p, log.producers[p].acknowledged}) + " is lost");
  }

  std::erase_if(all, [&](auto i) { return log.delivery[i].redelivered != 0; });
  std::ranges::sort(all, {}, [&](std::uint64_t i) {
    return std::pair(log.delivery[i].item.producer, i);
  });
  for (auto begin = all.begin(); begin != all.end();) {
    const auto end = std::find_if(begin, all.end(), [&](auto i) {
      return log.delivery[i].item.producer != log.delivery[*begin].item.producer;
    });
    check_order(log, {begin, end}, out);
    begin = end;
  }
  return out;
}

}  // namespace steward::detail::test
