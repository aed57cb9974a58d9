// The plays, by their names.
#pragma once

#include <array>

#include <steward/tests/shm/memory_order/plays.hpp>
#include <steward/tests/shm/memory_order/run.hpp>
#include <steward/tests/shm/memory_order/waiting_plays.hpp>

namespace steward::detail::test {

inline constexpr Piece kLaps{"Laps", play_randomly<Laps>};
inline constexpr Piece kSharing{"Sharing", play_randomly<Sharing>};
inline constexpr Piece kRefusing{"Refusing", play_randomly<Refusing>};
inline constexpr Piece kLeases{"Leases", play_randomly<Leases>};
inline constexpr Piece kTouching{"Touching", play_randomly<Touching>};
inline constexpr Piece kExpiring{"Expiring", play_randomly<Expiring>};
inline constexpr Piece kDeaths{"Deaths", play_randomly<Deaths>};
inline constexpr Piece kRecoveries{"Recoveries", play_randomly<Recoveries>};
inline constexpr Piece kClosing{"Closing", play_randomly<Closing>};
inline constexpr Piece kGrowing{"Growing", play_randomly<Growing>};
inline constexpr Piece kJoining{"Joining", play_randomly<Joining>};
inline constexpr Piece kForItems{"WaitingForItems", play_randomly<WaitingForItems>};
inline constexpr Piece kForABatch{"WaitingForABatch", play_randomly<WaitingForABatch>};
inline constexpr Piece kForWhatComesBack{"WaitingForWhatComesBack",
                                         play_randomly<WaitingForWhatComesBack>};
inline constexpr Piece kForRoom{"WaitingForRoom", play_randomly<WaitingForRoom>};
inline constexpr Piece kForTheLast{"WaitingForTheLast", play_randomly<WaitingForTheLast>};
inline constexpr Piece kForTheEnd{"WaitingForTheEnd", play_randomly<WaitingForTheEnd>};
inline constexpr Piece kForTheDead{"WaitingForTheDead", play_randomly<WaitingForTheDead>};
inline constexpr Piece kWithADeadline{"WaitingWithADeadline", play_randomly<WaitingWithADeadline>};

inline constexpr std::array kPieces{&kLaps,      &kSharing,          &kRefusing,     &kLeases,
                                    &kTouching,  &kExpiring,         &kDeaths,       &kRecoveries,
                                    &kClosing,   &kGrowing,          &kJoining,      &kForItems,
                                    &kForABatch, &kForWhatComesBack, &kForRoom,      &kForTheLast,
                                    &kForTheEnd, &kForTheDead,       &kWithADeadline};

}  // namespace steward::detail::test
