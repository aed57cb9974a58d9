// Work: what the core wants done outside of it, to the ring of a queue in shared memory, and what
// has become of it. Goes out with the core's outputs and comes back as an input, so that the core
// needs no clock and no shared memory to know what a queue holds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/errors.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/limits.hpp>

namespace steward::detail::server {

// A call that waits in the core for somebody else's; rising, never reused, so that a std::map by
// ParkId is a first-in first-out queue that a waiter can leave in the middle.
enum class ParkId : std::uint64_t {};

// What the bytes of an item on a ring are. Those of local clients are not to be trusted.
enum class RingFormat : std::uint32_t {
  encoded = 0,  // one element as MessagePack, without handles
  raw = 1,      // a trivially copyable value as it lies in memory
  stub = 2,     // 8 bytes, little-endian: the number under which the manager keeps the value
};
inline constexpr std::size_t kStubBytes = 8;

// The longest item of a queue as an answer has it, with a ring and without: what a message takes
// beside it is left for that. No ring has items of more than kItemBytesMost.
inline constexpr std::uint64_t kItemBytesMost = std::uint64_t{1} << 30U;
inline std::uint64_t item_bytes(const core::Limits& limits) {
  constexpr std::uint64_t kBesides = 256;
  return std::clamp<std::uint64_t>(limits.message_bytes, kBesides + kStubBytes,
                                   kBesides + kItemBytesMost) - kBesides;
}

// What those who use a closed queue are told, with a ring and without.
inline constexpr const char* kQueueClosed = "the queue is closed";

// The core keeps the value under the number until it hears that the ring carries it (see
// WorkResult): where the ring has no memory for the bytes, a stub goes in.
struct RingItem {
  std::string bytes = {};  // encoded; empty: the ring cannot carry it, whatever its memory
  std::uint64_t number = 0;
  bool redelivered = false;
};

// In the order in which the core gives them out; `park` names the call that waits for the result,
// or whose work is meant.
struct Work {
  enum class Kind : std::uint8_t {
    // Before all other work: the items go in, redelivered ones to the front, `number` tasks are
    // open, and if `closed` the ring is closed behind them.
    move_in,
    put,      // all items, in order, waiting while there is no room
    try_put,  // the only item, if there is room
    get,      // at least one item, at most `number`, waiting for the first; they stay reserved
    try_get,  // one item, if there is one
    size,
    full,
    ready,       // whether a get would not wait
    wait_ready,  // the same, waiting for it
    task_done,
    join,
    close,
    // The call waits no more. What a put need not keep is still said.
    cancel,
    // What the call got is the client's, or goes back, but for the first `number` items.
    confirm,
    give_back,
    // Of what the call got the item at index `number` is nothing: it goes, and the call does not
    // have it.
    discard,
    // What the call got is dealt with, and nobody will report it. Without a call: an item that was
    // taken before the queue had a ring.
    finish,
    // Items that were taken before the queue had a ring come back: one open task less for each.
    put_back,
    // Whether the stubs of these numbers are still there, be they queued or in somebody's hands:
    // the core need not keep those that are not (WorkResult::let_go).
    look,
    // There is no such queue any more.
    gone,
  };

  Kind kind = Kind::gone;
  core::ObjectId object{};
  ParkId park{};
  std::vector<RingItem> items = {};
  std::uint64_t number = 0;
  bool closed = false;
};

// The views are good while it is being looked at.
struct WorkResult {
  struct Item {
    std::string_view bytes;
    std::uint32_t format = 0;  // any number, since anybody may have written it
    bool redelivered = false;
  };

  core::ErrorCode code = core::ErrorCode::ok;
  std::string_view text = {};  // of an error
  // How many items there are; of what is asked, and of a try_put, 1 for yes.
  std::uint64_t number = 0;
  std::vector<Item> items = {};  // that were got
  // Of items that were to be put: those that the core need not keep (any longer), since the ring
  // carries their bytes, or they will never go in, or (look) are gone. Also beside an error, for
  // calls that nobody waits for any more, and, with ParkId{}, for work that no call waits for.
  std::vector<std::uint64_t> let_go = {};
};

}  // namespace steward::detail::server
