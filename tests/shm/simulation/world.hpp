// World: simulated processes that use one queue, each by the real code of Ring.
//
// A process that was killed is recovered by a task that stands for the holder of its lock, and then
// goes on with the rest of its script, reborn under the same number. A recoverer may be killed too:
// the next one starts from the beginning.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <steward/tests/shm/simulation/ledger.hpp>

namespace steward::detail::test {

enum class Op {
  put,          // a look for room, a claim, publish
  put_blindly,  // no look; tries again when full, as one who was lent the block
  get,          // take, read, consume
  get_two,      // both taken before either is consumed
  refuse,       // take and give back at once
  hold,         // take and keep, without end
  lease,        // take and keep for a time
  ack,          // these three: what was kept first
  nack,
  touch,
  expire,  // leases that are over by now
  close,
  join,
  report,    // one item as done
  put_back,  // one item that was got becomes one of the queue again
  look,      // size, more, room
};
using Script = std::vector<Op>;

// What a process does: one script for each of its threads.
struct Cast {
  std::vector<Script> threads;
};

struct Setting {
  QueuePlan plan;
  std::vector<Cast> processes;
  // Put before anything else happens, and of these so many taken again.
  unsigned puts_before = 0;
  unsigned takes_before = 0;
  // Whether who has come to the end of its script leaves in order, within the schedule. Otherwise
  // it is there, idle, until all have, and then killed.
  bool leaves = true;
};

template <class Memory = SimulatedMemory<>>
class World {
 public:
  using Ring = shm::Ring<Memory>;

  explicit World(Scheduler& scheduler, Counts& counts) : scheduler_(scheduler), counts_(counts) {}

  // One schedule. Nullopt: all is well; else what is not, and the steps that led to it.
  std::optional<std::string> run(const Setting& setting, Strategy& strategy) {
    Memory memory(setting.plan);
    Ledger ledger(memory, counts_);
    memory_ = &memory;
    ledger_ = &ledger;
    Simulation::scheduler = &scheduler_;
    Simulation::observer = &ledger;
    scheduler_.reset();
    reborn_ = true;
    leaves_ = setting.leaves;
    cast(setting);
    try {
      play(setting, strategy);
    } catch (const Violation& violation) {
      scheduler_.fail(violation.what);
    }
    ++counts_.schedules;
    counts_.steps += scheduler_.steps();
    counts_.alone_max = std::max<Word>(counts_.alone_max, scheduler_.alone_max());
    std::optional<std::string> wrong;
    if (scheduler_.failed()) {
      wrong = scheduler_.violation() + "\n" + ledger.trace();
      scheduler_.reset();
    }
    processes_.clear();
    Simulation::scheduler = nullptr;
    Simulation::observer = nullptr;
    return wrong;
  }

 private:
  struct Process {
    unsigned number = 0;
    std::unique_ptr<Ring> ring;
    std::vector<Script> threads;
    std::vector<std::size_t> next;  // of each thread: its next operation
    std::vector<std::vector<shm::Held>> held;  // of each thread
    unsigned working = 0;                      // threads
  };

  // ---- The course of a schedule ----

  void cast(const Setting& setting) {
    processes_.clear();
    unsigned expire = 0;
    for (unsigned i = 0; i < setting.processes.size(); ++i) {
      Process process;
      for (const Script& script : setting.processes[i].threads) {
        expire += std::ranges::count(script, Op::expire) > 0 ? 1 : 0;
      }
      // The last has the largest number there is.
      process.number = i + 1 == setting.processes.size() ? shm::kOwnersMax : i + 1;
      process.threads = setting.processes[i].threads;
      process.next.resize(process.threads.size());
      processes_.push_back(std::move(process));
    }
    several_expire_ = expire > 1;
    scheduler_.on_death = [this](unsigned process) { died(process); };
  }

