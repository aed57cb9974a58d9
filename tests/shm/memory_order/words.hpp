// Words on which Relacy plays the C++ memory model: a load may see an old value unless something
// orders it after the new one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <steward/shm/queue_words.hpp>
#include <steward/tests/shm/memory_order/relacy.hpp>

namespace steward::detail::test {

using shm::Word;
using Order = std::memory_order;

// What a word is. `own`: a hint that the ring of one process keeps for itself.
enum class Role { own, cell, state, pos, lease_end, hint, expiry, event };
enum class Operation { load, store, exchange };  // exchange: read, modify, write

struct WordName {
  Role role = Role::own;
  unsigned ring = 0;        // of a cell
  std::uint32_t index = 0;  // of the cell, the block, the hint
};

// One operation of the code. `function` is the one of Ring that makes it; empty: any function, and
// any operation on such a word.
struct Site {
  std::string_view function;
  Role role = Role::own;
  Operation operation = Operation::load;
  Order order = Order::relaxed;

  friend bool operator==(const Site&, const Site&) = default;
};

template <Role role>
inline constexpr Site kAnyOf{"", role, Operation::load, Order::relaxed};

// Another order for what the code does at a site, to see what comes of it.
struct Instead {
  Site site;
  Order order;
};

// Thrown where a process was killed.
struct Killed {};

// Who is about to make an operation asks the director: whether it lives, whether somebody else may
// come before it, and by which order. There is one director at a time, and no other state.
class Director {
 public:
  static inline Director* current = nullptr;
  // Not of a play: set before it, read after it.
  static inline std::span<const Instead> instead;
  static inline void (*on_site)(const Site&) = nullptr;

  Director() {
    current = this;
    // Who is always to be interrupted gets nowhere far ahead of the others.
    constexpr std::array kLengths{1U, 1U, 4U, 16U, 64U};
    if (rl::ctx().is_random_sched()) length_ = kLengths[rl::rand(kLengths.size())];
  }
  virtual ~Director() = default;

  // A word was stored, and nobody else has made a step since.
  virtual void changed(const WordName& word, Word from, Word to) = 0;

  // This thread makes so many more operations.
  void kill_after(unsigned operations) { lives_[rl::thread_index()] = operations; }
  void let_live() { lives_[rl::thread_index()] = kForEver; }

  void begin() {
    unsigned& lives = lives_[rl::thread_index()];
    if (lives == kForEver) return;
    if (lives == 0) throw Killed{};
    --lives;
  }
  bool is_interrupted() {
    if (rest_ > 0) {
      --rest_;
      return false;
    }
    if (length_ > 1) rest_ = rl::rand(length_);
    return true;
  }
  static Order order_at(const Site& site) {
    if (on_site != nullptr) on_site(site);
    for (const Instead& other : instead) {
      const bool any = other.site.function.empty() && other.site.role == site.role;
      if (any || other.site == site) return other.order;
    }
    return site.order;
  }

 private:
  static constexpr unsigned kForEver = ~0U;

  std::array<unsigned, 3> lives_{kForEver, kForEver, kForEver};
  unsigned length_ = 1;
  unsigned rest_ = 0;  // operations that follow the last one at once
};

// A moment in which nobody is interrupted.
using Undisturbed = rl::preemption_disabler;

// One operation on a word.
class Step {
 public:
  Step() {
    Director::current->begin();
    if (!Director::current->is_interrupted()) moment_.emplace(rl::ctx());
  }

 private:
  std::optional<Undisturbed> moment_;
};

inline rl::memory_order in_relacy(Order order) {
  switch (order) {
    case Order::relaxed: return rl::mo_relaxed;
    case Order::consume: return rl::mo_consume;
    case Order::acquire: return rl::mo_acquire;
    case Order::release: return rl::mo_release;
    case Order::acq_rel: return rl::mo_acq_rel;
    case Order::seq_cst: break;
  }
  return rl::mo_seq_cst;
}

class Atomic {
 public:
  Atomic() = default;
  Atomic(Word value) { begin_as({}, value); }

  void begin_as(const WordName& name, Word value) {
    name_ = name;
    known_ = value;
    word_.store(value, rl::mo_relaxed, RL_INFO);
  }
  // The newest value, which nobody need have seen.
  Word peek() const { return known_; }

  Word load(Order order, const char* function = __builtin_FUNCTION(),
            const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) const {
    const auto by = ordered(function, Operation::load, order);
    const Step step;
    return word_.load(by, {function, file, line});
  }
  void store(Word value, Order order, const char* function = __builtin_FUNCTION(),
             const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) {
    const auto by = ordered(function, Operation::store, order);
    const Step step;
    word_.store(value, by, {function, file, line});
    tell(value);
  }
  bool compare_exchange_strong(Word& expected, Word value, Order success, Order failure,
                               const char* function = __builtin_FUNCTION(),
                               const char* file = __builtin_FILE(),
                               unsigned line = __builtin_LINE()) {
    const auto by = ordered(function, Operation::exchange, success);
    const auto or_else = failing(by, in_relacy(failure));
    const rl::debug_info at(function, file, line);
    const Step step;
    const bool done = word_.compare_exchange_strong(expected, value, by, at, or_else, at);
    if (done) tell(value);
    return done;
  }

  // ---- For words that are waited for ----

  Word fetch_or(Word bits, Order order, const char* function = __builtin_FUNCTION()) {
    const auto by = ordered(function, Operation::exchange, order);
    const Step step;
    return word_.fetch_or(bits, by, RL_INFO);
  }
  Word fetch_add(Word more, Order order, const char* function = __builtin_FUNCTION()) {
    const auto by = ordered(function, Operation::exchange, order);
    const Step step;
    return word_.fetch_add(more, by, RL_INFO);
  }
  // By the kernel, within a moment of its own: of no order.
  Word glance() const { return word_.load(rl::mo_relaxed, RL_INFO); }
  // False: the time was up.
  bool park(bool timed) {
    return word_.wait(rl::ctx(), timed, false, RL_INFO) != rl::unpark_reason_timeout;
  }
  int unpark(int n) { return word_.wake(rl::ctx(), n, RL_INFO); }

 private:
  rl::memory_order ordered(const char* function, Operation operation, Order order) const {
    return in_relacy(Director::order_at({function, name_.role, operation, order}));
  }
  // What is allowed beside a weaker order of success.
  static rl::memory_order failing(rl::memory_order success, rl::memory_order failure) {
    if (success == rl::mo_seq_cst) return failure;
    if (success == rl::mo_relaxed || success == rl::mo_release) return rl::mo_relaxed;
    return failure == rl::mo_seq_cst ? rl::mo_acquire : failure;
  }

  void tell(Word to) { Director::current->changed(name_, std::exchange(known_, to), to); }

  WordName name_;
  rl::atomic<Word> word_;
  Word known_ = 0;
};

}  // namespace steward::detail::test
