#include <steward/manager/server/ring_host.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>

#include <steward/core/errors.hpp>
#include <steward/manager/server/descriptors.hpp>

namespace steward::detail::server {
namespace {

// For want of memory, or of a thread: that passes, or nothing here matters any more.
constexpr core::Duration kAgain = std::chrono::milliseconds(10);
static_assert(kItemBytesMost <= shm::kMessageBytesMax);

// The code says enough where there is no memory for a text.
void explain(std::string& text, const char* why) noexcept {
  try {
    text = why;
  } catch (const std::bad_alloc&) {
  }
}

// Work that gives the same calls back in the order in which they were served: the core goes through
// a session from the last call to the first.
void order(std::deque<Work>& work) {
  const auto gives_back = [](const Work& one) {
    return one.kind == Work::Kind::give_back || one.kind == Work::Kind::put_back;
  };
  const auto before = [](const Work& a, const Work& b) {
    const auto key = [](const Work& one) {
      return std::tuple(one.object, one.kind == Work::Kind::give_back, one.number, one.park);
    };
    return key(a) < key(b);
  };
  for (auto begin = work.begin(); begin != work.end();) {
    begin = std::find_if(begin, work.end(), gives_back);
    const auto end = std::find_if_not(begin, work.end(), gives_back);
    std::stable_sort(begin, end, before);
    begin = end;
  }
}

}  // namespace

RingHost::RingHost(Poller& poller, const core::Limits& limits, std::size_t descriptors)
    : poller_(poller),
      item_bytes_(server::item_bytes(limits)),
      descriptors_(descriptors) {}

RingHost::~RingHost() {
  for (auto& [object, ring] : rings_) ring.queue->end();
}

RingHost::Opened RingHost::open(core::ObjectId object, std::uint64_t maxsize) {
  if (const auto found = rings_.find(object); found != rings_.end()) {
    return {found->second.queue->fd(), false};
  }
  if (maxsize > shm::kMaxsizeMax) {
    throw BadCall(fmt::format("a queue of {} items; a ring has room for {} at most", maxsize,
                              shm::kMaxsizeMax));
  }
  std::shared_ptr<shm::SharedQueue> queue =
      shm::SharedQueue::create({.maxsize = maxsize, .message_bytes = item_bytes_});
  const int fd = queue->fd();
  if (static_cast<std::size_t>(fd) + kReservedDescriptors >= descriptors_) {
    throw Overloaded("the manager has no descriptors left");
  }
  Ring& ring = rings_[object];
  ring.object = object;
  ring.queue = std::move(queue);
  return {fd, true};
}

void RingHost::take(std::vector<Work>& work) {
  work_.insert(work_.end(), std::move_iterator(work.begin()), std::move_iterator(work.end()));
  work.clear();
}

std::vector<RingHost::Done> RingHost::perform(core::Time now) {
  try {
    if (std::exchange(again_, std::nullopt)) touched_.insert(waiting_.begin(), waiting_.end());
    do_work();
    look_around(now);
    settle_touched(now);
    search(now);
    watch();
  } catch (const std::bad_alloc&) {
    again_ = now + kAgain;
  } catch (const SystemError&) {
    again_ = now + kAgain;  // there is no thread to watch for those who wait
  }
  return std::exchange(done_, {});
}

// What one of them lacks, a thread that would watch it or memory, is no reason for the others to
// wait.
void RingHost::settle_touched(core::Time now) {
  for (auto place = touched_.begin(); place != touched_.end();) {
    const auto ring = rings_.find(*place);
    try {
      if (ring != rings_.end()) settle(ring->second);
      place = touched_.erase(place);
    } catch (const std::bad_alloc&) {
      again_ = now + kAgain;
      ++place;
    } catch (const SystemError&) {
      again_ = now + kAgain;
      ++place;
    }
  }
}

// ---- Work ----

void RingHost::do_work() {
  order(work_);
  while (!work_.empty()) {
    Work& work = work_.front();
    const auto found = rings_.find(work.object);
    if (found == rings_.end() || work.kind == Work::Kind::gone) {
      if (found != rings_.end()) drop(work.object);
      work_.pop_front();
      continue;
    }
    Ring& ring = found->second;
    touched_.insert(ring.object);
    bool goes_on = false;
    try {
      goes_on = start(ring, work);
    } catch (const std::bad_alloc&) {
      if (work.park == ParkId{}) throw;  // nobody could be told: it is tried again
      refuse(ring, work);
    } catch (...) {
      refuse(ring, work);
    }
    work_.pop_front();
    if (goes_on) advance_items(ring);
  }
}

// For the exception that is being handled. A put that has not been queued never goes in.
void RingHost::refuse(const Ring& ring, const Work& work) {
  std::vector<std::uint64_t> numbers;
  if (work.kind == Work::Kind::put || work.kind == Work::Kind::try_put) {
    for (const RingItem& item : work.items) numbers.push_back(item.number);
  }
  fail(ring, work.park);
  done_.back().let_go = std::move(numbers);
}

void RingHost::make_room(std::size_t done) {
  const std::size_t wanted = done_.size() + done;
  if (wanted > done_.capacity()) done_.reserve(2 * wanted);
}

void RingHost::answer(const Ring& ring, ParkId park, std::uint64_t number) {
  done_.push_back({.object = ring.object, .park = park, .number = number});
}

void RingHost::fail(const Ring& ring, ParkId park) {
  make_room(1);
  Done& done = done_.emplace_back(
      Done{.object = ring.object, .park = park, .code = core::ErrorCode::bad_call});
  const auto say = [&](core::ErrorCode code, const char* text) {
    done.code = code;
    explain(done.text, text);
  };
  try {
    throw;
  } catch (const Overloaded& error) {
    say(core::ErrorCode::overloaded, error.what());
  } catch (const shm::NoMemory& error) {
    say(core::ErrorCode::overloaded, error.what());
  } catch (const std::bad_alloc&) {
    say(core::ErrorCode::overloaded, "the manager has no memory");
  } catch (const std::exception& error) {
    say(core::ErrorCode::bad_call, error.what());
  }
}

void RingHost::fail(const Ring& ring, ParkId park, Outcome outcome) {
  make_room(1);
  const bool closed = outcome == Outcome::closed;
  Done& done = done_.emplace_back(
      Done{.object = ring.object, .park = park, .code = core::ErrorCode::closed});
  explain(done.text, closed ? kQueueClosed : "the manager is shutting down");
}

std::vector<std::uint64_t> RingHost::Put::let_go() {
  for (std::size_t i = done; i < items.size(); ++i) carried.push_back(items[i].number);
  return std::move(carried);
}

// With the put's answer, if that was the last thing to be said.
void RingHost::let_go(const Ring& ring, Put& put) {
  std::vector<std::uint64_t> numbers = put.let_go();
  if (numbers.empty()) return;
  const bool said = !done_.empty() && done_.back().object == ring.object && put.park &&
                    done_.back().park == *put.park;
  if (!said) done_.push_back({.object = ring.object});
  done_.back().let_go = std::move(numbers);
}

bool RingHost::start(Ring& ring, Work& work) {
  shm::SharedQueue& queue = *ring.queue;
  make_room(2);
  switch (work.kind) {
    case Work::Kind::move_in:
      // Nobody else is there yet: the items keep their order whatever is put first.
      line_up(ring, {}, work.items).close_after = work.closed;
      queue.add_tasks(work.number);
      return true;
    case Work::Kind::put: line_up(ring, work.park, work.items); return true;
    case Work::Kind::put_back: line_up_in_front(ring, work.items); return true;
    case Work::Kind::get: ring.gets.insert_or_assign(work.park, work.number); return true;
    case Work::Kind::try_put: try_put(ring, work); break;
    case Work::Kind::try_get: try_get(ring, work); break;
    case Work::Kind::size: answer(ring, work.park, queue.size()); break;
    case Work::Kind::full: answer(ring, work.park, queue.full() ? 1 : 0); break;
    case Work::Kind::ready: answer(ring, work.park, queue.ready() ? 1 : 0); break;
    case Work::Kind::wait_ready: ring.watchers.insert(work.park); break;
    case Work::Kind::task_done:
      if (!queue.task_done()) {
        throw BadCall("task_done was called more often than items were taken");
      }
      answer(ring, work.park);
      break;
    case Work::Kind::join: ring.joins.insert(work.park); break;
    case Work::Kind::close:
      queue.close();
      answer(ring, work.park);
      break;
    case Work::Kind::cancel: cancel(ring, work.park); break;
    case Work::Kind::confirm: confirm(ring, work.park); break;
    case Work::Kind::give_back: give_back(ring, work.park, work.number); break;
    case Work::Kind::discard: discard(ring, work.park, work.number); break;
    case Work::Kind::finish: finish(ring, work.park); break;
    case Work::Kind::look: look(ring, work.items); break;
    case Work::Kind::gone: break;
  }
  return false;
}

// Where these throw, the items are still the caller's.
RingHost::Put& RingHost::line_up(Ring& ring, std::optional<ParkId> park,
                                 std::vector<RingItem>& items) {
  Put put{.park = park};
  put.carried.reserve(items.size());
  Put& placed =
      ring.puts.insert_or_assign(park.value_or(ParkId{}), std::move(put)).first->second;
  placed.items = std::move(items);
  return placed;
}

void RingHost::line_up_in_front(Ring& ring, std::vector<RingItem>& items) {
  Put put{.tasks_done = true};
  put.carried.reserve(items.size());
  ring.back.push_back(std::move(put));
  ring.back.back().items = std::move(items);
}

void RingHost::try_put(Ring& ring, Work& work) {
  // Behind those who wait: they know that there is no room.
  advance_items(ring);
  make_room(2);
  Put put{.park = work.park, .once = true};
  put.carried.reserve(work.items.size());
  put.items = std::move(work.items);
  const Step step = ring.puts.empty() ? put_next(ring, put) : Step::wait;
  if (step != Step::failed) answer(ring, work.park, put.done);
  let_go(ring, put);
}

void RingHost::try_get(Ring& ring, const Work& work) {
  advance_items(ring);
  make_room(1);
  if (!ring.gets.empty()) return answer(ring, work.park);
  Done done{.object = ring.object, .park = work.park};
  Outcome outcome = Outcome::timeout;
  get(ring, work.park, 1, done, outcome);
  if (outcome == Outcome::closed || outcome == Outcome::ended) {
    return fail(ring, work.park, outcome);
  }
  done_.push_back(std::move(done));
}

void RingHost::close(Ring& ring) {
  try {
    ring.queue->close();
  } catch (const shm::Damaged&) {
    // Whoever calls next is told.
  }
}

void RingHost::cancel(Ring& ring, ParkId park) {
  if (const auto put = ring.puts.find(park); put != ring.puts.end()) {
    let_go(ring, put->second);
    ring.puts.erase(put);
    return;
  }
  ring.gets.erase(park);
  ring.joins.erase(park);
  ring.watchers.erase(park);
  if (ring.held.contains(park)) {
    std::erase_if(done_, [&](const Done& done) {
      return done.object == ring.object && done.park == park;
    });
    give_back(ring, park);
  }
}

void RingHost::confirm(Ring& ring, ParkId park) {
  const auto node = ring.held.extract(park);
  if (node.empty()) return;
  for (const shm::Held& held : node.mapped()) ring.queue->consume(held);
}

void RingHost::finish(Ring& ring, ParkId park) {
  if (park == ParkId{}) {
    // It is one of the open tasks that came in with the queue.
    static_cast<void>(ring.queue->task_done());
    return;
  }
  const auto node = ring.held.extract(park);
  if (node.empty()) return;
  for (const shm::Held& held : node.mapped()) static_cast<void>(ring.queue->ack(held));
}

void RingHost::discard(Ring& ring, ParkId park, std::uint64_t index) {
  const auto found = ring.held.find(park);
  if (found == ring.held.end() || index >= found->second.size()) return;
  std::vector<shm::Held>& held = found->second;
  const auto item = held.begin() + static_cast<std::ptrdiff_t>(index);
  static_cast<void>(ring.queue->ack(*item));
  held.erase(item);
  if (held.empty()) ring.held.erase(found);
}

void RingHost::give_back(Ring& ring, ParkId park, std::uint64_t but_for) {
  const auto found = ring.held.find(park);
  if (found == ring.held.end()) return;
  std::vector<shm::Held>& held = found->second;
  for (std::size_t i = but_for; i < held.size(); ++i) nack(ring, held[i]);
  held.resize(std::min<std::size_t>(but_for, held.size()));
  if (held.empty()) ring.held.erase(found);
}

// Where the ring cannot take it back, the item is the next participant's that has our number.
void RingHost::nack(Ring& ring, const shm::Held& held) {
  try {
    static_cast<void>(ring.queue->nack(held));
  } catch (const std::exception&) {
  }
}

void RingHost::drop(core::ObjectId object) {
  const auto ring = rings_.extract(object);
  ring.mapped().queue->end();
  leave_shard(ring.mapped());
  waiting_.erase(object);
  touched_.erase(object);
  searched_.erase(object);
  searched_later_.erase(object);
}

}  // namespace steward::detail::server