  void play(const Setting& setting, Strategy& strategy) {
    InTurn in_turn;
    if (setting.puts_before > 0) {
      scheduler_.start(kGuest, kGuestNumber, [&] { prepare(setting); });
      if (!scheduler_.run(in_turn)) return;
    }
    for (unsigned i = 0; i < processes_.size(); ++i) begin(i);
    if (!scheduler_.run(strategy)) return;
    // Whoever was stopped has disturbed nobody. Now they are killed, and all is put in order.
    reborn_ = false;
    scheduler_.kill_stopped();
    for (unsigned i = 0; !leaves_ && i < processes_.size(); ++i) {
      scheduler_.start(kRecoverers + i, processes_[i].number, [this, i] { recover(i); });
    }
    if (!scheduler_.run(in_turn)) return;
    ledger_->at_rest();
    scheduler_.start(kGuest, kGuestNumber, [&] { drain(); });
    if (!scheduler_.run(in_turn)) return;
    ledger_->nothing_left();
  }

  void begin(unsigned i) {
    Process& process = processes_[i];
    process.ring = std::make_unique<Ring>(*memory_, process.number);
    process.held.assign(process.threads.size(), {});
    process.working = 0;
    for (unsigned t = 0; t < process.threads.size(); ++t) {
      if (process.next[t] == process.threads[t].size()) continue;
      ++process.working;
      scheduler_.start(i, process.number, [this, i, t] { act(processes_[i], i, t); });
    }
  }

  void died(unsigned process) {
    if (process >= kRecoverers) {
      ++counts_.recoveries_killed;
      process -= kRecoverers;
    } else {
      ++counts_.killed;
    }
    const unsigned number = processes_[process].number;
    scheduler_.start(kRecoverers + process, number, [this, process] { recover(process); });
  }

  // As Participant does.
  void recover(unsigned i) {
    const unsigned number = processes_[i].number;
    scheduler_.begin_operation();
    Ring ring(*memory_, number);
    ring.recover(number);
    memory_->open(i).store(0);
    ledger_->recovered(number);
    if (reborn_) begin(i);
  }

  void act(Process& process, unsigned i, unsigned t) {
    Script& script = process.threads[t];
    while (process.next[t] < script.size()) {
      // Before: whoever dies within it does not do it again.
      const Op op = script[process.next[t]++];
      scheduler_.begin_operation();
      perform(op, process, i, process.held[t]);
    }
    if (--process.working == 0 && leaves_) leave(process, i);
  }

  // As a Participant that is destroyed.
  void leave(Process& process, unsigned i) {
    scheduler_.begin_operation();
    process.ring->recover(process.number);
    memory_->open(i).store(0);
    ledger_->recovered(process.number);
  }

  void perform(Op op, Process& process, unsigned i, std::vector<shm::Held>& held) {
    Ring& ring = *process.ring;
    switch (op) {
      case Op::put: return put(ring, true);
      case Op::put_blindly: return put(ring, false);
      case Op::get: return get(ring, i, 1);
      case Op::get_two: return get(ring, i, 2);
      case Op::refuse: return refuse(ring);
      case Op::hold:
      case Op::lease: return hold(ring, op == Op::lease, held);
      case Op::ack:
      case Op::nack:
      case Op::touch: return answer(ring, op, held);
      case Op::expire: return expire(ring);
      case Op::close:
        ring.close();
        expect(ledger_->is_closed(), "close() did not close");
        return;
      case Op::join: return join(ring);
      case Op::report: return report(i);
      case Op::put_back: return put_back(ring, i);
      case Op::look: return look(ring);
    }
  }

  // ---- Operations ----

