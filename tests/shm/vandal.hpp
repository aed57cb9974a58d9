// Vandal: writes into the shared memory of a queue what nobody else would (hostile_memory_test).
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include <steward/shm/queue_memory.hpp>

namespace steward::detail::test {

class Vandal {
 public:
  Vandal(const shm::QueueMemory& memory, std::uint64_t seed) : memory_(memory), random_(seed) {}

  // One word, which may look right at first sight.
  void strike();
  // The words of this are the numbers, names and positions that a queue is described by.
  void strike_descriptor();

 private:
  using Word = shm::Word;

  Word below(Word end) { return random_() % end; }
  Word any();
  Word cell(unsigned ring, Word index);
  Word state(std::uint32_t block);
  Word pos();
  Word place();
  Word time();
  void strike_cell();
  void strike_block();
  void strike_hot_word();
  void strike_owner();

  const shm::QueueMemory& memory_;
  std::mt19937_64 random_;
};

}  // namespace steward::detail::test
