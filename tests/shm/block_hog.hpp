// BlockHog: takes all blocks of a queue for larger items, so that a test meets a ring without
// memory for them and needs none itself.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <vector>

#include <steward/shm/participant.hpp>
#include <steward/shm/queue_memory.hpp>
#include <steward/shm/ring.hpp>

namespace steward::detail::test {

// A participant of its own. Thread safety: none.
class BlockHog {
 public:
  // No item of so many bytes or more finds a block from now on. Above 16 KiB: there are so many of
  // the smaller blocks that it would take seconds.
  BlockHog(int ring, std::size_t bytes)
      : memory_(shm::QueueMemory::open(shm::UniqueFd(::dup(ring)))),
        participant_(memory_),
        ring_(memory_, participant_.number()) {
    shm::Claim claim;
    for (unsigned k = memory_.size_class_for(bytes); k < memory_.size_classes(); ++k) {
      while (ring_.claim(k, nullptr, claim)) claims_.push_back(claim);
    }
  }
  BlockHog(const BlockHog&) = delete;
  BlockHog& operator=(const BlockHog&) = delete;
  ~BlockHog() { release(); }

  void release() {
    for (const shm::Claim& claim : claims_) ring_.unclaim(claim);
    claims_.clear();
  }

 private:
  shm::QueueMemory memory_;
  shm::Participant participant_;
  shm::Ring<shm::QueueMemory> ring_;
  std::vector<shm::Claim> claims_;
};

}  // namespace steward::detail::test
