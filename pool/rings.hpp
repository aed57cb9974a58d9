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

// At most so many tasks of a pool are with its workers at a time.
inline constexpr std::size_t kWindowMax = 1024;

struct PoolRings {
  std::unique_ptr<shm::SharedQueue> tasks;
  std::unique_ptr<shm::SharedQueue> results;
};

// The shape of a ring that takes at most so many bytes of address space. Shapes are tried from the
// largest on: first with 256 MiB for the blocks of each size and messages of up to 64 MiB, then
// with half as much for the blocks, and so on; once there is only one block for the largest
// message, the largest message is halved, too. The smallest shape takes 8 MiB, and is returned even
// if `bytes` is less.
shm::QueueShape ring_shape(std::uint64_t bytes);

// Two rings, within the limits on address space (a half of what is left, for both) and on the size
// of files; smaller ones where the system refuses those. Throws shm::NoMemory.
PoolRings make_rings();

}  // namespace steward::detail::pool
