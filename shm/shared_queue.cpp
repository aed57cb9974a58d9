#include <steward/shm/shared_queue.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include <fmt/format.h>

namespace steward::detail::shm {
namespace {

using Clock = std::chrono::steady_clock;

// How long a sleeper trusts that it is told. Only what a killed or stopped process left untold is
// found by looking again.
constexpr core::Duration kSlice = std::chrono::milliseconds(100);
// Where a wake may be missed by design: nothing orders a block's end before the look at the flag.
constexpr core::Duration kShortSlice = std::chrono::milliseconds(2);

// To have let items or slots gather has paid if there were this many more.
constexpr Word kSeveral = 3;
// Room that get_many() makes in advance.
constexpr std::size_t kSeveralMax = 64;

Word nanoseconds(core::Time time) {
  return static_cast<Word>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

// Fills a block.
auto copy_of(std::span<const std::byte> bytes) {
  return [bytes](std::span<std::byte> to) {
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
  };
}

}  // namespace

std::unique_ptr<SharedQueue> SharedQueue::create(const QueueShape& shape) {
  return std::unique_ptr<SharedQueue>(
      new SharedQueue(QueueMemory::create(shape), Participant::kMaker));
}

std::unique_ptr<SharedQueue> SharedQueue::open(UniqueFd fd) {
  return std::unique_ptr<SharedQueue>(
      new SharedQueue(QueueMemory::open(std::move(fd)), Participant::kMaker + 1));
}

SharedQueue::SharedQueue(QueueMemory memory, unsigned first_number)
    : memory_(std::move(memory)),
      participant_(memory_, first_number),
      ring_(memory_, participant_.number()),
      process_(::getpid()) {}

// ---- Putting ----

unsigned SharedQueue::class_for(std::size_t bytes, std::size_t alignment) const {
  const unsigned k = memory_.size_class_for(bytes, alignment);
  if (bytes > shape().message_bytes || k == memory_.size_classes()) {
    throw Overloaded(fmt::format("an item of {} bytes is more than the {} that this queue takes",
                                 bytes, shape().message_bytes));
  }
  return k;
}

SharedQueue::Tried SharedQueue::failed(Put put) {
  return put == Put::closed ? Tried::closed : Tried::full;
}

SharedQueue::Outcome SharedQueue::not_done(Waited waited) {
  return waited == Waited::stopped ? Outcome::stopped : Outcome::timeout;
}

// Larger blocks will do when those of the size are out. Throws NoMemory.
bool SharedQueue::claim_block(unsigned size_class, std::size_t bytes, const Spot* spot,
                              Loan& out) {
  unsigned k = size_class;
  while (k < memory_.size_classes() && !ring_.claim(k, spot, out.claim)) ++k;
  if (k == memory_.size_classes()) return false;
  try {
    out.bytes = memory_.writable(out.claim.block, bytes);
  } catch (...) {
    give_back(out);
    throw;
  }
  return true;
}

// Flat, as the other: of a few dozen nanoseconds calls would be a tenth.
template <class Fill>
[[gnu::flatten]] SharedQueue::Tried SharedQueue::try_put(unsigned size_class, std::size_t bytes,
                                        std::uint32_t format, Fill&& fill) {
  if (ended()) return Tried::ended;
  Spot spot;
  if (const Put room = ring_.find_room(spot); room != Put::done) return failed(room);
  Loan room;
  if (!claim_block(size_class, bytes, &spot, room)) return Tried::no_block;
  Put put = Put::full;
  try {
    fill(room.bytes);
    memory_.describe(room.claim.block, bytes, format);
    put = ring_.publish(room.claim, spot);
  } catch (...) {
    give_back(room);
    throw;
  }
  if (put == Put::done) return Tried::done;
  give_back(room);
  return failed(put);
}

template <class Try>
SharedQueue::Outcome SharedQueue::wait_to_put(Try&& attempt, Until until, std::size_t bytes,
                                              NoBlock without) {
  const auto once = [&] {
    try {
      return attempt();
    } catch (const NoMemory&) {
      if (without == NoBlock::wait) throw;
      return Tried::no_block;
    }
  };
  if (until.stop_requested()) return Outcome::stopped;
  Tried tried = once();
  if (tried == Tried::done) return Outcome::done;
  Tried before = tried;
  for (;;) {
    switch (tried) {
      case Tried::done: return Outcome::done;
      case Tried::closed: return Outcome::closed;
      case Tried::ended: return Outcome::ended;
      case Tried::full: break;
      case Tried::no_block:
        // A wake for room that ends here is somebody else's.
        if (before == Tried::full) memory_.wake(Event::not_full, 1);
        if (without == NoBlock::tell) return Outcome::no_block;
        break;
    }
    if (shape().maxsize == 0) {
      // Nothing of its kind will make room soon: it grew as far as it can.
      throw Overloaded(fmt::format("the queue has no room for another item of {} bytes", bytes));
    }
    if (until.is_now()) return Outcome::timeout;
    before = tried;
    if (put_gather_.due()) {
      pause_for(Gather::kTime);
      tried = once();
      put_gather_.learned(tried == Tried::done && ring_.room(kSeveral));
      if (tried != before) continue;
    }
    const bool full = before == Tried::full;
    const Waited waited = wait(
        memory_.event(full ? Event::not_full : Event::block_freed), put_spin_, until,
        full ? kSlice : kShortSlice, [&] { return (tried = once()) != before; },
        [&] { look_around(); });
    if (waited != Waited::done) return not_done(waited);
  }
}

SharedQueue::Outcome SharedQueue::put(std::span<const std::byte> bytes, std::uint32_t format,
                                      Until until, NoBlock without) {
  const unsigned k = class_for(bytes.size(), 1);
  const auto attempt = [&] { return try_put(k, bytes.size(), format, copy_of(bytes)); };
  const Outcome outcome = wait_to_put(attempt, until, bytes.size(), without);
  if (outcome == Outcome::done) memory_.wake(Event::not_empty, 1);
  return outcome;
}

SharedQueue::Outcome SharedQueue::put_many(std::span<const std::span<const std::byte>> items,
                                           std::uint32_t format, Until until, std::size_t& done,
                                           NoBlock without) {
  done = 0;
  for (const auto& bytes : items) static_cast<void>(class_for(bytes.size(), 1));
  // Those who could make room do not know yet that there is something: told before this one
  // sleeps or leaves.
  std::size_t told = 0;
  const auto tell = [&] {
    if (done > told) memory_.wake(Event::not_empty, static_cast<int>(done - told));
    told = done;
  };
  try {
    for (const auto& bytes : items) {
      const unsigned k = memory_.size_class_for(bytes.size());
      const auto attempt = [&] {
        const Tried tried = try_put(k, bytes.size(), format, copy_of(bytes));
        if (tried != Tried::done) tell();
        return tried;
      };
      const Outcome outcome = wait_to_put(attempt, until, bytes.size(), without);
      if (outcome != Outcome::done) return outcome;
      ++done;
    }
  } catch (...) {
    tell();
    throw;
  }
  tell();
  return Outcome::done;
}

// By way of INFLIGHT: should this process die here, the item is given back as any that it had.
SharedQueue::Outcome SharedQueue::put_back(std::span<const std::byte> bytes,
                                           std::uint32_t format) {
  Loan room;
  if (const Outcome lent = loan(bytes.size(), 1, room); lent != Outcome::done) return lent;
  copy_of(bytes)(room.bytes);
  memory_.describe(room.claim.block, bytes.size(), format);
  ring_.put_back(room.claim);
  return Outcome::done;
}

void SharedQueue::add_tasks(std::uint64_t count) {
  memory_.owner(participant_.number()).open_tasks.fetch_add(count, std::memory_order_seq_cst);
}

void SharedQueue::close() { ring_.close(); }

SharedQueue::Outcome SharedQueue::loan(std::size_t bytes, std::size_t alignment, Loan& out) {
  const unsigned k = class_for(bytes, alignment);
  if (ended()) return Outcome::ended;
  try {
    return claim_block(k, bytes, nullptr, out) ? Outcome::done : Outcome::no_block;
  } catch (const NoMemory&) {
    return Outcome::no_block;
  }
}

SharedQueue::Outcome SharedQueue::commit(const Loan& loan, std::uint32_t format,
                                         Until until) {
  memory_.describe(loan.claim.block, loan.bytes.size(), format);
  const auto attempt = [&] {
    if (ended()) return Tried::ended;
    Spot spot;
    Put put = ring_.find_room(spot);
    if (put == Put::done) put = ring_.publish(loan.claim, spot);
    return put == Put::done ? Tried::done : failed(put);
  };
  const Outcome outcome = wait_to_put(attempt, until, loan.bytes.size(), NoBlock::wait);
  if (outcome == Outcome::done) memory_.wake(Event::not_empty, 1);
  return outcome;
}

// ---- Taking ----

Item SharedQueue::item(const Taken& taken) const {
  return {memory_.payload(taken.cell.block()), memory_.format(taken.cell.block()),
          ring_.redelivered(taken)};
}

Item SharedQueue::item(const Held& held) const {
  return {memory_.payload(held.block), memory_.format(held.block), held.state.deliveries() > 0};
}

[[gnu::flatten]] SharedQueue::Outcome SharedQueue::try_take(Taken& out) {
  if (ended()) return Outcome::ended;
  if (ring_.next_expiry() != 0) ring_.expire(nanoseconds(Clock::now()));
  switch (ring_.take(out)) {
    case Take::done: return Outcome::done;
    case Take::closed: return Outcome::closed;
    case Take::empty: break;
  }
  return Outcome::timeout;
}

// What waiters do now and then: what the dead held is looked for, and whether there is any hope.
void SharedQueue::look_around() {
  participant_.recover_dead();
  if (participant_.left_alone()) end();
}

core::Duration SharedQueue::slice() {
  const Word expiry = ring_.next_expiry();
  if (expiry == 0) return kSlice;
  const Word now = nanoseconds(Clock::now());
  if (expiry <= now) return core::Duration(1);
  // Compared before it is converted: it may be beyond what a duration holds.
  constexpr Word kWhole = std::chrono::nanoseconds(kSlice).count();
  return std::chrono::nanoseconds(std::min(expiry - now, kWhole));
}

SharedQueue::Outcome SharedQueue::wait_and_take(Taken& out, Until until) {
  if (until.stop_requested()) return Outcome::stopped;
  Outcome outcome = try_take(out);
  if (outcome == Outcome::timeout && !until.is_now() && get_gather_.due()) {
    pause_for(Gather::kTime);
    outcome = try_take(out);
    get_gather_.learned(outcome == Outcome::done && ring_.more(kSeveral));
  }
  while (outcome == Outcome::timeout && !until.is_now()) {
    core::Time recovered = Clock::now();
    const Waited waited = wait(
        memory_.event(Event::not_empty), get_spin_, until, slice(),
        [&] { return (outcome = try_take(out)) != Outcome::timeout; },
        [&] {
          // A slice may be short, for a lease that ends.
          if (Clock::now() - recovered < kSlice) return;
          recovered = Clock::now();
          look_around();
        });
    if (waited != Waited::done) return not_done(waited);
  }
  // One wake may have been for several items, or its waker was killed.
  if (outcome == Outcome::done && memory_.may_sleep(Event::not_empty) && ring_.more()) {
    memory_.wake(Event::not_empty, 1);
  }
  return outcome;
}

// In a stream the first item is always there, one step behind the producer.
void SharedQueue::let_gather(Until until) {
  if (!caught_up_.load(std::memory_order_relaxed) || until.is_now() || !get_gather_.due()) return;
  pause_for(Gather::kTime);
  get_gather_.learned(ring_.more(kSeveral));
}

void SharedQueue::take_more(std::vector<Taken>& taken, std::size_t max) {
  taken.reserve(std::min(max, kSeveralMax));
  bool all = false;
  while (taken.size() < max && !all) {
    // In place: a copy would wait for the words to arrive there.
    Taken& next = taken.emplace_back();
    try {
      all = ring_.take(next) != Take::done;
    } catch (...) {
      taken.pop_back();
      throw;
    }
    if (all) taken.pop_back();
  }
  caught_up_.store(all, std::memory_order_relaxed);
}

void SharedQueue::free_block(const Taken& taken) {
  memory_.trim(taken.cell.block());
  ring_.consume(taken);
}

void SharedQueue::finish(const Taken& taken) {
  // Before the block is free: join() must never see neither.
  add_tasks(1);
  free_block(taken);
  memory_.wake(Event::not_full, 1);
  memory_.wake(Event::block_freed, kEveryone);
}

void SharedQueue::finish(const std::vector<Taken>& taken, const std::vector<char>& done,
                         std::vector<Held>& kept) {
  add_tasks(static_cast<std::uint64_t>(std::ranges::count(done, 1)));
  for (std::size_t i = 0; i < taken.size(); ++i) {
    if (done[i] != 0) {
      free_block(taken[i]);
    } else {
      keep(taken[i], kept.emplace_back());
    }
  }
  memory_.wake(Event::not_full, static_cast<int>(taken.size()));
  memory_.wake(Event::block_freed, kEveryone);
}

Held SharedQueue::hold(const Taken& taken, core::Deadline until) {
  const Held held = until ? ring_.hold(taken, nanoseconds(*until)) : ring_.hold(taken);
  memory_.wake(Event::not_full, 1);
  return held;
}

void SharedQueue::give_up(const Taken& taken) {
  if (::getpid() == process_) static_cast<void>(ring_.nack(hold(taken, {})));
}

bool SharedQueue::ack(const Held& held) { return ring_.ack(held); }

bool SharedQueue::consume(const Held& held) {
  // Before the block is free: join() must never see neither.
  add_tasks(1);
  if (ring_.ack(held)) return true;
  memory_.owner(participant_.number()).open_tasks.fetch_sub(1, std::memory_order_seq_cst);
  return false;
}

bool SharedQueue::touch(Held& held, core::Time until) {
  return ring_.touch(held, nanoseconds(until));
}

// ---- Looking ----

bool SharedQueue::full() {
  Spot spot;
  return shape().maxsize != 0 && ring_.find_room(spot) == Put::full;
}

bool SharedQueue::ready() {
  if (ended()) return true;
  if (ring_.next_expiry() != 0) ring_.expire(nanoseconds(Clock::now()));
  return ring_.look() != Take::empty;
}

bool SharedQueue::task_done() {
  const auto one_less = [&](unsigned number) {
    auto& open = memory_.owner(number).open_tasks;
    Word seen = open.load(std::memory_order_relaxed);
    while (seen > 0) {
      if (!open.compare_exchange_weak(seen, seen - 1, std::memory_order_seq_cst)) continue;
      if (seen == 1) memory_.wake(Event::all_done, kEveryone);
      return true;
    }
    return false;
  };
  if (one_less(participant_.number())) return true;
  // Who reports need not be who took.
  const Word end = memory_.owners_end().load(std::memory_order_acquire);
  for (unsigned n = 1; n < end && n <= kOwnersMax; ++n) {
    if (one_less(n)) return true;
  }
  return false;
}

SharedQueue::Outcome SharedQueue::join(Until until) {
  const auto none_open = [&] {
    const Word end = memory_.owners_end().load(std::memory_order_acquire);
    for (unsigned n = 1; n < end && n <= kOwnersMax; ++n) {
      // Sequentially consistent: the last look of one who then sleeps.
      if (memory_.owner(n).open_tasks.load(std::memory_order_seq_cst) != 0) return false;
    }
    return true;
  };
  Outcome outcome = Outcome::timeout;
  Spin none;
  if (until.stop_requested()) return Outcome::stopped;
  const Waited waited = wait(
      memory_.event(Event::all_done), none, until, kSlice,
      [&] {
        if (ended()) outcome = Outcome::ended;
        else if (ring_.nothing_unfinished(none_open)) outcome = Outcome::done;
        return outcome != Outcome::timeout;
      },
      [&] { look_around(); });
  return waited == Waited::done ? outcome : not_done(waited);
}

void SharedQueue::end() {
  memory_.ended().store(1, std::memory_order_release);
  memory_.wake_all();
}

}  // namespace steward::detail::shm
