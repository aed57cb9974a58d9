// Every atomic operation of Ring and of waiting: its order, and why that is enough.
//
// Where a weaker order has been seen to be too weak, there is the play that shows it. Where not, it
// may be more than is needed ("also weaker"): because another operation beside it says the same, or
// because it saves steps only. On x86 no load or store gets cheaper by a weaker order, but for a
// sequentially consistent store, and no compare-and-swap does.
#pragma once

#include <string_view>

#include <steward/tests/shm/memory_order/pieces.hpp>

namespace steward::detail::test {

struct Reason {
  Site site;
  std::string_view why;
  // The strongest order that is too weak, and the play that shows it.
  Order weaker = Order::relaxed;
  const Piece* proof = nullptr;
  bool rarely = false;  // once in tens of thousands of plays
};

namespace why {

inline constexpr std::string_view kOwn =
    "a hint of this process, to its threads: what was true once will do";
inline constexpr std::string_view kHint =
    "also weaker: who follows a hint meets the cells as they were when it was stored, else looks "
    "again";
inline constexpr std::string_view kHelp =
    "who walks over a taken cell helps its block: sees the position of which COMMIT told";
inline constexpr std::string_view kHeader = "the header that is stored next brings it";
inline constexpr std::string_view kLate =
    "an old one makes a later look, and there is one every second";
inline constexpr std::string_view kPos =
    "who sees it sees the header that made it possible, too";

}  // namespace why

using enum Operation;
using enum std::memory_order;

inline constexpr Reason kOrders[] = {
    // ---- Putting ----
    {{"Ring", Role::hint, load, acquire}, why::kHint},
    {{"start", Role::own, load, relaxed}, why::kOwn},
    {{"start", Role::hint, load, acquire}, why::kHint},
    {{"remember", Role::own, store, relaxed}, why::kOwn},
    {{"remember", Role::hint, load, relaxed}, "only whether it is worth storing"},
    {{"remember", Role::hint, store, release}, why::kHint},
    {{"find_tail", Role::cell, load, acquire}, why::kHelp, relaxed, &kClosing},
    {{"queued_before", Role::cell, load, seq_cst},
     "the last look of one who then sleeps for room", acquire, &kForRoom},
    {{"queued_before", Role::own, load, relaxed}, why::kOwn},
    {{"queued_before", Role::own, store, relaxed}, why::kOwn},
    {{"find_room", Role::own, load, relaxed}, why::kOwn},
    {{"find_room", Role::cell, load, acquire}, why::kHelp, relaxed, &kSharing, true},
    {{"try_claim", Role::state, load, acquire},
     "this or the next: who read the last item has done so before it is overwritten"},
    {{"try_claim", Role::state, exchange, acquire}, "as before it"},
    {{"unclaim", Role::pos, store, release}, why::kPos, relaxed, &kRecoveries},
    {{"unclaim", Role::state, store, release},
     "what was written is written before the next one writes", relaxed, &kGrowing},
    {{"grow", Role::cell, exchange, seq_cst},
     "as COMMIT: nobody says Empty who sees this cell as it was", acq_rel, &kGrowing},
    {{"publish", Role::cell, load, acquire}, "also weaker: find_room() has acquired the same"},
    {{"publish", Role::pos, store, release}, why::kPos, relaxed, &kRecoveries},
    {{"publish", Role::cell, exchange, seq_cst},
     "COMMIT. Releases the item and its position; the flag of who sleeps is looked at after it",
     acq_rel, &kForItems},
    {{"close", Role::cell, exchange, seq_cst},
     "also weaker: nothing goes with it, and who sleeps is told by a step of the sequence"},

    // ---- Taking ----
    {{"take", Role::own, load, relaxed}, why::kOwn},
    {{"take", Role::cell, load, seq_cst},
     "Empty is exact: there was nothing here before and after the look elsewhere", acquire,
     &kRefusing},
    {{"take_from", Role::own, load, relaxed}, why::kOwn},
    {{"take_from", Role::own, store, relaxed}, why::kOwn},
    {{"take_from", Role::cell, load, seq_cst},
     "Empty is exact; and the last look of one who then sleeps", acquire, &kForItems},
    {{"take_from", Role::cell, exchange, seq_cst},
     "TAKE. Acquires the item and its position; the flag of who waits for room is looked at after "
     "it",
     acq_rel, &kForRoom},
    {{"state_of", Role::state, load, acquire}, "also weaker: TAKE has acquired what it tells"},
    {{"consume", Role::state, store, release}, "the item is read before the next one is written",
     relaxed, &kLaps},
    {{"help_state", Role::state, load, acquire},
     "also weaker: who saw the taken cell sees this; an older one fails the comparison"},
    {{"help_state", Role::pos, load, acquire}, "also weaker, likewise"},
    {{"help_state", Role::state, exchange, acq_rel},
     "also weaker: what overwrites the cell releases it"},
    {{"help_release", Role::cell, exchange, release},
     "header before cell: who sees this sees what the header says", relaxed, &kJoining},
    {{"hold", Role::state, load, acquire}, "also weaker: it is told by TAKE, or by this thread"},
    {{"hold", Role::lease_end, store, relaxed}, why::kHeader},
    {{"hold", Role::state, store, seq_cst},
     "who looks for leases sees it, or this one sees that it has looked", release, &kExpiring},
    {{"more", Role::own, load, relaxed}, why::kOwn},
    {{"more", Role::cell, load, seq_cst},
     "also weaker: who was woken for several sees them by that"},
    {{"ack", Role::state, exchange, seq_cst},
     "releases as consume(); the flags of who waits are looked at after it", acq_rel,
     &kForTheLast},
    {{"give_back", Role::hint, load, acquire}, why::kHint},
    {{"give_back", Role::state, exchange, acq_rel},
     "also weaker: what it puts the block back with releases it"},
    {{"put_back", Role::state, store, seq_cst}, "also weaker, likewise"},
    {{"touch", Role::state, exchange, acq_rel}, "also weaker: the store below releases"},
    {{"touch", Role::pos, store, release}, why::kPos, relaxed, &kRecoveries},
    {{"touch", Role::lease_end, store, relaxed}, why::kHeader},
    {{"touch", Role::state, store, release}, "who looks at the lease sees its end", relaxed,
     &kTouching},
    {{"note_expiry", Role::expiry, load, seq_cst}, "as the store in hold()", acquire, &kExpiring},
    {{"note_expiry", Role::expiry, exchange, seq_cst},
     "also weaker: which of two notes is first is all the same"},
    {{"next_expiry", Role::expiry, load, relaxed}, why::kLate},
    {{"expire", Role::expiry, load, relaxed}, why::kLate},
    {{"expire", Role::expiry, exchange, seq_cst}, "as the store in hold(): before the look",
     acq_rel, &kExpiring},
    {{"operator()", Role::state, load, seq_cst}, "expire(): as the store in hold()", acquire,
     &kExpiring},
    {{"operator()", Role::lease_end, load, relaxed}, "expire(): the header brought it"},
    {{"operator()", Role::cell, load, acquire}, "size(): also weaker, it is of the moment"},
    {{"redeliver", Role::hint, load, acquire}, why::kHint},
    {{"redeliver", Role::cell, load, acquire}, why::kHelp},
    {{"redeliver", Role::pos, store, release}, why::kPos, relaxed, &kRecoveries},
    {{"redeliver", Role::cell, exchange, seq_cst}, "as COMMIT", acq_rel, &kForWhatComesBack},
    {{"redeliver", Role::hint, store, release}, why::kHint},
    {{"size", Role::hint, load, acquire}, why::kHint},

    // ---- Recovery, and the look at all blocks ----
    {{"published", Role::pos, load, acquire},
     "an older header with it is looked at again, and is seen to be older", relaxed, &kJoining},
    {{"published", Role::cell, load, acquire}, "likewise", relaxed, &kJoining},
    {{"recover_cells", Role::cell, load, acquire},
     "also weaker: what the dead one took is told by its lock"},
    {{"recover_block", Role::state, load, acquire}, "also weaker, likewise"},
    {{"recover_block", Role::lease_end, load, relaxed}, "the header brought it"},
    {{"recover_block", Role::state, exchange, acq_rel}, "as unclaim()", acquire, &kDeaths},
    {{"holds_message", Role::state, load, seq_cst},
     "an item that is gone left something: the next one, the end moved; and the last look of one "
     "who then sleeps",
     acquire, &kForTheLast},
    {{"redelivery_tail", Role::hint, load, acquire}, why::kHint},
    {{"redelivery_tail", Role::cell, load, acquire},
     "also weaker: an end that has moved is seen by what the header brought"},

    // ---- Waiting (shm/wait.hpp) ----
    {{"may_sleep", Role::event, load, seq_cst},
     "also weaker: who was woken for several sees by that who else slept"},
    {{"wake", Role::event, load, seq_cst}, "crosswise with who sets the flag and looks", acquire,
     &kForItems},
    {{"set_flag", Role::event, exchange, seq_cst}, "crosswise with who changes and wakes", acq_rel,
     &kForItems},
    {{"wake_sleepers", Role::event, exchange, seq_cst},
     "also weaker: who is about to sleep compares under the lock of the next wake"},
    {{"wake_all", Role::event, exchange, seq_cst},
     "also weaker here: who sets the flag afterwards sees by that what was done before"},
};

}  // namespace steward::detail::test