  void put(Ring& ring, bool looks) {
    const auto refused = [&](shm::Put why, Word since) {
      if (why == shm::Put::closed) {
        expect(ledger_->is_closed(), "closed for a producer, but not closed");
        ++counts_.refused_closed;
      } else {
        expect(ledger_->full.since(since), "refused for being full, and never was");
        ++counts_.full;
      }
    };
    Word begun = ledger_->now();
    shm::Spot spot;
    if (const auto room = ring.find_room(spot); room != shm::Put::done) return refused(room, begun);
    expect(ledger_->is_closed() || memory_->maxsize() == 0 || ledger_->not_full.since(begun),
           "there was never room");
    shm::Claim claim;
    if (!ring.claim(0, looks ? &spot : nullptr, claim)) {
      ++counts_.no_block;
      return;
    }
    const Word item = ledger_->new_item();
    memory_->payload(claim.block, 0).store(item);
    memory_->payload(claim.block, 1).store(item);
    for (int tries = looks ? 1 : 3; tries > 0; --tries) {
      begun = ledger_->now();
      auto put = tries == 3 || looks ? ring.publish(claim, spot) : ring.find_room(spot);
      if (put == shm::Put::done && tries != 3 && !looks) put = ring.publish(claim, spot);
      if (put == shm::Put::done) {
        expect(ledger_->item(item).committed, "put, and not there");
        return;
      }
      refused(put, begun);
      expect(!ledger_->item(item).committed, "refused, and put all the same");
      if (put == shm::Put::closed) break;
    }
    ring.unclaim(claim);
  }

  std::optional<shm::Taken> take(Ring& ring) {
    const Word begun = ledger_->now();
    shm::Taken taken;
    switch (ring.take(taken)) {
      case shm::Take::done: break;
      case shm::Take::empty:
        expect(ledger_->empty.since(begun), "empty, and never was");
        ++counts_.empty;
        return std::nullopt;
      case shm::Take::closed:
        expect(ledger_->drained.since(begun), "closed and drained, and never was");
        ++counts_.drained;
        return std::nullopt;
    }
    const auto& block = ledger_->block(taken.cell.block());
    const bool again = ledger_->item(block.item).takes > 1;
    expect((ring.redelivered(taken)) == again, "an item is not flagged as it should be");
    const Word one = memory_->payload(taken.cell.block(), 0).load();
    expect(memory_->payload(taken.cell.block(), 1).load() == one, "an item is torn");
    return taken;
  }

  void get(Ring& ring, unsigned i, unsigned count) {
    std::vector<shm::Taken> taken;
    while (taken.size() < count) {
      const auto one = take(ring);
      if (!one) break;
      taken.push_back(*one);
    }
    for (const auto& one : taken) {
      memory_->open(i).fetch_add(1);  // as SharedQueue: join() must never see neither
      const Word item = ledger_->block(one.cell.block()).item;
      ring.consume(one);
      expect(ledger_->item(item).consumed, "an item was got and is still there");
    }
  }

  void refuse(Ring& ring) {
    const auto taken = take(ring);
    if (!taken) return;
    expect(ring.nack(ring.hold(*taken)), "what was held without end is lost");
    ++counts_.nacked;
  }

  void hold(Ring& ring, bool leased, std::vector<shm::Held>& held) {
    const auto taken = take(ring);
    if (!taken) return;
    held.push_back(leased ? ring.hold(*taken, ledger_->now_time() + 1) : ring.hold(*taken));
  }

  void answer(Ring& ring, Op op, std::vector<shm::Held>& held) {
    if (held.empty()) return;
    shm::Held first = held.front();
    const bool without_end = first.state.holder() == shm::Holder::inflight;
    bool ours = false;
    switch (op) {
      case Op::ack: ours = ring.ack(first); break;
      case Op::nack: ours = ring.nack(first); break;
      default: ours = ring.touch(first, ledger_->now_time() + 1); break;
    }
    ++(!ours ? counts_.lost : op == Op::ack ? counts_.acked : counts_.nacked);
    expect(ours || !without_end, "what was held without end is lost");
    if (ours && op == Op::touch) {
      held.front() = first;
      return;
    }
    held.erase(held.begin());
    // The state it had never comes back: either we ended it, or somebody had.
    expect(memory_->state(first.block).peek() != first.state.word(), "an answer changed nothing");
  }

