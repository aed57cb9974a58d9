// Verdict: whether the promises were kept. The first one that is broken ends the run; a run that is
// told to remember says what happened before.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

namespace steward::detail::simulation {

// What trusting users rely on. A violation is of one of them.
enum class Promise : std::uint8_t {
  done_once,             // a change happens once at most, and if its caller was told so, once
  not_done_after_all,    // what is said not to be done is not done, then or later
  ended_once,            // a call ends, and ends once
  item_is_once,          // an item is neither lost nor doubled
  items_in_order,        // items leave in the order in which they entered, or entered first
  one_holder,            // a lock has one holder, who lives
  tokens_rise,           // fencing tokens rise
  served_in_order,       // who waits longer is served first
  nobody_is_forgotten,   // who waits is served as soon as that is possible
  last_words_count,      // what a process has said before its death is done before its death
  retry_is_same,         // a call that is said again gets the answer that it got
  cancel_counts,         // a call that is cancelled does not wait any more
  confirmed,             // what a caller has kept is confirmed, and nothing else
  both_sides_agree,      // once nothing is under way, client and server say the same of holds,
                         // waits and references
  nothing_is_left,       // at the end no object, call or reference is left
  values_are_right,      // a call gives what the calls before it have left
};

inline const char* name_of(Promise promise) {
  constexpr const char* kNames[] = {
      "done_once", "not_done_after_all", "ended_once", "item_is_once", "items_in_order",
      "one_holder", "tokens_rise", "served_in_order", "nobody_is_forgotten", "last_words_count",
      "retry_is_same", "cancel_counts", "confirmed", "both_sides_agree", "nothing_is_left",
      "values_are_right"};
  return kNames[static_cast<std::size_t>(promise)];
}

struct Violation {
  Promise promise{};
  std::string what;
};

class Verdict {
 public:
  explicit Verdict(bool remembers) : remembers_(remembers) {}

  bool good() const { return !violation_; }
  const std::optional<Violation>& violation() const { return violation_; }
  void broken(Promise promise, std::string what) {
    if (violation_) return;
    note([&] { return std::string("BROKEN ") + name_of(promise) + ": " + what; });
    violation_ = Violation{promise, std::move(what)};
  }

  // `text` is a function: most runs remember nothing, and are not to pay for it.
  template <class F>
  void note(const F& text) {
    ++events_;
    if (!remembers_) return;
    last_.push_back(text());
    if (last_.size() > kRemembered) last_.pop_front();
  }
  const std::deque<std::string>& last() const { return last_; }
  // How much there was to be noted; the same for the same seed.
  std::uint64_t events() const { return events_; }

 private:
  static constexpr std::size_t kRemembered = 60;

  const bool remembers_;
  std::optional<Violation> violation_;
  std::deque<std::string> last_;
  std::uint64_t events_ = 0;
};

}  // namespace steward::detail::simulation
