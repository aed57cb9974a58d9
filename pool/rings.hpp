// The two rings of a pool, as large as the limits of this process let them be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace steward::detail::shm {
struct QueueShape;
class SharedQueue;
}  // namespace steward::detail::shm

namespace steward::detail::pool {

// A pool has no more tasks than this with its workers.
inline constexpr std::size_t kWindowMax = 1024;

struct PoolRings {
  std::unique_ptr<shm::SharedQueue> tasks;
  std::unique_ptr<shm::SharedQueue> results;
};

// The shape of a ring that takes at most so many bytes of address space: the largest of a series
// in which the blocks of one size halve, from 256 MiB on, and the largest message, 64 MiB at first,
// with them once there is only one block for it. The last of the series takes 8 MiB, and what is
// less gets that.
shm::QueueShape ring_shape(std::uint64_t bytes);

// Two rings, within the limits on address space (a half of what is left, for both) and on the size
// of files; smaller ones where the system refuses those. Throws shm::NoMemory.
PoolRings make_rings();

}  // namespace steward::detail::pool
