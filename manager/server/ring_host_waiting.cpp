// RingHost: who waits at a ring, and how far he gets.
#include <algorithm>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/manager/server/ring_host.hpp>

namespace steward::detail::server {
namespace {

constexpr core::Time kNow = shm::SharedQueue::kNow;
// So much one get_many takes at most: others wait for the loop.
constexpr std::size_t kGetItems = 1U << 16U;
constexpr std::size_t kGetBytes = 16U << 20U;
// What an item takes in a message beside its bytes.
constexpr std::size_t kItemBytes = 8;

constexpr const char* kNoBlock = "the queue's shared memory has no room for another item";

std::string stub_of(std::uint64_t number) {
  std::string bytes;
  for (std::size_t i = 0; i < kStubBytes; ++i) {
    bytes.push_back(static_cast<char>(number >> (8 * i) & 0xffU));
  }
  return bytes;
}

}  // namespace

// The waiting protocol: set the flags, look once more, and leave the rest to the watch.
void RingHost::settle(Ring& ring) {
  ring.short_of_memory = false;
  advance(ring);
  do {
    arm(ring);
  } while (ring.waits() && advance(ring));
  if (ring.waits()) {
    waiting_.insert(ring.object);
    join_shard(ring);
  } else {
    waiting_.erase(ring.object);
    leave_shard(ring);
  }
}

void RingHost::arm(Ring& ring) {
  ring.words.clear();
  const auto add = [&](shm::Event event) {
    shm::FutexWord& word = ring.queue->event(event);
    const std::uint32_t seen = word.fetch_or(1, std::memory_order_seq_cst) | 1U;
    ring.words.push_back({ring.queue, &word, seen});
  };
  if (!ring.gets.empty() || !ring.watchers.empty()) add(shm::Event::not_empty);
  if (!ring.puts.empty()) add(shm::Event::not_full);
  if (!ring.puts.empty() || !ring.back.empty()) add(shm::Event::block_freed);
  if (!ring.joins.empty()) add(shm::Event::all_done);
}

bool RingHost::advance(Ring& ring) {
  const bool any = advance_items(ring);
  const bool seen = advance_watchers(ring);
  return advance_joins(ring) || any || seen;
}

bool RingHost::advance_items(Ring& ring) {
  bool any = false;
  Progress progress = Progress::over;
  while (!ring.back.empty() && progress == Progress::over) {
    progress = advance_put(ring, ring.back.front());
    any = any || progress != Progress::none;
    if (progress == Progress::over) ring.back.pop_front();
  }
  progress = Progress::over;
  while (!ring.puts.empty() && progress == Progress::over) {
    progress = advance_put(ring, ring.puts.begin()->second);
    any = any || progress != Progress::none;
    if (progress == Progress::over) ring.puts.erase(ring.puts.begin());
  }
  while (advance_first_get(ring)) any = true;
  return any;
}

RingHost::Progress RingHost::advance_put(Ring& ring, Put& put) {
  make_room(2);
  const std::size_t before = put.done;
  Step step = Step::done;
  while (put.done < put.items.size() && step == Step::done) step = put_next(ring, put);
  if (step == Step::wait) return put.done > before ? Progress::some : Progress::none;
  if (step == Step::done) {
    if (put.close_after) close(ring);
    if (put.park) answer(ring, *put.park);
  }
  let_go(ring, put);
  return Progress::over;
}

// Itself or, where there is no memory for it, as a stub.
RingHost::Outcome RingHost::put_item(shm::SharedQueue& queue, RingItem& item, bool in_front,
                                     std::vector<std::uint64_t>& carried) {
  const auto in = [&](std::string_view text, RingFormat format) {
    const auto bytes = std::as_bytes(std::span(text));
    const auto number = static_cast<std::uint32_t>(format);
    return in_front ? queue.put_back(bytes, number)
                    : queue.put(bytes, number, kNow, shm::SharedQueue::NoBlock::tell);
  };
  if (!item.bytes.empty()) {
    const Outcome outcome = in(item.bytes, RingFormat::encoded);
    if (outcome == Outcome::done) carried.push_back(item.number);
    if (outcome != Outcome::no_block) return outcome;
    item.bytes = {};
  }
  return in(stub_of(item.number), RingFormat::stub);
}

RingHost::Step RingHost::put_next(Ring& ring, Put& put) {
  RingItem& item = put.items[put.done];
  shm::SharedQueue& queue = *ring.queue;
  Outcome outcome = Outcome::timeout;
  try {
    outcome = put_item(queue, item, item.redelivered, put.carried);
    // It was in before the ring was closed.
    if (outcome == Outcome::closed && !put.park) {
      outcome = put_item(queue, item, true, put.carried);
    }
    const bool waits = !put.park || (queue.shape().maxsize != 0 && !put.once);
    if (outcome == Outcome::no_block && !waits) throw Overloaded(kNoBlock);
  } catch (const shm::Damaged&) {
    if (put.park) fail(ring, *put.park);
    return Step::failed;
  } catch (const std::exception&) {
    if (put.park) {
      fail(ring, *put.park);
      return Step::failed;
    }
    // What was in the queue already must not get lost for want of memory.
    ring.short_of_memory = true;
    return Step::wait;
  }
  switch (outcome) {
    case Outcome::done: break;
    case Outcome::no_block: ring.short_of_memory = true; return Step::wait;
    case Outcome::timeout:
    case Outcome::stopped: return Step::wait;
    case Outcome::closed:
    case Outcome::ended:
      if (put.park) fail(ring, *put.park, outcome);
      return Step::failed;
  }
  ++put.done;
  if (put.tasks_done) static_cast<void>(queue.task_done());
  return Step::done;
}

void RingHost::get(Ring& ring, ParkId park, std::uint64_t max, Done& done, Outcome& outcome) {
  // Its place first: what has been taken must not get lost for want of memory.
  std::vector<shm::Held>& held = ring.held[park];
  std::size_t bytes = 0;
  const auto read = [&](const shm::Item& item) {
    const auto* first = reinterpret_cast<const char*>(item.bytes.data());
    done.items.push_back(
        {std::string(first, item.bytes.size()), item.format, item.redelivered});
    bytes += item.bytes.size() + kItemBytes;
    return false;  // reserved, until the client has it
  };
  const std::uint64_t most = std::min<std::uint64_t>(max, kGetItems);
  try {
    while (held.size() < most && bytes < std::min<std::uint64_t>(kGetBytes, item_bytes_)) {
      if (held.size() == held.capacity()) held.reserve(2 * held.size() + 1);
      shm::Held one;
      outcome = ring.queue->get(read, kNow, one);
      if (outcome != Outcome::done) break;
      if (!held.empty() && bytes > item_bytes_) {
        // One message would not carry them all.
        done.items.pop_back();
        nack(ring, one);
        break;
      }
      held.push_back(one);
    }
  } catch (...) {
    give_back(ring, park);
    throw;
  }
  if (held.empty()) {
    ring.held.erase(park);
  } else {
    outcome = Outcome::done;
  }
}

bool RingHost::advance_first_get(Ring& ring) {
  if (ring.gets.empty()) return false;
  make_room(1);
  const auto [park, max] = *ring.gets.begin();
  Done done{.object = ring.object, .park = park};
  Outcome outcome = Outcome::timeout;
  try {
    get(ring, park, max, done, outcome);
    if (outcome == Outcome::timeout) return false;
    if (outcome == Outcome::done) {
      done_.push_back(std::move(done));
    } else {
      fail(ring, park, outcome);
    }
  } catch (...) {
    fail(ring, park);
  }
  ring.gets.erase(ring.gets.begin());
  return true;
}

bool RingHost::advance_joins(Ring& ring) {
  if (ring.joins.empty()) return false;
  make_room(ring.joins.size());
  try {
    const Outcome outcome = ring.queue->join(kNow);
    if (outcome == Outcome::timeout) return false;
    for (const ParkId park : ring.joins) {
      outcome == Outcome::done ? answer(ring, park) : fail(ring, park, outcome);
    }
  } catch (...) {
    for (const ParkId park : ring.joins) fail(ring, park);
  }
  ring.joins.clear();
  return true;
}

// They take nothing: the wake that told them is passed on once nobody here waits for the word any
// more, to one who does (see RingWatch).
bool RingHost::advance_watchers(Ring& ring) {
  if (ring.watchers.empty()) return false;
  make_room(ring.watchers.size());
  try {
    if (!ring.queue->ready()) return false;
    for (const ParkId park : ring.watchers) answer(ring, park);
  } catch (...) {
    for (const ParkId park : ring.watchers) fail(ring, park);
  }
  ring.watchers.clear();
  return true;
}

std::size_t RingHost::waiting() const {
  std::size_t count = 0;
  for (const core::ObjectId object : waiting_) {
    const Ring& ring = rings_.at(object);
    count += ring.back.size() + ring.puts.size() + ring.gets.size() + ring.joins.size() +
             ring.watchers.size();
  }
  return count;
}

}  // namespace steward::detail::server