  void expire(Ring& ring) {
    ledger_->time_is(ledger_->now_time() + 2);  // all that are leased now are over then
    std::vector<shm::Held> over;
    for (const Process& process : processes_) {
      for (const auto& of_thread : process.held) {
        for (const shm::Held& held : of_thread) {
          if (held.state.holder() != shm::Holder::lease) continue;
          if (memory_->state(held.block).peek() == held.state.word()) over.push_back(held);
        }
      }
    }
    ring.expire(ledger_->now_time());
    if (several_expire_) return;  // then another may be at it
    for (const shm::Held& held : over) {
      expect(memory_->state(held.block).peek() != held.state.word(), "a lease goes on for ever");
    }
  }

  void join(Ring& ring) {
    const Word begun = ledger_->now();
    const bool none = ring.nothing_unfinished([&] {
      for (unsigned p = 0; p < processes_.size(); ++p) {
        if (memory_->open(p).load() != 0) return false;
      }
      return true;
    });
    if (none) expect(ledger_->finished.since(begun), "nothing unfinished, and there always was");
    ++(none ? counts_.joined : counts_.not_joined);
  }

  void report(unsigned i) {
    Word seen = memory_->open(i).load();
    while (seen > 0 && !memory_->open(i).compare_exchange_strong(seen, seen - 1)) {
    }
  }

  // It is in the queue before it is no open task any more: join() must never see neither.
  void put_back(Ring& ring, unsigned i) {
    if (memory_->open(i).load() == 0) return;
    shm::Claim claim;
    if (!ring.claim(0, nullptr, claim)) {
      ++counts_.no_block;
      return;
    }
    const Word item = ledger_->new_item();
    memory_->payload(claim.block, 0).store(item);
    memory_->payload(claim.block, 1).store(item);
    ring.put_back(claim);
    expect(ledger_->item(item).committed, "put back, and not there");
    report(i);
  }

  void look(Ring& ring) {
    const Word steps = scheduler_.steps();
    const Word before = ledger_->queued();
    const Word size = ring.size();
    const bool undisturbed = scheduler_.alone() == scheduler_.steps() - steps;
    if (undisturbed) expect(size == before, "the size is wrong with nobody else at work");
    static_cast<void>(ring.more());
    static_cast<void>(ring.room(1));
  }

  // ---- Before and after ----

  void prepare(const Setting& setting) {
    Ring ring(*memory_, kGuestNumber);
    // In turn, so that a small ring gets through its laps.
    for (unsigned n = 0; n < setting.puts_before; ++n) {
      put(ring, true);
      if (n >= setting.takes_before) continue;
      if (const auto taken = take(ring)) ring.consume(*taken);
    }
  }

  void drain() {
    Ring ring(*memory_, kGuestNumber);
    expect(ring.size() == ledger_->queued(), "the size is wrong in the end");
    while (const auto taken = take(ring)) {
      scheduler_.begin_operation();
      ring.consume(*taken);
    }
    expect(ledger_->unfinished() == 0, "items are left that nobody can take");
    expect(ring.nothing_unfinished([] { return true; }), "unfinished, and nothing is left");
  }

  static void expect(bool so, const char* what) {
    if (!so) Ledger::object(what);
  }

  static constexpr unsigned kRecoverers = 100;  // the process numbers of those who recover
  static constexpr unsigned kGuest = 200;
  static constexpr unsigned kGuestNumber = 1000;

  Scheduler& scheduler_;
  Counts& counts_;
  Memory* memory_ = nullptr;
  Ledger* ledger_ = nullptr;
  std::vector<Process> processes_;
  bool reborn_ = true;
  bool leaves_ = true;
  bool several_expire_ = false;
};

}  // namespace steward::detail::test
